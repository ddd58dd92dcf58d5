/*
 * Certificates for tests, made by the openssl program in a temporary folder.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
	char *public;
	char *key;
} TestPair;

/* Signed by itself for these names («DNS:a.test,DNS:*.b.test», or NULL for a subject alone). */
TestPair
test_pair(const char *names, unsigned days);

/* The same by an authority of its own, whose certificate is `chain`. */
TestPair
test_issued_pair(const char *names, char **chain);

void
test_pair_clear(TestPair *pair);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TestPair, test_pair_clear)

/* Runs a program that must succeed; what it writes. */
char *
test_run_program(const char *const *arguments, const char *input);
