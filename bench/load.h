/*
 * What the parts of the load generator share: its options, its connections and its counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_BYTES 65536
#define CONNECTIONS_AT_MOST 4000
#define SECONDS_AT_MOST 3600
#define VERSIONS_AT_MOST 512
#define VERSION_BYTES 64
#define BATCH 256

typedef enum {
	RESULT_OK,
	LOST_REFUSED,  /* no connection */
	LOST_RESET,    /* while it was sent or answered */
	LOST_KEPT_EOF, /* a connection that was used before ended before any byte */
	LOST_EOF,      /* a new connection ended before any byte, or an answer was cut */
	LOST_TIMEOUT,
	LOST_STATUS,    /* an answer, but not 2xx */
	LOST_BODY,      /* 2xx without the expected text */
	LOST_MALFORMED, /* not HTTP/1.1, or over ANSWER_BYTES */
	LOST_OTHER,
	RESULTS
} Result;

typedef enum { IDLE, CONNECTING, SENDING, READING } Phase;

typedef struct {
	int fd; /* -1: closed */
	Phase phase;
	bool was_used;
	int64_t due;
	size_t sent;
	size_t length;
	char *answer;
} Connection;

typedef struct {
	const char *host;
	const char *path;
	const char *expect;
	const char *key;   /* what follows it in a body, up to a blank, is counted as a version */
	const char *until; /* the first body with this text ends the run */
	const char *stop_file;
	unsigned port;
	unsigned count;
	double rate;
	double duration;
	int timeout_ms;
	long body_bytes; /* -1: GET */
	bool is_kept;
} Options;

typedef struct {
	char name[VERSION_BYTES];
	uint64_t count;
} Version;

typedef struct {
	Options options;
	int poll;
	char *request;
	size_t request_length;
	Connection *connections;
	unsigned *idle; /* a ring, so that all kept connections take their turn */
	unsigned idle_first;
	unsigned idle_count;
	uint64_t begun;
	uint64_t results[RESULTS];
	uint64_t statuses[600];
	uint64_t opened;
	uint64_t closed_idle; /* the other side closed a connection between requests: no loss */
	uint64_t held_back;   /* was due while every connection was busy */
	uint32_t *latencies;  /* of the good ones, in microseconds */
	size_t latency_room;
	Version versions[VERSIONS_AT_MOST];
	unsigned version_count;
	int64_t until_at;
	char first_loss[256];
} Load;

int64_t
now_us(void);

/* Ends the program with status 2. */
void
fail(const char *what);

/* load-options.c */

/* The options of the command line, checked; `options` holds the defaults. */
void
options_read(Options *options, int count, char **arguments);

/* load-report.c */

/* Counts a good answer: its latency, and the version that its body names. */
void
report_answer(Load *load, int64_t microseconds);

void
report_version(Load *load, const char *body);

/* Remembers when and how the first request was lost, which helps to find the cause in the logs. */
void
report_loss(Load *load, const Connection *connection, Result result);

/* The summary as JSON on stdout. */
void
report_print(Load *load, double seconds);
