/*
 * What the builder has to know of a Dockerfile before it hands it to the engine: whether the
 * classic builder understands it, and the names of its stages. Lines are joined and comments left
 * out as the engine does it; a heredoc's body may be taken for instructions, which does no harm: a
 * heredoc needs BuildKit anyway.
 */
#include "swarm/builder-private.h"

#include <string.h>

/* Flags that the classic builder refuses, and the heredoc that it would take for a redirection. */
static const char *const buildkit_flags[] = {
    "--mount=", "--network=", "--security=", "--chmod=", "--link", "--parents", "--exclude=", NULL};

/* Arguments that only BuildKit fills. */
static const char *const buildkit_arguments[] = {"BUILDPLATFORM", "TARGETPLATFORM", "TARGETARCH",
    "TARGETOS", "TARGETVARIANT", "BUILDARCH", "BUILDOS", NULL};

/* The instructions, each as one line; the caller frees it. */
static GPtrArray *
instructions(const char *dockerfile)
{
	GPtrArray *result = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) lines = g_strsplit(dockerfile, "\n", -1);
	g_autoptr(GString) whole = g_string_new(NULL);

	for (gsize i = 0; lines[i]; i++) {
		const char *line = g_strstrip(lines[i]);
		if (*line == '#' || (!*line && whole->len))
			continue;
		g_string_append_printf(whole, "%s%s", whole->len ? " " : "", line);
		if (g_str_has_suffix(line, "\\")) {
			g_string_truncate(whole, whole->len - 1);
			continue;
		}
		if (whole->len)
			g_ptr_array_add(result, g_strdup(whole->str));
		g_string_truncate(whole, 0);
	}
	if (whole->len)
		g_ptr_array_add(result, g_strdup(whole->str));
	return result;
}

static bool
has_any_prefix(const char *word, const char *const *prefixes)
{
	for (gsize i = 0; prefixes[i]; i++) {
		if (g_str_has_prefix(word, prefixes[i]))
			return true;
	}
	return false;
}

static bool
is_word(const char *word, const char *name)
{
	return g_ascii_strcasecmp(word, name) == 0;
}

static bool
instruction_needs_buildkit(const char *instruction)
{
	g_auto(GStrv) words = g_strsplit_set(instruction, " \t", -1);
	bool copies = is_word(words[0], "COPY") || is_word(words[0], "ADD");
	if (!copies && !is_word(words[0], "RUN"))
		return false;

	bool in_flags = true;
	for (gsize i = 1; words[i]; i++) {
		in_flags &= !*words[i] || g_str_has_prefix(words[i], "--");
		if (in_flags && has_any_prefix(words[i], buildkit_flags))
			return true;
		/* A heredoc: the classic builder joins lines, so the shell's own never worked. */
		if (g_str_has_prefix(words[i], "<<") && !g_str_has_prefix(words[i], "<<<"))
			return true;
	}
	return false;
}

bool
builder_needs_buildkit(const char *dockerfile)
{
	g_autoptr(GPtrArray) all = instructions(dockerfile);

	for (gsize i = 0; buildkit_arguments[i]; i++) {
		if (strstr(dockerfile, buildkit_arguments[i]))
			return true;
	}
	for (guint i = 0; i < all->len; i++) {
		if (instruction_needs_buildkit(g_ptr_array_index(all, i)))
			return true;
	}
	return false;
}

/* The name that «FROM image AS name» gives, or NULL. The caller frees it. */
static char *
stage_name(const char *instruction)
{
	g_auto(GStrv) words = g_strsplit_set(instruction, " \t", -1);

	for (gsize i = 1; words[i]; i++) {
		if (!is_word(words[i], "AS"))
			continue;
		for (gsize k = i + 1; words[k]; k++) {
			if (*words[k])
				return g_strdup(words[k]);
		}
	}
	return NULL;
}

static bool
is_from(const char *instruction)
{
	return g_ascii_strncasecmp(instruction, "FROM", 4) == 0 &&
	       (instruction[4] == ' ' || instruction[4] == '\t');
}

/* What follows FROM and its flags, or NULL. The caller frees it. */
static char *
base_of(const char *instruction)
{
	g_auto(GStrv) words = g_strsplit_set(instruction, " \t", -1);

	for (gsize i = 1; words[i]; i++) {
		if (*words[i] && !g_str_has_prefix(words[i], "--"))
			return g_strdup(words[i]);
	}
	return NULL;
}

GStrv
builder_bases(const char *dockerfile, const char *host)
{
	g_autoptr(GPtrArray) all = instructions(dockerfile);
	g_autoptr(GStrvBuilder) bases = g_strv_builder_new();
	g_autofree char *prefix = g_strconcat(host, "/", NULL);

	for (guint i = 0; i < all->len; i++) {
		const char *instruction = g_ptr_array_index(all, i);
		g_autofree char *base = is_from(instruction) ? base_of(instruction) : NULL;
		if (base && g_str_has_prefix(base, prefix) && !strchr(base, '$'))
			g_strv_builder_add(bases, base);
	}
	return g_strv_builder_end(bases);
}

bool
builder_check_target(const char *dockerfile, const char *target, GError **error)
{
	g_autoptr(GPtrArray) all = instructions(dockerfile);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	guint64 count = 0, number = 0;

	for (guint i = 0; i < all->len; i++) {
		if (!is_from(g_ptr_array_index(all, i)))
			continue;
		count++;
		char *name = stage_name(g_ptr_array_index(all, i));
		if (!name)
			continue;
		g_ptr_array_add(names, name);
		if (is_word(name, target))
			return true;
	}
	/* The engine takes the number of a stage as well. */
	if (g_ascii_string_to_unsigned(target, 10, 0, G_MAXUINT, &number, NULL) && number < count)
		return true;

	g_ptr_array_add(names, NULL);
	g_autofree char *known = g_strjoinv(", ", (char **)names->pdata);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "build failed: the Dockerfile has no stage «%s» (target); its stages: %s", target,
	    *known ? known : "none has a name");
}
