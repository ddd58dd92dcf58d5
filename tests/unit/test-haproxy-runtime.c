/*
 * The parsers of HAProxy's tables, on answers recorded from 2.6.12, and what a socket that does not
 * answer comes to.
 */
#include "base/error.h"
#include "swarm/haproxy-runtime.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

static const char states[] =
    "1\n"
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
    "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
    "srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"
    "5 b_a_web 1 s1 127.0.0.1 2 4 1 1 0 1 0 1 6 0 0 0 - 19001 - 0 0 - - 0\n"
    "5 b_a_web 2 s2 127.0.0.1 0 5 1 1 14 1 0 0 14 0 0 0 - 1 - 0 0 - - 0\n"
    "5 b_a_web 3 s3 fd00::7 2 12 1 1 14 1 0 0 14 0 0 0 - 3000 - 0 0 - - 0\n";

static const char loads[] =
    "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb "
    "safe_nb idle_lim idle_cur idle_per_thr[2]\n"
    "b_a_web/s1 5/1 127.0.0.1 19001 - 5000 3 4 1 1 0 -1 1 1 0\n"
    "b_a_web/s2 5/2 127.0.0.1 1 - 5000 0 0 0 0 0 -1 0 0 0\n";

static const char processes[] =
    "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
    "6897            master          2 [failed: 1]   0d00h00m51s     2.6.12-1+deb12u4\n"
    "# workers\n"
    "7739            worker          0               0d00h00m00s     2.6.12-1+deb12u4\n"
    "# old workers\n"
    "7688            worker          1               0d00h00m01s     2.6.12-1+deb12u4\n"
    "7600            worker          2               0d00h01m01s     2.6.12-1+deb12u4\n"
    "# programs\n";

static const char sessions[] =
    "0x7f7f98046880: proto=tcpv4 src=127.0.0.1:43894 fe=door be=b_a_web srv=s1 ts=00 epoch=0\n"
    "0x7f7f98046990: proto=tcpv4 src=127.0.0.1:43895 fe=door be=b_a_web srv=s11 ts=00 epoch=0\n"
    "0x7f7f9804bec0: proto=sockpair src=unix:2 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0\n";

static void
reads_states(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) table = haproxy_parse_states(states, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(table->len, ==, 3);

	const HaproxyState *ready = table->pdata[0];
	const HaproxyState *empty = table->pdata[1];
	const HaproxyState *draining = table->pdata[2];
	g_assert_cmpstr(ready->backend, ==, "b_a_web");
	g_assert_cmpstr(ready->server, ==, "s1");
	g_assert_cmpuint(ready->port, ==, 19001);
	g_assert_true(haproxy_state_is_ready(ready));
	g_assert_false(haproxy_state_is_maintenance(ready));
	g_assert_true(haproxy_state_is_maintenance(empty));
	g_assert_false(haproxy_state_is_ready(empty));
	g_assert_cmpstr(draining->address, ==, "fd00::7");
	g_assert_true(haproxy_state_is_draining(draining));
	g_assert_false(haproxy_state_is_ready(draining));
}

static void
reads_loads(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) table = haproxy_parse_loads(loads, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(table->len, ==, 2);

	const HaproxyLoad *load = table->pdata[0];
	g_assert_cmpstr(load->backend, ==, "b_a_web");
	g_assert_cmpstr(load->server, ==, "s1");
	g_assert_cmpstr(load->address, ==, "127.0.0.1");
	g_assert_cmpuint(load->port, ==, 19001);
	g_assert_cmpuint(load->used, ==, 3);
}

static void
reads_processes(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(HaproxyProcesses) found = haproxy_parse_processes(processes, &error);
	g_assert_no_error(error);

	g_assert_cmpint(found->worker, ==, 7739);
	g_assert_cmpuint(found->failed, ==, 1);
	g_assert_cmpuint(found->old->len, ==, 2);
	g_assert_cmpint(g_array_index(found->old, gint64, 0), ==, 7688);
}

static void
reads_info(void)
{
	HaproxyInfo info = {0};
	g_autoptr(GError) error = NULL;

	g_assert_true(haproxy_parse_info(
	    "Name: HAProxy\nPid: 12\nStopping: 1\nStart_time_sec: 1795578389\n", &info, &error));
	g_assert_cmpint(info.pid, ==, 12);
	g_assert_cmpint(info.started, ==, 1795578389);
	g_assert_true(info.is_stopping);
	g_assert_false(haproxy_parse_info("Pid: x\n", &info, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_cmpint(info.pid, ==, 12);
}

static void
finds_sessions_of_one_server(void)
{
	g_autoptr(GPtrArray) ids = haproxy_parse_sessions(sessions, "b_a_web", "s1");

	g_assert_cmpuint(ids->len, ==, 1);
	g_assert_cmpstr(ids->pdata[0], ==, "0x7f7f98046880");
}

static void
reads_maps(void)
{
	g_autofree char *map =
	    haproxy_parse_map("0x5618 www.a.test b_a_web\n0x5617 a.test b_a_web\n\n");

	g_assert_cmpstr(map, ==, "a.test b_a_web\nwww.a.test b_a_web\n");
}

static void
refuses_other_shapes(void)
{
	static const char *const texts[] = {"", "Can't find backend.", "Unknown command",
	    "# be_id be_name\n1 2 3\n", "# bkname/svname\nb_a_web 5/1 127.0.0.1 80 - 1 1\n",
	    "# be_id be_name\n5 b 1 s1 127.0.0.1 x 4 1 1 0 1 0 1 6 0 0 0 - 19001 -\n"};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) of_states = NULL;
		g_autoptr(GError) of_loads = NULL;
		g_autoptr(GError) of_processes = NULL;
		g_assert_null(haproxy_parse_states(texts[i], &of_states));
		g_assert_error(of_states, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
		g_assert_null(haproxy_parse_loads(texts[i], &of_loads));
		g_assert_error(of_loads, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
		g_assert_null(haproxy_parse_processes(texts[i], &of_processes));
		g_assert_error(of_processes, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	}
}

/* A socket that accepts and says nothing: HAProxy stopped by a debugger. */
static void
silence_is_an_error_in_time(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = g_dir_make_tmp("carrack-runtime-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "silent.sock", NULL);
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_assert_true(g_socket_listener_add_address(
	    listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, NULL));

	gint64 begin = g_get_monotonic_time();
	HaproxyInfo info = {0};
	g_assert_false(haproxy_info(path, &info, &error));
	g_assert_error(error, CARRACK_ERROR, CARRACK_ERROR_UPSTREAM);
	g_assert_nonnull(strstr(error->message, "«show info»"));
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 4 * G_USEC_PER_SEC);
	g_remove(path);
	g_rmdir(folder);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/haproxy-runtime/states-are-read", reads_states);
	g_test_add_func("/haproxy-runtime/loads-are-read", reads_loads);
	g_test_add_func("/haproxy-runtime/processes-are-read", reads_processes);
	g_test_add_func("/haproxy-runtime/info-is-read", reads_info);
	g_test_add_func(
	    "/haproxy-runtime/sessions-of-one-server-are-found", finds_sessions_of_one_server);
	g_test_add_func("/haproxy-runtime/maps-are-read-as-their-files", reads_maps);
	g_test_add_func(
	    "/haproxy-runtime/tables-of-another-shape-are-errors", refuses_other_shapes);
	g_test_add_func(
	    "/haproxy-runtime/silence-is-an-error-in-time", silence_is_an_error_in_time);
	return g_test_run();
}
