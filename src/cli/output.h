/*
 * What the program prints: data on stdout, everything else on stderr; tables, blocks of facts,
 * actions («Creating x... OK») and one progress line. With --json stdout holds JSON only, made from
 * the same columns and labels; with --id only the identifier. The only file that knows
 * libsmartcols.
 */
#pragma once

#include "base/json.h"

typedef struct Output Output;
typedef struct Table Table;
typedef struct Info Info;

/* `out` and `err` are file descriptors: stdout and stderr, or files in tests. */
Output *
output_new(int out, int err);

void
output_free(Output *output);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Output, output_free)

/* From now on stdout is kept for JSON, or for an identifier; the talk goes to stderr. */
void
output_set_json(Output *output);

void
output_set_id(Output *output);

bool
output_is_json(const Output *output);

/* True when the talk (actions, timelines) is seen by a person. */
bool
output_is_live(const Output *output);

/* Text for stdout as it is. Kept until output_flush, an action or the end. */
void
output_data(Output *output, const char *bytes, gsize length);

/* A line of data on stdout; nothing with --json. */
void
output_print(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A line of talk: stdout, or stderr when stdout is kept. */
void
output_talk(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A line of talk that holds text from elsewhere. */
void
output_line(Output *output, const char *line);

/* A line on stderr. */
void
output_note(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* «ERROR: …» on stderr, once for each line of the text. */
void
output_error(Output *output, const char *text);

/* Text of an app or a build, to stdout, or with `is_talk` to where the talk goes. On a terminal all
 * control sequences but colours are taken out. */
void
output_foreign(Output *output, bool is_talk, const char *bytes, gsize length);

/* False when stdout takes nothing any more (the reader has gone, the disk is full). */
bool
output_flush(Output *output);

/* Flushes. A reader that has gone is no failure; anything else is. */
bool
output_finish(Output *output, GError **error);

/* Begins an action: «Creating x... » at once on a terminal; elsewhere its line is written when it
 * is done, so that a failed verb leaves stdout empty. */
void
output_action(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* What the action is at; rewrites its line on a terminal. */
void
output_progress(Output *output, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Ends the action's line, because lines of its own follow; the action goes on. */
void
output_break(Output *output);

/* Ends the action: «OK», or «OK, detail». */
void
output_done(Output *output, const char *detail);

/* The answer of a verb: printed with --json, otherwise nothing. */
void
output_json(Output *output, const json_t *value);

/* The identifier for --id: without a newline, as `$(…)` and files want it. */
void
output_id(Output *output, const char *id);

/* Colours a word where the talk is on a terminal that wants colours. The caller frees it. */
char *
output_colour(const Output *output, const char *code, const char *text);

#define OUTPUT_RED "31"
#define OUTPUT_GREEN "32"
#define OUTPUT_GREY "90"

/* Tables. Cells are added from left to right, row after row. */

/* `columns` are the headings, separated by blanks: «APP STATUS RELEASE»; JSON has them in lower
 * case. */
Table *
table_new(const char *columns);

void
table_free(Table *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* `text` NULL: an empty cell. */
void
table_text(Table *table, const char *text);

void
table_number(Table *table, gint64 number);

/* A time of the wire: shown as «2 hours ago», in JSON as it is. Nothing for the zero time. */
void
table_time(Table *table, const char *time);

/* From time to time: «1m2s», in JSON seconds. */
void
table_elapsed(Table *table, const char *started, const char *ended);

/* A cell whose JSON is something else than its text. Takes over the value. */
void
table_value(Table *table, const char *text, json_t *value);

/* Only the headings when there are no rows. */
void
table_print(const Table *table, Output *output);

/* Facts: «Label  value», a value's further lines below its first. JSON: an object. */

Info *
info_new(void);

void
info_free(Info *info);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Info, info_free)

/* The JSON member is the label in lower case. */
void
info_text(Info *info, const char *label, const char *text);

void
info_time(Info *info, const char *label, const char *time);

void
info_elapsed(Info *info, const char *label, const char *started, const char *ended);

/* The label is data, and its own JSON member. */
void
info_pair(Info *info, const char *name, const char *text);

/* As info_text, with a JSON value of its own, which is taken over. */
void
info_value(Info *info, const char *label, const char *text, json_t *value);

void
info_print(const Info *info, Output *output);

/* A time of the wire in microseconds, 0 for none; never later than now, so that a client's clock
 * that is behind shows «now». */
gint64
output_time(const char *text);
