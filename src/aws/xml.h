/*
 * The XML that AWS answers with, as JSON by a rule that needs no model of the service:
 *
 * - an element with text only is a string («» when it is empty), attributes are dropped;
 * - an element with elements is an object; a name that is there more than once becomes an array;
 * - an element whose children are all <member> or all <item> is an array, even of one.
 *
 * So an empty list is «», and a list of another kind with one item is no array: aws_items of
 * aws/client.h evens that out.
 */
#pragma once

#include "base/json.h"

#define XML_DEPTH 40        /* elements inside one another */
#define XML_ELEMENTS 500000 /* in one document */

/* The content of the root element by that rule; `root`, if not NULL, is set to its name and is the
 * caller's. No DTD and no entities but the five of XML and characters by number. `what` names the
 * source in the error, which is CARRACK_ERROR_UPSTREAM. */
json_t *
aws_xml(const char *text, gsize length, const char *what, char **root, GError **error);

/* JSON by the same rule as XML, for the few requests that are XML (Route 53): an object's members
 * in their order, arrays as <member> or, under «Name.Item», as <Item>. The caller frees it. */
char *
aws_xml_text(const char *root, const char *name_space, const json_t *content);
