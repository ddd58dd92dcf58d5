/*
 * The output of a process: lines made from the engine's log stream (`timestamps=1`), each with the
 * engine's own time.
 */
#pragma once

#include "swarm/docker.h"

#define OUTPUT_STAMP_BYTES 40

typedef struct {
	const char
	    *stamp; /* the engine's time as it writes it: fixed width, so texts compare as times */
	unsigned stream;   /* 1 or 2 */
	bool is_continued; /* more of a line that was over LIMIT_LOG_LINE_BYTES */
	const char *text;
	gsize length;
} OutputLine;

typedef bool (*OutputTake)(gpointer data, const OutputLine *line, GError **error);

typedef struct {
	GString *text;
	char stamp[OUTPUT_STAMP_BYTES + 1];
	bool is_open;
	bool is_continued;
} OutputPart;

/* Start with {.take = …, .data = …}; output_clear frees. */
typedef struct {
	OutputTake take;
	gpointer data;
	DockerFrames frames;
	char stamp[OUTPUT_STAMP_BYTES + 1];
	unsigned stamp_length;
	bool has_stamp;
	gsize piece_length;
	OutputPart parts[2];
} Output;

/* An HttpWrite over Output. Lines are handed on as soon as they are whole. */
bool
output_feed(gpointer output, const void *bytes, gsize length, GError **error);

/* The stream has ended: hands on what had no newline. */
bool
output_end(Output *output, GError **error);

void
output_clear(Output *output);
