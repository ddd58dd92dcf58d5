/*
 * What the files of the fake share. A part's `free` gives back the handle only; the world frees the
 * parts themselves.
 */
#pragma once

#include "base/lock.h"
#include "fake/fake.h"

Store *
fake_store_new(void);

void
fake_store_destroy(Store *store);

Objects *
fake_objects_new(void);

void
fake_objects_destroy(Objects *objects);

Logs *
fake_logs_new(void);

void
fake_logs_destroy(Logs *logs);

/* Its processes write into `logs`. */
Engine *
fake_engine_new(Logs *logs);

void
fake_engine_destroy(Engine *engine);

Router *
fake_router_new(void);

void
fake_router_destroy(Router *router);

Builder *
fake_builder_new(void);

void
fake_builder_destroy(Builder *builder);

Certificates *
fake_certificates_new(void);

void
fake_certificates_destroy(Certificates *certificates);

/* One process as an HTTP server on 127.0.0.1. */
typedef struct FakeServer FakeServer;

/* Answers every request with `status` (503 before `ready_after_ms` are over) and `body`. */
FakeServer *
fake_server_new(unsigned status, unsigned ready_after_ms, const char *body);

unsigned
fake_server_port(FakeServer *server);

void
fake_server_status(FakeServer *server, unsigned status);

/* Stops listening and waits for its thread. */
void
fake_server_free(FakeServer *server);

/* A condition variable on the monotonic clock, and a wait on it until a monotonic time in
 * microseconds; false once that has passed. */
void
fake_condition_init(pthread_cond_t *condition);

bool
fake_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, gint64 until);

/* «a\nb» to its lines; NULL to none. Elements are char *. */
GPtrArray *
fake_lines(const char *text);
