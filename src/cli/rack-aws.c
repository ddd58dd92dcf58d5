/*
 * The verbs of racks in an AWS account. They go past the rack's API, with the account's own
 * credentials: carrackd may not change its own stack (docs/why/0006).
 */
#include "cli/prompt.h"
#include "cli/verbs.h"

#include "install/aws.h"

#include <string.h>

static bool
confirm(gpointer data, const char *what, const char *name, GError **error)
{
	return prompt_confirm(data, what, name, error);
}

typedef json_t *(*Act)(const AwsWish *wish, GError **error);

static bool
print_rack(Call *call, json_t *result)
{
	if (!result)
		return false;

	const char *state = json_text_of(result, "state", "");
	const char *domain = json_text_of(result, "domain", "");
	bool is_unchanged = strcmp(state, "unchanged") == 0;
	output_print(call->output, "rack %s is %s\n", json_text_of(result, "name", ""),
	    is_unchanged ? "as it should be" : state);
	output_print(call->output, "  API   %s", json_text_of(result, "address", ""));
	output_print(call->output, "  apps  https://APP-SERVICE.%s", domain);
	if (!json_bool_of(result, "answers", false)) {
		output_print(call->output, "\nIts name does not lead to it yet: a record");
		output_print(call->output, "  *.%s  CNAME  %s", domain,
		    json_text_of(result, "balancer", ""));
	}
	output_print(call->output,
	    "\nThis user's carrack knows its password (carrack switch %s). "
	    "Others: carrack login rack.%s",
	    json_text_of(result, "name", ""), domain);
	output_json(call->output, result);
	return true;
}

/* install and uninstall: the rack is named on the command line. */

static bool
wish_by_name(Call *call, AwsWish *wish, GError **error)
{
	const char *variable = g_getenv("CARRACK_RACK");
	*wish = (AwsWish){.name = call_flag(call, "name"),
	    .region = call_flag(call, "region"),
	    .profile = call_flag(call, "profile"),
	    .values = (const char *const *)call->arguments,
	    .confirm = confirm,
	    .confirm_data = call};
	if (!wish->name)
		wish->name = variable && *variable ? variable : NULL;
	return wish->name || usage_error(error, "%s needs --name", call->verb->words);
}

bool
install_aws(Call *call, GError **error)
{
	AwsWish wish;
	json_auto_t *result = wish_by_name(call, &wish, error) ? aws_install(&wish, error) : NULL;
	return print_rack(call, result);
}

bool
uninstall_aws(Call *call, GError **error)
{
	AwsWish wish;
	json_auto_t *result = wish_by_name(call, &wish, error) ? aws_uninstall(&wish, error) : NULL;
	if (!result)
		return false;
	if (json_bool_of(result, "removed", false))
		output_print(call->output, "removed");
	output_json(call->output, result);
	return true;
}

/* The others: the rack as other verbs choose it, in the region that the configuration knows. */

typedef struct {
	AwsWish wish;
	char *region;
	char *profile;
	char *name;
} Known;

static void
known_clear(Known *known)
{
	g_free(known->region);
	g_free(known->profile);
	g_free(known->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Known, known_clear)

/* --rack, CARRACK_RACK, the current one. RACK_URL does not count: an address is no account. */
static char *
rack_name(Call *call, GError **error)
{
	const char *given = call_flag(call, "rack");
	const char *variable = g_getenv("CARRACK_RACK");
	g_autoptr(Config) config = config_load(error);
	if (!config)
		return NULL;
	if (!given)
		given = variable && *variable ? variable : config_current(config);
	if (given)
		return g_strdup(given);
	usage_error(error, "%s: no rack is selected, give one with --rack", call->verb->words);
	return NULL;
}

static bool
wish_by_rack(Call *call, Known *known, GError **error)
{
	known->name = rack_name(call, error);
	if (!known->name)
		return false;

	bool is_on_aws = aws_known(known->name, &known->region, &known->profile);
	const char *region = call_flag(call, "region");
	const char *profile = call_flag(call, "profile");
	if (!is_on_aws && !region)
		return usage_error(error,
		    "rack %s is not known to be on AWS: give its --region, or update a rack on "
		    "this machine with carrack install",
		    known->name);
	known->wish = (AwsWish){.name = known->name,
	    .region = region ? region : known->region,
	    .profile = profile ? profile : known->profile,
	    .values = (const char *const *)call->arguments,
	    .confirm = confirm,
	    .confirm_data = call};
	return true;
}

static json_t *
act(Call *call, Act function, GError **error)
{
	g_auto(Known) known = {0};
	return wish_by_rack(call, &known, error) ? function(&known.wish, error) : NULL;
}

bool
rack_update(Call *call, GError **error)
{
	json_auto_t *result = act(call, aws_update, error);
	return print_rack(call, result);
}

static bool
print_change(Call *call, json_t *result)
{
	if (!result)
		return false;
	output_print(call->output, "rack %s: %s", json_text_of(result, "name", ""),
	    json_text_of(result, "state", ""));
	output_json(call->output, result);
	return true;
}

bool
rack_repair(Call *call, GError **error)
{
	json_auto_t *result = act(call, aws_repair, error);
	return print_change(call, result);
}

bool
rack_params(Call *call, GError **error)
{
	json_auto_t *list = act(call, aws_params, error);
	g_autoptr(Info) info = info_new();
	size_t i;
	json_t *one;
	json_array_foreach(list, i, one)
	    info_pair(info, json_text_of(one, "name", ""), json_text_of(one, "value", ""));
	if (list)
		info_print(info, call->output);
	return list != NULL;
}

bool
rack_params_set(Call *call, GError **error)
{
	json_auto_t *result = act(call, aws_params_set, error);
	return print_change(call, result);
}

/* InstanceMinimum and InstanceType by shorter names. */
bool
rack_scale(Call *call, GError **error)
{
	gint64 count;
	const char *type = call_flag(call, "type");
	if (!call_number(call, "count", 1, 1000, &count, error))
		return false;
	g_autoptr(GStrvBuilder) values = g_strv_builder_new();
	if (count >= 0) {
		g_autofree char *text = g_strdup_printf("InstanceMinimum=%" G_GINT64_FORMAT, count);
		g_strv_builder_add(values, text);
	}
	if (type) {
		g_autofree char *text = g_strconcat("InstanceType=", type, NULL);
		g_strv_builder_add(values, text);
	}
	g_auto(GStrv) list = g_strv_builder_end(values);
	if (!list[0])
		return usage_error(error, "rack scale needs --count or --type");

	g_auto(Known) known = {0};
	if (!wish_by_rack(call, &known, error))
		return false;
	known.wish.values = (const char *const *)list;
	json_auto_t *result = aws_params_set(&known.wish, error);
	return print_change(call, result);
}
