/*
 * See the header.
 */
#include "registry-server.h"

#include "base/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE (30 * G_TIME_SPAN_SECOND)

char *
registry_free_address(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
	close(fd);
	return g_strdup_printf("127.0.0.1:%u", ntohs(address.sin_port));
}

static void
wait_for_status(const char *address, unsigned status)
{
	g_autofree char *url = g_strconcat("http://", address, NULL);
	g_autoptr(HttpClient) client = http_client_new(&(HttpOptions){.base_url = url});
	gint64 deadline = g_get_monotonic_time() + DEADLINE;

	for (;;) {
		g_autoptr(HttpAnswer) answer =
		    http_call(client, &(HttpRequest){.path = "/v2/"}, NULL, NULL);
		if (answer && answer->status == status)
			return;
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
		g_usleep(20 * 1000);
	}
}

GSubprocess *
registry_start(const char *folder, const char *address, const char *more, unsigned status)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *config = g_build_filename(folder, "registry.yml", NULL);
	g_autofree char *text = g_strdup_printf("version: 0.1\n"
						"log: {level: error}\n"
						"storage:\n"
						"  filesystem: {rootdirectory: %s/registry}\n"
						"  delete: {enabled: true}\n"
						"http: {addr: %s}\n"
						"%s",
	    folder, address, more);

	g_assert_true(g_file_set_contents(config, text, -1, NULL));
	GSubprocess *registry =
	    g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
		&error, "docker-registry", "serve", config, NULL);
	g_assert_no_error(error);
	wait_for_status(address, status);
	return registry;
}

void
registry_stop(GSubprocess **registry)
{
	if (!*registry)
		return;

	g_subprocess_force_exit(*registry);
	g_subprocess_wait(*registry, NULL, NULL);
	g_clear_object(registry);
}
