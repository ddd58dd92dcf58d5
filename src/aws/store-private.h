/*
 * What the files of the store over DynamoDB share.
 */
#pragma once

#include "aws/provider.h"

typedef struct {
	Store part;
	AwsRack *rack;
	Objects *objects;
	pthread_mutex_t lock; /* around the sequence */
	gint64 sequence;      /* the last one given out */
} DynamoStore;

/* Names a document. Borrowed. */
typedef struct {
	const char *kind;
	const char *scope;
	const char *id;
} DocumentName;

/* An operation of DynamoDB on the rack's table; takes `input` over and adds the table. */
json_t *
store_call(DynamoStore *store, const char *operation, json_t *input, GError **error);

/* {"scope": {"S": "@shop"}, "name": {"S": "release/RABC"}}. */
json_t *
store_key(const DocumentName *name);

/* «@shop», the partition of a scope. The caller frees it. */
char *
store_partition(const char *scope);

/* The item of a key (taken over), or NULL without an error when there is none. */
bool
store_read_item(DynamoStore *store, json_t *key, json_t **item, GError **error);

/* The text or number of an attribute («S», «N», «B»), or NULL. Borrowed. */
const char *
store_attribute(const json_t *item, const char *name, const char *type);

json_t *
store_text(const char *text);

json_t *
store_number(gint64 number);

/* store-body.c: how a body lies in an item */

/* Puts the body into `item` as one of body, packed, object; an object is written under `mark`. */
bool
store_body_put(DynamoStore *store,
    const DocumentName *name,
    const char *mark,
    const json_t *body,
    json_t *item,
    GError **error);

/* The document of an item. NULL without an error when it has been removed since. */
bool
store_body_get(DynamoStore *store, const json_t *item, StoreDocument **document, GError **error);

/* An item is gone or has another body now: takes its object away, if it had one. */
void
store_body_drop(DynamoStore *store, const json_t *item);

/* All objects of a scope. */
bool
store_body_drop_scope(DynamoStore *store, const char *scope, GError **error);

/* store-list.c */

GPtrArray *
store_list(Store *part,
    const char *kind,
    const char *scope,
    unsigned limit,
    const char *before,
    GError **error);

bool
store_remove_scope(Store *part, const char *scope, GError **error);
