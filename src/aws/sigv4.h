/*
 * AWS Signature Version 4, as a pure function of a request and keys. Ours because libcurl 7.88's is
 * wrong for S3, for unsorted queries and for paths that need encoding.
 */
#pragma once

#include <gio/gio.h>

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

typedef struct {
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* or NULL */
} SigV4Keys;

/* All as it goes over the wire, so already percent-encoded. */
typedef struct {
	const char *method;
	const char *host; /* the value of the Host header */
	const char *path; /* without the query */
	const char *query;
	const char *const *headers; /* «Name: value», all of them are signed */
	const char *payload_hash;   /* SHA-256 in hex, or SIGV4_UNSIGNED_PAYLOAD */
	const char *service;        /* signing name; «s3» has rules of its own */
	const char *region;
	gint64 time; /* microseconds since 1970, as the server has it */
} SigV4Request;

/* The header lines to send besides those of the request: X-Amz-Date, X-Amz-Security-Token,
 * X-Amz-Content-Sha256 (S3) and Authorization. The caller frees them (g_strfreev). */
char **
sigv4_sign(const SigV4Request *request, const SigV4Keys *keys);

/* The whole query of a URL that is good for `seconds`, signature included. The caller frees it. */
char *
sigv4_presign(const SigV4Request *request, const SigV4Keys *keys, unsigned seconds);
