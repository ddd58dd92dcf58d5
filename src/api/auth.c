/*
 * Basic authentication. The user's name means nothing. The wire's clients send the password as it
 * stands in their URL, still percent-encoded, so that form is accepted too.
 */
#include "api/auth.h"

#include "api/form.h"
#include "base/text.h"

#include <string.h>

#define SCHEME "Basic "
#define LONGEST 1024

/* The part after the colon; NULL when the header is not Basic. */
static char *
password_of(const char *authorization)
{
	if (!authorization || g_ascii_strncasecmp(authorization, SCHEME, strlen(SCHEME)) ||
	    strlen(authorization) > LONGEST)
		return NULL;

	gsize length;
	g_autofree guchar *decoded = g_base64_decode(authorization + strlen(SCHEME), &length);
	const guchar *colon = memchr(decoded, ':', length);
	if (!colon || memchr(decoded, 0, length))
		return NULL;

	return g_strndup((const char *)colon + 1, length - (colon + 1 - decoded));
}

static Role
role_of(const char *authorization, const char *password)
{
	g_autofree char *given = password_of(authorization);
	if (!given || !password[0])
		return ROLE_PUBLIC;

	g_autofree char *decoded = form_decode(given, strlen(given), false, "password", NULL);
	bool is_same = text_equal_constant_time(given, password);
	bool is_same_decoded = decoded && text_equal_constant_time(decoded, password);
	return is_same || is_same_decoded ? ROLE_ADMIN : ROLE_PUBLIC;
}

bool
auth_check(const char *authorization, const char *password, Role role, GError **error)
{
	if (role == ROLE_PUBLIC)
		return true;

	Role has = role_of(authorization, password);
	if (has == ROLE_PUBLIC || role == ROLE_UNSET)
		return error_set(error, CARRACK_ERROR_UNAUTHORIZED, "invalid authentication");
	if (has < role)
		return error_set(
		    error, CARRACK_ERROR_UNAUTHORIZED, "you are unauthorized to access this");

	return true;
}
