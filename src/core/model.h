/*
 * The nouns: apps, builds, releases, as typed structs over the store's documents. Each has x_load,
 * x_save and the wire's JSON.
 */
#pragma once

#include "base/env.h"
#include "core/store.h"

typedef struct {
	char *name;
	char *generation; /* «2» */
	bool is_locked;   /* against deletion */
	char *release;    /* the active one, «» when none */
	char *status;     /* creating, running, updating, rollback, failed, deleting: words that the
			     wire's clients wait for */
	char *reason;     /* why it failed to come into being, one line, or «» */
	json_t *parameters; /* object of text */
	json_t *scale;      /* {"web": {"count", "cpu", "memory"}}: set by hand; members optional */
	json_t *live; /* {"web": deployment id}: what serves, written together with `release` */
	gint64 created;
	gint64 version; /* the store's */
} App;

typedef struct {
	char *id;
	char *app;
	char *status; /* created (queued), running, complete, failed */
	char *description;
	char *git_sha;
	char *manifest_file; /* the name asked for, or NULL */
	char *manifest;      /* text, «» before the build has read it */
	char *source;        /* object://APP/KEY */
	char *logs;          /* object://APP/KEY, or «» */
	char *release;       /* «» until it made one */
	char *reason;        /* why it failed, one line, or «» */
	char *entrypoint;
	json_t *images; /* {"web": {"reference": "host:port/app@sha256:…", "digest": "sha256:…"}} */
	json_t *arguments; /* list of «NAME=value» */
	bool is_development;
	bool without_cache;
	gint64 created;
	gint64 started;
	gint64 ended;
	gint64 version;
} Build;

typedef struct {
	char *id;
	char *app;
	char *build;
	char *description;
	Env *env;
	char *manifest;
	char *state;   /* created, promoting, active, failed, superseded, inactive (was active) */
	char *cause;   /* one line, «» unless failed */
	json_t *proof; /* evidence of an active release, or NULL */
	gint64 created;
	gint64 version;
} Release;

App *
app_load(Store *store, const char *name, GError **error);

/* Writes on condition that the document is unchanged since it was loaded (version 0: must not exist
 * yet). */
bool
app_save(Store *store, App *app, GError **error);

/* FORBIDDEN with the reason unless the app has come into being and stays. */
bool
app_check_ready(const App *app, GError **error);

/* Sorted by name; elements are App *. */
GPtrArray *
app_list(Store *store, GError **error);

/* The wire's App. */
json_t *
app_json(const App *app, const char *router);

void
app_free(App *app);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(App, app_free)

Build *
build_load(Store *store, const char *app, const char *id, GError **error);

bool
build_save(Store *store, Build *build, GError **error);

/* Newest first. */
GPtrArray *
build_list(Store *store, const char *app, unsigned limit, GError **error);

json_t *
build_json(const Build *build);

void
build_free(Build *build);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Build, build_free)

/* With env and manifest. */
Release *
release_load(Store *store, const char *app, const char *id, GError **error);

bool
release_save(Store *store, Release *release, GError **error);

/* Newest first; without env and manifest (both NULL). */
GPtrArray *
release_list(Store *store, const char *app, unsigned limit, GError **error);

/* The newest, or NULL without an error when the app has none. */
Release *
release_latest(Store *store, const char *app, GError **error);

json_t *
release_json(const Release *release);

void
release_free(Release *release);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Release, release_free)
