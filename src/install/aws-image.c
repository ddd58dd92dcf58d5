/*
 * The rack's image in the rack's own repository. It is the image of these binaries (image.c), and
 * its tag is their hash; so one look at the repository says whether there is anything to push, and
 * an update of parameters alone needs no engine on this machine.
 */
#include "install/aws-steps.h"

#include "aws/registry.h"
#include "install/options.h"
#include "install/steps.h"

#include <string.h>

#define PUSH_TIMEOUT_MS (15 * 60 * 1000)

/* The repository as this machine reaches it: on AWS the very output, else the emulator's registry.
 * The caller frees it. */
static char *
repository_of(Cloud *cloud)
{
	const char *uri = stack_output(cloud, "Repository");
	const char *path = strchr(uri, '/');
	g_autofree char *endpoint = aws_client_endpoint(cloud->client, &aws_services[AWS_ECR]);
	g_autoptr(GUri) place = g_uri_parse(endpoint, G_URI_FLAGS_NONE, NULL);
	bool is_aws =
	    g_str_has_suffix(endpoint, aws_client_dns_suffix(cloud->client)) || !place || !path;
	if (is_aws)
		return g_strdup(uri);
	return g_strdup_printf("%s:%d%s", g_uri_get_host(place), g_uri_get_port(place), path);
}

/* «sha256:…» of a tag, «» when it is not there. The caller frees it, NULL on failure. */
static char *
digest_of(Cloud *cloud, const char *tag, GError **error)
{
	const char *path = strchr(stack_output(cloud, "Repository"), '/');
	g_autoptr(GError) cause = NULL;
	char *digest = aws_registry_digest(cloud->client, path ? path + 1 : "", tag, NULL, &cause);
	if (digest)
		return digest;
	if (g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return g_strdup("");

	g_propagate_error(error, g_steal_pointer(&cause));
	return NULL;
}

typedef struct {
	Progress *progress;
	unsigned done; /* layers */
} Pushed;

static void
take_layer(gpointer data, const char *layer, const char *status)
{
	Pushed *pushed = data;
	bool is_done = strcmp(status, "Pushed") == 0 || strcmp(status, "Layer already exists") == 0;
	if (is_done)
		progress_detail(pushed->progress, "layers: %u", ++pushed->done);
}

static bool
push_image(Cloud *cloud, Docker *docker, const char *repository, const char *tag, GError **error)
{
	g_autoptr(AwsRegistryLogin) found = aws_registry_login(cloud->client, NULL, error);
	if (!found)
		return false;

	Pushed pushed = {.progress = cloud->progress};
	DockerLogin login = {found->user, found->password};
	DockerPush push = {.repository = repository,
	    .tag = tag,
	    .login = &login,
	    .progress = take_layer,
	    .progress_data = &pushed,
	    .timeout_ms = PUSH_TIMEOUT_MS};
	g_autofree char *digest = docker_push(docker, &push, NULL, error);
	return digest != NULL;
}

/* Built when it is not here, named as the repository wants it, and that name taken away again. */
static bool
build_and_push(Cloud *cloud, const char *name, const char *tag, GError **error)
{
	g_autofree char *repository = repository_of(cloud);
	g_auto(Install) install = {.docker_socket = option_docker_socket()};
	install.docker = preflight_engine(install.docker_socket, error);
	install.progress = cloud->progress;
	bool is_built = install.docker && image_ensure(&install, error);
	install.progress = NULL; /* is not its own */
	if (!is_built)
		return false;

	progress_step(cloud->progress, "pushing the rack's image %s", tag);
	json_auto_t *named = docker_call(install.docker, "POST", NULL, error,
	    "/images/%s/tag?repo=%s&tag=%s", name, repository, tag);
	bool is_pushed = named && push_image(cloud, install.docker, repository, tag, error);
	json_auto_t *gone = docker_call(
	    install.docker, "DELETE", NULL, NULL, "/images/%s:%s?noprune=1", repository, tag);
	return is_pushed;
}

bool
cloud_image_ensure(Cloud *cloud, GError **error)
{
	progress_step(cloud->progress, "the rack's image");
	g_autofree char *name = image_name(error);
	const char *tag = name ? strchr(name, ':') + 1 : NULL;
	g_autofree char *digest = tag ? digest_of(cloud, tag, error) : NULL;
	if (!digest)
		return false;
	if (!*digest) {
		if (!build_and_push(cloud, name, tag, error))
			return false;
		g_free(digest);
		digest = digest_of(cloud, tag, error);
	}
	if (!digest || !*digest)
		return digest &&
		       error_set(error, CARRACK_ERROR_UPSTREAM,
			   "image %s was pushed, but its repository does not have it", tag);

	g_autofree char *repository = repository_of(cloud);
	g_autofree char *image = g_strdup_printf("%s@%s", repository, digest);
	json_object_set_new(cloud->set, "ApiImage", json_string(image));
	return true;
}
