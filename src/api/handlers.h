/*
 * The handlers, by noun. Each turns a request into a value or an error; reading, authentication and
 * encoding have been done or will be.
 */
#pragma once

#include "api/request.h"
#include "api/sink.h"
#include "base/websocket.h"

/* apps.c */
json_t *
apps_list(Request *request, GError **error);

json_t *
apps_create(Request *request, GError **error);

json_t *
apps_get(Request *request, GError **error);

bool
apps_update(Request *request, GError **error);

bool
apps_delete(Request *request, GError **error);

bool
apps_cancel(Request *request, GError **error);

/* There are no budgets: what clients understand as «none». */
json_t *
apps_budget(Request *request, GError **error);

/* certificates.c */
json_t *
certificates_list(Request *request, GError **error);

json_t *
certificates_import(Request *request, GError **error);

json_t *
certificates_generate(Request *request, GError **error);

bool
certificates_delete(Request *request, GError **error);

/* builds.c */
json_t *
builds_list(Request *request, GError **error);

json_t *
builds_create(Request *request, GError **error);

json_t *
builds_get(Request *request, GError **error);

json_t *
builds_update(Request *request, GError **error);

json_t *
builds_timeline(Request *request, GError **error);

bool
builds_logs(Request *request, Sink *sink, GError **error);

/* objects.c */
bool
objects_receive(Request *request, const void *bytes, gsize length, GError **error);

json_t *
objects_create(Request *request, GError **error);

int
objects_get(Request *request, GError **error);

json_t *
objects_exists(Request *request, GError **error);

bool
objects_delete(Request *request, GError **error);

json_t *
objects_list(Request *request, GError **error);

/* releases.c */
json_t *
releases_list(Request *request, GError **error);

json_t *
releases_create(Request *request, GError **error);

json_t *
releases_get(Request *request, GError **error);

bool
releases_promote(Request *request, GError **error);

json_t *
releases_timeline(Request *request, GError **error);

/* processes.c */
json_t *
processes_list(Request *request, GError **error);

json_t *
processes_get(Request *request, GError **error);

bool
processes_stop(Request *request, GError **error);

/* exec.c */
bool
exec_process(Request *request, WebSocket *socket, GError **error);

/* A one-off with a client. */
bool
exec_run_attached(Request *request, WebSocket *socket, GError **error);

/* One that goes on by itself. */
json_t *
exec_run(Request *request, GError **error);

/* files.c */
bool
files_get(Request *request, Sink *sink, GError **error);

bool
files_receive(Request *request, const void *bytes, gsize length, GError **error);

bool
files_put(Request *request, GError **error);

bool
files_delete(Request *request, GError **error);

/* proxy.c */
bool
proxy(Request *request, WebSocket *socket, GError **error);

/* services.c */
json_t *
services_list(Request *request, GError **error);

bool
services_update(Request *request, GError **error);

bool
services_restart(Request *request, GError **error);

/* logs.c: text over WebSockets, JSON lines over HTTP */
bool
logs_app(Request *request, Sink *sink, GError **error);

bool
logs_service(Request *request, Sink *sink, GError **error);

bool
logs_process(Request *request, Sink *sink, GError **error);

bool
logs_rack(Request *request, Sink *sink, GError **error);

bool
logs_app_lines(Request *request, Sink *sink, GError **error);

bool
logs_rack_lines(Request *request, Sink *sink, GError **error);

/* system.c */
bool
system_auth(Request *request, GError **error);

json_t *
system_get(Request *request, GError **error);

json_t *
system_processes(Request *request, GError **error);

json_t *
system_releases(Request *request, GError **error);

json_t *
system_capacity(Request *request, GError **error);
