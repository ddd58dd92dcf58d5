/*
 * The command line of the load generator.
 */
#include "load.h"

#include <getopt.h>
#include <stdlib.h>

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"host", required_argument, NULL, 'h'},
    {"path", required_argument, NULL, 'u'},
    {"post", required_argument, NULL, 'b'},
    {"no-keepalive", no_argument, NULL, 'n'},
    {"connections", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"duration", required_argument, NULL, 'd'},
    {"stop-file", required_argument, NULL, 's'},
    {"timeout", required_argument, NULL, 't'},
    {"expect", required_argument, NULL, 'e'},
    {"version-key", required_argument, NULL, 'k'},
    {"until", required_argument, NULL, 'x'},
    {NULL, 0, NULL, 0},
};

static void
set_text(Options *options, int letter, const char *value)
{
	switch (letter) {
	case 'h':
		options->host = value;
		break;
	case 'u':
		options->path = value;
		break;
	case 's':
		options->stop_file = value;
		break;
	case 'e':
		options->expect = value;
		break;
	case 'k':
		options->key = value;
		break;
	case 'x':
		options->until = value;
		break;
	default:
		fail("usage: load --port N [--host H] [--path P] [--post BYTES] [--no-keepalive] "
		     "[--connections N] [--rate R] [--duration S] [--stop-file F] [--timeout MS] "
		     "[--expect TEXT] [--version-key TEXT] [--until TEXT]");
	}
}

static void
set_option(Options *options, int letter, const char *value)
{
	double number = value ? strtod(value, NULL) : 0;

	switch (letter) {
	case 'p':
		options->port = (unsigned)number;
		break;
	case 'b':
		options->body_bytes = (long)number;
		break;
	case 'n':
		options->is_kept = false;
		break;
	case 'c':
		options->count = (unsigned)number;
		break;
	case 'r':
		options->rate = number;
		break;
	case 'd':
		options->duration = number;
		break;
	case 't':
		options->timeout_ms = (int)number;
		break;
	default:
		set_text(options, letter, value);
	}
}

static void
check_options(const Options *options)
{
	if (options->port < 1 || options->port > 65535)
		fail("--port is not between 1 and 65535");
	if (options->count < 1 || options->count > CONNECTIONS_AT_MOST)
		fail("--connections is not between 1 and 4000");
	if (options->duration <= 0 || options->duration > SECONDS_AT_MOST)
		fail("--duration is not between 0 and 3600");
	if (options->rate <= 0 || options->timeout_ms <= 0 || options->body_bytes > 1 << 20)
		fail("--rate and --timeout are over 0, --post at most 1048576");
}

void
options_read(Options *options, int count, char **arguments)
{
	int letter;
	while ((letter = getopt_long(count, arguments, "", long_options, NULL)) != -1)
		set_option(options, letter, optarg);
	check_options(options);
}
