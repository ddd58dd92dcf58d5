/*
 * What the collector's files share: collector.c knows whom to follow, collector-follow.c reads,
 * collector-writer.c stores. Every member below `lock` is guarded by it; the rest is set before any
 * thread starts, or belongs to the follower's own thread.
 */
#pragma once

#include "swarm/collector.h"
#include "swarm/output.h"

/* Lines on their way to the logs part. */
typedef struct {
	GArray *lines; /* of BatchLine */
	GString *text;
} Batch;

typedef struct {
	gint64 time;
	gsize offset;
	gsize length;
} BatchLine;

typedef struct Follower Follower;

struct Collector {
	Docker *docker;
	Logs *logs;
	char *rack;
	GCancellable *closing;
	pthread_t writer;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	GHashTable *followers;  /* container to Follower, owned */
	unsigned reading_ended; /* followers that read what was dead when it was found */
	bool has_batches;
	bool is_urgent; /* somebody waits for the writer */
	bool is_writer_closing;
};

/* One container whose output is read. */
struct Follower {
	Collector *collector;
	char *container;
	char *app;
	char *service;
	char *release;
	char *process;
	bool was_ended; /* when it was found: nobody is told of its end */
	pthread_t thread;
	bool is_joined;

	/* of its thread */
	GHashTable *stored; /* times that the logs part already has, to how many lines */
	char newest[2][OUTPUT_STAMP_BYTES + 1];
	bool is_replay[2];

	/* under the collector's lock */
	Batch *batch;
	GCancellable *stream; /* of the present call, or NULL */
	bool is_writing;      /* the writer holds a batch of it */
	bool has_lost;        /* the writer could not store one: read it again */
	bool has_died;
	bool was_out_of_memory;
	bool is_telling;
	bool is_told;
	bool is_forgotten;
	bool is_done;
	int exit_code;
};

/* A follower's thread. */
void *
collector_follow(gpointer follower);

/* True for the one who is to write the line about the end: the later of the last line and the
 * death. The lock is held. */
bool
follower_claim_telling(Follower *follower);

/* Writes it. The lock is not held. */
void
follower_tell_end(Follower *follower);

/* Adds a line to the follower's batch; waits while that is full. False when the stream is to be
 * read anew. */
bool
collector_add(Follower *follower, gint64 time, const char *text, gsize length, GError **error);

/* Waits until everything that was added is stored. False when it could not be. */
bool
collector_flush(Follower *follower, GError **error);

/* The writer's thread. `data` is the collector. */
void *
collector_write(gpointer data);

/* Waits for a change up to `deadline` (monotonic, microseconds). False when it has passed. */
bool
collector_wait(Collector *collector, gint64 deadline);

void
batch_free(Batch *batch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)
