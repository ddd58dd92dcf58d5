/*
 * The loop: take an invocation, send its lines on, answer. A batch of which nothing could be
 * delivered is answered as failed from its first record on, so that the stream brings it again;
 * wrong settings end the program, which Lambda tells as an error of the function.
 */
#include "log-drain.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
	GPtrArray *destinations;
	GString *message; /* of one line, reused */
	unsigned lines;
} Batch;

static void
tell(const char *app, const char *host, const char *why)
{
	fprintf(stderr, "lost app=%s host=%s why=%s\n", app, host, why);
}

static void
take_line(gpointer data, const Line *line)
{
	Batch *batch = data;

	g_string_truncate(batch->message, 0);
	message_append(batch->message, line);
	destinations_add(batch->destinations, line->app, batch->message);
	batch->lines++;
}

/* The answer to a Kinesis batch: what has to come again. */
static char *
answer_text(const char *first, const Outcome *outcome)
{
	json_auto_t *failures = json_array();

	if (first && outcome->lost > 0 && outcome->sent == 0)
		json_array_append_new(failures, json_pack("{ss}", "itemIdentifier", first));
	json_auto_t *answer = json_pack("{sO}", "batchItemFailures", failures);
	return json_dumps(answer, JSON_COMPACT);
}

static char *
handle(const GString *body, const char *rack, GPtrArray *destinations, GError **error)
{
	json_auto_t *event = json_loadb(body->str, body->len, 0, NULL);
	g_autoptr(GString) message = g_string_new(NULL);
	Batch batch = {.destinations = destinations, .message = message};
	unsigned bad = 0;
	const char *first = NULL;
	if (!batch_read(event, rack, take_line, &batch, &bad, &first, error))
		return NULL;

	Outcome outcome = destinations_send(destinations, tell);
	if (bad > 0 || outcome.lost > 0)
		fprintf(stderr, "batch lines=%u sent=%u lost=%u bad=%u\n", batch.lines,
		    outcome.sent, outcome.lost, bad);
	return answer_text(first, &outcome);
}

static bool
serve_one(const char *address, const char *rack, GPtrArray *destinations, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(Invocation) invocation = runtime_next(address, error);
	if (!invocation)
		return false;

	g_autofree char *answer = handle(invocation->body, rack, destinations, &cause);
	if (answer)
		return runtime_answer(address, invocation, "response", answer, error);

	json_auto_t *failure =
	    json_pack("{ss,ss}", "errorType", "event", "errorMessage", cause->message);
	g_autofree char *text = json_dumps(failure, JSON_COMPACT);
	return runtime_answer(address, invocation, "error", text, error);
}

int
main(void)
{
	const char *address = g_getenv("AWS_LAMBDA_RUNTIME_API");
	const char *drains = g_getenv("DRAINS");
	const char *rack = g_getenv("RACK");
	g_autoptr(GError) error = NULL;
	if (!address || !drains || !rack) {
		fprintf(stderr, "log-drain needs AWS_LAMBDA_RUNTIME_API, DRAINS and RACK\n");
		return 2;
	}

	/* jansson's texts are freed with g_free above. */
	json_set_alloc_funcs(g_malloc, g_free);
	g_autoptr(GPtrArray) destinations = destinations_parse(drains, &error);
	while (destinations && serve_one(address, rack, destinations, &error))
		continue;

	fprintf(stderr, "%s\n", error->message);
	return 1;
}
