/*
 * A provider: one implementation of each part, and what the rack says of itself.
 */
#pragma once

#include "core/builder.h"
#include "core/certificates.h"
#include "core/engine.h"
#include "core/logs.h"
#include "core/objects.h"
#include "core/router.h"
#include "core/store.h"

typedef struct {
	const char *kind; /* «swarm», «aws» */
	char *name;       /* the rack's */
	char *domain;     /* apps are APP-SERVICE.DOMAIN */
	char *version;
	char *region;
	unsigned http_port;
	unsigned https_port;
	/* The router has to know a service before its first process is started; else that is done
	 * while they start, which is faster. */
	bool routes_first;
	Store *store;
	Objects *objects;
	Logs *logs;
	Engine *engine;
	Router *router;
	Builder *builder;
	Certificates *certificates;
	/* Called last with `closing`, for what the parts share (a client). May be NULL. */
	void (*close)(gpointer closing);
	gpointer closing;
} Provider;

void
provider_free(Provider *provider);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Provider, provider_free)
