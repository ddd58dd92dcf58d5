/*
 * What the builder reads and writes as text, without an engine: the lines of a build's stream, what
 * a Dockerfile needs, and BuildKit's messages, damaged ones too.
 */
#include "swarm/builder-private.h"

#include <string.h>

static void
keep_line(gpointer data, const char *line, gsize length)
{
	GString *log = data;

	g_string_append_len(log, line, (gssize)length);
	g_string_append_c(log, '|');
}

static void
assert_lines(const char *const *pieces, const char *wanted)
{
	g_autoptr(GString) log = g_string_new(NULL);
	BuildText *text = build_text_new(keep_line, log);

	for (; *pieces; pieces++)
		build_text_stream(text, *pieces, strlen(*pieces));
	build_text_free(text);
	g_assert_cmpstr(log->str, ==, wanted);
}

static void
test_lines(void)
{
	static const char *const step[] = {"Step 1/2 : RUN x", "\n",
	    " ---> Running in 0123456789ab\n", "a", "b\nc\r\n\nLAST", "\x1b[91merr\x1b[0m",
	    "Removing intermediate container 0123456789ab\n", " ---> 5c3057a57362\n", NULL};
	static const char *const own[] = {
	    "Removing intermediate container of mine\n", "tail", NULL};
	static const char *const red[] = {
	    "\x1b[91mone\ntw\x1b[0m", "\x1b[91mo\n\x1b[0m", "\x1b[1mbold\n", NULL};

	assert_lines(step,
	    "Step 1/2 : RUN x| ---> Running in 0123456789ab|ab|c||LAST|err| ---> 5c3057a57362|");
	assert_lines(own, "Removing intermediate container of mine|tail|");
	assert_lines(red, "one|two|\x1b[1mbold|");
}

static void
test_endless(void)
{
	g_autoptr(GString) log = g_string_new(NULL);
	g_autofree char *piece = g_strnfill(300 * 1024, 'y');
	g_autoptr(BuildText) text = build_text_new(keep_line, log);

	for (int i = 0; i < 10; i++) {
		build_text_stream(text, piece, strlen(piece));
		g_assert_cmpuint(text->out->len, <, 1024 * 1024);
	}
	g_assert_cmpuint(log->len, >, 2 * 1024 * 1024);
}

static void
test_buildkit(void)
{
	static const char *const need[] = {"FROM x\nRUN --mount=type=cache,target=/c make\n",
	    "FROM x\nrun   --network=none --mount=type=ssh make", "FROM x\nCOPY --chmod=755 a b",
	    "FROM x\nADD --link a b", "FROM x\nRUN <<EOF\necho\nEOF\n",
	    "FROM x\nCOPY <<-'E' /f\nE\n", "FROM x\nRUN cat <<EOF > f\nE\n",
	    "FROM x\nRUN \\\n # why\n  --mount=type=cache,target=/c \\\n make",
	    "FROM --platform=$BUILDPLATFORM x\n", "ARG TARGETARCH\nFROM x\n", NULL};
	static const char *const classic[] = {"FROM x\nRUN echo --mount=no\n",
	    "FROM x\n#RUN --mount=x\n", "FROM x\nCOPY --from=a --chown=1 b c\n",
	    "FROM x\nRUN bash -c 'cat <<<x'\n", "", "\\", "FROM", "FROM x\nCMD [\"--mount=x\"]\n",
	    "RUN", NULL};

	for (gsize i = 0; need[i]; i++) {
		g_test_message("%s", need[i]);
		g_assert_true(builder_needs_buildkit(need[i]));
	}
	for (gsize i = 0; classic[i]; i++) {
		g_test_message("%s", classic[i]);
		g_assert_false(builder_needs_buildkit(classic[i]));
	}
}

static void
test_stages(void)
{
	static const char text[] =
	    "FROM a AS dev\nRUN x\nfrom --platform=x b  as\\\n  Prod\nFROM c\n";
	g_autoptr(GError) error = NULL;

	g_assert_true(builder_check_target(text, "dev", NULL));
	g_assert_true(builder_check_target(text, "prod", NULL));
	g_assert_true(builder_check_target(text, "2", NULL));
	g_assert_false(builder_check_target(text, "3", NULL));
	g_assert_false(builder_check_target(text, "nope", &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, "«nope» (target); its stages: dev, Prod"));
	g_assert_false(builder_check_target("FROM x\n", "a", NULL));
}

/* A vertex {digest "d", name "[build 2/3] RUN x", started, error "e"} and a log {stream 2,
 * "hi\nyo"}. */
static const guint8 message[] = "\x0a\x1c\x0a\x01"
				"d\x1a\x11[build 2/3] RUN x*\x01\x08:\x01"
				"e\x1a\x09\x18\x02\"\x05hi\nyo";

static void
test_trace(void)
{
	g_autoptr(GString) log = g_string_new(NULL);
	BuildText *text = build_text_new(keep_line, log);
	BuildTrace trace = {0};
	gsize length = sizeof message - 1;
	g_autofree char *whole = g_base64_encode(message, length);

	build_trace_read(&trace, text, whole);
	build_trace_read(&trace, text, whole);
	g_assert_cmpstr(text->step, ==, "build 2/3");
	g_assert_cmpstr(text->instruction, ==, "RUN x");
	g_assert_cmpstr(trace.failed, ==, "[build 2/3] RUN x");
	build_text_free(text);
	g_assert_cmpstr(log->str, ==, "Step build 2/3 : RUN x|hi|yohi|yo|");
	build_trace_clear(&trace);
}

/* Every cut, and every byte changed to others: read without a fault. */
static void
test_damaged_trace(void)
{
	g_autoptr(GString) log = g_string_new(NULL);
	g_autoptr(BuildText) text = build_text_new(keep_line, log);
	BuildTrace trace = {0};
	gsize length = sizeof message - 1;

	for (gsize i = 0; i <= length; i++) {
		g_autofree char *cut = g_base64_encode(message, i);
		build_trace_read(&trace, text, cut);
	}
	for (gsize i = 0; i < length * 256; i++) {
		guint8 copy[sizeof message];
		memcpy(copy, message, sizeof message);
		copy[i / 256] = (guint8)i;
		g_autofree char *changed = g_base64_encode(copy, length);
		build_trace_read(&trace, text, changed);
	}
	build_trace_read(&trace, text, "not base64 ***");
	build_trace_clear(&trace);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/builder-text/lines-are-whole-and-the-engines-apart", test_lines);
	g_test_add_func("/builder-text/an-endless-line-takes-bounded-memory", test_endless);
	g_test_add_func("/builder-text/buildkit-is-asked-only-when-needed", test_buildkit);
	g_test_add_func("/builder-text/a-missing-stage-names-those-that-are", test_stages);
	g_test_add_func("/builder-text/buildkits-trace-becomes-lines", test_trace);
	g_test_add_func("/builder-text/a-damaged-trace-is-left-out", test_damaged_trace);
	return g_test_run();
}
