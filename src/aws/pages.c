/*
 * Lists that come in pages and calls that take only so many names. The token's names differ from
 * service to service, and DynamoDB's is an object, so tokens are JSON values compared as such.
 */
#include "aws/client-private.h"

#include <string.h>

/* The member at the end of «a.b.c», through objects. Borrowed, or NULL. */
static json_t *
member_at(const json_t *object, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, ".", -1);
	json_t *value = (json_t *)object;

	for (char **name = names; *name && value; name++)
		value = json_object_get(value, *name);
	return value;
}

static bool
is_blank(const json_t *value)
{
	const char *text = json_string_value(value);

	return !value || json_is_null(value) || (text && text[strspn(text, " \r\n\t")] == '\0');
}

json_t *
aws_items(const json_t *answer, const char *path)
{
	json_t *value = member_at(answer, path);

	if (json_is_array(value))
		return json_incref(value);

	json_t *items = json_array();
	if (!is_blank(value))
		json_array_append(items, value);
	return items;
}

/* One reading of a list. */
typedef struct {
	const AwsList *list;
	json_t *tokens; /* seen, as texts: an object used as a set */
	json_t *ids;    /* seen, for unique_by */
} Reading;

static void
reading_clear(Reading *reading)
{
	json_decref(reading->tokens);
	json_decref(reading->ids);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)

/* True if `set` did not have it. */
static bool
add_to_set(json_t *set, const json_t *value)
{
	g_autofree char *key = json_text(value, false);

	if (json_object_get(set, key))
		return false;
	json_object_set_new(set, key, json_true());
	return true;
}

/* Without those that came before. The caller owns it. */
static json_t *
new_items(Reading *reading, const json_t *answer)
{
	json_t *items = aws_items(answer, reading->list->items);
	if (!reading->list->unique_by)
		return items;

	json_t *fresh = json_array();
	for (gsize i = 0; i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i);
		const json_t *id = json_object_get(item, reading->list->unique_by);
		if (!id || add_to_set(reading->ids, id))
			json_array_append(fresh, item);
	}
	json_decref(items);
	return fresh;
}

/* Puts the token of the next page into `input`. False at the end, with `error` set if the token is
 * one that was there before. */
static bool
turn_page(Reading *reading, json_t *input, const json_t *answer, GError **error)
{
	const AwsList *list = reading->list;
	json_t *token = member_at(answer, list->token_out);

	if (is_blank(token) || (json_is_object(token) && json_object_size(token) == 0))
		return false;
	if (!add_to_set(reading->tokens, token)) {
		if (!list->same_token_is_end)
			error_set(error, CARRACK_ERROR_UPSTREAM,
			    "aws %s %s: the answer leads back to a page that was read already",
			    list->service->name, list->operation);
		return false;
	}
	json_object_set(input, list->token_in, token);
	return true;
}

bool
aws_pages(AwsClient *client,
    const AwsList *list,
    const json_t *input,
    AwsVisit visit,
    gpointer data,
    GCancellable *cancel,
    GError **error)
{
	g_auto(Reading) reading = {list, json_object(), json_object()};
	json_auto_t *page_input = input ? json_copy((json_t *)input) : json_object();
	g_autoptr(GError) problem = NULL;
	bool more = true;

	const json_t *start = json_object_get(page_input, list->token_in);
	if (start)
		add_to_set(reading.tokens, start);
	while (more && !problem) {
		json_auto_t *answer =
		    aws_call(client, list->service, list->operation, page_input, cancel, &problem);
		json_auto_t *items = answer ? new_items(&reading, answer) : NULL;
		more = items && visit(data, items, &problem) &&
		       turn_page(&reading, page_input, answer, &problem);
	}
	if (!problem)
		return true;

	g_propagate_error(error, g_steal_pointer(&problem));
	return false;
}

typedef struct {
	json_t *all;
	gsize maximum;
} Gathering;

static bool
gather(gpointer data, const json_t *items, GError **error)
{
	Gathering *gathering = data;
	gsize limit = gathering->maximum > 0 ? gathering->maximum : G_MAXSIZE;

	for (gsize i = 0; i < json_array_size(items); i++) {
		if (json_array_size(gathering->all) < limit)
			json_array_append(gathering->all, json_array_get(items, i));
	}
	return json_array_size(gathering->all) < limit;
}

json_t *
aws_list(AwsClient *client,
    const AwsList *list,
    const json_t *input,
    gsize maximum,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *all = json_array();
	Gathering gathering = {all, maximum};

	if (!aws_pages(client, list, input, gather, &gathering, cancel, error))
		return NULL;
	return json_incref(all);
}

/* Appends every list of `answer` to the list of that name in `joined`. */
static void
join_lists(json_t *joined, const json_t *answer)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)answer, name, value)
	{
		json_t *known = json_object_get(joined, name);
		if (json_is_array(value) && json_is_array(known))
			json_array_extend(known, value);
		else if (json_is_array(value))
			json_object_set_new(joined, name, json_copy(value));
	}
}

json_t *
aws_batches(AwsClient *client,
    const AwsBatch *batch,
    const json_t *input,
    const json_t *names,
    GCancellable *cancel,
    GError **error)
{
	json_auto_t *joined = json_object();
	gsize count = json_array_size(names);

	for (gsize start = 0; start < count; start += batch->limit) {
		json_auto_t *some = json_array();
		for (gsize i = start; i < MIN(start + batch->limit, count); i++)
			json_array_append(some, json_array_get(names, i));

		json_auto_t *batch_input = input ? json_copy((json_t *)input) : json_object();
		json_object_set(batch_input, batch->member, some);
		json_auto_t *answer =
		    aws_call(client, batch->service, batch->operation, batch_input, cancel, error);
		if (!answer)
			return NULL;
		join_lists(joined, answer);
	}
	return json_incref(joined);
}
