/*
 * Fuzzes the reader of XML answers. What it returns must be a JSON value that can be written, whose
 * lists can be read by aws_items, and that is read the same again; a refusal has its error.
 */
#include "aws/client.h"
#include "aws/xml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check_value(const json_t *value, const char *bytes, size_t size)
{
	g_autofree char *text = json_text(value, false);
	json_auto_t *back = json_loads(text, JSON_DECODE_ANY, NULL);
	json_auto_t *again = aws_xml(bytes, size, "again", NULL, NULL);
	if (!json_equal(back, value) || !json_equal(again, value))
		abort();

	const char *name;
	json_t *member;
	json_object_foreach((json_t *)value, name, member)
	{
		json_auto_t *items = aws_items(value, name);
		if (!json_is_array(items))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *root = NULL;
	json_auto_t *value = aws_xml((const char *)bytes, size, "input", &root, &error);

	if (!value != !!error || !value != !root)
		abort();
	if (value)
		check_value(value, (const char *)bytes, size);
	return 0;
}
