/*
 * Signature Version 4. The rules that surprise: S3 encodes the path once and leaves it alone
 * otherwise, all others take out dot segments and encode what is already encoded a second time;
 * names are sorted as names, so «a» comes before «a-b» although «a=» would not; S3 wants the hash
 * of the payload as a header, and a presigned S3 URL has none.
 */
#include "aws/sigv4.h"

#include "base/http.h"

#include <stdbool.h>
#include <string.h>

#define DIGEST_BYTES 32

typedef struct {
	char *name;
	char *value;
} Pair;

static void
pair_free(Pair *pair)
{
	g_free(pair->name);
	g_free(pair->value);
	g_free(pair);
}

static GPtrArray *
pairs_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)pair_free);
}

/* Takes over both. */
static void
pairs_add(GPtrArray *pairs, char *name, char *value)
{
	Pair *pair = g_new0(Pair, 1);

	pair->name = name;
	pair->value = value;
	g_ptr_array_add(pairs, pair);
}

static Pair *
pairs_find(const GPtrArray *pairs, const char *name)
{
	for (guint i = 0; i < pairs->len; i++) {
		Pair *pair = g_ptr_array_index(pairs, i);
		if (g_str_equal(pair->name, name))
			return pair;
	}
	return NULL;
}

static int
compare_pairs(gconstpointer one, gconstpointer other)
{
	const Pair *left = *(const Pair *const *)one, *right = *(const Pair *const *)other;

	int order = strcmp(left->name, right->name);
	return order ? order : strcmp(left->value, right->value);
}

/* Without blanks at the ends, runs of blanks inside as one. */
static char *
trimmed(const char *value)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (; *value; value++) {
		bool blank = *value == ' ' || *value == '\t';
		if (!blank)
			g_string_append_c(text, *value);
		else if (text->len > 0 && text->str[text->len - 1] != ' ')
			g_string_append_c(text, ' ');
	}
	return g_strchomp(g_string_free(g_steal_pointer(&text), FALSE));
}

/* A header that is there twice is signed as one with both values. */
static void
add_header(GPtrArray *headers, const char *name, const char *value)
{
	g_autofree char *lower = g_ascii_strdown(name, -1);
	g_autofree char *clean = trimmed(value);
	Pair *known = pairs_find(headers, lower);

	if (!known) {
		pairs_add(headers, g_steal_pointer(&lower), g_steal_pointer(&clean));
		return;
	}
	char *both = g_strconcat(known->value, ",", clean, NULL);
	g_free(known->value);
	known->value = both;
}

static GPtrArray *
request_headers(const SigV4Request *request)
{
	GPtrArray *headers = pairs_new();

	add_header(headers, "host", request->host);
	for (const char *const *line = request->headers; line && *line; line++) {
		const char *colon = strchr(*line, ':');
		g_autofree char *name = g_strndup(*line, (gsize)(colon - *line));
		add_header(headers, name, colon + 1);
	}
	return headers;
}

/* Decoded and encoded again, so that «%c3» and «!» come out as the server writes them. */
static char *
encoded_again(const char *text, const char *allowed)
{
	g_autofree char *plain = g_uri_unescape_string(text, NULL);

	return g_uri_escape_string(plain ? plain : text, allowed, FALSE);
}

static char *
without_dot_segments(const char *path)
{
	g_auto(GStrv) segments = g_strsplit(path, "/", -1);
	g_autoptr(GPtrArray) kept = g_ptr_array_new();

	for (char **segment = segments; *segment; segment++) {
		if (**segment == '\0' || g_str_equal(*segment, "."))
			continue;
		if (!g_str_equal(*segment, ".."))
			g_ptr_array_add(kept, *segment);
		else if (kept->len > 0)
			g_ptr_array_set_size(kept, (int)kept->len - 1);
	}
	bool slash = kept->len > 0 && g_str_has_suffix(path, "/");
	g_ptr_array_add(kept, NULL);
	g_autofree char *joined = g_strjoinv("/", (char **)kept->pdata);
	return g_strconcat("/", joined, slash ? "/" : "", NULL);
}

static char *
canonical_path(const SigV4Request *request)
{
	if (g_str_equal(request->service, "s3"))
		return encoded_again(request->path, "/");

	g_autofree char *normal = without_dot_segments(request->path);
	return g_uri_escape_string(normal, "/", FALSE);
}

static GPtrArray *
request_query(const SigV4Request *request)
{
	GPtrArray *pairs = pairs_new();
	g_auto(GStrv) parts = g_strsplit(request->query ? request->query : "", "&", -1);

	for (char **part = parts; *part; part++) {
		char *equals = strchr(*part, '=');
		if (equals)
			*equals = '\0';
		if (equals || **part)
			pairs_add(pairs, encoded_again(*part, NULL),
			    encoded_again(equals ? equals + 1 : "", NULL));
	}
	return pairs;
}

/* Sorted; each pair as NAME `between` VALUE `after`, the last without `after` if it is «&». */
static char *
joined(GPtrArray *pairs, const char *between, const char *after)
{
	g_autoptr(GString) text = g_string_new(NULL);

	g_ptr_array_sort(pairs, compare_pairs);
	for (guint i = 0; i < pairs->len; i++) {
		const Pair *pair = g_ptr_array_index(pairs, i);
		g_string_append_printf(text, "%s%s%s%s", pair->name, between, pair->value, after);
	}
	if (text->len > 0 && *after == '&')
		g_string_truncate(text, text->len - 1);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
names_of(const GPtrArray *pairs)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < pairs->len; i++) {
		const Pair *pair = g_ptr_array_index(pairs, i);
		g_string_append_printf(text, "%s%s", i > 0 ? ";" : "", pair->name);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
timestamp(gint64 time)
{
	g_autoptr(GDateTime) moment = g_date_time_new_from_unix_utc(time / G_USEC_PER_SEC);

	return g_date_time_format(moment, "%Y%m%dT%H%M%SZ");
}

static char *
scope_of(const SigV4Request *request, const char *stamp)
{
	return g_strdup_printf("%.8s/%s/%s/aws4_request", stamp, request->region, request->service);
}

static void
keyed_hash(guint8 key[DIGEST_BYTES], const char *text)
{
	GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, key, DIGEST_BYTES);
	gsize length = DIGEST_BYTES;

	g_hmac_update(hmac, (const guchar *)text, -1);
	g_hmac_get_digest(hmac, key, &length);
	g_hmac_unref(hmac);
}

/* The key that is made of the secret, the day, the region and the service. */
static void
signing_key(
    const SigV4Request *request, const char *secret, const char *stamp, guint8 key[DIGEST_BYTES])
{
	g_autofree char *day = g_strndup(stamp, 8);
	g_autofree char *start = g_strconcat("AWS4", secret, NULL);
	GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, (const guchar *)start, strlen(start));
	gsize length = DIGEST_BYTES;

	g_hmac_update(hmac, (const guchar *)day, -1);
	g_hmac_get_digest(hmac, key, &length);
	g_hmac_unref(hmac);
	explicit_bzero(start, strlen(start));
	keyed_hash(key, request->region);
	keyed_hash(key, request->service);
	keyed_hash(key, "aws4_request");
}

/* The signature of a canonical request, in hex. */
static char *
signature(
    const SigV4Request *request, const SigV4Keys *keys, const char *stamp, const char *canonical)
{
	guint8 key[DIGEST_BYTES];
	g_autofree char *scope = scope_of(request, stamp);
	g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, canonical, -1);
	g_autofree char *text = g_strdup_printf("AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, hash);

	signing_key(request, keys->secret_key, stamp, key);
	char *result = g_compute_hmac_for_string(G_CHECKSUM_SHA256, key, sizeof key, text, -1);
	explicit_bzero(key, sizeof key);
	return result;
}

static char *
canonical_request(
    const SigV4Request *request, const char *query, GPtrArray *headers, const char *payload_hash)
{
	g_autofree char *path = canonical_path(request);
	g_autofree char *lines = joined(headers, ":", "\n");
	g_autofree char *names = names_of(headers);

	return g_strdup_printf(
	    "%s\n%s\n%s\n%s\n%s\n%s", request->method, path, query, lines, names, payload_hash);
}

char **
sigv4_sign(const SigV4Request *request, const SigV4Keys *keys)
{
	g_autofree char *stamp = timestamp(request->time);
	g_autofree char *scope = scope_of(request, stamp);
	g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
	g_autoptr(GPtrArray) headers = request_headers(request);
	const Pair *given_hash = pairs_find(headers, "x-amz-content-sha256");
	bool add_hash = !given_hash && g_str_equal(request->service, "s3");
	const char *hash = given_hash ? given_hash->value : request->payload_hash;

	const Pair added[] = {
	    {(char *)"X-Amz-Date", stamp},
	    {(char *)"X-Amz-Security-Token", (char *)keys->session_token},
	    {(char *)"X-Amz-Content-Sha256", add_hash ? (char *)hash : NULL},
	};
	for (gsize i = 0; i < G_N_ELEMENTS(added); i++) {
		if (!added[i].value)
			continue;
		add_header(headers, added[i].name, added[i].value);
		g_autofree char *line = g_strconcat(added[i].name, ": ", added[i].value, NULL);
		g_strv_builder_add(lines, line);
	}

	g_autoptr(GPtrArray) pairs = request_query(request);
	g_autofree char *query = joined(pairs, "=", "&");
	g_autofree char *canonical = canonical_request(request, query, headers, hash);
	g_autofree char *result = signature(request, keys, stamp, canonical);
	g_autofree char *names = names_of(headers);
	g_autofree char *line = g_strdup_printf("Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, "
						"SignedHeaders=%s, Signature=%s",
	    keys->access_key, scope, names, result);
	g_strv_builder_add(lines, line);
	return g_strv_builder_end(lines);
}

char *
sigv4_presign(const SigV4Request *request, const SigV4Keys *keys, unsigned seconds)
{
	bool is_s3 = g_str_equal(request->service, "s3");
	g_autofree char *stamp = timestamp(request->time);
	g_autofree char *scope = scope_of(request, stamp);
	g_autofree char *credential = g_strconcat(keys->access_key, "/", scope, NULL);
	g_autoptr(GPtrArray) headers = request_headers(request);
	g_autoptr(GPtrArray) pairs = request_query(request);

	g_ptr_array_sort(headers, compare_pairs);
	g_autofree char *names = names_of(headers);
	pairs_add(pairs, g_strdup("X-Amz-Algorithm"), g_strdup("AWS4-HMAC-SHA256"));
	pairs_add(pairs, g_strdup("X-Amz-Credential"), http_escape(credential));
	pairs_add(pairs, g_strdup("X-Amz-Date"), g_strdup(stamp));
	pairs_add(pairs, g_strdup("X-Amz-Expires"), g_strdup_printf("%u", seconds));
	pairs_add(pairs, g_strdup("X-Amz-SignedHeaders"), http_escape(names));
	if (keys->session_token)
		pairs_add(
		    pairs, g_strdup("X-Amz-Security-Token"), http_escape(keys->session_token));

	g_autofree char *query = joined(pairs, "=", "&");
	const char *hash = is_s3 ? SIGV4_UNSIGNED_PAYLOAD : request->payload_hash;
	g_autofree char *canonical = canonical_request(request, query, headers, hash);
	g_autofree char *result = signature(request, keys, stamp, canonical);
	return g_strconcat(query, "&X-Amz-Signature=", result, NULL);
}
