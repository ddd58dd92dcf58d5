/*
 * Identifiers, times, durations and sizes as text, in the forms that the wire uses.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

/* Times are microseconds since 1970 in UTC (gint64, 0 = never), as g_get_real_time gives them. */

/* «B» or «R» and ten random capital letters. The caller frees it. */
char *
text_id(char prefix);

/* `bytes` random bytes as lower-case hex. The caller frees it. */
char *
text_random_hex(gsize bytes);

/* `length` random characters of [A-Za-z0-9], for passwords: safe in any URL. The caller frees it.
 */
char *
text_random_password(gsize length);

/* RFC 3339 in UTC, with a fraction if there is one; «0001-01-01T00:00:00Z» for 0. The caller frees
 * it. */
char *
text_time(gint64 time);

/* RFC 3339 in UTC without a fraction (log prefixes). The caller frees it. */
char *
text_time_seconds(gint64 time);

/* Reads RFC 3339 (any fraction, Z or offset). Nanoseconds below a microsecond are cut. */
bool
text_parse_time(const char *text, gint64 *time, GError **error);

/* Reads Go's duration syntax («1h2m3s», «5m», «300ms») into microseconds. A bare number is refused.
 */
bool
text_parse_duration(const char *text, gint64 *duration, GError **error);

/* «now», «5 minutes ago», …: the wire's relative form (docs/api.md). Empty for 0. The caller frees
 * it. */
char *
text_ago(gint64 time, gint64 now);

/* «12s», «1m2s»; empty if `ended` is 0. The caller frees it. */
char *
text_elapsed(gint64 started, gint64 ended);

/* Reads a whole decimal number between `minimum` and `maximum`; the error names `what` and the
 * range. */
bool
text_parse_int(const char *text,
    const char *what,
    gint64 minimum,
    gint64 maximum,
    gint64 *value,
    GError **error);

/* The name rule of apps, services, …: ^[a-z][a-z0-9-]*$, no dash at the end, at most
 * LIMIT_NAME_BYTES. `what` is for the error («app name»). */
bool
text_check_name(const char *name, const char *what, GError **error);

/* True if `name` has the form of an id with this prefix (text_id). */
bool
text_is_id(const char *name, char prefix);

/* Lower-case hex SHA-256. The caller frees it. */
char *
text_sha256(const void *bytes, gsize length);

/* Compares in time that depends on the lengths only. */
bool
text_equal_constant_time(const char *one, const char *other);

/* Nearest of `names` (NULL-terminated) by edit distance, or NULL if none is near enough to be
 * meant. Borrowed. */
const char *
text_nearest(const char *name, const char *const *names);
