/*
 * The table of base images, and overrides by name (images.h).
 */
#include "detect/images.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

/* What an image without a name is kept under. */
#define OWN ""

struct Images {
	GHashTable *wanted; /* name → image */
};

typedef struct {
	const char *name;
	const char *image; /* «%» is the version */
	const char *like;  /* whose override serves this one too, or NULL */
} BaseImage;

/* The ones to build in have compilers, the ones to run in are small. */
static const BaseImage table[] = {
    {"node", "node:%-slim"},
    {"node-build", "node:%", "node"},
    {"python", "python:%-slim"},
    {"python-build", "python:%", "python"},
    {"ruby", "ruby:%-slim"},
    {"ruby-build", "ruby:%", "ruby"},
    {"go", "golang:%"},
    {"go-run", "debian:bookworm-slim"},
    {"php", "php:%-apache"},
    {"composer", "composer:2"},
    {"java", "eclipse-temurin:%-jre"},
    {"maven", "maven:3-eclipse-temurin-%"},
    {"gradle", "gradle:8-jdk%"},
    {"static", "caddy:2"},
};

Images *
images_new(void)
{
	Images *images = g_new0(Images, 1);

	images->wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return images;
}

void
images_free(Images *images)
{
	if (!images)
		return;

	g_hash_table_unref(images->wanted);
	g_free(images);
}

static const BaseImage *
base_named(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static bool
set_unknown_name(const char *name, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
		g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", table[i].name);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "base image %s: there is none of that name; there are %s", name, names->str);
}

/* It becomes a word of a line of a Dockerfile. */
static bool
check_image(const char *image, GError **error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-/:@";
	bool is_word = *image && strspn(image, allowed) == strlen(image);
	if (is_word && g_ascii_isalnum(*image))
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "base image «%s» is not the name of an image (as registry.example.com/node:22)", image);
}

bool
images_set(Images *images, const char *name, const char *image, GError **error)
{
	if (*name && !base_named(name))
		return set_unknown_name(name, error);
	if (!check_image(image, error))
		return false;

	g_hash_table_insert(images->wanted, g_strdup(name), g_strdup(image));
	return true;
}

bool
images_set_argument(Images *images, const char *argument, GError **error)
{
	const char *equals = strchr(argument, '=');
	g_autofree char *name =
	    equals ? g_strndup(argument, (gsize)(equals - argument)) : g_strdup(OWN);

	return images_set(images, name, equals ? equals + 1 : argument, error);
}

static bool
read_line(Images *images, char *line, GError **error)
{
	line[strcspn(line, "#")] = '\0';
	g_strdelimit(g_strstrip(line), "\t", ' ');
	if (*line == '\0')
		return true;

	g_auto(GStrv) words = g_strsplit(line, " ", 2);
	if (words[1])
		return images_set(images, words[0], g_strstrip(words[1]), error);
	return error_set(error, CARRACK_ERROR_INVALID, "the line is not NAME IMAGE");
}

bool
images_read(Images *images, const char *file, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autofree char *text = NULL;
	gsize length;
	if (!g_file_get_contents(file, &text, &length, &failure))
		return error_set(error, CARRACK_ERROR_NOT_FOUND, "%s", failure->message);
	if (length > LIMIT_MANIFEST_BYTES)
		return error_set(error, CARRACK_ERROR_TOO_LARGE, "%s: %zu bytes are more than %d",
		    file, length, LIMIT_MANIFEST_BYTES);

	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (unsigned i = 0; lines[i]; i++) {
		if (!read_line(images, lines[i], error)) {
			g_prefix_error(error, "%s:%u: ", file, i + 1);
			return false;
		}
	}
	return true;
}

static const char *
wanted_for(const Images *images, const char *name, const char *language)
{
	const char *image = images ? g_hash_table_lookup(images->wanted, name) : NULL;
	const char *own = images ? g_hash_table_lookup(images->wanted, OWN) : NULL;

	return own && strcmp(name, language) == 0 ? own : image;
}

char *
images_find(const Images *images, const char *name, const char *language, const char *version)
{
	const BaseImage *base = base_named(name);
	if (!base)
		return NULL;

	const char *wanted = wanted_for(images, name, language);
	if (!wanted && base->like)
		wanted = wanted_for(images, base->like, language);
	if (wanted)
		return g_strdup(wanted);
	g_auto(GStrv) parts = g_strsplit(base->image, "%", 2);
	return g_strjoinv(version, parts);
}
