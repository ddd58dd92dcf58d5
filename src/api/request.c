/*
 * Lookup of variables, options and headers in a request.
 */
#include "api/request.h"

#include "api/form.h"
#include "base/limits.h"
#include "base/text.h"

#include <string.h>

#define ACTOR_LENGTH 64

static GHashTable *
table_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

Request *
request_new(Rack *rack, const char *method, const char *target)
{
	Request *request = g_new0(Request, 1);
	const char *question = strchr(target, '?');
	request->rack = rack;
	request->method = g_strdup(method);
	request->path = question ? g_strndup(target, question - target) : g_strdup(target);
	/* The wire's clients put a «?» behind every target, even behind a query. */
	request->query_text = g_strdup(question ? question + 1 : "");
	gsize length = strlen(request->query_text);
	if (length > 0 && request->query_text[length - 1] == '?')
		request->query_text[length - 1] = 0;
	request->variables = table_new();
	request->query = table_new();
	request->form = table_new();
	request->headers = table_new();
	request->body = g_string_new(NULL);
	request->length = -1;
	request->cancel = g_cancellable_new();
	return request;
}

void
request_free(Request *request)
{
	if (!request)
		return;

	if (request->upload && request->upload_free)
		request->upload_free(request->upload);
	g_free(request->method);
	g_free(request->path);
	g_free(request->query_text);
	g_hash_table_unref(request->variables);
	g_hash_table_unref(request->query);
	g_hash_table_unref(request->form);
	g_hash_table_unref(request->headers);
	g_string_free(request->body, TRUE);
	g_object_unref(request->cancel);
	g_free(request);
}

void
request_add_header(Request *request, const char *name, const char *value)
{
	g_autofree char *lower = g_ascii_strdown(name, -1);
	if (g_hash_table_contains(request->headers, lower))
		return;

	if (!strcmp(lower, "content-length"))
		text_parse_int(value, name, 0, G_MAXINT64, &request->length, NULL);
	g_hash_table_insert(request->headers, g_steal_pointer(&lower), g_strdup(value));
}

static bool
replace_table(GHashTable **table, const char *text, gsize length, const char *what, GError **error)
{
	GHashTable *parsed = form_parse(text, length, what, error);
	if (!parsed)
		return false;

	g_hash_table_unref(*table);
	*table = parsed;
	return true;
}

bool
request_parse_query(Request *request, GError **error)
{
	return replace_table(
	    &request->query, request->query_text, strlen(request->query_text), "query", error);
}

bool
request_parse_form(Request *request, GError **error)
{
	const char *type = request_header(request, "content-type");
	if (!type || !g_str_has_prefix(type, "application/x-www-form-urlencoded"))
		return true;

	return replace_table(&request->form, request->body->str, request->body->len, "form", error);
}

Provider *
request_provider(const Request *request)
{
	return rack_provider(request->rack);
}

const char *
request_variable(const Request *request, const char *name)
{
	const char *value = g_hash_table_lookup(request->variables, name);
	return value ? value : "";
}

const char *
request_header(const Request *request, const char *name)
{
	g_autofree char *lower = g_ascii_strdown(name, -1);
	return g_hash_table_lookup(request->headers, lower);
}

const char *
request_option(const Request *request, const char *name)
{
	const char *value = g_hash_table_lookup(request->form, name);
	return value ? value : g_hash_table_lookup(request->query, name);
}

const char *
request_value(const Request *request, const char *name)
{
	const char *value = request_option(request, name);
	return value ? value : request_header(request, name);
}

const char *
request_required(const Request *request, const char *name, GError **error)
{
	const char *value = request_value(request, name);
	if (!value || !value[0]) {
		error_set(error, CARRACK_ERROR_INVALID, "%s is required", name);
		return NULL;
	}
	return value;
}

bool
request_bool(const Request *request, const char *name, bool fallback)
{
	const char *value = request_value(request, name);
	return value ? !strcmp(value, "true") : fallback;
}

bool
request_int(const Request *request,
    const char *name,
    gint64 minimum,
    gint64 maximum,
    gint64 *value,
    GError **error)
{
	const char *text = request_value(request, name);
	return !text || text_parse_int(text, name, minimum, maximum, value, error);
}

bool
request_time(const Request *request, const char *name, gint64 *value, GError **error)
{
	const char *text = request_value(request, name);
	if (!text)
		return true;

	gint64 time;
	if (text_parse_time(text, &time, NULL)) {
		*value = MAX(time, 1);
		return true;
	}
	if (!text_parse_duration(text, &time, NULL) || time < 0)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "%s: «%s» is neither a duration (5m, 1h30m) nor a time "
		    "(2026-04-20T10:11:12Z)",
		    name, text);
	*value = MAX(g_get_real_time() - time, 1);
	return true;
}

bool
request_map(const Request *request, const char *name, json_t **map, GError **error)
{
	const char *text = request_option(request, name);
	json_t *parsed = text ? form_parse_map(text, name, error) : NULL;
	if (text && !parsed)
		return false;

	*map = parsed;
	return true;
}

bool
request_accepts(const Request *request, const char *type)
{
	const char *accept = request_header(request, "accept");
	return accept && strstr(accept, type);
}

char *
request_actor(const Request *request)
{
	const char *text = request_header(request, "convox-actor");
	if (!text)
		text = request_header(request, "x-convox-actor");
	GString *actor = g_string_new(NULL);
	for (; text && *text && actor->len < ACTOR_LENGTH; text++) {
		if (g_ascii_isprint(*text) && *text != '%')
			g_string_append_c(actor, *text);
	}
	if (actor->len == 0)
		g_string_append(actor, "api");
	return g_string_free(actor, FALSE);
}

App *
request_app(const Request *request, GError **error)
{
	Store *store = request_provider(request)->store;
	return app_load(store, request_variable(request, "app"), error);
}
