/*
 * A reader of Dockerfiles: instructions with their line continuations, comments, escape directive
 * and heredocs, and of these FROM, ARG, ENV and EXPOSE. It refuses nothing: what it does not
 * understand is for the builder to complain about.
 *
 * Variables are put in where a value is known from the file ($NAME, ${NAME}, ${NAME:-default},
 * ${NAME:+other}); values given at build time and those of the base image are not known here.
 */
#include "manifest/dockerfile.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
	GHashTable *variables; /* name → value */
	GArray *ports;         /* of unsigned */
} Stage;

typedef struct {
	char escape;
	GHashTable *global;   /* ARG before the first FROM: name → value */
	GHashTable *stages;   /* name in lower case → Stage, owned by `all` */
	GPtrArray *all;       /* of Stage */
	Stage *stage;         /* the current one, NULL before the first FROM */
	GPtrArray *arguments; /* of char * */
} Reader;

static void
stage_free(gpointer data)
{
	Stage *stage = data;
	g_hash_table_unref(stage->variables);
	g_array_unref(stage->ports);
	g_free(stage);
}

static GHashTable *
new_variables(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

/* Variables in words */

static bool
is_name(char byte)
{
	return g_ascii_isalnum(byte) || byte == '_';
}

static const char *
lookup(const Reader *reader, const char *name)
{
	GHashTable *variables = reader->stage != NULL ? reader->stage->variables : reader->global;
	return g_hash_table_lookup(variables, name);
}

/* «NAME», «NAME:-default», «NAME:+other»: what stands between the braces. */
static void
append_braced(const Reader *reader, const char *inner, GString *result)
{
	gsize length = 0;
	while (is_name(inner[length]))
		length++;
	g_autofree char *name = g_strndup(inner, length);
	const char *value = lookup(reader, name);
	bool is_set = value != NULL && *value != '\0';
	if (g_str_has_prefix(inner + length, ":-") && !is_set)
		value = inner + length + 2;
	if (g_str_has_prefix(inner + length, ":+"))
		value = is_set ? inner + length + 2 : NULL;
	if (value != NULL)
		g_string_append(result, value);
}

/* Appends what the `$` at `at` stands for and returns where the text goes on. */
static const char *
append_variable(const Reader *reader, const char *at, GString *result)
{
	const char *end = at[1] == '{' ? strchr(at, '}') : NULL;
	if (end != NULL) {
		g_autofree char *inner = g_strndup(at + 2, (gsize)(end - at) - 2);
		append_braced(reader, inner, result);
		return end + 1;
	}
	gsize length = 0;
	while (is_name(at[1 + length]))
		length++;
	if (length == 0) {
		g_string_append_c(result, '$');
		return at + 1;
	}
	g_autofree char *name = g_strndup(at + 1, length);
	const char *value = lookup(reader, name);
	g_string_append(result, value != NULL ? value : "");
	return at + 1 + length;
}

/* The next word from `*at`: quotes taken off, variables put in. NULL at the end. */
static char *
next_word(const Reader *reader, const char **at)
{
	const char *byte = *at + strspn(*at, " \t");
	if (*byte == '\0')
		return NULL;

	g_autoptr(GString) word = g_string_new(NULL);
	char quote = '\0';
	while (*byte != '\0' && (quote != '\0' || (*byte != ' ' && *byte != '\t'))) {
		if (*byte == quote) {
			quote = '\0';
			byte++;
		} else if (quote == '\0' && (*byte == '"' || *byte == '\'')) {
			quote = *byte++;
		} else if (*byte == reader->escape && byte[1] != '\0' && quote != '\'') {
			g_string_append_c(word, byte[1]);
			byte += 2;
		} else if (*byte == '$' && quote != '\'') {
			byte = append_variable(reader, byte, word);
		} else {
			g_string_append_c(word, *byte++);
		}
	}
	*at = byte;
	return g_string_free(g_steal_pointer(&word), FALSE);
}

/* Instructions */

static void
add_argument(Reader *reader, const char *name)
{
	if (!g_ptr_array_find_with_equal_func(reader->arguments, name, g_str_equal, NULL))
		g_ptr_array_add(reader->arguments, g_strdup(name));
}

/* `ARG A=1 B`: without a default, a stage sees the one of the ARG before the first FROM. */
static void
read_arg(Reader *reader, const char *rest)
{
	GHashTable *variables = reader->stage != NULL ? reader->stage->variables : reader->global;
	char *next;
	while ((next = next_word(reader, &rest)) != NULL) {
		g_autofree char *word = next;
		char *equals = strchr(word, '=');
		g_autofree char *name =
		    g_strndup(word, equals != NULL ? (gsize)(equals - word) : strlen(word));
		if (*name == '\0')
			continue;

		add_argument(reader, name);
		const char *value =
		    equals != NULL ? equals + 1 : g_hash_table_lookup(reader->global, name);
		if (value != NULL)
			g_hash_table_insert(variables, g_strdup(name), g_strdup(value));
	}
}

/* `ENV A=1 B=2`, or the old `ENV A all of the rest`. */
static void
read_env(Reader *reader, const char *rest)
{
	char *next = next_word(reader, &rest);
	if (next == NULL || reader->stage == NULL) {
		g_free(next);
		return;
	}
	GHashTable *variables = reader->stage->variables;
	if (strchr(next, '=') == NULL) {
		rest += strspn(rest, " \t");
		g_hash_table_insert(variables, next, g_strdup(rest));
		return;
	}
	for (; next != NULL; next = next_word(reader, &rest)) {
		g_autofree char *word = next;
		char *equals = strchr(word, '=');
		if (equals != NULL && equals != word)
			g_hash_table_insert(variables, g_strndup(word, (gsize)(equals - word)),
			    g_strdup(equals + 1));
	}
}

static void
add_port(Stage *stage, const char *word)
{
	g_auto(GStrv) parts = g_strsplit(word, "/", 2);
	if (parts[0] == NULL || (parts[1] != NULL && g_ascii_strcasecmp(parts[1], "tcp") != 0))
		return;

	g_auto(GStrv) ends = g_strsplit(parts[0], "-", 2);
	guint64 port;
	if (!g_ascii_string_to_unsigned(ends[0], 10, 1, 65535, &port, NULL))
		return;

	for (guint i = 0; i < stage->ports->len; i++) {
		if (g_array_index(stage->ports, unsigned, i) == port)
			return;
	}
	unsigned value = (unsigned)port;
	g_array_append_val(stage->ports, value);
}

static void
read_expose(Reader *reader, const char *rest)
{
	char *next;
	while (reader->stage != NULL && (next = next_word(reader, &rest)) != NULL) {
		/* A variable may hold several ports. */
		g_auto(GStrv) words = g_strsplit_set(next, " \t", -1);
		for (char **word = words; *word != NULL; word++)
			add_port(reader->stage, *word);
		g_free(next);
	}
}

static void
copy_variables(GHashTable *to, GHashTable *from)
{
	GHashTableIter iterator;
	gpointer name;
	gpointer value;
	g_hash_table_iter_init(&iterator, from);
	while (g_hash_table_iter_next(&iterator, &name, &value))
		g_hash_table_insert(to, g_strdup(name), g_strdup(value));
}

/* `FROM [--platform=…] IMAGE [AS NAME]`, where IMAGE may be an earlier stage. */
static void
read_from(Reader *reader, const char *rest)
{
	reader->stage = NULL; /* only global arguments count in FROM */
	g_autofree char *image = next_word(reader, &rest);
	while (image != NULL && g_str_has_prefix(image, "--")) {
		g_free(image);
		image = next_word(reader, &rest);
	}
	g_autofree char *as = next_word(reader, &rest);
	g_autofree char *name = next_word(reader, &rest);
	g_autofree char *base_name = image != NULL ? g_ascii_strdown(image, -1) : g_strdup("");

	Stage *stage = g_new0(Stage, 1);
	stage->variables = new_variables();
	stage->ports = g_array_new(FALSE, FALSE, sizeof(unsigned));
	const Stage *base = g_hash_table_lookup(reader->stages, base_name);
	if (base != NULL) {
		copy_variables(stage->variables, base->variables);
		g_array_append_vals(stage->ports, base->ports->data, base->ports->len);
	}
	g_ptr_array_add(reader->all, stage);
	if (name != NULL && g_ascii_strcasecmp(as, "as") == 0)
		g_hash_table_insert(reader->stages, g_ascii_strdown(name, -1), stage);
	reader->stage = stage;
}

static const struct {
	const char *name;
	void (*read)(Reader *reader, const char *rest);
} instructions[] = {
    {"from", read_from},
    {"arg", read_arg},
    {"env", read_env},
    {"expose", read_expose},
};

static void
read_instruction(Reader *reader, const char *line)
{
	gsize length = strcspn(line, " \t");
	g_autofree char *name = g_ascii_strdown(line, (gssize)length);
	for (gsize i = 0; i < G_N_ELEMENTS(instructions); i++) {
		if (strcmp(name, instructions[i].name) == 0)
			instructions[i].read(reader, line + length);
	}
}

/* Lines */

static bool
is_comment(const char *line)
{
	return line[strspn(line, " \t")] == '#';
}

/* `# escape=X` counts only at the very beginning, among other directives. */
static char
read_escape(char **lines)
{
	for (; *lines != NULL && is_comment(*lines); lines++) {
		g_autofree char *directive = g_ascii_strdown(*lines, -1);
		char *text = directive + strspn(directive, " \t");
		text += 1 + strspn(text + 1, " \t");
		char *equals = strchr(text, '=');
		if (equals == NULL)
			return '\\';
		*equals = '\0';
		if (strcmp(g_strstrip(text), "escape") == 0)
			return g_strstrip(equals + 1)[0] == '`' ? '`' : '\\';
	}
	return '\\';
}

/* Takes the escape at the end of a line off; true if the instruction goes on. */
static bool
take_continuation(const Reader *reader, GString *line)
{
	gsize end = line->len;
	while (end > 0 && (line->str[end - 1] == ' ' || line->str[end - 1] == '\t'))
		end--;
	if (end == 0 || line->str[end - 1] != reader->escape)
		return false;

	g_string_truncate(line, end - 1);
	return true;
}

/* One instruction from `*lines` on; comments and empty lines do not end it. */
static char *
next_instruction(const Reader *reader, char ***lines)
{
	g_autoptr(GString) whole = g_string_new(NULL);
	bool goes_on = true;
	for (; goes_on && **lines != NULL; (*lines)++) {
		char *line = **lines;
		g_strchomp(line);
		if (is_comment(line) || line[strspn(line, " \t")] == '\0')
			continue;

		g_autoptr(GString) piece = g_string_new(whole->len == 0 ? g_strchug(line) : line);
		goes_on = take_continuation(reader, piece);
		g_string_append_len(whole, piece->str, (gssize)piece->len);
	}
	return g_string_free(g_steal_pointer(&whole), FALSE);
}

/* Skips the body of the heredoc whose word stands at `at` («<<EOF», «<<-"EOF"»). */
static void
skip_heredoc(const char *at, char ***lines)
{
	bool strips_tabs = *at == '-';
	at += strips_tabs;
	char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
	gsize length = 0;
	while (is_name(at[length]))
		length++;
	if (length == 0 || (quote != '\0' && at[length] != quote))
		return;

	g_autofree char *word = g_strndup(at, length);
	for (; **lines != NULL; (*lines)++) {
		char *line = g_strchomp(**lines);
		line += strips_tabs ? strspn(line, "\t") : 0;
		if (strcmp(line, word) == 0) {
			(*lines)++;
			return;
		}
	}
}

static void
skip_heredocs(const char *instruction, char ***lines)
{
	gsize length = strcspn(instruction, " \t");
	g_autofree char *name = g_ascii_strdown(instruction, (gssize)length);
	static const char *const with_heredoc[] = {"run", "copy", "add", NULL};
	if (!g_strv_contains(with_heredoc, name))
		return;

	const char *at = instruction;
	while ((at = strstr(at, "<<")) != NULL) {
		at += 2;
		if (*at == '<') /* bash's here string */
			at += strspn(at, "<");
		else
			skip_heredoc(at, lines);
	}
}

static void
read_all(Reader *reader, const char *text)
{
	if (g_str_has_prefix(text, "\xef\xbb\xbf"))
		text += 3;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	reader->escape = read_escape(lines);
	for (char **next = lines; *next != NULL;) {
		g_autofree char *instruction = next_instruction(reader, &next);
		read_instruction(reader, instruction);
		skip_heredocs(instruction, &next);
	}
}

static Reader *
reader_new(const char *text)
{
	Reader *reader = g_new0(Reader, 1);
	reader->global = new_variables();
	reader->stages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	reader->all = g_ptr_array_new_with_free_func(stage_free);
	reader->arguments = g_ptr_array_new_with_free_func(g_free);
	read_all(reader, text);
	return reader;
}

static void
reader_free(Reader *reader)
{
	g_hash_table_unref(reader->global);
	g_hash_table_unref(reader->stages);
	g_ptr_array_unref(reader->all);
	g_ptr_array_unref(reader->arguments);
	g_free(reader);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reader, reader_free)

static const GArray *
last_ports(const Reader *reader)
{
	return reader->stage != NULL ? reader->stage->ports : NULL;
}

unsigned
dockerfile_port(const char *text)
{
	g_autoptr(Reader) reader = reader_new(text);
	const GArray *ports = last_ports(reader);
	return ports != NULL && ports->len > 0 ? g_array_index(ports, unsigned, 0) : 0;
}

unsigned
dockerfile_port_count(const char *text)
{
	g_autoptr(Reader) reader = reader_new(text);
	const GArray *ports = last_ports(reader);
	return ports != NULL ? ports->len : 0;
}

GStrv
dockerfile_arguments(const char *text)
{
	g_autoptr(Reader) reader = reader_new(text);
	g_ptr_array_add(reader->arguments, NULL);
	g_ptr_array_set_free_func(reader->arguments, NULL);
	return (GStrv)g_ptr_array_steal(reader->arguments, NULL);
}
