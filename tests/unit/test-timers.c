/*
 * Timers over the fake provider, at times that the test says: all of them lie in an hour that is
 * soon to come, so that the rack's own looks, which go by the clock, find nothing due.
 */
#include "rack-fixture.h"

#include "base/text.h"
#include "core/rack-private.h"

#include <glib/gstdio.h>
#include <string.h>

#define MINUTE G_TIME_SPAN_MINUTE

typedef struct {
	Fixture *fixture;
	char *folder;
	char *file;
	gint64 base; /* the hour's first minute */
} Case;

static char *
manifest_of(const Case *own, const char *more)
{
	return g_strdup_printf("services:\n  jobs:\n    build: .\n    scale: 0\n    environment: "
			       "[\"*\"]\ntimers:\n  clean:\n    schedule: \"* %d * * *\"\n    "
			       "service: jobs\n    command: [sh, -c, 'eval \"$RUN\"']\n%s",
	    (int)(own->base / G_TIME_SPAN_HOUR % 24), more);
}

static void
promote(Case *own, const char *manifest, const char *command)
{
	g_autofree char *env = g_strconcat("RUN=", command, "\nTIMER_FILE=", own->file, NULL);
	g_autofree char *release = fixture_release(own->fixture, "shop", manifest, env);
	json_auto_t *timeline = fixture_promote(own->fixture, "shop", release);
	g_assert_cmpstr(json_text_of(timeline, "state", ""), ==, "succeeded");
}

/* An app with the timer `clean`, each run of which writes a line. */
static Case
begin(const char *more, const char *command)
{
	Case own = {.fixture = fixture_new(), .folder = g_dir_make_tmp(NULL, NULL)};
	own.file = g_build_filename(own.folder, "runs", NULL);
	gint64 soon = g_get_real_time() + 90 * MINUTE;
	own.base = soon - soon % G_TIME_SPAN_HOUR;
	fixture_app(own.fixture, "shop");
	g_autofree char *manifest = manifest_of(&own, more);
	promote(&own, manifest, command);
	timers_look(own.fixture->rack, own.base - MINUTE);
	return own;
}

static void
end(Case *own)
{
	fixture_free(own->fixture);
	g_unlink(own->file);
	g_rmdir(own->folder);
	g_free(own->file);
	g_free(own->folder);
}

static unsigned
lines(const Case *own)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(own->file, &text, NULL, NULL))
		return 0;
	g_auto(GStrv) all = g_strsplit(text, "\n", -1);
	return g_strv_length(all) - 1;
}

static unsigned
living(const Case *own)
{
	return fixture_count(own->fixture, "shop", "");
}

/* Looks, and waits until nothing runs. */
static void
look(Case *own, unsigned minute)
{
	timers_look(own->fixture->rack, own->base + minute * MINUTE);
	fixture_until(living(own) == 0);
}

#define SAY "echo $A >> $TIMER_FILE"

static void
each_time_runs_once(void)
{
	Case own = begin("", SAY);
	g_assert_cmpuint(lines(&own), ==, 0);
	look(&own, 0);
	g_assert_cmpuint(lines(&own), ==, 1);
	look(&own, 0);
	g_assert_cmpuint(lines(&own), ==, 1);
	look(&own, 1);
	g_assert_cmpuint(lines(&own), ==, 2);
	end(&own);
}

static void
of_missed_ones_the_last_runs(void)
{
	Case own = begin("", SAY);
	look(&own, 9);
	g_assert_cmpuint(lines(&own), ==, 1);
	fixture_restart(own.fixture);
	look(&own, 9);
	g_assert_cmpuint(lines(&own), ==, 1);
	/* The clock is set back, and goes on. */
	look(&own, 4);
	look(&own, 9);
	g_assert_cmpuint(lines(&own), ==, 1);
	look(&own, 10);
	g_assert_cmpuint(lines(&own), ==, 2);
	end(&own);
}

static void
a_long_run_is_not_joined(void)
{
	Case own = begin("", SAY "; exec sleep 60");
	timers_look(own.fixture->rack, own.base);
	fixture_until(lines(&own) == 1);
	timers_look(own.fixture->rack, own.base + MINUTE);
	timers_look(own.fixture->rack, own.base + 2 * MINUTE);
	g_assert_cmpuint(living(&own), ==, 1);
	Store *store = own.fixture->provider->store;
	g_autoptr(StoreDocument) record = store->ops->get(store, "timer", "shop", "clean", NULL);
	g_assert_cmpint(json_int_of(record->body, "skipped", 0), ==, 2);

	/* It is seen while it runs, by its own name. */
	json_auto_t *processes = rack_processes(own.fixture->rack, "shop", "clean", NULL, NULL);
	json_t *process = json_array_get(processes, 0);
	g_assert_cmpstr(json_text_of(process, "kind", ""), ==, "timer");
	rack_process_stop(own.fixture->rack, "shop", json_text_of(process, "id", ""), NULL);
	fixture_until(living(&own) == 0);
	look(&own, 2);
	g_assert_cmpuint(lines(&own), ==, 1);
	end(&own);
}

static void
allow_joins_and_replace_ends(void)
{
	Case joined = begin("    concurrency: allow\n    parallelCount: 2\n",
	    "echo $TIMER_INDEX >> $TIMER_FILE; exec sleep 60");
	timers_look(joined.fixture->rack, joined.base);
	timers_look(joined.fixture->rack, joined.base + MINUTE);
	fixture_until(lines(&joined) == 4);
	g_assert_cmpuint(living(&joined), ==, 4);
	end(&joined);

	Case replaced = begin("    concurrency: replace\n", SAY "; exec sleep 60");
	timers_look(replaced.fixture->rack, replaced.base);
	fixture_until(lines(&replaced) == 1);
	timers_look(replaced.fixture->rack, replaced.base + MINUTE);
	fixture_until(lines(&replaced) == 2 && living(&replaced) == 1);
	end(&replaced);
}

static void
the_live_release_says_what_runs(void)
{
	Case own = begin("", "echo one >> $TIMER_FILE");
	look(&own, 0);
	/* A variable that is set and not promoted changes nothing. */
	g_autofree char *env =
	    g_strconcat("RUN=echo two >> $TIMER_FILE\nTIMER_FILE=", own.file, NULL);
	g_autofree char *waiting = fixture_release(own.fixture, "shop", NULL, env);
	look(&own, 1);
	json_auto_t *timeline = fixture_promote(own.fixture, "shop", waiting);
	look(&own, 2);
	g_autofree char *text = NULL;
	g_file_get_contents(own.file, &text, NULL, NULL);
	g_assert_cmpstr(text, ==, "one\none\ntwo\n");

	/* Without the timer nothing runs; when it comes back, not what was missed meanwhile. */
	promote(&own, "services: {jobs: {build: ., scale: 0, environment: ['*']}}\n", "true");
	look(&own, 3);
	g_assert_cmpuint(lines(&own), ==, 3);
	g_autofree char *manifest = manifest_of(&own, "");
	promote(&own, manifest, "echo three >> $TIMER_FILE");
	look(&own, 6);
	look(&own, 6);
	g_assert_cmpuint(lines(&own), ==, 4);
	end(&own);
}

static void
a_failed_run_is_recorded(void)
{
	Case own = begin("", "sleep 1; exit 3");
	timers_look(own.fixture->rack, own.base);
	json_auto_t *processes = rack_processes(own.fixture->rack, "shop", "clean", NULL, NULL);
	const char *id = json_text_of(json_array_get(processes, 0), "id", "");
	fixture_until(living(&own) == 0);
	json_auto_t *record = rack_process(own.fixture->rack, "shop", id, NULL);
	g_assert_cmpstr(json_text_of(record, "status", ""), ==, "failed");
	g_assert_cmpint(json_int_of(record, "exit", 0), ==, 3);
	g_assert_cmpstr(json_text_of(record, "name", ""), ==, "clean");
	end(&own);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/timers/" name, test)
	ADD("each-time-runs-once", each_time_runs_once);
	ADD("of-missed-ones-the-last-runs-and-none-twice", of_missed_ones_the_last_runs);
	ADD("a-long-run-is-not-joined-but-counted", a_long_run_is_not_joined);
	ADD("allow-joins-and-replace-ends", allow_joins_and_replace_ends);
	ADD("the-live-release-says-what-runs", the_live_release_says_what_runs);
	ADD("a-failed-run-is-recorded", a_failed_run_is_recorded);
	return g_test_run();
}
