/*
 * Lists of documents: the index gives the keys in their order, the table the bodies. Both indexes
 * hold keys only, so that a change of a body costs no write in them.
 */
#include "aws/store-private.h"

#include "base/error.h"

#include <string.h>

#define DYNAMODB (&aws_services[AWS_DYNAMODB])
#define READ_AT_ONCE 100
#define WRITE_AT_ONCE 25
#define PAGE 500
#define PAUSE_FIRST_US 20000
#define PAUSE_LONGEST_US 1000000

static const AwsList pages = {.service = DYNAMODB,
    .operation = "Query",
    .token_in = "ExclusiveStartKey",
    .token_out = "LastEvaluatedKey",
    .items = "Items"};

/* Keys, newest first */

static json_t *
names_of(const char *first, const char *second)
{
	json_t *names = json_pack("{s:s}", "#first", first);
	if (second)
		json_object_set_new(names, "#second", json_string(second));
	return names;
}

/* Of one scope, through the index that is read consistently. */
static json_t *
scope_query(const char *kind, const char *scope, const char *age)
{
	g_autofree char *partition = store_partition(scope);
	g_autofree char *prefix = g_strconcat(kind, "/", NULL);
	json_t *query = json_pack("{s:s, s:b, s:s, s:o, s:{s:o, s:o}}", "IndexName", "by-age",
	    "ConsistentRead", true, "KeyConditionExpression",
	    age ? "#first = :scope AND #second BETWEEN :kind AND :age"
		: "#first = :scope AND begins_with(#second, :kind)",
	    "ExpressionAttributeNames", names_of("scope", "age"), "ExpressionAttributeValues",
	    ":scope", store_text(partition), ":kind", store_text(prefix));
	if (age)
		json_object_set_new(
		    json_object_get(query, "ExpressionAttributeValues"), ":age", store_text(age));
	return query;
}

/* Of all scopes: eventually consistent, as global indexes are. */
static json_t *
kind_query(const char *kind, const char *sequence)
{
	json_t *query =
	    json_pack("{s:s, s:s, s:o, s:{s:o}}", "IndexName", "by-kind", "KeyConditionExpression",
		sequence ? "#first = :kind AND #second < :sequence" : "#first = :kind",
		"ExpressionAttributeNames", names_of("kind", sequence ? "sequence" : NULL),
		"ExpressionAttributeValues", ":kind", store_text(kind));
	if (sequence)
		json_object_set_new(json_object_get(query, "ExpressionAttributeValues"),
		    ":sequence", json_pack("{s:s}", "N", sequence));
	return query;
}

static json_t *
run_query(DynamoStore *store, json_t *query, unsigned limit, GError **error)
{
	json_auto_t *input = query;
	json_object_set_new(input, "TableName", json_string(store->rack->documents));
	json_object_set_new(input, "ScanIndexForward", json_false());
	if (limit)
		json_object_set_new(input, "Limit", json_integer(MIN(limit, PAGE)));
	return aws_list(store->rack->client, &pages, input, limit, NULL, error);
}

/* The document `before` of a scope, as an item. */
static json_t *
find_in_scope(DynamoStore *store, const DocumentName *name, GError **error)
{
	json_t *input = json_pack("{s:o, s:b}", "Key", store_key(name), "ConsistentRead", true);
	json_auto_t *answer = store_call(store, "GetItem", input, error);
	json_t *item = json_object_get(answer, "Item");
	if (answer && !item)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", name->kind, name->id);
	return json_incref(item);
}

static json_t *
find_anywhere(DynamoStore *store, const DocumentName *name, GError **error)
{
	g_autofree char *key = g_strdup_printf("%s/%s", name->kind, name->id);
	json_t *query = kind_query(name->kind, NULL);
	json_object_set_new(query, "FilterExpression", json_string("#name = :name"));
	json_object_set_new(
	    json_object_get(query, "ExpressionAttributeNames"), "#name", json_string("name"));
	json_object_set_new(
	    json_object_get(query, "ExpressionAttributeValues"), ":name", store_text(key));
	json_auto_t *found = run_query(store, query, 0, error);
	/* The oldest, as the other store has it. */
	json_t *item = found ? json_array_get(found, json_array_size(found) - 1) : NULL;
	if (found && !item)
		error_set(error, CARRACK_ERROR_NOT_FOUND, "no such %s: %s", name->kind, name->id);
	return json_incref(item);
}

static void
drop_key(json_t *keys, const char *name)
{
	const char *first = store_attribute(json_array_get(keys, 0), "name", "S");
	if (first && strcmp(first, name) == 0)
		json_array_remove(keys, 0);
}

/* Keys older than `before`, at most `limit`. */
static json_t *
keys_before(DynamoStore *store, const DocumentName *before, unsigned limit, GError **error)
{
	bool has_scope = before->scope != NULL;
	json_auto_t *item =
	    has_scope ? find_in_scope(store, before, error) : find_anywhere(store, before, error);
	if (!item)
		return NULL;
	if (!has_scope)
		return run_query(store,
		    kind_query(before->kind, store_attribute(item, "sequence", "N")), limit, error);

	/* BETWEEN takes its ends in: one more is asked for, and that one dropped. */
	json_t *query = scope_query(before->kind, before->scope, store_attribute(item, "age", "S"));
	json_t *keys = run_query(store, query, limit ? limit + 1 : 0, error);
	if (keys)
		drop_key(keys, store_attribute(item, "name", "S"));
	return keys;
}

static json_t *
keys_newest(DynamoStore *store, const char *kind, const char *scope, unsigned limit, GError **error)
{
	return run_query(
	    store, scope ? scope_query(kind, scope, NULL) : kind_query(kind, NULL), limit, error);
}

/* Bodies */

static json_t *
key_of(const json_t *item)
{
	return json_pack("{s:O, s:O}", "scope", json_object_get(item, "scope"), "name",
	    json_object_get(item, "name"));
}

static char *
key_text(const json_t *item)
{
	return g_strdup_printf(
	    "%s %s", store_attribute(item, "scope", "S"), store_attribute(item, "name", "S"));
}

/* Calls until nothing is left over: `left` («UnprocessedKeys») is what DynamoDB had no room for. */
static bool
repeat(DynamoStore *store,
    const char *operation,
    json_t *request,
    const char *left,
    json_t *answers,
    GError **error)
{
	json_auto_t *wanted = request;
	for (gulong pause = PAUSE_FIRST_US;; pause = MIN(pause * 2, PAUSE_LONGEST_US)) {
		json_auto_t *input = json_pack("{s:O}", "RequestItems", wanted);
		json_auto_t *answer =
		    aws_json(store->rack->client, DYNAMODB, operation, input, NULL, error);
		if (!answer)
			return false;
		if (answers)
			json_array_extend(
			    answers, json_at(answer, "Responses", store->rack->documents, NULL));

		json_t *rest = json_object_get(answer, left);
		if (json_object_size(rest) == 0)
			return true;
		json_decref(wanted);
		wanted = json_incref(rest);
		g_usleep(pause);
	}
}

static bool
read_items(DynamoStore *store, const json_t *keys, GHashTable *items, GError **error)
{
	json_auto_t *found = json_array();
	for (gsize from = 0; from < json_array_size(keys); from += READ_AT_ONCE) {
		json_t *some = json_array();
		for (gsize i = from; i < MIN(from + READ_AT_ONCE, json_array_size(keys)); i++)
			json_array_append_new(some, key_of(json_array_get(keys, i)));
		json_t *request = json_pack(
		    "{s:{s:o, s:b}}", store->rack->documents, "Keys", some, "ConsistentRead", true);
		if (!repeat(store, "BatchGetItem", request, "UnprocessedKeys", found, error))
			return false;
	}
	gsize index;
	json_t *item;
	json_array_foreach(found, index, item)
	{
		g_hash_table_replace(items, key_text(item), json_incref(item));
	}
	return true;
}

static void
item_free(gpointer item)
{
	json_decref(item);
}

static GPtrArray *
documents_of(DynamoStore *store, const json_t *keys, GError **error)
{
	g_autoptr(GHashTable) items =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, item_free);
	if (!read_items(store, keys, items, error))
		return NULL;

	g_autoptr(GPtrArray) documents =
	    g_ptr_array_new_with_free_func((GDestroyNotify)store_document_free);
	gsize index;
	json_t *key;
	json_array_foreach(keys, index, key)
	{
		g_autofree char *text = key_text(key);
		const json_t *item = g_hash_table_lookup(items, text);
		StoreDocument *document = NULL;
		if (item && !store_body_get(store, item, &document, error))
			return NULL;
		if (document)
			g_ptr_array_add(documents, document);
	}
	return g_steal_pointer(&documents);
}

GPtrArray *
store_list(Store *part,
    const char *kind,
    const char *scope,
    unsigned limit,
    const char *before,
    GError **error)
{
	DynamoStore *store = (DynamoStore *)part;
	DocumentName name = {kind, scope, before};
	json_auto_t *keys = before ? keys_before(store, &name, limit, error)
				   : keys_newest(store, kind, scope, limit, error);
	return keys ? documents_of(store, keys, error) : NULL;
}

/* A scope goes */

static json_t *
scope_keys(DynamoStore *store, const char *scope, GError **error)
{
	g_autofree char *partition = store_partition(scope);
	json_auto_t *query = json_pack("{s:s, s:b, s:s, s:s, s:{s:s, s:s}, s:{s:o}}", "TableName",
	    store->rack->documents, "ConsistentRead", true, "ProjectionExpression", "#scope, #name",
	    "KeyConditionExpression", "#scope = :scope", "ExpressionAttributeNames", "#scope",
	    "scope", "#name", "name", "ExpressionAttributeValues", ":scope", store_text(partition));
	return aws_list(store->rack->client, &pages, query, 0, NULL, error);
}

static bool
delete_keys(DynamoStore *store, const json_t *keys, GError **error)
{
	for (gsize from = 0; from < json_array_size(keys); from += WRITE_AT_ONCE) {
		json_t *some = json_array();
		for (gsize i = from; i < MIN(from + WRITE_AT_ONCE, json_array_size(keys)); i++)
			json_array_append_new(some, json_pack("{s:{s:o}}", "DeleteRequest", "Key",
							key_of(json_array_get(keys, i))));
		json_t *request = json_pack("{s:o}", store->rack->documents, some);
		if (!repeat(store, "BatchWriteItem", request, "UnprocessedItems", NULL, error))
			return false;
	}
	return true;
}

bool
store_remove_scope(Store *part, const char *scope, GError **error)
{
	DynamoStore *store = (DynamoStore *)part;
	for (;;) {
		json_auto_t *keys = scope_keys(store, scope, error);
		if (!keys)
			return false;
		if (json_array_size(keys) == 0)
			return store_body_drop_scope(store, scope, error);
		if (!delete_keys(store, keys, error))
			return false;
	}
}
