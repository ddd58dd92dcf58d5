/*
 * The probe of one process. It asks from outside the container, at the address the router will use,
 * so that what it proves is what requests will meet. The first questions follow each other quickly
 * (a small app listens after milliseconds), later ones four times a second. A redirect is an answer
 * and is never followed.
 */
#include "core/probe.h"

#include "base/http.h"
#include "base/lock.h"

#include <string.h>

#define PAUSE_FIRST_MS 10
#define PAUSE_LAST_MS 250

struct Probe {
	HttpClient *client;
	char *path;
	char *host_header;
	bool is_declared;
	bool is_http;
	char *address;
	unsigned port;
	unsigned timeout_ms;
	GCancellable *cancel;
	GThread *thread;
	pthread_mutex_t lock;
	bool is_healthy;
	bool has_connected;
	char *last;
};

static bool
is_good_status(bool is_declared, int status)
{
	if (is_declared)
		return (status >= 200 && status <= 399) || status == 401;

	return status >= 100 && status < 500;
}

bool
probe_is_good(const ManifestService *service, int status)
{
	return is_good_status(service->health.is_declared, status);
}

static void
probe_note(Probe *probe, bool healthy, bool connected, char *last)
{
	LOCKED(&probe->lock);
	probe->is_healthy = healthy;
	probe->has_connected = probe->has_connected || connected;
	g_free(probe->last);
	probe->last = last;
}

static bool
probe_connects(Probe *probe, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_timeout(client, MAX(probe->timeout_ms / 1000, 1));
	g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(
	    client, probe->address, (guint16)probe->port, probe->cancel, error);
	return connection != NULL;
}

/* gRPC and TCP services: a connection is all that can be asked without knowing the app. */
static void
ask_tcp(Probe *probe)
{
	g_autoptr(GError) error = NULL;
	if (probe_connects(probe, &error))
		probe_note(probe, true, true, g_strdup("accepts connections"));
	else
		probe_note(
		    probe, false, false, g_strdup_printf("nothing listens on %u", probe->port));
}

static void
ask_http(Probe *probe)
{
	const char *headers[] = {
	    probe->host_header, "X-Forwarded-Proto: https", "Connection: close", NULL};
	HttpRequest request = {.path = probe->path,
	    .headers = headers,
	    .timeout_ms = probe->timeout_ms,
	    .max_answer = 1024 * 1024};
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpAnswer) answer = http_call(probe->client, &request, probe->cancel, &error);
	if (answer) {
		bool good = is_good_status(probe->is_declared, (int)answer->status);
		probe_note(probe, good, true,
		    g_strdup_printf("health %u on %s", answer->status, probe->path));
		return;
	}
	if (g_error_matches(error, CARRACK_ERROR, CARRACK_ERROR_TOO_LARGE)) {
		probe_note(probe, true, true, g_strdup("answers"));
		return;
	}

	g_autoptr(GError) refused = NULL;
	if (probe_connects(probe, &refused))
		probe_note(probe, false, true,
		    g_strdup_printf(
			"no answer on %s in %.3g s", probe->path, probe->timeout_ms / 1000.0));
	else
		probe_note(
		    probe, false, false, g_strdup_printf("nothing listens on %u", probe->port));
}

static void
probe_pause(Probe *probe, int milliseconds)
{
	GPollFD fd = {0};
	if (!g_cancellable_make_pollfd(probe->cancel, &fd))
		return;

	g_poll(&fd, 1, milliseconds);
	g_cancellable_release_fd(probe->cancel);
}

static gpointer
probe_run(gpointer data)
{
	Probe *probe = data;
	int pause = PAUSE_FIRST_MS;
	while (!g_cancellable_is_cancelled(probe->cancel)) {
		if (probe->is_http)
			ask_http(probe);
		else
			ask_tcp(probe);
		if (probe_is_healthy(probe))
			break;
		probe_pause(probe, pause);
		pause = MIN(pause * 2, PAUSE_LAST_MS);
	}
	return NULL;
}

Probe *
probe_start(const ManifestService *service, const char *host, const char *address, unsigned port)
{
	bool is_https = strcmp(service->port_scheme, "https") == 0;
	g_autofree char *url =
	    g_strdup_printf("%s://%s:%u", is_https ? "https" : "http", address, port);
	HttpOptions options = {.base_url = url,
	    .insecure = true,
	    .user_agent = "carrack-probe/" CARRACK_VERSION,
	    .connect_timeout_ms = service->health.timeout * 1000};

	Probe *probe = g_new0(Probe, 1);
	probe->client = http_client_new(&options);
	probe->path = g_strdup(service->health.path);
	probe->host_header = g_strconcat("Host: ", host, NULL);
	probe->is_declared = service->health.is_declared;
	probe->is_http = is_https || strcmp(service->port_scheme, "http") == 0;
	probe->address = g_strdup(address);
	probe->port = port;
	probe->timeout_ms = service->health.timeout * 1000;
	probe->cancel = g_cancellable_new();
	probe->last = g_strdup("not asked yet");
	pthread_mutex_init(&probe->lock, NULL);
	probe->thread = g_thread_new("probe", probe_run, probe);
	return probe;
}

bool
probe_is_healthy(Probe *probe)
{
	LOCKED(&probe->lock);
	return probe->is_healthy;
}

char *
probe_last(Probe *probe)
{
	LOCKED(&probe->lock);
	return g_strdup(probe->last);
}

bool
probe_never_connected(Probe *probe)
{
	LOCKED(&probe->lock);
	return !probe->has_connected;
}

void
probe_free(Probe *probe)
{
	if (!probe)
		return;

	g_cancellable_cancel(probe->cancel);
	g_thread_join(probe->thread);
	g_object_unref(probe->cancel);
	http_client_free(probe->client);
	pthread_mutex_destroy(&probe->lock);
	g_free(probe->path);
	g_free(probe->host_header);
	g_free(probe->address);
	g_free(probe->last);
	g_free(probe);
}
