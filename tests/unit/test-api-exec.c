/*
 * Commands over the API: the plain form that all clients of the wire know, our own tagged one,
 * one-offs and their ends, files, the proxy's rule. The engine in memory runs real processes of
 * this machine.
 */
#include "api.h"
#include "base/tar.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define MARK "F1E49A85-0AD7-4AEF-A618-C249C6E6568D:"
#define EXEC "/apps/shop/processes/web/exec"
#define RUN "/apps/shop/services/web/processes"

static bool
append(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint)length);
	return true;
}

/* A project as the archive that a client uploads. */
static GByteArray *
pack(TestApi *test)
{
	static const char *const files[][2] = {
	    {"convox.yml", "services:\n  web:\n    build: .\n"}, {"Dockerfile", "FROM scratch\n"}};
	g_autofree char *folder = g_build_filename(test->folder, "project", NULL);
	GByteArray *archive = g_byte_array_new();
	g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *file = g_build_filename(folder, files[i][0], NULL);
		g_assert_true(g_file_set_contents(file, files[i][1], -1, NULL));
	}
	g_assert_true(tar_pack(folder, &(TarPackOptions){0}, append, archive, NULL, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *file = g_build_filename(folder, files[i][0], NULL);
		g_unlink(file);
	}
	g_rmdir(folder);
	return archive;
}

typedef struct {
	TestApi *test;
	char *path;
	const char *member;
	const char *value;
} Wait;

static bool
has_value(gpointer data)
{
	const Wait *wait = data;
	json_auto_t *value = test_get(wait->test, wait->path);
	return !strcmp(json_text_of(value, wait->member, ""), wait->value);
}

/* An app whose service web runs. */
static TestApi *
with_service(void)
{
	TestApi *test = test_api_new();
	g_autoptr(HttpAnswer) app = test_call(test, "POST", "/apps", "name=shop");
	g_autoptr(HttpAnswer) quick =
	    test_call(test, "PUT", "/apps/shop", "parameters=StabilitySeconds%3D0");
	g_autoptr(GByteArray) archive = pack(test);
	HttpRequest upload = {.method = "POST",
	    .path = "/apps/shop/objects/tmp/a.tgz",
	    .body = archive->data,
	    .body_length = archive->len};
	g_autoptr(HttpAnswer) object = http_call(test->client, &upload, NULL, NULL);
	g_autoptr(HttpAnswer) started =
	    test_call(test, "POST", "/apps/shop/builds", "url=object%3A%2F%2Fshop%2Ftmp%2Fa.tgz");
	json_auto_t *build = json_parse(started->body, started->length, "build", NULL);
	g_autofree char *path =
	    g_strconcat("/apps/shop/builds/", json_text_of(build, "id", ""), NULL);
	test_wait(has_value, &(Wait){test, path, "status", "complete"});

	json_auto_t *done = test_get(test, path);
	g_autofree char *promote =
	    g_strdup_printf("/apps/shop/releases/%s/promote", json_text_of(done, "release", ""));
	test_expect(test, "POST", promote, NULL, 200, "ok\n");
	test_wait(has_value,
	    &(Wait){test, (char *)"/apps/shop", "release", json_text_of(done, "release", "")});
	test_wait(has_value, &(Wait){test, (char *)"/apps/shop", "status", "running"});
	return test;
}

static WebSocket *
open_socket(TestApi *test, const char *path, const char *command, const char *form, const char *tty)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *line = g_strconcat("Command-Json: ", command, NULL);
	g_autofree char *stream = g_strconcat("Carrack-Stream: ", form, NULL);
	g_autofree char *terminal = g_strconcat("Tty: ", tty, NULL);
	const char *headers[] = {line, stream, terminal, "Height: 33", "Width: 111", NULL};
	WebSocket *socket = websocket_connect(test->client, path, headers, NULL, &error);
	g_assert_no_error(error);
	return socket;
}

/* All that comes for a command whose input is `input`. */
static char *
run(TestApi *test, const char *path, const char *command, const char *input)
{
	bool ended;
	g_autoptr(WebSocket) socket = open_socket(test, path, command, "0", "false");
	if (*input)
		g_assert_true(websocket_send(socket, input, strlen(input), NULL, NULL));
	g_assert_true(websocket_send_end(socket, NULL, NULL));
	char *text = test_read_all(socket, &ended);
	g_assert_true(ended);
	return text;
}

static void
expect(TestApi *test, const char *path, const char *command, const char *input, const char *text)
{
	g_autofree char *got = run(test, path, command, input);
	g_assert_cmpstr(got, ==, text);
}

static void
test_plain(void)
{
	g_autoptr(TestApi) test = with_service();
	static const char *const paths[] = {EXEC, RUN, NULL};
	for (const char *const *path = paths; *path; path++) {
		expect(test, *path, "[\"echo\",\"a b\"]", "", "a b\n" MARK "0\n");
		expect(test, *path, "[\"cat\"]", "through", "through" MARK "0\n");
		expect(test, *path, "[\"sh\",\"-c\",\"cat; sleep 0.2; echo late; exit 9\"]", "",
		    "late\n" MARK "9\n");
		expect(test, *path, "[\"sh\",\"-c\",\"kill -9 $$\"]", "", MARK "137\n");
	}
}

static void
test_wire_command(void)
{
	g_autoptr(TestApi) test = with_service();
	const char *headers[] = {"Command: echo $((1+2)); exit 4", "Tty: false", NULL};
	g_autoptr(WebSocket) socket = websocket_connect(test->client, EXEC, headers, NULL, NULL);
	g_assert_nonnull(socket);
	g_autofree char *text = test_read_all(socket, NULL);
	g_assert_cmpstr(text, ==, "3\n" MARK "4\n");
}

static void
test_refusals(void)
{
	g_autoptr(TestApi) test = with_service();
	expect(test, "/apps/shop/processes/nope/exec", "[\"true\"]", "",
	    "ERROR: no such process: nope\n" MARK "125\n");
	expect(test, "/apps/nope/processes/web/exec", "[\"true\"]", "",
	    "ERROR: no such app: nope\n" MARK "125\n");
	expect(test, "/apps/shop/services/nope/processes", "[\"true\"]", "",
	    "ERROR: no such service: nope\n" MARK "125\n");
	expect(test, EXEC, "[1]", "",
	    "ERROR: command-json: a list of strings is wanted, the first of them not empty\n" MARK
	    "125\n");
}

/* The rest of the frames as «1out» etc. one after the other, newlines between. */
static char *
read_frames(WebSocket *socket)
{
	g_autoptr(GString) all = g_string_new(NULL);
	WebSocketEvent event;
	do {
		g_autofree char *bytes = NULL;
		gsize length = 0;
		g_assert_true(websocket_receive(socket, &event, &bytes, &length, NULL, NULL));
		if (event == WEBSOCKET_TEXT)
			g_string_append_printf(all, "%s|", bytes);
	} while (event == WEBSOCKET_TEXT);
	return g_string_free(g_steal_pointer(&all), FALSE);
}

static void
test_tagged(void)
{
	g_autoptr(TestApi) test = with_service();
	g_autoptr(WebSocket) socket = open_socket(test, RUN,
	    "[\"sh\",\"-c\",\"read a; echo $a; sleep 0.2; echo err >&2; exit 3\"]", "1", "false");
	g_assert_true(websocket_send(socket, "0in\n", 4, NULL, NULL));
	g_autofree char *frames = read_frames(socket);
	g_assert_cmpstr(frames, ==, "1in\n|2err\n|x3|");
}

static void
test_terminal(void)
{
	g_autoptr(TestApi) test = with_service();
	g_autoptr(WebSocket) socket = open_socket(test, EXEC,
	    "[\"sh\",\"-c\",\"stty -echo; stty size; read a; stty size\"]", "1", "true");
	g_autofree char *first = test_read_frame(socket);
	g_assert_cmpstr(first, ==, "133 111\r\n");
	g_assert_true(websocket_send(socket, "s20 60", 6, NULL, NULL));
	g_assert_true(websocket_send(socket, "0\n", 2, NULL, NULL));
	g_autofree char *rest = read_frames(socket);
	g_assert_cmpstr(rest, ==, "120 60\r\n|x0|");
}

typedef struct {
	TestApi *test;
	const char *file;
} Vanish;

static bool
is_there(gpointer data)
{
	return g_file_test(((Vanish *)data)->file, G_FILE_TEST_EXISTS);
}

/* The process that has written its number there is gone. */
static bool
is_gone(gpointer data)
{
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(((Vanish *)data)->file, &text, NULL, NULL));
	g_autofree char *folder = g_strdup_printf("/proc/%d", (int)g_ascii_strtoll(text, NULL, 10));
	return !g_file_test(folder, G_FILE_TEST_EXISTS);
}

static void
test_vanish(void)
{
	g_autoptr(TestApi) test = with_service();
	g_autofree char *file = g_build_filename(test->folder, "pid", NULL);
	g_autofree char *command =
	    g_strdup_printf("[\"sh\",\"-c\",\"echo $$ > %s.new; mv %s.new %s; exec sleep 1000\"]",
		file, file, file);
	static const char *const paths[] = {EXEC, RUN, NULL};
	for (const char *const *path = paths; *path; path++) {
		Vanish vanish = {test, file};
		WebSocket *socket = open_socket(test, *path, command, "1", "false");
		test_wait(is_there, &vanish);
		websocket_free(socket);
		test_wait(is_gone, &vanish);
		g_unlink(file);
	}
}

static bool
has_no_one_offs(gpointer data)
{
	json_auto_t *processes = test_get(data, "/apps/shop/processes");
	return json_array_size(processes) == 1;
}

static void
test_detached(void)
{
	g_autoptr(TestApi) test = with_service();
	g_autoptr(HttpAnswer) answer = test_call(test, "POST", RUN,
	    "command-json=%5B%22sh%22%2C%22-c%22%2C%22sleep+0.3%3B+echo+its+words%3B+exit+6%22%5D");
	g_assert_cmpint(answer->status, ==, 200);
	json_auto_t *process = json_parse(answer->body, answer->length, "process", NULL);
	g_assert_cmpstr(json_text_of(process, "kind", ""), ==, "one-off");
	g_assert_cmpstr(json_text_of(process, "status", ""), ==, "running");

	test_wait(has_no_one_offs, test);
	g_autofree char *path =
	    g_strconcat("/apps/shop/processes/", json_text_of(process, "id", ""), NULL);
	json_auto_t *ended = test_get(test, path);
	g_assert_cmpstr(json_text_of(ended, "status", ""), ==, "failed");
	g_assert_cmpint(json_int_of(ended, "exit", 0), ==, 6);
	g_autofree char *logs = g_strconcat(path, "/logs", NULL);
	g_autoptr(WebSocket) socket = test_socket(test, logs, "Follow: false");
	g_autofree char *text = test_read_all(socket, NULL);
	g_assert_cmpstr(text, ==, "its words\n");
}

static void
test_timeout(void)
{
	g_autoptr(TestApi) test = with_service();
	const char *headers[] = {
	    "Command-Json: [\"sleep\",\"100\"]", "Tty: false", "Timeout: 1", NULL};
	gint64 began = g_get_monotonic_time();
	g_autoptr(WebSocket) socket = websocket_connect(test->client, RUN, headers, NULL, NULL);
	g_assert_nonnull(socket);
	g_autofree char *text = test_read_all(socket, NULL);
	g_assert_cmpstr(text, ==, MARK "124\n");
	g_assert_cmpint(g_get_monotonic_time() - began, <, 10 * G_USEC_PER_SEC);
}

/* Memory must not grow with what a client does not read. */
static void
test_stalled_reader(void)
{
	g_autoptr(TestApi) test = with_service();
	WebSocket *socket = open_socket(test, EXEC, "[\"cat\",\"/dev/zero\"]", "1", "false");
	g_usleep(500000);
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	g_usleep(1500000);
	getrusage(RUSAGE_SELF, &after);
	g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 8192);
	websocket_free(socket);
}

static void
test_files(void)
{
	g_autoptr(TestApi) test = with_service();
	g_autofree char *folder = g_build_filename(test->folder, "data", NULL);
	g_autofree char *file = g_build_filename(folder, "f.txt", NULL);
	g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
	g_assert_true(g_file_set_contents(file, "hello", -1, NULL));
	g_autofree char *escaped = http_escape(folder);
	g_autofree char *path = g_strconcat("/apps/shop/processes/web/files?file=", escaped, NULL);
	g_autoptr(HttpAnswer) answer = test_call(test, "GET", path, NULL);
	g_assert_cmpint(answer->status, ==, 200);
	g_assert_cmpstr(answer->content_type, ==, "application/x-tar");
	/* Names are whole paths without the first slash. */
	g_assert_true(g_str_has_prefix(answer->body, folder + 1));
	g_assert_cmpint(answer->length % 512, ==, 0);

	g_assert_cmpint(g_unlink(file), ==, 0);
	HttpRequest request = {.method = "POST",
	    .path = "/apps/shop/processes/web/files",
	    .body = answer->body,
	    .body_length = answer->length};
	g_autoptr(GError) error = NULL;
	g_autoptr(HttpAnswer) put = http_call(test->client, &request, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(put->body, ==, "ok\n");
	g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));

	test_expect(test, "GET", "/apps/shop/processes/web/files?file=%2Fetc%2F..%2Fpasswd", NULL,
	    400, "file «/etc/../passwd»: give an absolute path without «..»\n");
	g_autofree char *list = g_strconcat("files=", escaped, NULL);
	test_expect(test, "DELETE", "/apps/shop/processes/web/files", list, 200, "ok\n");
	g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

static void
test_bad_archive(void)
{
	g_autoptr(TestApi) test = with_service();
	test_expect(test, "POST", "/apps/shop/processes/web/files", "no archive", 400,
	    "the archive is no tar, gzip or zstd tar\n");
}

/* No number and no foreign name is a host, whatever DNS would say. */
static void
test_proxy(void)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "169.254.169.254",
	    "0x7f000001", "2130706433", "metadata.google.internal", "web", "%5B::1%5D", NULL};
	g_autoptr(TestApi) test = with_service();
	for (const char *const *host = hosts; *host; host++) {
		g_autofree char *path = g_strdup_printf("/proxy/%s/80", *host);
		g_autoptr(WebSocket) socket = test_socket(test, path, NULL);
		g_autofree char *text = test_read_all(socket, NULL);
		g_assert_true(g_str_has_prefix(text, "ERROR: no such host: "));
	}
	g_autoptr(WebSocket) socket = test_socket(test, "/proxy/web.shop/70000", NULL);
	g_autofree char *text = test_read_all(socket, NULL);
	g_assert_cmpstr(
	    text, ==, "ERROR: port: \"70000\" is not a whole number between 1 and 65535\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	signal(SIGPIPE, SIG_IGN);
	g_test_add_func("/exec/plain-streams-end-with-the-exit-code", test_plain);
	g_test_add_func("/exec/the-wire's-command-is-read-by-a-shell", test_wire_command);
	g_test_add_func("/exec/refusals-are-told-with-125", test_refusals);
	g_test_add_func("/exec/tagged-streams-tell-stderr-apart", test_tagged);
	g_test_add_func("/exec/a-terminal-has-the-client's-size", test_terminal);
	g_test_add_func("/exec/a-vanished-client-ends-its-command", test_vanish);
	g_test_add_func("/run/a-detached-one-off-leaves-logs-and-exit-code", test_detached);
	g_test_add_func("/run/a-time-limit-ends-with-124", test_timeout);
	g_test_add_func("/exec/a-stalled-reader-holds-memory-flat", test_stalled_reader);
	g_test_add_func("/files/go-there-and-back", test_files);
	g_test_add_func("/files/what-is-no-archive-is-refused", test_bad_archive);
	g_test_add_func("/proxy/only-names-of-services-are-hosts", test_proxy);
	return g_test_run();
}
