/*
 * A rack over the fake provider, and the few steps that every test of core/ begins with.
 */
#pragma once

#include "core/rack.h"
#include "fake/fake.h"

typedef struct {
	FakeWorld *world;
	Rack *rack;
	Provider *provider; /* the rack's */
} Fixture;

/* A started rack in a world of its own. Stability windows are as the app says (fixture_app: none).
 */
Fixture *
fixture_new(void);

/* The rack dies and a new one starts on what it left. */
void
fixture_restart(Fixture *fixture);

void
fixture_free(Fixture *fixture);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* Creates an app without a stability window. */
void
fixture_app(Fixture *fixture, const char *app);

/* A release of this manifest (with a finished build of it, if `manifest` is not NULL) and
 * environment text; its id. */
char *
fixture_release(Fixture *fixture, const char *app, const char *manifest, const char *env);

/* Promotes and waits for the end; the timeline, which the caller owns. */
json_t *
fixture_promote(Fixture *fixture, const char *app, const char *release);

/* Waits for the end of what runs for this release. */
json_t *
fixture_wait(Fixture *fixture, const char *app, const char *release);

void
fixture_wait_idle(Fixture *fixture, const char *app);

/* The app as stored. */
App *
fixture_load(Fixture *fixture, const char *app);

/* The status of a request through the router. */
int
fixture_request(Fixture *fixture, const char *host, const char *path);

/* Living and wanted processes of a release («» for any). */
unsigned
fixture_count(Fixture *fixture, const char *app, const char *release);

/* Waits until `condition` holds; fails the test after ten seconds. */
#define fixture_until(condition)                                                                   \
	do {                                                                                       \
		gint64 until_ = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;                      \
		while (!(condition)) {                                                             \
			g_assert_cmpint(g_get_monotonic_time(), <, until_);                        \
			g_usleep(2000);                                                            \
		}                                                                                  \
	} while (0)
