/*
 * Identifiers, times, durations and sizes as text. The forms are those that clients of the rack's
 * API parse: RFC 3339 with a fraction only if there is one, Go's durations, and the relative times
 * that people read in a terminal. Parsing is strict: what is not wholly understood is refused, and
 * no function here depends on the locale or the time zone of the machine.
 */
#include "base/text.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define ID_LETTERS 10
#define SECOND_NS INT64_C(1000000000)
#define ZERO_TIME "0001-01-01T00:00:00Z"

static void
random_bytes(void *buffer, gsize length)
{
	guint8 *bytes = buffer;

	for (gsize done = 0; done < length;) {
		gssize count = getrandom(bytes + done, length - done, 0);
		/* Without randomness every secret would be a known one: nothing may go on. */
		if (count < 0)
			g_assert(errno == EINTR);
		else
			done += (gsize)count;
	}
}

/* Bytes that would favour the first letters of the alphabet are thrown away. */
static void
append_random_letters(GString *text, const char *alphabet, gsize count)
{
	unsigned size = (unsigned)strlen(alphabet);
	unsigned fair = 256 - 256 % size;

	while (count > 0) {
		guint8 byte;
		random_bytes(&byte, 1);
		if (byte >= fair)
			continue;
		g_string_append_c(text, alphabet[byte % size]);
		count--;
	}
}

char *
text_id(char prefix)
{
	GString *text = g_string_new(NULL);

	g_string_append_c(text, prefix);
	append_random_letters(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", ID_LETTERS);
	return g_string_free(text, FALSE);
}

char *
text_random_hex(gsize bytes)
{
	GString *text = g_string_new(NULL);

	append_random_letters(text, "0123456789abcdef", bytes * 2);
	return g_string_free(text, FALSE);
}

char *
text_random_password(gsize length)
{
	GString *text = g_string_new(NULL);

	append_random_letters(
	    text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length);
	return g_string_free(text, FALSE);
}

/* Floor division, so that times before 1970 keep a positive fraction. */
static gint64
split_time(gint64 time, gint64 *microseconds)
{
	gint64 seconds = time / G_USEC_PER_SEC;

	*microseconds = time % G_USEC_PER_SEC;
	if (*microseconds < 0) {
		*microseconds += G_USEC_PER_SEC;
		seconds--;
	}
	return seconds;
}

static void
append_date_and_time(GString *text, gint64 seconds)
{
	time_t when = seconds;
	struct tm parts = {0};

	gmtime_r(&when, &parts);
	g_string_append_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900,
	    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

char *
text_time(gint64 time)
{
	if (time == 0)
		return g_strdup(ZERO_TIME);

	gint64 microseconds;
	gint64 seconds = split_time(time, &microseconds);
	GString *text = g_string_new(NULL);
	append_date_and_time(text, seconds);

	if (microseconds > 0) {
		g_string_append_printf(text, ".%06" G_GINT64_FORMAT, microseconds);
		while (text->str[text->len - 1] == '0')
			g_string_truncate(text, text->len - 1);
	}

	g_string_append_c(text, 'Z');
	return g_string_free(text, FALSE);
}

char *
text_time_seconds(gint64 time)
{
	if (time == 0)
		return g_strdup(ZERO_TIME);

	gint64 microseconds;
	gint64 seconds = split_time(time, &microseconds);
	GString *text = g_string_new(NULL);
	append_date_and_time(text, seconds);
	g_string_append_c(text, 'Z');
	return g_string_free(text, FALSE);
}

/* Reads exactly `count` digits and moves past them. */
static bool
take_digits(const char **text, unsigned count, int *value)
{
	*value = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!g_ascii_isdigit(**text))
			return false;
		*value = *value * 10 + g_ascii_digit_value(*(*text)++);
	}
	return true;
}

static bool
take_one_of(const char **text, const char *allowed)
{
	if (**text == '\0' || !strchr(allowed, **text))
		return false;

	(*text)++;
	return true;
}

static bool
take_date(const char **text, struct tm *parts)
{
	bool read = take_digits(text, 4, &parts->tm_year) && take_one_of(text, "-") &&
		    take_digits(text, 2, &parts->tm_mon) && take_one_of(text, "-") &&
		    take_digits(text, 2, &parts->tm_mday);
	if (!read || parts->tm_year < 1 || parts->tm_mon < 1 || parts->tm_mon > 12)
		return false;

	int days = g_date_get_days_in_month((GDateMonth)parts->tm_mon, (GDateYear)parts->tm_year);
	if (parts->tm_mday < 1 || parts->tm_mday > days)
		return false;

	parts->tm_year -= 1900;
	parts->tm_mon -= 1;
	return true;
}

/* Second 60 is a leap second; timegm counts it as the one after it. */
static bool
take_clock(const char **text, struct tm *parts)
{
	bool read = take_digits(text, 2, &parts->tm_hour) && take_one_of(text, ":") &&
		    take_digits(text, 2, &parts->tm_min) && take_one_of(text, ":") &&
		    take_digits(text, 2, &parts->tm_sec);

	return read && parts->tm_hour <= 23 && parts->tm_min <= 59 && parts->tm_sec <= 60;
}

static bool
take_fraction(const char **text, gint64 *microseconds)
{
	*microseconds = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (!g_ascii_isdigit(**text))
		return false;

	for (gint64 weight = G_USEC_PER_SEC / 10; g_ascii_isdigit(**text); weight /= 10)
		*microseconds += g_ascii_digit_value(*(*text)++) * weight;
	return true;
}

static bool
take_offset(const char **text, gint64 *seconds)
{
	*seconds = 0;
	if (take_one_of(text, "Zz"))
		return true;

	bool west = **text == '-';
	int hours, minutes;
	bool read = take_one_of(text, "+-") && take_digits(text, 2, &hours) &&
		    take_one_of(text, ":") && take_digits(text, 2, &minutes);
	if (!read || hours > 23 || minutes > 59)
		return false;

	*seconds = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
	return true;
}

bool
text_parse_time(const char *text, gint64 *time, GError **error)
{
	const char *rest = text;
	struct tm parts = {0};
	gint64 microseconds, offset;

	bool read = take_date(&rest, &parts) && take_one_of(&rest, "Tt ") &&
		    take_clock(&rest, &parts) && take_fraction(&rest, &microseconds) &&
		    take_offset(&rest, &offset) && *rest == '\0';
	if (!read)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "time \"%.40s\" is not of the form 2006-01-02T15:04:05Z", text);

	/* The wire's zero time stands for «never». */
	bool never = g_str_equal(text, ZERO_TIME);
	*time = never ? 0 : (timegm(&parts) - offset) * G_USEC_PER_SEC + microseconds;
	return true;
}

static const struct {
	const char *name;
	gint64 nanoseconds;
} duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"µs", 1000}, /* U+00B5, as Go prints it */
    {"μs", 1000}, /* U+03BC */
    {"ms", 1000000},
    {"s", SECOND_NS},
    {"m", 60 * SECOND_NS},
    {"h", 3600 * SECOND_NS},
};

/* The unit is all that stands before the next digit or the end: «m» must not match «ms». */
static gint64
take_unit(const char **text)
{
	gsize length = strcspn(*text, ".0123456789");

	for (gsize i = 0; i < G_N_ELEMENTS(duration_units); i++) {
		const char *name = duration_units[i].name;
		if (strlen(name) == length && memcmp(name, *text, length) == 0) {
			*text += length;
			return duration_units[i].nanoseconds;
		}
	}
	return 0;
}

/* One «12.5h». Adds to `total` with care: what does not fit is refused like any other nonsense. */
static bool
take_duration_part(const char **text, gint64 *total)
{
	const char *digits = *text;
	gint64 whole = 0;
	for (; g_ascii_isdigit(**text); (*text)++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, g_ascii_digit_value(**text), &whole))
			return false;
	}
	bool some_digit = *text > digits;

	double fraction = 0;
	if (take_one_of(text, ".")) {
		for (double weight = 0.1; g_ascii_isdigit(**text); weight /= 10) {
			fraction += g_ascii_digit_value(*(*text)++) * weight;
			some_digit = true;
		}
	}

	gint64 unit = take_unit(text);
	if (!some_digit || unit == 0 || __builtin_mul_overflow(whole, unit, &whole))
		return false;
	gint64 part = (gint64)(fraction * (double)unit + 0.5);
	return !__builtin_add_overflow(*total, whole, total) &&
	       !__builtin_add_overflow(*total, part, total);
}

bool
text_parse_duration(const char *text, gint64 *duration, GError **error)
{
	const char *rest = text;
	bool negative = *rest == '-';
	take_one_of(&rest, "+-");

	gint64 total = 0;
	bool read = *rest != '\0';
	while (read && *rest != '\0')
		read = take_duration_part(&rest, &total);
	if (!read)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "duration \"%.40s\" is not of the form 1h2m3s, 5m or 300ms", text);

	*duration = (negative ? -total : total) / 1000;
	return true;
}

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)
#define MONTH (30 * DAY)
#define YEAR (12 * MONTH)

/* The first row whose limit is above the difference is taken; `unit` 0: the text has no number. */
static const struct {
	gint64 below;
	gint64 unit;
	const char *text;
} relative_times[] = {
    {1, 0, "now"},
    {2, 0, "1 second"},
    {MINUTE, 1, "seconds"},
    {2 * MINUTE, 0, "1 minute"},
    {HOUR, MINUTE, "minutes"},
    {2 * HOUR, 0, "1 hour"},
    {DAY, HOUR, "hours"},
    {2 * DAY, 0, "1 day"},
    {WEEK, DAY, "days"},
    {2 * WEEK, 0, "1 week"},
    {MONTH, WEEK, "weeks"},
    {2 * MONTH, 0, "1 month"},
    {YEAR, MONTH, "months"},
    {18 * MONTH, 0, "1 year"},
    {2 * YEAR, 0, "2 years"},
    {37 * (gint64)YEAR, YEAR, "years"},
    {G_MAXINT64, 0, "a long while"},
};

char *
text_ago(gint64 time, gint64 now)
{
	if (time == 0)
		return g_strdup("");

	gint64 seconds = ABS(now - time) / G_USEC_PER_SEC;
	const char *direction = time > now ? "from now" : "ago";
	if (seconds < relative_times[0].below)
		return g_strdup(relative_times[0].text);

	gsize row = 1;
	while (seconds >= relative_times[row].below)
		row++;
	if (relative_times[row].unit == 0)
		return g_strdup_printf("%s %s", relative_times[row].text, direction);

	gint64 count = seconds / relative_times[row].unit;
	return g_strdup_printf(
	    "%" G_GINT64_FORMAT " %s %s", count, relative_times[row].text, direction);
}

char *
text_elapsed(gint64 started, gint64 ended)
{
	if (started == 0 || ended == 0)
		return g_strdup("");

	gint64 seconds = MAX(ended - started, 0) / G_USEC_PER_SEC;
	if (seconds < 60)
		return g_strdup_printf("%" G_GINT64_FORMAT "s", seconds);

	return g_strdup_printf(
	    "%" G_GINT64_FORMAT "m%" G_GINT64_FORMAT "s", seconds / 60, seconds % 60);
}

bool
text_parse_int(const char *text,
    const char *what,
    gint64 minimum,
    gint64 maximum,
    gint64 *value,
    GError **error)
{
	bool begins_well = g_ascii_isdigit(text[0]) || text[0] == '-';
	gint64 number;

	if (!begins_well || !g_ascii_string_to_signed(text, 10, minimum, maximum, &number, NULL))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: \"%.40s\" is not a whole number between %" G_GINT64_FORMAT
		    " and %" G_GINT64_FORMAT,
		    what, text, minimum, maximum);

	*value = number;
	return true;
}

bool
text_check_name(const char *name, const char *what, GError **error)
{
	gsize length = strlen(name);
	bool good = length > 0 && length <= LIMIT_NAME_BYTES && g_ascii_islower(name[0]) &&
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
		    name[length - 1] != '-';
	if (good)
		return true;

	g_autofree char *shown = g_strndup(name, 64);
	g_autofree char *quoted = g_strescape(shown, NULL);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "%s \"%s\" is not allowed: use a-z, 0-9 and dashes, a letter first, no dash last, at "
	    "most %d characters",
	    what, quoted, LIMIT_NAME_BYTES);
}

bool
text_is_id(const char *name, char prefix)
{
	return name[0] == prefix && strlen(name) == 1 + ID_LETTERS &&
	       strspn(name + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ID_LETTERS;
}

char *
text_sha256(const void *bytes, gsize length)
{
	return g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, length);
}

bool
text_equal_constant_time(const char *one, const char *other)
{
	gsize one_length = strlen(one), other_length = strlen(other);
	volatile guint8 difference = one_length != other_length;

	for (gsize i = 0; i < one_length && other_length > 0; i++)
		difference |= (guint8)(one[i] ^ other[i % other_length]);
	return difference == 0;
}

/* Levenshtein's distance, one row at a time. */
static gsize
edit_distance(const char *one, const char *other)
{
	gsize width = strlen(other) + 1;
	g_autofree gsize *row = g_new(gsize, width);
	for (gsize i = 0; i < width; i++)
		row[i] = i;

	for (gsize i = 0; one[i] != '\0'; i++) {
		gsize diagonal = row[0];
		row[0] = i + 1;
		for (gsize j = 1; j < width; j++) {
			gsize replaced = diagonal + (one[i] != other[j - 1]);
			diagonal = row[j];
			row[j] = MIN(replaced, MIN(row[j - 1], row[j]) + 1);
		}
	}
	return row[width - 1];
}

const char *
text_nearest(const char *name, const char *const *names)
{
	gsize length = strlen(name);
	const char *nearest = NULL;
	/* One slip in three letters is a typing error; more is another word. */
	gsize allowed = length < 3 ? 1 : length < 6 ? 2 : MIN(length / 3, 4);

	if (length > 128)
		return NULL;
	for (; *names; names++) {
		gsize distance = edit_distance(name, *names);
		if (distance <= allowed && distance < length) {
			allowed = distance > 0 ? distance - 1 : 0;
			nearest = *names;
			if (distance == 0)
				break;
		}
	}
	return nearest;
}
