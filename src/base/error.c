/*
 * The error domain and its statuses. See the header for who sets, prefixes and answers errors.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>

G_DEFINE_QUARK(carrack - error - quark, carrack_error)

static const unsigned statuses[] = {
    [CARRACK_ERROR_INVALID] = 400,
    [CARRACK_ERROR_UNAUTHORIZED] = 401,
    [CARRACK_ERROR_FORBIDDEN] = 403,
    [CARRACK_ERROR_NOT_FOUND] = 404,
    [CARRACK_ERROR_CONFLICT] = 409,
    [CARRACK_ERROR_TOO_LARGE] = 413,
    [CARRACK_ERROR_UPSTREAM] = 502,
    [CARRACK_ERROR_UNAVAILABLE] = 503,
    [CARRACK_ERROR_INTERNAL] = 500,
};

unsigned
error_status(const GError *error)
{
	if (error->domain != CARRACK_ERROR)
		return 500;

	return statuses[error->code];
}

CarrackError
error_from_status(unsigned status)
{
	for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
		if (statuses[i] == status)
			return (CarrackError)i;
	}
	if (status >= 400 && status < 500)
		return CARRACK_ERROR_INVALID;

	return CARRACK_ERROR_UPSTREAM;
}

bool
error_set_errno(GError **error, int errnum, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	CarrackError code = errnum == ENOENT ? CARRACK_ERROR_NOT_FOUND : CARRACK_ERROR_INTERNAL;
	g_set_error(error, CARRACK_ERROR, code, "%s: %s", text, g_strerror(errnum));
	return false;
}

bool
error_set(GError **error, CarrackError code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	g_set_error_literal(error, CARRACK_ERROR, code, text);
	return false;
}

bool
error_cancelled(GCancellable *cancel, GError **error)
{
	if (!g_cancellable_is_cancelled(cancel))
		return false;

	error_set(error, CARRACK_ERROR_UNAVAILABLE, "cancelled");
	return true;
}
