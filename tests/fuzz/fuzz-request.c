/*
 * Fuzz target: a request's target, a form and an Authorization header, as they come from outside.
 * The first line of the input is «METHOD TARGET», the second the header, the rest the body.
 */
#include "api/auth.h"
#include "api/form.h"
#include "api/request.h"
#include "api/routes.h"
#include "base/json.h"

#include <stdint.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was understood must be text that JSON can hold or replace. */
static void
check_table(GHashTable *table)
{
	GHashTableIter iterator;
	gpointer name, value;
	g_hash_table_iter_init(&iterator, table);
	while (g_hash_table_iter_next(&iterator, &name, &value)) {
		json_auto_t *text = json_text_value(value);
		g_assert_nonnull(text);
		g_assert_nonnull(name);
	}
}

static void
try_request(
    const char *method, const char *target, const char *header, const char *body, gsize length)
{
	g_autoptr(Request) request = request_new(NULL, method, target);
	request_add_header(request, "Content-Type", "application/x-www-form-urlencoded");
	request_add_header(request, "Content-Length", header);
	request_add_header(request, "Convox-Actor", header);
	request_add_header(request, "Since", header);
	g_string_append_len(request->body, body, length);
	if (route_find(request))
		check_table(request->variables);
	if (request_parse_query(request, NULL))
		check_table(request->query);
	if (request_parse_form(request, NULL))
		check_table(request->form);

	g_autofree char *actor = request_actor(request);
	json_auto_t *map = NULL;
	gint64 number = 0;
	gint64 time = 0;
	request_map(request, "parameters", &map, NULL);
	request_int(request, "limit", 1, 1000, &number, NULL);
	request_time(request, "since", &time, NULL);
	g_assert_true(number >= 0 && number <= 1000 && time >= 0);
	g_assert_false(auth_check(header, "a password nobody guesses", ROLE_READ, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_auto(GStrv) parts = g_strsplit(text, "\n", 3);
	if (g_strv_length(parts) < 3)
		return 0;

	char *blank = strchr(parts[0], ' ');
	const char *target = blank ? blank + 1 : "";
	if (blank)
		*blank = 0;
	/* The body may hold NUL bytes, which the copy above ends at. */
	gsize head = strlen(parts[0]) + (blank ? strlen(target) + 1 : 0) + strlen(parts[1]) + 2;
	gsize length = size > head ? size - head : 0;
	try_request(parts[0], target, parts[1], (const char *)data + size - length, length);
	return 0;
}
