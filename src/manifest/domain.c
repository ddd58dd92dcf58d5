/*
 * The rule for host names. RFC 1123's letters, digits and dashes, and the underscore, which no
 * standard allows for hosts and which is used all the same. Lengths are RFC 1035's: a label has at
 * most 63 bytes, a name at most 253.
 */
#include "manifest/domain.h"

#include "base/error.h"

#include <string.h>

#define NAME_BYTES 253
#define LABEL_BYTES 63

static bool
check_shape(const char *name, GError **error)
{
	const char *reason = NULL;
	if (*name == '\0')
		reason = "an empty domain is not allowed";
	else if (strstr(name, "://") != NULL)
		reason = "a domain has no scheme, write only the host name";
	else if (strchr(name, '/') != NULL)
		reason = "a domain has no path, write only the host name";
	else if (strchr(name, ':') != NULL)
		reason = "a domain has no port, write only the host name";
	else if (strcmp(name, "*") == 0)
		reason = "a lone * would take every host, write *.NAME";

	return reason == NULL || error_set(error, CARRACK_ERROR_INVALID, "%s", reason);
}

static bool
check_label(const char *label, GError **error)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	gsize length = strlen(label);
	const char *reason = NULL;
	if (length == 0)
		reason = "a label between two dots is empty";
	else if (length > LABEL_BYTES)
		reason = "a label has more than " G_STRINGIFY(LABEL_BYTES) " characters";
	else if (strchr(label, '*') != NULL)
		reason = "* may only be the whole first label";
	else if (strspn(label, allowed) != length)
		reason = "only letters, digits, dashes and dots are allowed";
	else if (label[0] == '-' || label[length - 1] == '-')
		reason = "a label must not begin or end with a dash";

	return reason == NULL || error_set(error, CARRACK_ERROR_INVALID, "%s", reason);
}

static bool
check_labels(const char *name, GError **error)
{
	if (strlen(name) > NAME_BYTES)
		return error_set(
		    error, CARRACK_ERROR_INVALID, "a domain has at most %d characters", NAME_BYTES);

	bool is_wildcard = g_str_has_prefix(name, "*.");
	g_auto(GStrv) labels = g_strsplit(is_wildcard ? name + 2 : name, ".", -1);
	for (char **label = labels; *label != NULL; label++) {
		if (!check_label(*label, error))
			return false;
	}
	return true;
}

/* Names that are not ASCII in their xn-- form; NULL if they have none. */
static char *
to_ascii(const char *name)
{
	if (g_str_is_ascii(name))
		return g_ascii_strdown(name, -1);

	g_autofree char *ascii = g_hostname_to_ascii(name);
	return ascii != NULL ? g_ascii_strdown(ascii, -1) : NULL;
}

char *
domain_clean(const char *name, GError **error)
{
	g_autofree char *host = g_strdup(name);
	gsize length = strlen(host);
	if (length > 1 && host[length - 1] == '.')
		host[length - 1] = '\0';
	if (!check_shape(host, error))
		return NULL;

	g_autofree char *ascii = to_ascii(host);
	if (ascii == NULL) {
		error_set(error, CARRACK_ERROR_INVALID, "it has no form that DNS can carry");
		return NULL;
	}
	return check_labels(ascii, error) ? g_steal_pointer(&ascii) : NULL;
}
