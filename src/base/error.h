/*
 * Errors: one domain for the whole project, with codes that are the API's statuses.
 *
 * Foreign errors (curl, SQLite, YAML, errno, the engine) are turned into this domain in the one
 * file that knows the library. Whoever passes an error up adds with g_prefix_error what it was
 * doing; whoever handles it logs or answers it, never both.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#define CARRACK_ERROR (carrack_error_quark())

typedef enum {
	CARRACK_ERROR_INVALID,      /* 400: the input is wrong; the text says what is allowed */
	CARRACK_ERROR_UNAUTHORIZED, /* 401 */
	CARRACK_ERROR_FORBIDDEN,    /* 403: understood and refused in this state */
	CARRACK_ERROR_NOT_FOUND,    /* 404 */
	CARRACK_ERROR_CONFLICT,     /* 409: taken, or changed meanwhile */
	CARRACK_ERROR_TOO_LARGE,    /* 413: over a limit of base/limits.h */
	CARRACK_ERROR_UPSTREAM,     /* 502: the engine, router or registry refused or misbehaved */
	CARRACK_ERROR_UNAVAILABLE,  /* 503: cannot be reached now, or cancelled; trying again may
				       help */
	CARRACK_ERROR_INTERNAL,     /* 500: our own fault */
} CarrackError;

GQuark
carrack_error_quark(void);

/* The HTTP status that an error is answered with; 500 for foreign domains. */
unsigned
error_status(const GError *error);

/* The error code that an HTTP status stands for. */
CarrackError
error_from_status(unsigned status);

/* Sets an error for `errnum` (an errno value): «<text>: <what errno says>». Always returns false.
 */
bool
error_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets an error of our domain. Always returns false, so that a check can end with `return error_set
 * (…)`. */
bool
error_set(GError **error, CarrackError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets CARRACK_ERROR_UNAVAILABLE «cancelled» and returns true if `cancel` (may be NULL) is
 * cancelled. */
bool
error_cancelled(GCancellable *cancel, GError **error);
