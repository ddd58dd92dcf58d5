/*
 * The form: the first file, then lines `# carrack-manifest: KIND FILE` and `# carrack-file: BASE64
 * PATH`. To whoever looks at a release's manifest it is the file that was written, with a few
 * comments at its end.
 */
#include "manifest/bundle.h"

#include <string.h>

#define HEAD "# carrack-manifest: "
#define FILE_HEAD "# carrack-file: "

Bundle *
bundle_new(const char *kind, const char *file, const char *text)
{
	Bundle *bundle = g_new0(Bundle, 1);
	bundle->kind = g_strdup(kind);
	bundle->file = g_strdup(file);
	bundle->text = g_strdup(text);
	bundle->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return bundle;
}

void
bundle_free(Bundle *bundle)
{
	if (bundle == NULL)
		return;

	g_free(bundle->kind);
	g_free(bundle->file);
	g_free(bundle->text);
	g_hash_table_unref(bundle->files);
	g_free(bundle);
}

void
bundle_add(Bundle *bundle, const char *path, const char *text)
{
	g_hash_table_replace(bundle->files, g_strdup(path), g_strdup(text));
}

const char *
bundle_file(const Bundle *bundle, const char *path)
{
	return g_hash_table_lookup(bundle->files, path);
}

static int
compare_text(gconstpointer one, gconstpointer other)
{
	return strcmp(one, other);
}

char *
bundle_write(const Bundle *bundle)
{
	GString *text = g_string_new(bundle->text);
	if (text->len > 0 && text->str[text->len - 1] != '\n')
		g_string_append_c(text, '\n');
	g_string_append_printf(text, HEAD "%s %s\n", bundle->kind, bundle->file);

	GList *paths = g_list_sort(g_hash_table_get_keys(bundle->files), compare_text);
	for (const GList *path = paths; path != NULL; path = path->next) {
		const char *content = bundle_file(bundle, path->data);
		g_autofree char *encoded =
		    g_base64_encode((const guchar *)content, strlen(content));
		g_string_append_printf(
		    text, FILE_HEAD "%s %s\n", encoded, (const char *)path->data);
	}
	g_list_free(paths);
	return g_string_free(text, FALSE);
}

static void
read_file_line(Bundle *bundle, const char *line)
{
	const char *blank = strchr(line, ' ');
	if (blank == NULL)
		return;

	gsize length;
	g_autofree char *encoded = g_strndup(line, (gsize)(blank - line));
	g_autofree guchar *content = g_base64_decode(encoded, &length);
	g_autofree char *text = g_strndup((const char *)content, length);
	bundle_add(bundle, blank + 1, text);
}

/* The last line that begins with HEAD. */
static const char *
find_head(const char *text, gsize length)
{
	const char *found = g_strrstr_len(text, (gssize)length, HEAD);
	bool begins_line = found != NULL && (found == text || found[-1] == '\n');
	return begins_line ? found : NULL;
}

Bundle *
bundle_read(const char *text, gsize length)
{
	const char *head = find_head(text, length);
	if (head == NULL)
		return NULL;

	g_autofree char *tail = g_strndup(head, length - (gsize)(head - text));
	g_auto(GStrv) lines = g_strsplit(tail, "\n", -1);
	g_auto(GStrv) words = g_strsplit(lines[0] + strlen(HEAD), " ", 2);
	if (words[0] == NULL || words[1] == NULL)
		return NULL;

	g_autofree char *own = g_strndup(text, (gsize)(head - text));
	Bundle *bundle = bundle_new(words[0], words[1], own);
	for (char **line = lines + 1; *line != NULL; line++) {
		if (g_str_has_prefix(*line, FILE_HEAD))
			read_file_line(bundle, *line + strlen(FILE_HEAD));
	}
	return bundle;
}
