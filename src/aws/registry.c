/*
 * ECR's calls. The login is one string, base64 of «AWS:PASSWORD»; the host comes as a URL. What is
 * asked of a repository is one call for one image, as has_image() and `carrack install` need it.
 */
#include "aws/registry.h"

#include <string.h>

void
aws_registry_login_free(AwsRegistryLogin *login)
{
	if (!login)
		return;

	g_free(login->host);
	g_free(login->user);
	g_free(login->password);
	g_free(login);
}

static AwsRegistryLogin *
read_login(const json_t *data, GError **error)
{
	gsize length = 0;
	g_autofree guchar *bytes =
	    g_base64_decode(json_text_of(data, "authorizationToken", ""), &length);
	g_autofree char *pair = g_strndup((const char *)bytes, length);
	const char *colon = strchr(pair, ':');
	const char *url = json_text_of(data, "proxyEndpoint", "");
	const char *scheme = strstr(url, "://");
	if (!colon) {
		error_set(error, CARRACK_ERROR_UPSTREAM,
		    "aws ecr GetAuthorizationToken: no user and password in the answer");
		return NULL;
	}

	AwsRegistryLogin *login = g_new0(AwsRegistryLogin, 1);
	login->host = g_strdup(scheme ? scheme + strlen("://") : url);
	login->user = g_strndup(pair, (gsize)(colon - pair));
	login->password = g_strdup(colon + 1);
	return login;
}

AwsRegistryLogin *
aws_registry_login(AwsClient *client, GCancellable *cancel, GError **error)
{
	json_auto_t *answer =
	    aws_json(client, &aws_services[AWS_ECR], "GetAuthorizationToken", NULL, cancel, error);
	if (!answer)
		return NULL;

	return read_login(json_array_get(json_object_get(answer, "authorizationData"), 0), error);
}

static json_t *
image_input(const char *repository, const char *name)
{
	const char *member = strchr(name, ':') ? "imageDigest" : "imageTag";

	return json_pack(
	    "{s:s, s:[{s:s}]}", "repositoryName", repository, "imageIds", member, name);
}

char *
aws_registry_digest(AwsClient *client,
    const char *repository,
    const char *name,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *input = image_input(repository, name);
	g_autoptr(GError) cause = NULL;
	json_auto_t *answer =
	    aws_json(client, &aws_services[AWS_ECR], "DescribeImages", input, cancel, &cause);
	json_t *image = json_array_get(json_object_get(answer, "imageDetails"), 0);
	if (image)
		return g_strdup(json_text_of(image, "imageDigest", ""));

	if (cause && !aws_error_is(cause, "ImageNotFoundException") &&
	    !aws_error_is(cause, "RepositoryNotFoundException")) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return NULL;
	}
	error_set(
	    error, CARRACK_ERROR_NOT_FOUND, "repository %s has no image %s", repository, name);
	return NULL;
}
