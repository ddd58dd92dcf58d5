/*
 * Fuzzes the manifest, and YAML and interpolation below it. Whatever the text, the answer is a
 * manifest or an error with words; what a manifest says must be usable.
 */
#include "manifest/manifest.h"

#include <stdint.h>
#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
use_service(const ManifestService *service, const Env *env)
{
	g_autoptr(Env) own = manifest_service_env(service, env);
	bool is_sound = own != NULL && service->port <= 65535 && service->environment != NULL &&
			service->domains != NULL && service->health.timeout > 0 &&
			service->count_minimum <= service->count_maximum &&
			(service->image == NULL) == (service->build.path != NULL);
	if (!is_sound)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autoptr(Env) env = env_new();
	g_autoptr(GError) error = NULL;
	env_set(env, "A", "3000", NULL);
	env_set(env, "B", "x: [y]\n z", NULL);
	g_autoptr(Manifest) manifest =
	    manifest_parse((const char *)bytes, size, "convox.yml", env, &error);
	if ((manifest == NULL) != (error != NULL && *error->message != '\0'))
		abort();
	if (manifest == NULL)
		return 0;

	manifest_check_env(manifest, env, NULL);
	for (guint i = 0; i < manifest->services->len; i++)
		use_service(manifest->services->pdata[i], env);
	return 0;
}
