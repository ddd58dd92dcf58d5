/*
 * The collector: brings the output of every process into the logs part, once and in order, over
 * restarts of either side.
 */
#pragma once

#include "core/engine.h"
#include "core/logs.h"
#include "swarm/docker.h"

typedef struct Collector Collector;

/* `docker` and `logs` are borrowed. */
Collector *
collector_new(Docker *docker, Logs *logs, const char *rack, GError **error);

/* Ends all following; what was read is stored. */
void
collector_free(Collector *collector);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Collector, collector_free)

/* Follows every container of the rack that is there, ended ones to their end. To be called whenever
 * events may have been missed; also tells whether the engine can be reached. */
bool
collector_follow_all(Collector *collector, GError **error);

/* Lets the collector see an event of the engine: it follows what starts, and writes a line of the
 * rack's own about what dies, after the last line of its output. */
void
collector_event(Collector *collector, const EngineEvent *event);

/* True for a container whose death an event has told of; the tasks tell of it a little later. */
bool
collector_knows_dead(Collector *collector, const char *container);

/* Waits until all that a dead container has written is stored. False when it took longer. */
bool
collector_settle(Collector *collector, const char *container, unsigned timeout_ms);

/* An app goes: waits for the ends of its output, and says nothing more of its processes. */
void
collector_forget_app(Collector *collector, const char *app, unsigned timeout_ms);
