/*
 * A rack in an AWS account, seen by the command line: `carrack install aws`, `carrack uninstall
 * aws`, and the verbs `rack …` that change its stack. Progress goes to stderr; each returns what
 * there is to say at the end as an object, which the caller owns, or NULL. All can be run again at
 * any time, also after they were ended in the middle.
 */
#pragma once

#include "base/json.h"

/* Asks a person before something is changed; `what` is a sentence, `name` what has to be typed.
 * False with `error` when the answer is no, or when nobody can be asked. */
typedef bool (*AwsConfirm)(gpointer data, const char *what, const char *name, GError **error);

typedef struct {
	const char *name;          /* of the rack */
	const char *region;        /* NULL: as AWS's own tools find it */
	const char *profile;       /* NULL: likewise */
	const char *const *values; /* «Param=Value», NULL: none */
	AwsConfirm confirm;
	gpointer confirm_data;
} AwsWish;

/* {"name", "state": "installed" | "updated" | "unchanged", "address", "balancer", "region",
 * "answers": whether its own name leads to it already}. */
json_t *
aws_install(const AwsWish *wish, GError **error);

/* {"name", "removed": true, "left": ["ARN", …]}; CONFLICT when something is left. */
json_t *
aws_uninstall(const AwsWish *wish, GError **error);

/* The rack's image and template of this program's version, and parameters; shows the change set and
 * asks. As aws_install. */
json_t *
aws_update(const AwsWish *wish, GError **error);

/* [{"name", "value", "default", "description"}, …] in the template's order. */
json_t *
aws_params(const AwsWish *wish, GError **error);

/* Parameters alone; asks only when the change set replaces or removes something. As aws_install. */
json_t *
aws_params_set(const AwsWish *wish, GError **error);

/* Leads a stack out of a failed state, or says what does. {"name", "state"}. */
json_t *
aws_repair(const AwsWish *wish, GError **error);

/* Where the configuration says that a rack is: false when it is not known as one on AWS. The caller
 * frees both texts; either may be NULL. */
bool
aws_known(const char *rack, char **region, char **profile);
