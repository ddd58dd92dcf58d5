/*
 * Counts and summary of the load generator.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const result_names[RESULTS] = {
    "ok", "refused", "reset", "eof_kept", "eof", "timeout", "status", "body", "malformed", "other"};

void
report_answer(Load *load, int64_t microseconds)
{
	size_t count = load->results[RESULT_OK];
	if (count >= load->latency_room) {
		load->latency_room = load->latency_room ? load->latency_room * 2 : 65536;
		load->latencies =
		    realloc(load->latencies, load->latency_room * sizeof(*load->latencies));
		if (!load->latencies)
			fail("no memory");
	}
	load->latencies[count] = (uint32_t)(microseconds < UINT32_MAX ? microseconds : UINT32_MAX);
}

void
report_version(Load *load, const char *body)
{
	const char *found = load->options.key ? strstr(body, load->options.key) : NULL;
	if (!found)
		return;

	found += strlen(load->options.key);
	size_t length = strcspn(found, " \r\n");
	if (length >= VERSION_BYTES)
		length = VERSION_BYTES - 1;
	for (unsigned i = load->version_count; i > 0; i--) {
		Version *version = &load->versions[i - 1];
		if (strlen(version->name) == length && memcmp(version->name, found, length) == 0) {
			version->count++;
			return;
		}
	}
	if (load->version_count == VERSIONS_AT_MOST)
		return;
	Version *version = &load->versions[load->version_count++];
	memcpy(version->name, found, length);
	version->count = 1;
}

void
report_loss(Load *load, const Connection *connection, Result result)
{
	if (load->first_loss[0])
		return;

	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	snprintf(load->first_loss, sizeof(load->first_loss),
	    "%s at %lld.%03ld, %lld us after it was due: %.80s", result_names[result],
	    (long long)at.tv_sec, at.tv_nsec / 1000000, (long long)(now_us() - connection->due),
	    connection->length ? connection->answer : "");
	for (char *letter = load->first_loss; *letter; letter++) {
		if (*letter < ' ' || *letter == '"' || *letter == '\\')
			*letter = ' ';
	}
}

static int
compare_latencies(const void *one, const void *other)
{
	uint32_t first = *(const uint32_t *)one, second = *(const uint32_t *)other;

	return first < second ? -1 : first > second;
}

static double
percentile(const Load *load, double part)
{
	size_t count = load->results[RESULT_OK];
	size_t place = (size_t)(part * (double)count);

	if (count == 0)
		return 0;
	return load->latencies[place < count ? place : count - 1] / 1000.0;
}

static void
print_losses(const Load *load)
{
	uint64_t lost = 0;

	dprintf(1, "\"lost\": {");
	for (int i = RESULT_OK + 1; i < RESULTS; i++) {
		lost += load->results[i];
		dprintf(1, "%s\"%s\": %lu", i > 1 ? ", " : "", result_names[i], load->results[i]);
	}
	dprintf(1, "},\n \"failed\": %lu, \"balanced\": %s, \"first_loss\": \"%s\",\n", lost,
	    load->begun == load->results[RESULT_OK] + lost ? "true" : "false", load->first_loss);
}

static void
print_counts(const Load *load)
{
	const char *comma = "";

	dprintf(1, " \"statuses\": {");
	for (int i = 0; i < 600; i++) {
		if (load->statuses[i] == 0)
			continue;
		dprintf(1, "%s\"%d\": %lu", comma, i, load->statuses[i]);
		comma = ", ";
	}
	dprintf(1, "},\n \"versions\": {");
	for (unsigned i = 0; i < load->version_count; i++)
		dprintf(1, "%s\"%s\": %lu", i ? ", " : "", load->versions[i].name,
		    load->versions[i].count);
	dprintf(1, "},\n");
}

void
report_print(Load *load, double seconds)
{
	size_t count = load->results[RESULT_OK];

	if (count > 0)
		qsort(load->latencies, count, sizeof(*load->latencies), compare_latencies);
	dprintf(
	    1, "{\"requests\": %lu, \"ok\": %lu, \"seconds\": %.2f, ", load->begun, count, seconds);
	print_losses(load);
	print_counts(load);
	dprintf(1,
	    " \"opened\": %lu, \"closed_idle\": %lu, \"held_back\": %lu, \"until_us\": %ld,\n",
	    load->opened, load->closed_idle, load->held_back, load->until_at);
	dprintf(1,
	    " \"ms\": {\"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"max\": "
	    "%.2f}}\n",
	    percentile(load, 0.5), percentile(load, 0.9), percentile(load, 0.99),
	    percentile(load, 0.999), percentile(load, 1));
}
