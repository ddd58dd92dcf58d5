/*
 * carrackd: the rack's daemon, and the first moments of its router's container.
 *
 *   carrackd          serves the API on a unix socket, on AWS on a port, until SIGTERM or SIGINT
 *   carrackd router   prepares HAProxy's configuration, then becomes HAProxy
 *   carrackd end PID  ends a process and what it has started
 *   carrackd build    does one build of a rack on AWS (build.c)
 *
 * It alone chooses the provider. What is not there yet (the engine after a reboot) is waited for,
 * with growing pauses, instead of ending; what is wrong (no password, a damaged store) ends it with
 * one line that says so.
 */
#include "api/api.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/build.h"
#include "daemon/options.h"
#include "swarm/process-end.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FILES_WANTED 65536
#define PAUSE_FIRST_MS 200
#define PAUSE_LONGEST_MS 5000
#define END_GRACE_MS 1500

static void
log_event(const char *event, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
log_event(const char *event, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_printerr("event=%s %s\n", event, text);
}

static void
log_failure(const char *event, const GError *error)
{
	g_autofree char *reason = g_strescape(error->message, "\302\253\273\342\200\246");
	log_event(event, "reason=\"%s\"", reason);
}

/* More threads than cores share two heaps: each further one costs megabytes and saves nothing. */
static void
set_limits(void)
{
	struct rlimit files;
	mallopt(M_ARENA_MAX, 2);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;

	files.rlim_cur = MIN(files.rlim_max, (rlim_t)FILES_WANTED);
	setrlimit(RLIMIT_NOFILE, &files);
}

/* The signals that end us are taken by this thread alone, with sigwait: threads inherit the mask.
 */
static void
ending_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* True if a signal came within the pause. */
static bool
pause_or_signal(const sigset_t *signals, unsigned milliseconds)
{
	struct timespec pause = {
	    .tv_sec = milliseconds / 1000, .tv_nsec = (milliseconds % 1000) * 1000000L};
	return sigtimedwait(signals, NULL, &pause) > 0;
}

/* A debugger, or being stopped and continued, interrupts the wait: that is no order to end. */
static int
await_signal(const sigset_t *signals)
{
	int number = -1;
	while (number < 0)
		number = sigwaitinfo(signals, NULL);
	return number;
}

static bool
may_help_to_wait(const GError *error)
{
	return g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_UNAVAILABLE) ||
	       g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
}

/* One attempt after another until the parts are there. NULL: told to end, or `error` is set. */
static Rack *
rack_when_ready(const DaemonOptions *options, const sigset_t *signals, GError **error)
{
	unsigned pause = PAUSE_FIRST_MS;
	for (;;) {
		g_autoptr(GError) cause = NULL;
		Provider *provider = daemon_options_open(options, &cause);
		g_autoptr(Rack) rack = provider ? rack_new(provider) : NULL;
		if (rack && rack_start(rack, &cause))
			return g_steal_pointer(&rack);
		if (!may_help_to_wait(cause)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return NULL;
		}

		log_failure("waiting", cause);
		if (pause_or_signal(signals, pause))
			return NULL;
		pause = MIN(pause * 2, PAUSE_LONGEST_MS);
	}
}

static bool
serve(GError **error)
{
	sigset_t signals;
	g_autoptr(DaemonOptions) options = daemon_options_new(g_get_environ(), true, error);
	if (!options)
		return false;

	ending_signals(&signals);
	GError *cause = NULL;
	g_autoptr(Rack) rack = rack_when_ready(options, &signals, &cause);
	if (!rack) {
		if (cause)
			g_propagate_error(error, cause);
		return !cause;
	}

	ApiOptions api_options = {.socket_path = options->socket_path,
	    .port = options->port,
	    .password = options->password};
	g_autoptr(Api) api = api_new(rack, &api_options, error);
	if (!api)
		return false;

	g_autofree char *address = options->port ? g_strdup_printf("port %u", options->port) : NULL;
	log_event("serving", "rack=%s version=%s at=\"%s\"", options->swarm.rack, CARRACK_VERSION,
	    address ? address : options->socket_path);
	log_event("ending", "signal=%s", strsignal(await_signal(&signals)));
	return true;
}

/* Returns only on failure. */
static bool
become_router(GError **error)
{
	g_autoptr(DaemonOptions) options = daemon_options_new(g_get_environ(), false, error);
	if (!options || !router_boot(&options->swarm, error))
		return false;

	g_auto(GStrv) command = router_command(&options->swarm);
	log_event("routing", "rack=%s http=%u https=%u api=%u", options->swarm.rack,
	    options->swarm.http_port, options->swarm.https_port, options->swarm.api_port);
	execvp(command[0], command);
	return error_set_errno(error, errno, "cannot run %s", command[0]);
}

static const char usage[] =
    "usage: carrackd [router | end PID | build | --version | --help]\n\n"
    "Serves a rack's API on a unix socket, on AWS on a port; `carrackd router` becomes the rack's "
    "HAProxy,\n"
    "`carrackd end` ends a process and what it has started, `carrackd build` does one build of a "
    "rack on AWS.\n"
    "Options come from the environment: CARRACK_PASSWORD_FILE (required to serve), CARRACK_RACK,\n"
    "CARRACK_DOMAIN, CARRACK_HTTP_PORT, CARRACK_HTTPS_PORT, CARRACK_API_PORT,\n"
    "CARRACK_REGISTRY_PORT, CARRACK_DATA_FOLDER, CARRACK_RUN_FOLDER, CARRACK_ROUTER_FOLDER,\n"
    "CARRACK_DOCKER_SOCKET, CARRACK_HOST_PROC.\n";

/* For commands that nobody listens to any more, from a container beside theirs. */
static int
end_process(const char *text)
{
	gint64 process;
	g_autoptr(GError) error = NULL;
	if (!text_parse_int(text, "PID", 2, G_MAXINT, &process, &error)) {
		g_printerr("carrackd: %s\n", error->message);
		return 1;
	}

	process_end((pid_t)process, END_GRACE_MS);
	return 0;
}

static bool
build(GError **error)
{
	g_auto(GStrv) environment = g_get_environ();
	sigset_t signals;
	ending_signals(&signals);
	return daemon_build((const char *const *)environment, error);
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	g_autoptr(GError) error = NULL;
	if (argc == 2 && strcmp(verb, "--version") == 0) {
		g_print("carrackd %s\n", CARRACK_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(verb, "--help") == 0) {
		g_print("%s", usage);
		return 0;
	}
	if (argc == 3 && strcmp(verb, "end") == 0)
		return end_process(argv[2]);
	bool is_build = strcmp(verb, "build") == 0;
	if (argc > 2 || (*verb && !is_build && strcmp(verb, "router") != 0)) {
		g_printerr("%s", usage);
		return 2;
	}

	set_limits();
	bool done = is_build ? build(&error) : *verb ? become_router(&error) : serve(&error);
	if (!done)
		log_failure("failed", error);
	return done ? 0 : 1;
}
