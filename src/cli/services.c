/*
 * The verbs `services`, `scale` and `restart`.
 */
#include "cli/services.h"

#include "base/limits.h"
#include "cli/timeline.h"
#include "cli/verbs.h"

#include <string.h>

#define POLL_MS 250
#define SCALE_US (15 * 60 * G_USEC_PER_SEC)

static json_t *
services_get(Call *call, GError **error)
{
	if (!call_app(call, error) || !call_client(call, error))
		return NULL;

	g_autofree char *path = client_path("apps", call->app, "services", NULL);
	return client_get(call->client, path, call->cancel, error);
}

static const json_t *
service_named(const json_t *services, const char *name)
{
	gsize index;
	json_t *service;

	json_array_foreach(services, index, service)
	{
		if (strcmp(json_text_of(service, "name", ""), name) == 0)
			return service;
	}
	return NULL;
}

static int
compare_names(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Sorted, NULL-terminated; the names are borrowed from `services`. */
static GPtrArray *
names_of(const json_t *services)
{
	GPtrArray *names = g_ptr_array_new();
	gsize index;
	json_t *service;

	json_array_foreach(services, index, service)
	    g_ptr_array_add(names, (gpointer)json_text_of(service, "name", ""));
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return names;
}

static bool
refuse_service(const Call *call, const json_t *services, const char *name, GError **error)
{
	g_autoptr(GPtrArray) names = names_of(services);
	g_autofree char *known = g_strjoinv(", ", (GStrv)names->pdata);

	return error_set(error, CARRACK_ERROR_NOT_FOUND, "no service %s in app %s (services: %s)",
	    name, call->app, *known ? known : "none yet; deploy first");
}

/* Addresses */

static bool
has_balancer(const json_t *ports, gint64 number)
{
	gsize index;
	json_t *port;

	json_array_foreach(ports, index, port)
	{
		if (json_int_of(port, "balancer", 0) == number)
			return true;
	}
	return false;
}

/* NULL when nothing is reached from outside. A rack that says the URL itself knows its ports and
 * whether its certificate is one that a browser trusts. */
static char *
url_of(const json_t *service)
{
	const char *url = json_text_of(service, "url", NULL);
	if (url)
		return *url ? g_strdup(url) : NULL;

	const char *domain = json_text_of(service, "domain", "");
	const json_t *ports = json_object_get(service, "ports");
	gint64 first = json_int_of(json_array_get(ports, 0), "balancer", 0);

	if (!*domain || first == 0)
		return NULL;
	if (has_balancer(ports, 443))
		return g_strdup_printf("https://%s", domain);
	if (has_balancer(ports, 80))
		return g_strdup_printf("http://%s", domain);
	return g_strdup_printf("http://%s:%" G_GINT64_FORMAT, domain, first);
}

GPtrArray *
service_urls(Call *call, const char *service, GError **error)
{
	json_auto_t *services = services_get(call, error);
	if (!services)
		return NULL;
	if (service && !service_named(services, service)) {
		refuse_service(call, services, service, error);
		return NULL;
	}

	GPtrArray *urls = g_ptr_array_new_with_free_func(g_free);
	gsize index;
	json_t *one;
	json_array_foreach(services, index, one)
	{
		bool is_meant = !service || strcmp(json_text_of(one, "name", ""), service) == 0;
		char *url = is_meant ? url_of(one) : NULL;
		if (url)
			g_ptr_array_add(urls, url);
	}
	return urls;
}

/* services */

/* «443:3000 80:3000»: balancer and container, one number when there is only one. */
static char *
ports_text(const json_t *ports)
{
	GString *text = g_string_new(NULL);
	gsize index;
	json_t *port;

	json_array_foreach(ports, index, port)
	{
		gint64 balancer = json_int_of(port, "balancer", 0);
		gint64 container = json_int_of(port, "container", 0);
		g_string_append(text, index ? " " : "");
		if (balancer)
			g_string_append_printf(text, "%" G_GINT64_FORMAT, balancer);
		if (balancer && container)
			g_string_append_c(text, ':');
		if (container)
			g_string_append_printf(text, "%" G_GINT64_FORMAT, container);
	}
	return g_string_free(text, FALSE);
}

bool
services_list(Call *call, GError **error)
{
	json_auto_t *services = services_get(call, error);
	if (!services)
		return false;

	g_autoptr(Table) table = table_new("SERVICE DOMAIN PORTS");
	gsize index;
	json_t *service;
	json_array_foreach(services, index, service)
	{
		json_t *ports = json_object_get(service, "ports");
		g_autofree char *text = ports_text(ports);
		table_text(table, json_text_of(service, "name", ""));
		table_text(table, json_text_of(service, "domain", ""));
		table_value(table, text, ports ? json_deep_copy(ports) : json_array());
	}
	table_print(table, call->output);
	return true;
}

/* scale */

static json_t *
processes_get(Call *call, GError **error)
{
	g_autofree char *path = client_path("apps", call->app, "processes", NULL);
	return client_get(call->client, path, call->cancel, error);
}

/* How many processes of a service there are, one-offs apart; with `status` only those that have it.
 */
static gint64
count_processes(const json_t *processes, const char *service, const char *status)
{
	gint64 count = 0;
	gsize index;
	json_t *process;

	json_array_foreach(processes, index, process)
	{
		bool is_meant = strcmp(json_text_of(process, "name", ""), service) == 0 &&
				strcmp(json_text_of(process, "kind", "service"), "service") == 0;
		if (is_meant &&
		    (!status || strcmp(json_text_of(process, "status", ""), status) == 0))
			count++;
	}
	return count;
}

static bool
list_scale(Call *call, const json_t *services, const char *only, GError **error)
{
	json_auto_t *processes = processes_get(call, error);
	if (!processes)
		return false;

	g_autoptr(Table) table = table_new("SERVICE DESIRED RUNNING CPU MEMORY");
	g_autoptr(GPtrArray) names = names_of(services);
	for (guint i = 0; names->pdata[i]; i++) {
		const char *name = names->pdata[i];
		const json_t *service = service_named(services, name);
		if (only && strcmp(only, name) != 0)
			continue;
		table_text(table, name);
		table_number(table, json_int_of(service, "count", 0));
		table_number(table, count_processes(processes, name, NULL));
		table_number(table, json_int_of(service, "cpu", 0));
		table_number(table, json_int_of(service, "memory", 0));
	}
	table_print(table, call->output);
	return true;
}

typedef struct {
	char *release; /* the live one, whose timeline tells of the change */
	gint64 before; /* its version before the change */
	bool has_timeline;
} Change;

static void
change_clear(Change *change)
{
	g_free(change->release);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Change, change_clear)

/* What is known before the change, to tell afterwards what came of it. */
static bool
change_begin(Call *call, Change *change, GError **error)
{
	g_autofree char *path = client_path("apps", call->app, NULL);
	json_auto_t *app = client_get(call->client, path, call->cancel, error);
	if (!app)
		return false;

	g_autoptr(GError) failure = NULL;
	change->release = g_strdup(json_text_of(app, "release", ""));
	if (!*change->release)
		return true;
	change->has_timeline =
	    timeline_version(call, call->app, change->release, &change->before, &failure);
	if (!failure || g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_NOT_FOUND))
		return true;
	g_propagate_error(error, g_steal_pointer(&failure));
	return false;
}

/* True when the change has begun a timeline of its own. */
static bool
change_has_timeline(Call *call, const Change *change)
{
	gint64 now;

	return change->has_timeline &&
	       timeline_version(call, call->app, change->release, &now, NULL) &&
	       now > change->before;
}

/* True when as many processes run as are wanted, and no others. */
static bool
is_scaled(Call *call, const char *service, gint64 *running, gint64 *wanted)
{
	json_auto_t *services = services_get(call, NULL);
	json_auto_t *processes = services ? processes_get(call, NULL) : NULL;
	*wanted = json_int_of(service_named(services, service), "count", -1);
	*running = count_processes(processes, service, "running");

	return processes && *running == *wanted &&
	       count_processes(processes, service, NULL) == *wanted;
}

static bool
is_running(Call *call)
{
	g_autofree char *path = client_path("apps", call->app, NULL);
	json_auto_t *app = client_get(call->client, path, call->cancel, NULL);

	return strcmp(json_text_of(app, "status", ""), "running") == 0;
}

static bool
refuse_waiting(const char *service, gint64 running, gint64 wanted, GError **error)
{
	return error_set(error, CARRACK_ERROR_UNAVAILABLE,
	    "service %s: only %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
	    " processes run after 15 minutes; see carrack ps",
	    service, running, wanted);
}

/* The timeline tells whether the change was made; that the processes are there, they tell. */
static bool
wait_for_scale(Call *call, const Change *change, const char *service, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + SCALE_US;
	gint64 running = 0;
	gint64 wanted = 0;

	for (bool is_told = false;;) {
		if (!is_told && change_has_timeline(call, change)) {
			if (!timeline_follow(
				call, call->app, change->release, change->before, error))
				return false;
			is_told = true;
		}
		bool is_settled = is_told || is_running(call);
		if (is_settled && is_scaled(call, service, &running, &wanted))
			return true;

		output_progress(call->output,
		    "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " running", running, wanted);
		if (g_get_monotonic_time() > deadline)
			return refuse_waiting(service, running, wanted, error);
		if (!call_pause(call, POLL_MS, error))
			return false;
	}
}

static bool
set_scale(Call *call, const char *service, const char *form, GError **error)
{
	g_autofree char *path = client_path("apps", call->app, "services", service, NULL);
	g_auto(Change) change = {NULL};

	output_action(call->output, "Scaling %s", service);
	bool is_awaited = !call_has(call, "no-wait");
	if (is_awaited && !change_begin(call, &change, error))
		return false;
	if (!client_send(call->client, "PUT", path, form, NULL, call->cancel, error))
		return false;
	/* Without a live release the number is only kept for the first one. */
	is_awaited = is_awaited && *change.release;
	if (is_awaited && !wait_for_scale(call, &change, service, error))
		return false;
	output_done(call->output, NULL);
	return true;
}

/* The form of what is to be changed; empty when nothing is. */
static bool
scale_form(const Call *call, GString *form, gint64 *count, GError **error)
{
	gint64 cpu;
	gint64 memory;

	if (!call_number(call, "count", 0, LIMIT_SCALE, count, error) ||
	    !call_number(call, "cpu", 1, G_MAXINT32, &cpu, error) ||
	    !call_number(call, "memory", 1, G_MAXINT32, &memory, error))
		return false;
	client_form(form, "count", call_flag(call, "count"));
	client_form(form, "cpu", call_flag(call, "cpu"));
	client_form(form, "memory", call_flag(call, "memory"));
	return true;
}

static bool
scale_service(Call *call, const json_t *services, const char *form, gint64 count, GError **error)
{
	const char *service = call->arguments[0];
	bool is_known = service_named(services, service) || json_array_size(services) == 0;
	if (!is_known && count == 0) {
		output_note(
		    call->output, "no service %s in app %s: nothing to scale", service, call->app);
		return true;
	}
	if (!is_known)
		return refuse_service(call, services, service, error);
	if (!set_scale(call, service, form, error))
		return false;

	return !output_is_json(call->output) || list_scale(call, services, service, error);
}

bool
services_scale(Call *call, GError **error)
{
	g_autoptr(GString) form = g_string_new(NULL);
	gint64 count;
	if (!scale_form(call, form, &count, error))
		return false;
	if (form->len > 0 && call->argument_count == 0)
		return usage_error(error, "scale: name the service to scale");

	call_watch_interrupt(call);
	json_auto_t *services = services_get(call, error);
	if (!services)
		return false;
	if (form->len == 0)
		return list_scale(call, services, call->arguments[0], error);
	call_announce_app(call);
	return scale_service(call, services, form->str, count, error);
}

/* restart */

static bool
restart_one(Call *call, const char *service, bool is_awaited, GError **error)
{
	g_autofree char *path =
	    client_path("apps", call->app, "services", service, "restart", NULL);
	g_auto(Change) change = {NULL};

	output_action(call->output, "Restarting %s", service);
	if (is_awaited && !change_begin(call, &change, error))
		return false;
	if (!client_send(call->client, "POST", path, NULL, NULL, call->cancel, error))
		return false;
	bool is_done =
	    !is_awaited || (change.has_timeline ? timeline_follow(call, call->app, change.release,
						      change.before, error)
						: timeline_wait_for_app(call, call->app, error));
	if (is_done)
		output_done(call->output, NULL);
	return is_done;
}

static bool
check_services(const Call *call, const json_t *services, GError **error)
{
	for (unsigned i = 0; i < call->argument_count; i++) {
		if (!service_named(services, call->arguments[i]))
			return refuse_service(call, services, call->arguments[i], error);
	}
	return true;
}

bool
services_restart(Call *call, GError **error)
{
	call_watch_interrupt(call);
	json_auto_t *services = services_get(call, error);
	if (!services || !check_services(call, services, error))
		return false;
	call_announce_app(call);

	g_autoptr(GPtrArray) all = names_of(services);
	char **names = call->argument_count > 0 ? call->arguments : (char **)all->pdata;
	json_auto_t *restarted = json_array();
	for (gsize i = 0; names[i]; i++) {
		/* The rack changes one thing of an app at a time, so all but the last are awaited.
		 */
		bool is_awaited = names[i + 1] || !call_has(call, "no-wait");
		if (!restart_one(call, names[i], is_awaited, error))
			return false;
		json_array_append_new(restarted, json_string(names[i]));
	}
	json_auto_t *answer = json_pack("{s:s, s:O}", "app", call->app, "restarted", restarted);
	output_json(call->output, answer);
	return true;
}
