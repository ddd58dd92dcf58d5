/*
 * The few things that the rack reads out of a Dockerfile itself: which port it exposes and which
 * build arguments it asks for. Lines are read as the engine reads them: continuations, comments,
 * instructions in any case.
 */
#pragma once

#include <glib.h>

/* The first TCP port that the last stage exposes (or a stage that it is built from); 0 when there
 * is none. */
unsigned
dockerfile_port(const char *text);

/* How many different TCP ports that is one of. */
unsigned
dockerfile_port_count(const char *text);

/* Names declared by ARG in any stage, in order, each once; NULL-terminated, never NULL. The caller
 * frees it. */
GStrv
dockerfile_arguments(const char *text);
