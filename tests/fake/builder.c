/*
 * The builder of the fake: an image's digest is that of the archive's bytes and of what was asked
 * for, so the same source gives the same image.
 */
#include "base/text.h"
#include "fake/private.h"

#include <string.h>

typedef struct {
	Builder builder;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GHashTable *images; /* references that can be run */
	char *lines;        /* what failing builds write */
	char *failure;
	bool is_blocking;
	unsigned blocked;
	unsigned port;
} FakeBuilder;

static void
wake(GCancellable *cancel, gpointer data)
{
	FakeBuilder *fake = data;
	LOCKED(&fake->lock);
	pthread_cond_broadcast(&fake->changed);
}

static void
wait_unblocked(FakeBuilder *fake, GCancellable *cancel)
{
	LOCKED(&fake->lock);
	fake->blocked++;
	pthread_cond_broadcast(&fake->changed);
	while (fake->is_blocking && !g_cancellable_is_cancelled(cancel))
		pthread_cond_wait(&fake->changed, &fake->lock);
	fake->blocked--;
}

static bool
pause_build(FakeBuilder *fake, GCancellable *cancel, GError **error)
{
	gulong handler = cancel ? g_cancellable_connect(cancel, G_CALLBACK(wake), fake, NULL) : 0;
	wait_unblocked(fake, cancel);
	if (cancel)
		g_cancellable_disconnect(cancel, handler);
	return !error_cancelled(cancel, error);
}

static void
say(BuilderLog log, gpointer data, const char *line)
{
	if (log)
		log(data, line, strlen(line));
}

/* Fails when builds have to. */
static bool
fail(FakeBuilder *fake, BuilderLog log, gpointer data, GError **error)
{
	g_autofree char *failure = NULL;
	g_autofree char *text = NULL;
	{
		LOCKED(&fake->lock);
		failure = g_strdup(fake->failure);
		text = g_strdup(fake->lines);
	}
	if (!failure)
		return false;

	g_autoptr(GPtrArray) lines = fake_lines(text);
	for (guint i = 0; i < lines->len; i++)
		say(log, data, g_ptr_array_index(lines, i));
	error_set(error, CARRACK_ERROR_INVALID, "%s", failure);
	return true;
}

static BuilderImage *
image_new(FakeBuilder *fake, const char *app, const char *hash)
{
	BuilderImage *image = g_new0(BuilderImage, 1);
	image->digest = g_strconcat("sha256:", hash, NULL);
	image->reference = g_strdup_printf("127.0.0.1:5000/%s@%s", app, image->digest);
	LOCKED(&fake->lock);
	image->port = fake->port;
	g_hash_table_add(fake->images, g_strdup(image->reference));
	return image;
}

static BuilderImage *
build(Builder *builder,
    const BuilderSource *source,
    BuilderLog log,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	FakeBuilder *fake = (FakeBuilder *)builder;
	g_autofree char *bytes = NULL;
	gsize length;
	if (!g_file_get_contents(source->archive, &bytes, &length, NULL)) {
		error_set(error, CARRACK_ERROR_INVALID, "cannot read %s", source->archive);
		return NULL;
	}

	g_autofree char *first = g_strdup_printf("Building: %s", source->path);
	say(log, data, first);
	if (!pause_build(fake, cancel, error) || fail(fake, log, data, error))
		return NULL;

	g_autofree char *content = text_sha256(bytes, length);
	g_autofree char *all = g_strjoin("|", content, source->path ? source->path : "",
	    source->dockerfile ? source->dockerfile : "", source->target ? source->target : "",
	    NULL);
	g_autofree char *hash = text_sha256(all, strlen(all));
	say(log, data, "Successfully built");
	return image_new(fake, source->app, hash);
}

static BuilderImage *
pull(Builder *builder,
    const char *app,
    const char *service,
    const char *image,
    BuilderLog log,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	FakeBuilder *fake = (FakeBuilder *)builder;
	g_autofree char *first = g_strdup_printf("Running: docker pull %s", image);
	say(log, data, first);
	if (!pause_build(fake, cancel, error) || fail(fake, log, data, error))
		return NULL;

	g_autofree char *hash = text_sha256(image, strlen(image));
	return image_new(fake, app, hash);
}

static bool
has_image(Builder *builder, const char *reference, GError **error)
{
	FakeBuilder *fake = (FakeBuilder *)builder;
	LOCKED(&fake->lock);
	if (g_hash_table_contains(fake->images, reference))
		return true;

	return error_set(error, CARRACK_ERROR_NOT_FOUND, "image of %s is gone; rebuild", reference);
}

static bool
remove_app(Builder *builder, const char *app, GError **error)
{
	FakeBuilder *fake = (FakeBuilder *)builder;
	g_autofree char *prefix = g_strdup_printf("127.0.0.1:5000/%s@", app);
	GHashTableIter iterator;
	gpointer reference;
	LOCKED(&fake->lock);
	g_hash_table_iter_init(&iterator, fake->images);
	while (g_hash_table_iter_next(&iterator, &reference, NULL)) {
		if (g_str_has_prefix(reference, prefix))
			g_hash_table_iter_remove(&iterator);
	}
	return true;
}

static void
free_handle(Builder *builder)
{
}

static const BuilderOps operations = {
    .build = build,
    .pull = pull,
    .has_image = has_image,
    .remove_app = remove_app,
    .free = free_handle,
};

Builder *
fake_builder_new(void)
{
	FakeBuilder *fake = g_new0(FakeBuilder, 1);
	fake->builder.ops = &operations;
	fake->port = 3000;
	pthread_mutex_init(&fake->lock, NULL);
	fake_condition_init(&fake->changed);
	fake->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return &fake->builder;
}

void
fake_builder_destroy(Builder *builder)
{
	FakeBuilder *fake = (FakeBuilder *)builder;
	g_hash_table_unref(fake->images);
	g_free(fake->lines);
	g_free(fake->failure);
	pthread_cond_destroy(&fake->changed);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake);
}

void
fake_builds_fail(Provider *provider, const char *lines, const char *error)
{
	FakeBuilder *fake = (FakeBuilder *)provider->builder;
	LOCKED(&fake->lock);
	g_free(fake->lines);
	g_free(fake->failure);
	fake->lines = g_strdup(lines);
	fake->failure = g_strdup(error);
}

void
fake_builds_block(Provider *provider, bool block)
{
	FakeBuilder *fake = (FakeBuilder *)provider->builder;
	LOCKED(&fake->lock);
	fake->is_blocking = block;
	pthread_cond_broadcast(&fake->changed);
}

bool
fake_builds_wait_blocked(Provider *provider, unsigned count, unsigned wait_ms)
{
	FakeBuilder *fake = (FakeBuilder *)provider->builder;
	gint64 until = g_get_monotonic_time() + wait_ms * 1000LL;
	LOCKED(&fake->lock);
	while (!fake->is_blocking || fake->blocked < count) {
		if (!fake_condition_wait(&fake->changed, &fake->lock, until))
			return false;
	}
	return true;
}

void
fake_builds_port(Provider *provider, unsigned port)
{
	FakeBuilder *fake = (FakeBuilder *)provider->builder;
	LOCKED(&fake->lock);
	fake->port = port;
}

void
fake_images_forget(Provider *provider, const char *reference)
{
	FakeBuilder *fake = (FakeBuilder *)provider->builder;
	LOCKED(&fake->lock);
	if (reference)
		g_hash_table_remove(fake->images, reference);
	else
		g_hash_table_remove_all(fake->images);
}
