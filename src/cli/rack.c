/*
 * The verbs about racks: the one that is used (`rack …`), and those that are known (`racks`,
 * `switch`, `login`).
 */
#include "cli/logs.h"
#include "cli/processes.h"
#include "cli/prompt.h"
#include "cli/verbs.h"

#include "base/text.h"

#include <string.h>
#include <unistd.h>

#define STATUS_MS 2000
#define PASSWORD_BYTES 1024

/* rack */

static char *
router_text(const json_t *system)
{
	const char *domain = json_text_of(system, "domain", "");
	const char *internal = json_text_of(json_at(system, "outputs", NULL), "DomainInternal", "");

	return *internal ? g_strdup_printf("%s (external)\n%s (internal)", domain, internal)
			 : g_strdup(domain);
}

bool
rack_info(Call *call, GError **error)
{
	Client *client = call_client(call, error);
	json_auto_t *system = client ? client_get(client, "/system", call->cancel, error) : NULL;
	if (!system)
		return false;

	const char *region = json_text_of(system, "region", "");
	g_autofree char *router = router_text(system);
	g_autoptr(Info) info = info_new();
	info_text(info, "Name", json_text_of(system, "name", ""));
	info_text(info, "Provider", json_text_of(system, "provider", ""));
	if (*region)
		info_text(info, "Region", region);
	if (*router)
		info_text(info, "Router", router);
	info_text(info, "Status", json_text_of(system, "status", ""));
	info_text(info, "Version", json_text_of(system, "version", ""));
	info_print(info, call->output);
	return true;
}

bool
rack_processes_list(Call *call, GError **error)
{
	const char *path =
	    call_has(call, "all") ? "/system/processes?all=true" : "/system/processes";
	return processes_print(call, path, true, error);
}

bool
rack_logs(Call *call, GError **error)
{
	return logs_print(call, "/system/logs", error);
}

/* racks */

typedef struct {
	ConfigRack rack;
	json_t *system; /* NULL: no answer */
	bool is_refused;
} Asked;

static gpointer
ask_rack(gpointer data)
{
	Asked *asked = data;
	g_autoptr(GError) failure = NULL;
	g_autoptr(Client) client = client_new(&asked->rack, &failure);
	if (!client)
		return NULL;

	client_set_timeout(client, STATUS_MS);
	asked->system = client_get(client, "/system", NULL, &failure);
	asked->is_refused = g_error_matches(failure, CARRACK_ERROR, CARRACK_ERROR_UNAUTHORIZED);
	return NULL;
}

static void
add_rack(Table *table, const Asked *asked)
{
	const char *silent = asked->is_refused ? "wrong password" : "unreachable";

	table_text(table, asked->rack.name);
	table_text(table, json_text_of(asked->system, "provider", ""));
	table_text(table, json_text_of(asked->system, "status", silent));
}

bool
racks_list(Call *call, GError **error)
{
	g_autoptr(Config) config = config_load(error);
	if (!config)
		return false;

	g_autofree const char **names = config_names(config);
	guint count = g_strv_length((GStrv)names);
	g_autofree Asked *asked = g_new0(Asked, count);
	g_autofree GThread **threads = g_new0(GThread *, count);
	for (guint i = 0; i < count; i++) {
		config_rack(config, names[i], &asked[i].rack);
		threads[i] = g_thread_new("rack", ask_rack, &asked[i]);
	}

	g_autoptr(Table) table = table_new("NAME PROVIDER STATUS");
	for (guint i = 0; i < count; i++) {
		g_thread_join(threads[i]);
		add_rack(table, &asked[i]);
		json_decref(asked[i].system);
	}
	table_print(table, call->output);
	return true;
}

/* switch */

bool
racks_switch(Call *call, GError **error)
{
	g_autoptr(Config) config = config_load(error);
	if (!config)
		return false;

	ConfigRack rack = {.name = config_current(config)};
	if (call->argument_count > 0) {
		if (!config_find(config, call->arguments[0], &rack, error))
			return false;
		config_set_current(config, rack.name);
		if (!config_save(config, error))
			return false;
		output_print(call->output, "Switched to %s", rack.name);
	} else if (rack.name)
		output_print(call->output, "%s", rack.name);
	else
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "no rack is selected: run «carrack install» or «carrack login»");

	json_auto_t *answer = json_pack("{s:s}", "current", rack.name);
	output_json(call->output, answer);
	return true;
}

/* login */

/* From --password, CARRACK_PASSWORD, stdin when it is no terminal, or the person. */
static char *
password_of(const Call *call, GError **error)
{
	const char *flag = call_flag(call, "password");
	const char *variable = g_getenv("CARRACK_PASSWORD");
	if (flag || variable)
		return g_strdup(flag ? flag : variable);
	if (isatty(STDIN_FILENO))
		return prompt_password("Password: ", error);

	char text[PASSWORD_BYTES];
	gssize count = read(STDIN_FILENO, text, sizeof(text));
	g_autofree char *line = g_strndup(text, count > 0 ? (gsize)count : 0);
	line[strcspn(line, "\r\n")] = '\0';
	if (*line)
		return g_steal_pointer(&line);
	usage_error(error, "login needs --password, CARRACK_PASSWORD or a password on stdin");
	return NULL;
}

/* A password is only sent in clear to this machine, unless http:// was asked for. */
static char *
url_of_host(const char *host)
{
	static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};

	if (strstr(host, "://"))
		return g_strdup(host);
	for (gsize i = 0; i < G_N_ELEMENTS(local); i++) {
		gsize length = strlen(local[i]);
		bool is_local = strncmp(host, local[i], length) == 0 &&
				(host[length] == '\0' || host[length] == ':');
		if (is_local)
			return g_strconcat("http://", host, NULL);
	}
	return g_strconcat("https://", host, NULL);
}

/* The host's URL with the password in it, as the configuration has it. */
static char *
url_with_password(const char *host, const char *password, GError **error)
{
	g_autofree char *plain = url_of_host(host);
	g_autoptr(GUri) url = g_uri_parse(plain, G_URI_FLAGS_NONE, NULL);
	if (!url || !g_uri_get_host(url) || !*g_uri_get_host(url)) {
		usage_error(error, "%s: give a host, host:port or a URL", host);
		return NULL;
	}

	g_autoptr(GUri) whole = g_uri_build_with_user(G_URI_FLAGS_HAS_PASSWORD,
	    g_uri_get_scheme(url), "convox", password, NULL, g_uri_get_host(url),
	    g_uri_get_port(url), g_uri_get_path(url), NULL, NULL);
	return g_uri_to_string(whole);
}

/* Another rack of the same name must not be lost by a login. */
static bool
check_name(const Call *call, const Config *config, const ConfigRack *rack, GError **error)
{
	ConfigRack known;
	if (call_has(call, "name") || !config_rack(config, rack->name, &known))
		return true;

	g_autoptr(GUri) one = g_uri_parse(known.url, G_URI_FLAGS_NONE, NULL);
	g_autoptr(GUri) other = g_uri_parse(rack->url, G_URI_FLAGS_NONE, NULL);
	bool is_same = one && g_strcmp0(g_uri_get_host(one), g_uri_get_host(other)) == 0 &&
		       g_uri_get_port(one) == g_uri_get_port(other);
	if (is_same)
		return true;
	return error_set(error, CARRACK_ERROR_CONFLICT,
	    "a rack %s with another address is known: choose a name with --name", rack->name);
}

static bool
remember(Call *call, ConfigRack *rack, const json_t *system, GError **error)
{
	g_autoptr(Config) config = config_load(error);
	if (!config)
		return false;

	const char *given = call_flag(call, "name");
	rack->name = given ? given : json_text_of(system, "name", rack->name);
	if (!check_name(call, config, rack, error))
		return false;
	ConfigRack known = {NULL};
	if (config_rack(config, rack->name, &known))
		rack->socket = known.socket;
	config_set_rack(config, rack);
	config_set_current(config, rack->name);
	return config_save(config, error);
}

bool
login(Call *call, GError **error)
{
	const char *host = call->arguments[0];
	g_autofree char *password = password_of(call, error);
	g_autofree char *url = password ? url_with_password(host, password, error) : NULL;
	if (!url)
		return false;

	ConfigRack rack = {.name = host, .url = url, .insecure = call_has(call, "insecure")};
	g_autofree char *ca =
	    call_has(call, "ca") ? g_canonicalize_filename(call_flag(call, "ca"), NULL) : NULL;
	rack.ca = ca;
	g_autoptr(Client) client = client_new(&rack, error);
	output_action(call->output, "Authenticating with %s", host);
	if (!client || !client_send(client, "GET", "/auth", NULL, NULL, call->cancel, error))
		return false;
	json_auto_t *system = client_get(client, "/system", call->cancel, error);
	if (!system || !remember(call, &rack, system, error))
		return false;

	output_done(call->output, rack.name);
	json_auto_t *answer = json_pack("{s:s}", "current", rack.name);
	output_json(call->output, answer);
	return true;
}
