/*
 * The builder against the real engine and a real docker-registry (both must be here: suite
 * «engine»). All builds start from an image made of nothing but what the test puts in, or from the
 * local debian:bookworm-slim where a step has to run.
 */
#include "base/lock.h"
#include "base/tar.h"
#include "folders.h"
#include "registry-server.h"
#include "swarm/provider.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SOCKET "/var/run/docker.sock"
#define APP "carrack-test-builder"
#define DEADLINE (30 * G_TIME_SPAN_SECOND)
#define BASE "FROM debian:bookworm-slim\n"

typedef struct {
	char *folder;
	char *address; /* of the registry */
	GSubprocess *registry;
	Docker *docker;
	Builder *builder;
	GString *log;
	pthread_mutex_t lock; /* of the log */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	pthread_mutex_init(&fixture->lock, NULL);
	fixture->folder = g_dir_make_tmp("carrack-builder-XXXXXX", NULL);
	fixture->address = registry_free_address();
	fixture->log = g_string_new(NULL);
	fixture->registry = registry_start(fixture->folder, fixture->address, "", 200);
	fixture->docker = docker_new(SOCKET, &error);
	g_assert_no_error(error);
	fixture->builder = builder_docker_new(
	    fixture->docker, &(BuilderRegistry){.host = fixture->address}, &error);
	g_assert_no_error(error);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	fixture->builder->ops->remove_app(fixture->builder, APP, NULL);
	fixture->builder->ops->free(fixture->builder);
	docker_free(fixture->docker);
	registry_stop(&fixture->registry);
	folder_remove(fixture->folder);
	g_string_free(fixture->log, TRUE);
	g_free(fixture->folder);
	g_free(fixture->address);
	pthread_mutex_destroy(&fixture->lock);
}

static void
keep_line(gpointer data, const char *line, gsize length)
{
	Fixture *fixture = data;
	LOCKED(&fixture->lock);

	for (gsize i = 0; i < length; i++)
		g_string_append_c(fixture->log, line[i] ? line[i] : '@');
	g_string_append_c(fixture->log, '\n');
}

static bool
write_fd(gpointer data, const void *bytes, gsize length, GError **error)
{
	return write(*(int *)data, bytes, length) == (gssize)length;
}

/* Packs files given as path, content, path, content, …, NULL. The caller frees the path. */
static char *
pack(Fixture *fixture, const char *name, const char *const *files)
{
	g_autofree char *folder = g_build_filename(fixture->folder, name, NULL);
	char *archive = g_strconcat(folder, ".tgz", NULL);
	for (; files[0]; files += 2) {
		g_autofree char *file = g_build_filename(folder, files[0], NULL);
		g_autofree char *parent = g_path_get_dirname(file);
		g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
		g_assert_true(g_file_set_contents(file, files[1], -1, NULL));
	}
	int fd = open(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	g_autoptr(GError) error = NULL;
	bool ok = tar_pack(folder, &(TarPackOptions){0}, write_fd, &fd, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	close(fd);
	return archive;
}

typedef struct {
	const char *build;
	const char *dockerfile; /* text */
	const char *target;
	const Env *arguments;
	GCancellable *cancel;
	bool is_fresh; /* an earlier run's cache would keep the steps silent */
} Wish;

static BuilderImage *
make(Fixture *fixture, Wish wish, GError **error)
{
	const char *files[] = {"Dockerfile", wish.dockerfile, "data", wish.build, NULL};
	g_autofree char *archive = pack(fixture, wish.build, files);
	BuilderSource source = {.app = APP,
	    .build = wish.build,
	    .service = "web",
	    .archive = archive,
	    .path = "",
	    .dockerfile = "Dockerfile",
	    .target = wish.target,
	    .arguments = wish.arguments,
	    .without_cache = wish.is_fresh};

	return fixture->builder->ops->build(
	    fixture->builder, &source, keep_line, fixture, wish.cancel, error);
}

static void
assert_logged(Fixture *fixture, const char *line)
{
	g_autofree char *whole = g_strconcat("\n", line, "\n", NULL);
	g_autofree char *log = g_strconcat("\n", fixture->log->str, NULL);

	if (!strstr(log, whole)) {
		g_test_message("the log has no line «%s»:%s", line, log);
		g_test_fail();
	}
}

static void
assert_image(Fixture *fixture, const BuilderImage *image)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *wanted = g_strdup_printf("%s/%s@%s", fixture->address, APP, image->digest);

	g_assert_cmpstr(image->reference, ==, wanted);
	g_assert_true(g_str_has_prefix(image->digest, "sha256:"));
	bool here = fixture->builder->ops->has_image(fixture->builder, image->reference, &error);
	g_assert_no_error(error);
	g_assert_true(here);
	json_auto_t *local =
	    docker_call(fixture->docker, "GET", NULL, &error, "/images/%s/json", image->reference);
	g_assert_no_error(error);
	g_assert_cmpstr(
	    json_text_of(json_at(local, "Config", "Labels", NULL), "carrack.app", ""), ==, APP);
}

static void
test_build(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Env) arguments = env_new();
	env_set(arguments, "GREETING", "a b&c=\"d\" ü", NULL);
	g_autoptr(BuilderImage) image = make(fixture,
	    (Wish){.build = "BONE",
		.is_fresh = true,
		.dockerfile = BASE "ARG GREETING\nCOPY data /data\nEXPOSE 8080 53/udp 443\n"
				   "RUN echo \"arg: $GREETING\"; cat /data; printf 'x\\0y'\n",
		.arguments = arguments},
	    &error);
	g_assert_no_error(error);
	assert_image(fixture, image);
	g_assert_cmpuint(image->port, ==, 443);
	assert_logged(fixture, "arg: a b&c=\"d\" ü");
	assert_logged(fixture, "BONEx@y");
	g_assert_nonnull(strstr(fixture->log->str, "\nRunning: docker push "));
	g_assert_null(strstr(fixture->log->str, "Removing intermediate"));

	g_autoptr(BuilderImage) other = make(
	    fixture, (Wish){.build = "BTWO", .dockerfile = "FROM scratch\nCOPY data /\n"}, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(other->port, ==, 0);
	g_assert_cmpstr(other->digest, !=, image->digest);
}

/* BLD-03 */
static void
test_failing_step(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(make(fixture,
	    (Wish){.build = "BFAIL",
		.dockerfile =
		    BASE "RUN i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); "
			 "done; echo to-stderr >&2; printf LAST-LINE-NO-NEWLINE; exit 42\n"},
	    &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_test_message("%s", error->message);
	g_assert_true(g_str_has_prefix(error->message, "build failed: step 2/3 «RUN i=0; "));
	g_assert_true(g_str_has_suffix(error->message, "» exited 42"));
	assert_logged(fixture, "line 0");
	assert_logged(fixture, "line 2999");
	assert_logged(fixture, "to-stderr");
	assert_logged(fixture, "LAST-LINE-NO-NEWLINE");
	g_assert_true(g_str_has_suffix(fixture->log->str, "»: exit status 42\n"));
}

static void
test_bad_dockerfile(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(
	    make(fixture, (Wish){.build = "BBAD", .dockerfile = BASE "FETCH x\n"}, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_true(g_str_has_prefix(error->message, "build failed: "));
	g_assert_nonnull(strstr(error->message, "FETCH"));
	g_clear_error(&error);

	g_assert_null(
	    make(fixture, (Wish){.build = "BCOPY", .dockerfile = BASE "COPY none /\n"}, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_true(g_str_has_prefix(error->message, "build failed: step 2/3 «COPY none /»: "));
}

/* BLD-01 */
static void
test_target(Fixture *fixture, gconstpointer data)
{
	static const char text[] = BASE "RUN echo is-dev\n"
					"FROM debian:bookworm-slim as prod\nRUN echo is-prod\n";
	g_autofree char *named =
	    g_strconcat("FROM debian:bookworm-slim AS dev\n", text + strlen(BASE), NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(fixture,
	    (Wish){.build = "BDEV", .is_fresh = true, .dockerfile = named, .target = "dev"},
	    &error);
	g_assert_no_error(error);
	assert_logged(fixture, "is-dev");
	g_assert_null(strstr(fixture->log->str, "\nis-prod"));

	g_assert_null(
	    make(fixture, (Wish){.build = "BNOPE", .dockerfile = named, .target = "nope"}, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, "no stage «nope»"));
	g_assert_nonnull(strstr(error->message, "dev, prod"));
}

static void
test_subfolder(Fixture *fixture, gconstpointer data)
{
	static const char *const files[] = {"api/docker/Dockerfile", "FROM scratch\nCOPY data /\n",
	    "api/data", "x", "other", "y", NULL};
	g_autoptr(GError) error = NULL;
	g_autofree char *archive = pack(fixture, "BSUB", files);
	BuilderSource source = {.app = APP,
	    .build = "BSUB",
	    .service = "api",
	    .archive = archive,
	    .path = "api",
	    .dockerfile = "docker/Dockerfile"};
	g_autoptr(BuilderImage) image = fixture->builder->ops->build(
	    fixture->builder, &source, keep_line, fixture, NULL, &error);
	g_assert_no_error(error);
	assert_image(fixture, image);
}

/* BLD-10: what a step sees of its own limits. */
static void
test_limits(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(fixture,
	    (Wish){.build = "BLIMIT",
		.is_fresh = true,
		.dockerfile = BASE
		"RUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max "
		"2>/dev/null | sed 's/^/memory /'; cat /sys/fs/cgroup/cpu/cpu.shares "
		"2>/dev/null | sed 's/^/shares /'; cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us "
		"2>/dev/null | sed 's/^/quota /'\n"},
	    &error);
	g_assert_no_error(error);
	json_auto_t *info = docker_call(fixture->docker, "GET", NULL, NULL, "/info");
	gint64 total = json_int_of(info, "MemTotal", 0);
	gint64 cores = json_int_of(info, "NCPU", 1);

	const char *memory = strstr(fixture->log->str, "\nmemory ");
	g_assert_nonnull(memory);
	gint64 limit = g_ascii_strtoll(memory + strlen("\nmemory "), NULL, 10);
	g_assert_cmpint(limit, >=, 512 * 1024 * 1024);
	g_assert_cmpint(limit, <=, MAX(total / 100 * 75, 512 * 1024 * 1024));
	if (!strstr(fixture->log->str, "\nshares "))
		return; /* cgroups of version 2 have other names for the rest */
	g_autofree char *quota = g_strdup_printf("quota %d", (int)(cores * 100000 - 50000));
	assert_logged(fixture, "shares 128");
	assert_logged(fixture, quota);
}

static gpointer
cancel_at_step(gpointer data)
{
	gpointer *both = data;
	Fixture *fixture = both[0];
	gint64 deadline = g_get_monotonic_time() + DEADLINE;

	for (bool seen = false; !seen && g_get_monotonic_time() < deadline;) {
		g_usleep(20 * 1000);
		LOCKED(&fixture->lock);
		seen = strstr(fixture->log->str, "\nnow-it-runs\n") != NULL;
	}
	g_cancellable_cancel(both[1]);
	return NULL;
}

static unsigned
count_running(Fixture *fixture, const char *word)
{
	json_auto_t *containers =
	    docker_call(fixture->docker, "GET", NULL, NULL, "/containers/json");
	gsize index;
	json_t *container;
	unsigned count = 0;

	json_array_foreach(containers, index, container) count +=
	    strstr(json_text_of(container, "Command", ""), word) != NULL;
	return count;
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GCancellable) cancel = g_cancellable_new();
	gpointer both[] = {fixture, cancel};
	pthread_t thread;
	pthread_create(&thread, NULL, cancel_at_step, both);

	gint64 begin = g_get_monotonic_time();
	g_assert_null(make(fixture,
	    (Wish){.build = "BCANCEL",
		.is_fresh = true,
		.dockerfile = BASE "RUN echo now-it-runs; sleep 97531\n",
		.cancel = cancel},
	    &error));
	pthread_join(thread, NULL);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, DEADLINE);
	gint64 deadline = g_get_monotonic_time() + DEADLINE;
	while (count_running(fixture, "97531")) {
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(50 * 1000);
	}
}

static void
test_buildkit(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(fixture,
	    (Wish){.build = "BKIT",
		.is_fresh = true,
		.dockerfile =
		    BASE "COPY data /data\n"
			 "RUN --mount=type=cache,target=/cache \\\n"
			 "  touch /cache/x; echo from-buildkit; echo to-err >&2; printf END\n"
			 "EXPOSE 3000\n"},
	    &error);
	g_assert_no_error(error);
	assert_image(fixture, image);
	g_assert_cmpuint(image->port, ==, 3000);
	assert_logged(fixture, "from-buildkit");
	assert_logged(fixture, "to-err");
	assert_logged(fixture, "END");

	g_assert_null(make(fixture,
	    (Wish){.build = "BKITFAIL",
		.dockerfile = BASE "RUN --mount=type=cache,target=/c echo words; exit 43\n"},
	    &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_test_message("%s", error->message);
	g_assert_nonnull(
	    strstr(error->message, "«RUN --mount=type=cache,target=/c echo words; exit 43»"));
	g_assert_true(g_str_has_suffix(error->message, "exited 43"));
	assert_logged(fixture, "words");
}

/* BLD-06 */
static void
test_registry_gone(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	Wish wish = {.build = "BPUSH", .dockerfile = BASE "RUN echo a\n"};
	registry_stop(&fixture->registry);
	g_assert_null(make(fixture, wish, &error));
	g_test_message("%s", error->message);
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_true(g_str_has_prefix(error->message, "push of "));
	g_clear_error(&error);

	fixture->registry = registry_start(fixture->folder, fixture->address, "", 200);
	g_string_truncate(fixture->log, 0);
	g_autoptr(BuilderImage) image = make(fixture, wish, &error);
	g_assert_no_error(error);
	assert_image(fixture, image);
	assert_logged(fixture, " ---> Using cache");
}

/* An image that is lost in the registry is good while it is here, and gone when it is not. */
static void
test_lost(Fixture *fixture, gconstpointer data)
{
	Builder *builder = fixture->builder;
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(
	    fixture, (Wish){.build = "BLOST", .dockerfile = "FROM scratch\nCOPY data /\n"}, &error);
	g_assert_no_error(error);

	json_auto_t *gone = docker_call(fixture->docker, "DELETE", NULL, &error,
	    "/images/%s/%s:web.BLOST?force=1", fixture->address, APP);
	g_assert_no_error(error);
	g_assert_true(builder->ops->has_image(builder, image->reference, &error));
	g_assert_no_error(error);

	g_autofree char *blobs =
	    g_build_filename(fixture->folder, "registry/docker/registry/v2/blobs", NULL);
	folder_remove(blobs);
	registry_stop(&fixture->registry);
	fixture->registry = registry_start(fixture->folder, fixture->address, "", 200);
	g_assert_false(builder->ops->has_image(builder, image->reference, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_true(g_str_has_prefix(error->message, "image of "));
	g_assert_true(g_str_has_suffix(error->message, "rebuild"));
}

static BuilderImage *
pull(Fixture *fixture, const char *image, GError **error)
{
	return fixture->builder->ops->pull(
	    fixture->builder, APP, "db", image, keep_line, fixture, NULL, error);
}

static void
test_pull(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) local = pull(fixture, "debian:bookworm-slim", &error);
	g_assert_no_error(error);
	g_assert_nonnull(strstr(local->reference, APP "@sha256:"));
	g_assert_true(fixture->builder->ops->has_image(fixture->builder, local->reference, &error));

	/* By the name that it has in a registry, here our own. */
	g_autoptr(BuilderImage) built =
	    make(fixture, (Wish){.build = "BP", .dockerfile = "FROM scratch\nEXPOSE 77\n"}, &error);
	g_assert_no_error(error);
	g_autofree char *name = g_strdup_printf("%s/%s:web.BP", fixture->address, APP);
	g_autoptr(BuilderImage) pulled = pull(fixture, name, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pulled->digest, ==, built->digest);
	g_assert_cmpuint(pulled->port, ==, 77);
	g_autoptr(BuilderImage) pinned = pull(fixture, built->reference, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pinned->digest, ==, built->digest);

	g_autofree char *none = g_strdup_printf("%s/none:x", fixture->address);
	g_autofree char *text = g_strdup_printf("image %s: not found", none);
	g_assert_null(pull(fixture, none, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND);
	g_assert_cmpstr(error->message, ==, text);
	g_clear_error(&error);
	g_assert_null(pull(fixture, "UPPER//case", &error));
	g_assert_nonnull(error);
}

static gsize
count_local(Fixture *fixture)
{
	json_auto_t *images = docker_call(fixture->docker, "GET", NULL, NULL,
	    "/images/json?filters=%%7B%%22label%%22%%3A%%5B%%22carrack.app%%3D" APP "%%22%%5D%%7D");

	return json_array_size(images);
}

static void
test_remove_app(Fixture *fixture, gconstpointer data)
{
	Builder *builder = fixture->builder;
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) one = make(
	    fixture, (Wish){.build = "BR1", .dockerfile = "FROM scratch\nCOPY data /\n"}, &error);
	g_autoptr(BuilderImage) two = make(
	    fixture, (Wish){.build = "BR2", .dockerfile = "FROM scratch\nCOPY data /\n"}, &error);
	g_autoptr(BuilderImage) three = pull(fixture, "debian:bookworm-slim", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(count_local(fixture), >=, 2);

	g_assert_true(builder->ops->remove_app(builder, APP, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(count_local(fixture), ==, 0);
	const char *references[] = {one->reference, two->reference, three->reference};
	for (gsize i = 0; i < G_N_ELEMENTS(references); i++)
		g_assert_false(builder->ops->has_image(builder, references[i], NULL));
	g_assert_true(builder->ops->remove_app(builder, APP, &error));
	g_autoptr(BuilderImage) again = pull(fixture, "debian:bookworm-slim", &error);
	g_assert_no_error(error);
}

/* BLD-08 */
typedef struct {
	Fixture *fixture;
	char build[8];
	char *digest;
} Parallel;

static gpointer
build_one(gpointer data)
{
	Parallel *parallel = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(BuilderImage) image = make(parallel->fixture,
	    (Wish){.build = parallel->build, .dockerfile = "FROM scratch\nCOPY data /\n"}, &error);

	g_assert_no_error(error);
	parallel->digest = g_strdup(image->digest);
	return NULL;
}

static void
test_parallel(Fixture *fixture, gconstpointer data)
{
	Parallel builds[8] = {0};
	pthread_t threads[G_N_ELEMENTS(builds)];
	g_autoptr(GHashTable) digests =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(builds); i++) {
		builds[i].fixture = fixture;
		g_snprintf(builds[i].build, sizeof builds[i].build, "B%zu", i);
		pthread_create(&threads[i], NULL, build_one, &builds[i]);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(builds); i++) {
		pthread_join(threads[i], NULL);
		g_hash_table_add(digests, builds[i].digest);
	}
	g_assert_cmpuint(g_hash_table_size(digests), ==, G_N_ELEMENTS(builds));
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
	    {"/builder/a-source-becomes-an-image-by-digest", test_build},
	    {"/builder/a-failing-step-is-named-with-its-last-words", test_failing_step},
	    {"/builder/a-bad-dockerfile-is-the-builds-failure", test_bad_dockerfile},
	    {"/builder/the-target-is-the-stage-that-ships", test_target},
	    {"/builder/a-folder-of-the-source-is-the-context", test_subfolder},
	    {"/builder/a-step-runs-within-limits", test_limits},
	    {"/builder/a-cancel-ends-the-engines-build", test_cancel},
	    {"/builder/mounts-of-run-are-built-by-buildkit", test_buildkit},
	    {"/builder/an-image-that-is-not-stored-is-no-image", test_registry_gone},
	    {"/builder/a-lost-image-is-told", test_lost},
	    {"/builder/a-named-image-is-pinned-and-stored", test_pull},
	    {"/builder/an-app-goes-with-its-images", test_remove_app},
	    {"/builder/builds-at-once-do-not-share", test_parallel},
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].test, tear_down);
	return g_test_run();
}
