/*
 * What the files of the builder share: builder.c (the part, and what becomes a job) and
 * builder-task.c (the task that does one). Private to builder*.c.
 */
#pragma once

#include "aws/build-job.h"
#include "aws/provider.h"

typedef struct {
	Builder part;
	AwsRack *rack;
} EcsBuilder;

typedef struct {
	const char *folder; /* of the bucket, for job and result: «builds/BUILD/SERVICE» */
	const json_t *job;
	BuilderLog log;
	gpointer log_data;
} EcsBuild;

/* Has a task do the job, and takes job and result away again. The image is the caller's. */
BuilderImage *
builder_run(EcsBuilder *builder, const EcsBuild *build, GCancellable *cancel, GError **error);
