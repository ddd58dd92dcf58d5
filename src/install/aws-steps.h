/*
 * The steps of a rack's life in an AWS account, and what they share. Only the files aws-*.c know
 * this; aws.h is for everybody else.
 */
#pragma once

#include "aws/client.h"
#include "install/aws.h"
#include "install/progress.h"

#define CLOUD_TAG "carrack" /* whose value is the rack's name, on everything of a rack */

typedef struct {
	const AwsWish *wish;
	Progress *progress;
	AwsClient *client;
	char *account;    /* 12 digits */
	char *caller;     /* ARN of who we are */
	char *text;       /* the template */
	json_t *template; /* its parameters by name, in its order: {"Domain": {"Type", …}} */
	json_t *wished;   /* {"Domain": "apps.example.org", …} */
	json_t *set;      /* what we set ourselves: Version, ApiImage, LogDrainCode */
	json_t *stack;    /* as DescribeStacks has it, NULL: there is none */
	char *bucket;     /* holds the template for a moment; NULL: none */
	gint64 began;     /* microseconds since 1970 */
	bool is_new;
	bool has_changed;
} Cloud;

void
cloud_clear(Cloud *cloud);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Cloud, cloud_clear)

/* Who stops what goes on with Ctrl-C is told that it can be taken up again. */
void
cloud_watch_interrupt(void);

/* Asks the person, below the step's line. */
bool
cloud_confirm(Cloud *cloud, const char *what, GError **error);

/* aws-open.c */

/* Name, region, credentials, template and wishes, and the rack's stack if there is one. Changes
 * nothing; all wrong parameters are one error. */
bool
cloud_open(Cloud *cloud, const AwsWish *wish, GError **error);

/* The same for what is no installation: the wishes are only those that are given. NOT_FOUND without
 * a stack. */
bool
cloud_open_rack(Cloud *cloud, const AwsWish *wish, GError **error);

/* The same where no stack is no mistake. */
bool
cloud_look(Cloud *cloud, const AwsWish *wish, GError **error);

/* aws-template.c */

/* Fills `text` and `template`. */
bool
template_load(Cloud *cloud, GError **error);

/* Reads «Param=Value» into `wished` and adds all that is wrong with it to `problems` (of char *).
 */
void
template_read_wishes(Cloud *cloud, GPtrArray *problems);

/* What a parameter will be: wished, else the stack's, else the template's default. Borrowed, never
 * NULL. */
const char *
template_value(const Cloud *cloud, const char *name);

/* Parameters of CreateStack, UpdateStack and CreateChangeSet: ours and the wished ones, and with
 * `is_previous` all others of the stack as they are. The caller owns it. */
json_t *
template_parameters(const Cloud *cloud, bool is_previous);

/* aws-checks.c */

/* What only AWS can say of the wishes: certificate, zone, machine image, subnets, quotas. */
void
checks_run(Cloud *cloud, GPtrArray *problems);

/* aws-quotas.c */

void
quotas_check(Cloud *cloud, GPtrArray *problems);

/* aws-bucket.c */

/* The template's URL; makes a bucket for it when there is none. The caller frees it. */
char *
bucket_url(Cloud *cloud, GError **error);

/* Deletes it, and what earlier calls have left behind. Failures are a note. */
void
bucket_remove(Cloud *cloud);

/* aws-stack.c */

/* Reads the stack again; false only when that failed. */
bool
stack_look(Cloud *cloud, GError **error);

/* Of `stack`; «» when there is none. Borrowed. */
const char *
stack_status(const Cloud *cloud);

/* Likewise; «» when there is none of this name. */
const char *
stack_output(const Cloud *cloud, const char *name);

const char *
stack_tag(const Cloud *cloud, const char *name);

/* NULL when the stack has no such parameter. */
const char *
stack_parameter(const Cloud *cloud, const char *name);

/* Calls an operation on the stack with a token of its own and follows what it does to its end;
 * `doing` («creating stack») begins the error, which names the first resource that failed and what
 * to do. `input` is changed. */
bool
stack_run(Cloud *cloud, const char *doing, const char *operation, json_t *input, GError **error);

/* Follows what is going on already, if something is. */
bool
stack_settle(Cloud *cloud, GError **error);

/* False in a state in which no stack can be updated; the error says what to do. */
bool
stack_check_state(const Cloud *cloud, GError **error);

/* aws-events.c */

/* Follows the operation with this token until the stack is at rest; `status` is what it is then,
 * `failure` the first resource that failed, or NULL. The caller frees both. */
bool
events_follow(Cloud *cloud,
    const char *stack,
    const char *token,
    char **status,
    char **failure,
    GError **error);

/* Token of what the stack did last, NULL without one. The caller frees it. */
char *
events_last_token(Cloud *cloud, const char *stack);

/* aws-image.c */

/* The rack's image in its repository: pushed when it is not there; its name goes into `set`. */
bool
cloud_image_ensure(Cloud *cloud, GError **error);

/* aws-archive.c */

/* log-drain in the rack's bucket, when drains are wished for. */
bool
archive_ensure(Cloud *cloud, GError **error);

/* aws-proof.c */

/* Waits until carrackd answers through the balancer; the error says what ECS says of it. */
bool
cloud_proof_wait(Cloud *cloud, GError **error);

/* True when the rack's own name leads to it, with a certificate that is trusted. */
bool
cloud_name_answers(Cloud *cloud, const char *password);

/* What ECS and its log say of carrackd, as notes. */
void
cloud_proof_notes(Cloud *cloud);

/* aws-finish.c */

/* From a stack without carrackd to one that serves: image, update, answer, configuration. */
json_t *
cloud_finish(Cloud *cloud, bool always_ask, GError **error);

/* The object that aws_install returns. `password` NULL: the rack's name is not tried. */
json_t *
cloud_result(Cloud *cloud, const char *password);

/* aws-changes.c */

/* Makes a change set of the stack, shows it, asks (always, or only when it replaces or removes
 * something), and carries it out. `has_changed` says whether there was one. */
bool
changes_run(Cloud *cloud, bool with_template, bool always_ask, GError **error);

/* aws-remove.c */

/* What is the rack's but not its stack's: services, tasks, apps' stacks, target groups, secrets. */
bool
remove_apps(Cloud *cloud, GError **error);

/* Empties the rack's bucket, deletes the stack, again while that helps. */
bool
remove_stack(Cloud *cloud, GError **error);

/* Passwords, task definitions and log groups that outlive a stack. */
bool
remove_rest(Cloud *cloud, GError **error);

/* Stacks of the rack's apps, as DescribeStacks has them. The caller owns it. */
json_t *
remove_app_stacks(Cloud *cloud, GError **error);

/* aws-inventory.c */

/* ARNs of all that carries the rack's tag and is not on its way out. The caller owns it. */
json_t *
inventory_by_tag(Cloud *cloud, GError **error);
