/*
 * A server that answers like AWS, by a script, and keeps what it was asked.
 */
#pragma once

#include "aws/client.h"

typedef struct AwsServer AwsServer;

/* Gives the answers in their order, the last again and again. An empty text hangs up. */
AwsServer *
aws_server_new(const char *const *answers);

/* Answers of 200 with these bodies; one that begins with «4» has that taken off and the status line
 * `refusal`, as «404 Not Found». */
AwsServer *
aws_server_of_bodies(const char *const *bodies, const char *refusal);

void
aws_server_free(AwsServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AwsServer, aws_server_free)

/* «http://127.0.0.1:PORT». Borrowed. */
const char *
aws_server_url(const AwsServer *server);

unsigned
aws_server_calls(AwsServer *server);

/* Head and body of a call, from 0. Borrowed until the server is freed. */
const char *
aws_server_request(AwsServer *server, unsigned index);

/* The value of a header in such a request; empty when it is not there. The caller frees it. */
char *
aws_request_header(const char *request, const char *name);

/* A whole HTTP answer. `headers` are lines with their ends, or empty. The caller frees it. */
char *
aws_answer(const char *status, const char *headers, const char *body);

/* «Date: …» with its line end, `seconds` from now. The caller frees it. */
char *
aws_date(int seconds);

/* A client with keys of its own that calls the server and looks at nothing of this machine. */
AwsClient *
aws_server_client(const AwsServer *server);

/* Prepares an environment of one client: HOME is `folder`, no metadata of machines. NULL-terminated
 * pairs «NAME=value» are added. The caller frees it (g_strfreev). */
char **
aws_environment(const char *folder, const char *first, ...) G_GNUC_NULL_TERMINATED;
