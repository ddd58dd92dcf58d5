/*
 * What the files of the compose reader share.
 */
#pragma once

#include "manifest/compose.h"
#include "manifest/service-values.h"
#include "manifest/service.h"

typedef struct {
	Decoder *decoder;
	const Bundle *bundle;
	const Env *env;
	Manifest *manifest;
	GPtrArray *documents; /* of YamlDocument: this file, and those that are extended */
	GHashTable *volumes;  /* names that the top level declares, or NULL: all are */
	bool is_first;        /* version 1 or 2: a lone port is not published */
	unsigned depth;       /* of extends */
} Compose;

typedef struct {
	char *value;
	const YamlNode *node;
} ComposeLabel;

/* A service while its keys are read; some of them mean something only together. */
typedef struct {
	Compose *compose;
	ManifestService *service;
	const char *file;    /* paths are relative to its folder */
	Env *file_variables; /* of env_file */
	Env *variables;      /* of environment */
	GHashTable *bare;    /* names without a value */
	GHashTable *labels;  /* name → ComposeLabel */
	GPtrArray *depends;  /* of YamlNode: names of services */
	bool is_image_named; /* with a build, `image` is what the result is called */
	bool has_limit;      /* memory was given as a limit */
	bool has_reserved_cpu;
	bool is_published; /* some port is reachable from outside */
} ComposeService;

/* compose-text.c: replaces `$NAME` and its like in all values of a document but `x-…`. */
void
compose_interpolate(Compose *compose, const YamlNode *root);

/* compose-service.c: reads the keys of one service; called again for what extends it. */
void
compose_read_service(ComposeService *service, const YamlNode *node);

/* The table of those keys, up to one without a name. */
const Field *
compose_service_keys(void);

/* compose-values.c, compose-limits.c: decoders for compose-service.c's table, target a
 * ComposeService. */
void
compose_build(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_dockerfile(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_command(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_entrypoint(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_environment(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_env_file(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_ports(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_expose(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_volumes(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_depends(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_labels(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_deploy(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_count(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_cpus(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_cpu_shares(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_memory_limit(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_memory(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_healthcheck(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_grace(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_restart(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_init(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* compose-process.c: the same. */
void
compose_user(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_folder(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_stop_signal(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_read_only(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_groups(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_hosts(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_limits(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_memory_files(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_shared_memory(Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_capabilities_added(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);
void
compose_capabilities_dropped(
    Decoder *decoder, const YamlNode *node, const Field *field, gpointer target);

/* A file system in memory: «/run», «/run:size=64m». */
void
compose_add_memory(
    Decoder *decoder, const YamlNode *node, ManifestProcess *process, const char *text);

/* «512m», «1gb», «1.5GiB» → MiB, rounded up. */
bool
compose_size(const char *text, unsigned *size);

/* compose-labels.c: what the convox.* labels say, at the end. */
void
compose_apply_labels(ComposeService *service);

/* The env-file rules and precedence put together, at the end. */
void
compose_apply_environment(ComposeService *service);

/* The name that a service gets here: `my_app` → `my-app`. The caller frees it. */
char *
compose_service_name(const char *name);

/* «1m30s», «90s» or a bare number of seconds. False after noting a problem. */
bool
compose_seconds(Decoder *decoder, const YamlNode *node, unsigned *seconds);
