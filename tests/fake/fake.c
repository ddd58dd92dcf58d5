/*
 * The world and its providers. Parts are made once a world and handed to each provider in turn; see
 * fake.h for what they can be told to do.
 */
#include "fake/private.h"

#include <errno.h>
#include <string.h>

struct FakeWorld {
	Store *store;
	Objects *objects;
	Logs *logs;
	Engine *engine;
	Router *router;
	Builder *builder;
	Certificates *certificates;
};

FakeWorld *
fake_world_new(void)
{
	FakeWorld *world = g_new0(FakeWorld, 1);
	world->store = fake_store_new();
	world->objects = fake_objects_new();
	world->logs = fake_logs_new();
	world->engine = fake_engine_new(world->logs);
	world->router = fake_router_new();
	world->builder = fake_builder_new();
	world->certificates = fake_certificates_new();
	return world;
}

void
fake_world_free(FakeWorld *world)
{
	if (!world)
		return;

	fake_engine_destroy(world->engine);
	fake_builder_destroy(world->builder);
	fake_certificates_destroy(world->certificates);
	fake_router_destroy(world->router);
	fake_logs_destroy(world->logs);
	fake_objects_destroy(world->objects);
	fake_store_destroy(world->store);
	g_free(world);
}

Provider *
fake_world_provider(FakeWorld *world)
{
	Provider *provider = g_new0(Provider, 1);
	provider->kind = "fake";
	provider->name = g_strdup("fake");
	provider->domain = g_strdup("fake.test");
	provider->version = g_strdup("20260101000000");
	provider->region = g_strdup("");
	provider->http_port = 80;
	provider->https_port = 443;
	provider->store = world->store;
	provider->objects = world->objects;
	provider->logs = world->logs;
	provider->engine = world->engine;
	provider->router = world->router;
	provider->builder = world->builder;
	provider->certificates = world->certificates;
	return provider;
}

static void
close_world(gpointer world)
{
	fake_world_free(world);
}

Provider *
fake_provider_new(void)
{
	FakeWorld *world = fake_world_new();
	Provider *provider = fake_world_provider(world);
	provider->close = close_world;
	provider->closing = world;
	return provider;
}

void
fake_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool
fake_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, gint64 until)
{
	struct timespec end = {
	    .tv_sec = until / G_USEC_PER_SEC, .tv_nsec = (until % G_USEC_PER_SEC) * 1000};
	return pthread_cond_timedwait(condition, lock, &end) != ETIMEDOUT;
}

GPtrArray *
fake_lines(const char *text)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) parts = g_strsplit(text ? text : "", "\n", -1);
	for (char **part = parts; *part; part++) {
		bool is_end = !part[0][0] && !part[1];
		if (!is_end)
			g_ptr_array_add(lines, g_strdup(*part));
	}
	return lines;
}
