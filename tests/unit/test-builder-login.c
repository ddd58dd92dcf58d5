/*
 * The builder with a registry that asks who one is, as AWS's does: a docker-registry with a
 * password, repositories in a folder, tags that are pushed once. The engine is this machine's.
 */
#include "base/error.h"
#include "base/tar.h"
#include "folders.h"
#include "registry-server.h"
#include "swarm/provider.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define APP "carrack-test-login"
#define PASSWORD "wordpass"
#define HASH "$2b$04$0ZSHBvVbSwVZKSyk71MZDOTtFl8FWRBfTibXCULyl8Air9H8ug3V."

typedef struct {
	char *folder;
	char *host; /* of the registry */
	GSubprocess *registry;
	Docker *docker;
	Builder *builder;
	GString *log;
} Fixture;

static void
write_file(Fixture *fixture, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* Up when it refuses a stranger. */
static void
start_registry(Fixture *fixture)
{
	g_autofree char *more =
	    g_strdup_printf("auth: {htpasswd: {realm: test, path: %s/users}}\n", fixture->folder);

	write_file(fixture, "users", "AWS:" HASH "\n");
	fixture->registry = registry_start(fixture->folder, fixture->host, more, 401);
}

static Builder *
builder_with(Fixture *fixture, const char *password)
{
	g_autoptr(GError) error = NULL;
	BuilderRegistry registry = {.host = fixture->host,
	    .folder = "prod",
	    .login = {password ? "AWS" : NULL, password},
	    .keeps_tags = true};
	Builder *builder = builder_docker_new(fixture->docker, &registry, &error);

	g_assert_no_error(error);
	return builder;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("carrack-login-XXXXXX", NULL);
	fixture->host = registry_free_address();
	fixture->log = g_string_new(NULL);
	start_registry(fixture);
	fixture->docker = docker_new("/var/run/docker.sock", &error);
	g_assert_no_error(error);
	fixture->builder = builder_with(fixture, PASSWORD);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	g_assert_true(fixture->builder->ops->remove_app(fixture->builder, APP, NULL));
	fixture->builder->ops->free(fixture->builder);
	docker_free(fixture->docker);
	registry_stop(&fixture->registry);
	folder_remove(fixture->folder);
	g_string_free(fixture->log, TRUE);
	g_free(fixture->folder);
	g_free(fixture->host);
}

static void
keep_line(gpointer data, const char *line, gsize length)
{
	GString *log = data;

	g_string_append_len(log, line, (gssize)length);
	g_string_append_c(log, '\n');
}

static bool
write_fd(gpointer data, const void *bytes, gsize length, GError **error)
{
	return write(*(int *)data, bytes, length) == (gssize)length;
}

static BuilderImage *
make(Fixture *fixture, Builder *builder, const char *build, const char *dockerfile, GError **error)
{
	g_autofree char *folder = g_build_filename(fixture->folder, build, NULL);
	g_autofree char *file = g_build_filename(folder, "Dockerfile", NULL);
	g_autofree char *archive = g_strconcat(folder, ".tgz", NULL);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(file, dockerfile, -1, NULL));
	int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	g_assert_true(tar_pack(folder, &(TarPackOptions){0}, write_fd, &fd, NULL, NULL));
	close(fd);

	BuilderSource source = {.app = APP,
	    .build = build,
	    .service = "web",
	    .archive = archive,
	    .path = "",
	    .dockerfile = "Dockerfile",
	    .without_cache = true};
	return builder->ops->build(builder, &source, keep_line, fixture->log, NULL, error);
}

static BuilderImage *
make_base(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	BuilderImage *base = make(fixture, fixture->builder, "BBASE",
	    "FROM debian:bookworm-slim\nRUN echo of the base >/told\n", &error);

	g_assert_no_error(error);
	return base;
}

/* The registry has it still. */
static void
forget(Fixture *fixture, const char *tag)
{
	json_auto_t *gone = docker_call(fixture->docker, "DELETE", NULL, NULL,
	    "/images/%s/prod/" APP ":%s?force=1", fixture->host, tag);

	g_assert_nonnull(gone);
}

/* Without any name the engine has to ask the registry. */
static void
forget_pinned(Fixture *fixture, const char *reference)
{
	g_autoptr(GError) error = NULL;
	json_auto_t *gone =
	    docker_call(fixture->docker, "DELETE", NULL, NULL, "/images/%s?force=1", reference);
	json_auto_t *here =
	    docker_call(fixture->docker, "GET", NULL, &error, "/images/%s/json", reference);

	g_assert_null(here);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
}

/* The second Dockerfile is one that only BuildKit can build. */
static void
test_base(Fixture *fixture, gconstpointer data)
{
	static const char *const endings[] = {"", "RUN --mount=type=tmpfs,target=/t true\n"};
	g_autoptr(BuilderImage) base = make_base(fixture);
	for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *build = g_strdup_printf("BFROM%zu", i);
		g_autofree char *dockerfile =
		    g_strdup_printf("FROM %s AS x\nRUN cat /told\n%s", base->reference, endings[i]);
		g_autofree char *prefix = g_strdup_printf("%s/prod/" APP "@sha256:", fixture->host);
		if (i == 0)
			forget(fixture, "web.BBASE");
		forget_pinned(fixture, base->reference);
		g_string_truncate(fixture->log, 0);
		g_autoptr(BuilderImage) image =
		    make(fixture, fixture->builder, build, dockerfile, &error);
		g_assert_no_error(error);
		g_assert_true(g_str_has_prefix(image->reference, prefix));
		g_assert_nonnull(strstr(fixture->log->str, "of the base\n"));
		g_assert_null(strstr(fixture->log->str, PASSWORD));
		g_autofree char *tag = g_strconcat("web.", build, NULL);
		forget(fixture, tag);
		g_assert_true(
		    fixture->builder->ops->has_image(fixture->builder, image->reference, &error));
	}
}

static void
test_refused(Fixture *fixture, gconstpointer data)
{
	static const char *const passwords[] = {NULL, "wrong"};
	for (gsize i = 0; i < G_N_ELEMENTS(passwords); i++) {
		g_autoptr(GError) error = NULL;
		Builder *stranger = builder_with(fixture, passwords[i]);
		g_assert_null(
		    make(fixture, stranger, "BNO", "FROM scratch\nCOPY Dockerfile /\n", &error));
		g_test_message("%s", error->message);
		g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
		g_assert_true(g_str_has_prefix(error->message, "push of "));
		stranger->ops->free(stranger);
	}
}

/* A tag that cannot be pushed again need not be: its name tells what is in it. */
static void
test_tag(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) base = make_base(fixture);
	g_autofree char *name = g_strdup_printf("%s/prod/" APP ":web.BBASE", fixture->host);
	const BuilderOps *ops = fixture->builder->ops;
	forget(fixture, "web.BBASE");
	g_autoptr(BuilderImage) one =
	    ops->pull(fixture->builder, APP, "db", name, keep_line, fixture->log, NULL, &error);
	g_assert_no_error(error);
	g_string_truncate(fixture->log, 0);
	g_autoptr(BuilderImage) two =
	    ops->pull(fixture->builder, APP, "db", name, keep_line, fixture->log, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(one->digest, ==, base->digest);
	g_assert_cmpstr(two->digest, ==, base->digest);
	g_assert_null(strstr(fixture->log->str, "docker push"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, function)                                                                        \
	g_test_add("/builder-login/" path, Fixture, NULL, set_up, function, tear_down)
	ADD("a-base-may-need-the-login", test_base);
	ADD("a-stranger-is-refused", test_refused);
	ADD("a-tag-is-pushed-once", test_tag);
	return g_test_run();
}
