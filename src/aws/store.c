/*
 * Documents in one DynamoDB table, as docs/why/0008 says: the scope is the partition, kind and id
 * the sort key, a local index keeps them by age. Every write is one call that carries its own
 * condition and a random mark, by which one whose answer was lost knows itself again.
 */
#include "aws/store-private.h"

#include "base/error.h"
#include "base/lock.h"

#include <string.h>

json_t *
store_call(DynamoStore *store, const char *operation, json_t *input, GError **error)
{
	json_auto_t *owned = input;
	json_object_set_new(owned, "TableName", json_string(store->rack->documents));
	return aws_json(
	    store->rack->client, &aws_services[AWS_DYNAMODB], operation, owned, NULL, error);
}

/* A key's attribute must not be empty, and the scope may be. */
char *
store_partition(const char *scope)
{
	return g_strconcat("@", scope, NULL);
}

json_t *
store_text(const char *text)
{
	return json_pack("{s:s}", "S", text);
}

json_t *
store_number(gint64 number)
{
	return json_pack("{s:o}", "N", json_sprintf("%" G_GINT64_FORMAT, number));
}

const char *
store_attribute(const json_t *item, const char *name, const char *type)
{
	return json_string_value(json_object_get(json_object_get(item, name), type));
}

json_t *
store_key(const DocumentName *name)
{
	g_autofree char *partition = store_partition(name->scope);
	g_autofree char *sort = g_strdup_printf("%s/%s", name->kind, name->id);
	return json_pack("{s:o, s:o}", "scope", store_text(partition), "name", store_text(sort));
}

/* In the order of creation, also where the clock stands still or goes back. */
static gint64
next_sequence(DynamoStore *store)
{
	LOCKED(&store->lock);
	store->sequence = MAX(store->sequence + 1, g_get_real_time());
	return store->sequence;
}

static gint64
version_of(const json_t *item)
{
	const char *text = store_attribute(item, "version", "N");
	return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

bool
store_read_item(DynamoStore *store, json_t *key, json_t **item, GError **error)
{
	json_t *input = json_pack("{s:o, s:b}", "Key", key, "ConsistentRead", true);
	json_auto_t *answer = store_call(store, "GetItem", input, error);
	*item = json_incref(json_object_get(answer, "Item"));
	return answer != NULL;
}

static StoreDocument *
get(Store *part, const char *kind, const char *scope, const char *id, GError **error)
{
	DynamoStore *store = (DynamoStore *)part;
	DocumentName name = {kind, scope, id};
	StoreDocument *document = NULL;
	json_auto_t *item = NULL;
	if (!store_read_item(store, store_key(&name), &item, error) ||
	    (item && !store_body_get(store, item, &document, error)))
		return NULL;

	if (!document)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", kind, id);
	return document;
}

/* Writing */

/* What places a new document: kind, sequence and age. */
static void
add_place(DynamoStore *store, const DocumentName *name, json_t *attributes)
{
	gint64 sequence = next_sequence(store);
	g_autofree char *age = g_strdup_printf("%s/%020" G_GINT64_FORMAT, name->kind, sequence);
	json_object_set_new(attributes, "kind", store_text(name->kind));
	json_object_set_new(attributes, "sequence", store_number(sequence));
	json_object_set_new(attributes, "age", store_text(age));
}

/* A document that must not be there. `attributes`: the body's and the mark. */
static json_t *
create_input(DynamoStore *store, const DocumentName *name, const json_t *attributes)
{
	json_t *item = store_key(name);
	json_object_update(item, (json_t *)attributes);
	json_object_set_new(item, "version", store_number(1));
	add_place(store, name, item);
	return json_pack("{s:o, s:s, s:{s:s}}", "Item", item, "ConditionExpression",
	    "attribute_not_exists(#scope)", "ExpressionAttributeNames", "#scope", "scope");
}

/* Sets each of the attributes; with `once` those that are there stay. */
static void
add_sets(GString *sets, json_t *names, json_t *values, const json_t *attributes, bool once)
{
	const char *attribute;
	json_t *value;
	json_object_foreach((json_t *)attributes, attribute, value)
	{
		g_autofree char *name = g_strconcat("#", attribute, NULL);
		g_autofree char *variable = g_strconcat(":", attribute, NULL);
		json_object_set_new(names, name, json_string(attribute));
		json_object_set(values, variable, value);
		if (once)
			g_string_append_printf(
			    sets, ", %s = if_not_exists(%s, %s)", name, name, variable);
		else
			g_string_append_printf(sets, ", %s = %s", name, variable);
	}
}

/* A body replaces whatever kind of body there was. */
static void
add_removals(GString *expression, json_t *names, const json_t *attributes)
{
	static const char *const bodies[] = {"body", "packed", "object"};
	const char *joint = " REMOVE ";
	for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
		if (json_object_get(attributes, bodies[i]))
			continue;
		g_autofree char *name = g_strconcat("#", bodies[i], NULL);
		json_object_set_new(names, name, json_string(bodies[i]));
		g_string_append_printf(expression, "%s%s", joint, name);
		joint = ", ";
	}
}

/* A change of a document of version `expected`, or of whatever there is. */
static json_t *
update_input(
    DynamoStore *store, const DocumentName *name, const json_t *attributes, gint64 expected)
{
	json_t *names = json_pack("{s:s}", "#version", "version");
	json_t *values = json_pack("{s:o}", ":one", store_number(1));
	g_autoptr(GString) expression = g_string_new(NULL);
	bool is_any = expected == STORE_ANY;
	g_string_append(expression, is_any ? "SET #version = if_not_exists(#version, :zero) + :one"
					   : "SET #version = #version + :one");
	add_sets(expression, names, values, attributes, false);
	if (is_any) {
		json_auto_t *place = json_object();
		add_place(store, name, place);
		json_object_set_new(values, ":zero", store_number(0));
		add_sets(expression, names, values, place, true);
	} else {
		json_object_set_new(values, ":expected", store_number(expected));
	}
	add_removals(expression, names, attributes);

	json_t *input = json_pack("{s:o, s:s, s:o, s:o, s:s}", "Key", store_key(name),
	    "UpdateExpression", expression->str, "ExpressionAttributeNames", names,
	    "ExpressionAttributeValues", values, "ReturnValues", "ALL_OLD");
	if (!is_any)
		json_object_set_new(
		    input, "ConditionExpression", json_string("#version = :expected"));
	return input;
}

/* The condition did not hold. If the item has our mark, our write was the one that made it so, and
 * only its answer was lost. */
static bool
settle_refusal(DynamoStore *store,
    const DocumentName *name,
    const char *mark,
    gint64 expected,
    gint64 *version,
    GError **error)
{
	json_auto_t *item = NULL;
	if (!store_read_item(store, store_key(name), &item, error))
		return false;
	if (g_strcmp0(store_attribute(item, "write", "S"), mark) == 0) {
		*version = version_of(item);
		return true;
	}
	if (expected == 0)
		return error_set(
		    error, CARRACK_ERROR_CONFLICT, "%s %s exists already", name->kind, name->id);
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "%s %s has been changed meanwhile; read it again", name->kind, name->id);
}

/* `attributes` is what is written; its object, if it has one, is the writer's until it is named. */
static bool
write_item(DynamoStore *store,
    const DocumentName *name,
    const json_t *attributes,
    gint64 expected,
    gint64 *version,
    GError **error)
{
	g_autoptr(GError) cause = NULL;
	bool is_new = expected == 0;
	json_t *input = is_new ? create_input(store, name, attributes)
			       : update_input(store, name, attributes, expected);
	json_auto_t *answer = store_call(store, is_new ? "PutItem" : "UpdateItem", input, &cause);
	const char *mark = store_attribute(attributes, "write", "S");
	if (answer) {
		const json_t *before = json_object_get(answer, "Attributes");
		*version = version_of(before) + 1;
		/* What has our mark was written by a try whose answer was lost, and its object is
		 * still the document's. */
		if (g_strcmp0(store_attribute(before, "write", "S"), mark) != 0)
			store_body_drop(store, before);
		return true;
	}
	if (aws_error_is(cause, "ConditionalCheckFailedException"))
		return settle_refusal(store, name, mark, expected, version, error);

	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool
put(Store *part,
    const char *kind,
    const char *scope,
    const char *id,
    const json_t *body,
    gint64 expected,
    gint64 *version,
    GError **error) /* nocheck:parameters: the part says so */
{
	DynamoStore *store = (DynamoStore *)part;
	DocumentName name = {kind, scope, id};
	gint64 written = 0;
	g_autofree char *mark = g_uuid_string_random();
	json_auto_t *attributes = json_pack("{s:o}", "write", store_text(mark));
	if (!store_body_put(store, &name, mark, body, attributes, error))
		return false;
	g_autoptr(GError) cause = NULL;
	if (!write_item(store, &name, attributes, expected, &written, &cause)) {
		/* After any other failure the write may yet have happened. */
		if (g_error_matches(cause, CARRACK_ERROR, CARRACK_ERROR_CONFLICT))
			store_body_drop(store, attributes);
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}

	if (version)
		*version = written;
	return true;
}

static bool
remove_document(Store *part, const char *kind, const char *scope, const char *id, GError **error)
{
	DynamoStore *store = (DynamoStore *)part;
	DocumentName name = {kind, scope, id};
	json_t *input = json_pack("{s:o, s:s}", "Key", store_key(&name), "ReturnValues", "ALL_OLD");
	json_auto_t *answer = store_call(store, "DeleteItem", input, error);
	if (!answer)
		return false;

	store_body_drop(store, json_object_get(answer, "Attributes"));
	return true;
}

static void
store_free(Store *part)
{
	DynamoStore *store = (DynamoStore *)part;
	pthread_mutex_destroy(&store->lock);
	g_free(store);
}

static const StoreOps operations = {
    .get = get,
    .put = put,
    .remove = remove_document,
    .remove_scope = store_remove_scope,
    .list = store_list,
    .free = store_free,
};

Store *
store_dynamodb_new(AwsRack *rack, Objects *objects, GError **error)
{
	DynamoStore *store = g_new0(DynamoStore, 1);
	store->part.ops = &operations;
	store->rack = rack;
	store->objects = objects;
	pthread_mutex_init(&store->lock, NULL);
	return &store->part;
}
