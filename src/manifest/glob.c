/*
 * moby takes the syntax check of filepath.Match, which stops at the first piece of a pattern that
 * does not fit the name «.»: what is wrong behind it is not seen. So the matching itself has to be
 * done here as well, though only for that one name.
 */
#include "manifest/glob.h"

#include <string.h>

gunichar
glob_next_character(const char **at, const char *end)
{
	gunichar character = g_utf8_get_char_validated(*at, end - *at);
	if (character == (gunichar)-1 || character == (gunichar)-2) {
		(*at)++;
		return 0xfffd;
	}
	*at = g_utf8_next_char(*at);
	return character;
}

typedef struct {
	const char *at; /* in the pattern */
	const char *end;
	const char *name; /* what is left of the name */
	bool has_failed;
} Chunk;

/* One end of a range in brackets. */
static bool
range_end(Chunk *chunk, gunichar *character)
{
	if (chunk->at == chunk->end || *chunk->at == '-' || *chunk->at == ']')
		return false;
	if (*chunk->at == '\\' && ++chunk->at == chunk->end)
		return false;

	const char *start = chunk->at;
	*character = glob_next_character(&chunk->at, chunk->end);
	bool is_invalid = *character == 0xfffd && chunk->at - start == 1;
	return !is_invalid && chunk->at < chunk->end;
}

/* The name is ASCII, so a byte is a character. */
static void
take(Chunk *chunk, bool fits)
{
	if (chunk->has_failed)
		return;

	chunk->has_failed = !fits;
	chunk->name++;
}

static bool
brackets(Chunk *chunk)
{
	chunk->at++;
	bool is_negated = chunk->at < chunk->end && *chunk->at == '^';
	chunk->at += is_negated;
	bool fits = false;
	for (unsigned ranges = 0;; ranges++) {
		if (chunk->at < chunk->end && *chunk->at == ']' && ranges > 0)
			break;

		gunichar first;
		if (!range_end(chunk, &first))
			return false;
		gunichar last = first;
		if (*chunk->at == '-') {
			chunk->at++;
			if (!range_end(chunk, &last))
				return false;
		}
		gunichar character = (guchar)*chunk->name;
		fits = fits || (first <= character && character <= last);
	}
	chunk->at++;
	take(chunk, fits != is_negated);
	return true;
}

/* False if the piece is malformed. */
static bool
match_chunk(Chunk *chunk)
{
	while (chunk->at < chunk->end) {
		chunk->has_failed = chunk->has_failed || *chunk->name == '\0';
		if (*chunk->at == '[') {
			if (!brackets(chunk))
				return false;
			continue;
		}
		bool is_any = *chunk->at == '?';
		if (*chunk->at == '\\' && ++chunk->at == chunk->end)
			return false;
		take(chunk, is_any || *chunk->at == *chunk->name);
		chunk->at++;
	}
	return true;
}

/* The end of the piece that begins at `at`: a star in brackets does not end it. */
static const char *
chunk_end(const char *at)
{
	bool in_brackets = false;
	for (; *at != '\0' && (*at != '*' || in_brackets); at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '[')
			in_brackets = true;
		else if (*at == ']')
			in_brackets = false;
	}
	return at;
}

bool
glob_is_accepted(const char *pattern)
{
	const char *name = ".";
	while (*pattern != '\0') {
		bool has_star = *pattern == '*';
		pattern += strspn(pattern, "*");
		const char *end = chunk_end(pattern);
		if (has_star && end == pattern)
			return true;

		bool fits = false;
		/* Behind a star the piece may begin at any character of the name. */
		for (const char *start = name; !fits; start++) {
			Chunk chunk = {pattern, end, start, false};
			if (!match_chunk(&chunk))
				return false;
			fits = !chunk.has_failed && (*chunk.name == '\0' || *end != '\0');
			if (fits)
				name = chunk.name;
			if (!has_star || *start == '\0')
				break;
		}
		if (!fits)
			return true;
		pattern = end;
	}
	return true;
}
