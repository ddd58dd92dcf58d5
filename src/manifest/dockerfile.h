/*
 * The few things that the rack reads out of a Dockerfile itself: which port it exposes and which
 * build arguments it asks for. Lines are read as the engine reads them: continuations, comments,
 * instructions in any case.
 */
#pragma once

#include <glib.h>

/* The first port that the last stage exposes; 0 when there is none. */
unsigned
dockerfile_port(const char *text);

/* Names declared by ARG in any stage, in order, each once; NULL-terminated, never NULL. The caller
 * frees it. */
GStrv
dockerfile_arguments(const char *text);
