/*
 * POSIX quoting (XCU 2.2): a backslash outside of quotes takes the next character literally, single
 * quotes take everything, and in double quotes a backslash works before $ ` " \ and a newline only.
 * GLib's parser is no help: to it `#` begins a comment, which no program that reads a `command:`
 * line does.
 */
#include "manifest/words.h"

#include "base/error.h"

#include <string.h>

typedef struct {
	const char *at;
	GString *word;
	bool has_word; /* '' is a word too */
} Splitter;

/* One character after a backslash. */
static void
take_escaped(Splitter *splitter, bool is_quoted)
{
	char next = splitter->at[1];
	bool is_kept = is_quoted && strchr("$`\"\\\n", next) == NULL;
	if (next == '\0' || is_kept)
		g_string_append_c(splitter->word, '\\');
	if (next != '\0' && next != '\n')
		g_string_append_c(splitter->word, next);
	splitter->at += next == '\0' ? 1 : 2;
}

static bool
take_quoted(Splitter *splitter)
{
	char quote = *splitter->at++;
	splitter->has_word = true;
	while (*splitter->at != '\0' && *splitter->at != quote) {
		if (quote == '"' && *splitter->at == '\\')
			take_escaped(splitter, true);
		else
			g_string_append_c(splitter->word, *splitter->at++);
	}
	if (*splitter->at == '\0')
		return false;

	splitter->at++;
	return true;
}

static void
end_word(Splitter *splitter, GStrvBuilder *words)
{
	if (splitter->has_word)
		g_strv_builder_add(words, splitter->word->str);
	g_string_truncate(splitter->word, 0);
	splitter->has_word = false;
}

static bool
take_next(Splitter *splitter, GStrvBuilder *words)
{
	char next = *splitter->at;
	if (next == '\'' || next == '"')
		return take_quoted(splitter);
	if (strchr(" \t\r\n", next) != NULL) {
		end_word(splitter, words);
		splitter->at++;
		return true;
	}
	splitter->has_word = true;
	if (next == '\\')
		take_escaped(splitter, false);
	else
		g_string_append_c(splitter->word, *splitter->at++);
	return true;
}

GStrv
words_split(const char *text, GError **error)
{
	g_autoptr(GStrvBuilder) words = g_strv_builder_new();
	g_autoptr(GString) word = g_string_new(NULL);
	Splitter splitter = {.at = text, .word = word};
	while (*splitter.at != '\0') {
		if (!take_next(&splitter, words)) {
			error_set(
			    error, CARRACK_ERROR_INVALID, "a quote in «%s» does not end", text);
			return NULL;
		}
	}
	end_word(&splitter, words);
	return g_strv_builder_end(words);
}
