/*
 * What the files of the logs over CloudWatch share.
 */
#pragma once

#include "aws/provider.h"

#include <pthread.h>

typedef struct {
	Logs part;
	AwsRack *rack;
	pthread_mutex_t lock;   /* around what follows */
	pthread_cond_t written; /* something was appended here */
	guint64 writes;         /* how often */
	GHashTable *streams;    /* «GROUP STREAM» of those that are there */
} CloudwatchLogs;

/* «KIND/RELEASE/SERVICE/PROCESS», «-» for none. The caller frees it. */
char *
logs_stream_name(const LogLine *line);

/* A line as a message, which is text and not empty. The caller frees it. */
char *
logs_encode(const char *text, gsize length);

/* The line of a message. The caller frees it. */
char *
logs_decode(const char *message, gsize *length);

bool
cloudwatch_query(Logs *part,
    const char *app,
    const LogQuery *query,
    LogTake take,
    gpointer take_data,
    GCancellable *cancel,
    GError **error);
