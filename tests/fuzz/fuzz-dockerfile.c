/*
 * Fuzzes the reader of Dockerfiles.
 */
#include "manifest/dockerfile.h"
#include "manifest/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autofree char *text = g_strndup((const char *)bytes, size);
	g_auto(GStrv) arguments = dockerfile_arguments(text);
	bool has_port = dockerfile_port(text) > 0;
	if (arguments == NULL || has_port != (dockerfile_port_count(text) > 0))
		abort();

	g_autofree char *made = manifest_for_dockerfile(text, NULL);
	if ((made != NULL) != (dockerfile_port_count(text) < 2))
		abort();
	if (made == NULL)
		return 0;
	g_autoptr(Manifest) manifest = manifest_parse(made, strlen(made), "made", NULL, NULL);
	if (manifest == NULL)
		abort();
	return 0;
}
