/*
 * See the header. Requests with a Content-Length only; connections stay open between calls.
 */
#include "aws-server.h"

#include "small-server.h"

#include <pthread.h>
#include <string.h>

struct AwsServer {
	SmallServer *server;
	char **answers;
	char *url;
	pthread_mutex_t lock;
	GPtrArray *requests; /* char * */
};

char *
aws_request_header(const char *request, const char *name)
{
	g_autofree char *start = g_strdup_printf("\r\n%s: ", name);
	const char *place = strstr(request, start);

	if (!place)
		return g_strdup("");
	place += strlen(start);
	return g_strndup(place, strcspn(place, "\r\n"));
}

/* Keeps the request and gives the answer that is due. */
static const char *
keep(AwsServer *server, const char *head, const char *body)
{
	pthread_mutex_lock(&server->lock);
	guint index = server->requests->len;
	g_ptr_array_add(server->requests, g_strconcat(head, body, NULL));
	pthread_mutex_unlock(&server->lock);

	return server->answers[MIN(index, g_strv_length(server->answers) - 1)];
}

static void
serve(int fd, gpointer data)
{
	AwsServer *server = data;
	g_autoptr(GString) head = g_string_new(NULL);

	while (small_server_read_head(fd, head)) {
		g_autofree char *length_text = aws_request_header(head->str, "Content-Length");
		gsize length = g_ascii_strtoull(length_text, NULL, 10);
		g_autofree char *body = g_malloc0(length + 1);
		if (!small_server_read(fd, body, length))
			return;
		const char *answer = keep(server, head->str, body);
		if (!*answer || !small_server_say(fd, answer))
			return;
	}
}

AwsServer *
aws_server_new(const char *const *answers)
{
	AwsServer *server = g_new0(AwsServer, 1);

	server->answers = g_strdupv((char **)answers);
	server->requests = g_ptr_array_new_with_free_func(g_free);
	pthread_mutex_init(&server->lock, NULL);
	server->server = small_server_tcp(serve, server);
	server->url = g_strdup_printf("http://127.0.0.1:%u", small_server_port(server->server));
	return server;
}

void
aws_server_free(AwsServer *server)
{
	small_server_free(server->server);
	g_strfreev(server->answers);
	g_ptr_array_unref(server->requests);
	pthread_mutex_destroy(&server->lock);
	g_free(server->url);
	g_free(server);
}

const char *
aws_server_url(const AwsServer *server)
{
	return server->url;
}

unsigned
aws_server_calls(AwsServer *server)
{
	pthread_mutex_lock(&server->lock);
	unsigned calls = server->requests->len;
	pthread_mutex_unlock(&server->lock);
	return calls;
}

const char *
aws_server_request(AwsServer *server, unsigned index)
{
	pthread_mutex_lock(&server->lock);
	const char *request =
	    index < server->requests->len ? g_ptr_array_index(server->requests, index) : "";
	pthread_mutex_unlock(&server->lock);
	return request;
}

char *
aws_answer(const char *status, const char *headers, const char *body)
{
	return g_strdup_printf("HTTP/1.1 %s\r\n%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
	    status, headers, strlen(body), body);
}

char *
aws_date(int seconds)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autoptr(GDateTime) date = g_date_time_add_seconds(now, seconds);
	g_autofree char *text = g_date_time_format(date, "%a, %d %b %Y %H:%M:%S GMT");

	return g_strdup_printf("Date: %s\r\n", text);
}

AwsServer *
aws_server_of_bodies(const char *const *bodies, const char *refusal)
{
	g_autoptr(GStrvBuilder) answers = g_strv_builder_new();
	for (; *bodies; bodies++) {
		bool is_refused = **bodies == '4';
		g_autofree char *answer =
		    aws_answer(is_refused ? refusal : "200 OK", "", *bodies + is_refused);
		g_strv_builder_add(answers, answer);
	}
	g_auto(GStrv) script = g_strv_builder_end(answers);
	return aws_server_new((const char *const *)script);
}

AwsClient *
aws_server_client(const AwsServer *server)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) environment = aws_environment("/nonexistent", "LANG=C", NULL);
	const AwsOptions options = {
	    .region = "eu-west-1",
	    .endpoint = server->url,
	    .access_key = "AKIDEXAMPLE",
	    .secret_key = "the-secret-key",
	    .session_token = "the-session-token",
	    .environment = (const char *const *)environment,
	};

	AwsClient *client = aws_client_new(&options, NULL, &error);
	g_assert_no_error(error);
	return client;
}

char **
aws_environment(const char *folder, const char *first, ...)
{
	g_autoptr(GStrvBuilder) lines = g_strv_builder_new();
	g_autofree char *home = g_strconcat("HOME=", folder, NULL);
	g_autofree char *path = g_strconcat("PATH=", g_getenv("PATH"), NULL);
	va_list arguments;

	g_strv_builder_add_many(lines, home, path, "AWS_EC2_METADATA_DISABLED=true", NULL);
	va_start(arguments, first);
	for (const char *line = first; line; line = va_arg(arguments, const char *))
		g_strv_builder_add(lines, line);
	va_end(arguments);
	return g_strv_builder_end(lines);
}
