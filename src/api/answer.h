/*
 * What goes back: a status, a type and bytes. Made here from values and errors, sent by the server.
 */
#pragma once

#include "api/request.h"

typedef struct {
	unsigned status;
	const char *type;
	char *body; /* the owner of the answer frees it */
	gsize length;
} Answer;

Answer
answer_json(const json_t *value);

Answer
answer_text(unsigned status, const char *text);

/* Plain text, or JSON with error and code for those who accept only that. */
Answer
answer_error(const Request *request, const GError *error);
