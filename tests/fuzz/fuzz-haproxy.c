/*
 * Fuzzes the readers of HAProxy's tables. Beyond not crashing, each must either give a whole value
 * or say why not.
 */
#include "swarm/haproxy-runtime.h"

#include <stdint.h>
#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_states(const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) states = haproxy_parse_states(text, &error);
	require(!states == !!error);

	for (unsigned i = 0; states && i < states->len; i++) {
		const HaproxyState *state = states->pdata[i];
		require(state->backend && state->server && state->address);
		require(!haproxy_state_is_ready(state) || !haproxy_state_is_maintenance(state));
		require(!haproxy_state_is_ready(state) || !haproxy_state_is_draining(state));
	}
}

static void
check_loads(const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) loads = haproxy_parse_loads(text, &error);
	require(!loads == !!error);

	for (unsigned i = 0; loads && i < loads->len; i++) {
		const HaproxyLoad *load = loads->pdata[i];
		require(load->backend && load->server && load->address);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	g_autofree char *text = g_strndup((const char *)bytes, size);
	g_autoptr(GError) of_processes = NULL;
	g_autoptr(GError) of_info = NULL;
	HaproxyInfo info = {0};

	check_states(text);
	check_loads(text);
	g_autoptr(HaproxyProcesses) processes = haproxy_parse_processes(text, &of_processes);
	require(!processes == !!of_processes);
	require(haproxy_parse_info(text, &info, &of_info) == !of_info);
	g_autoptr(GPtrArray) sessions = haproxy_parse_sessions(text, "b_a_web", "s1");
	require(sessions != NULL);
	g_autofree char *map = haproxy_parse_map(text);
	require(map != NULL);
	return 0;
}
