/*
 * Listeners share one balancer for the whole rack, so a port may be had once only. Ranges of
 * addresses must be written in their canonical form, as AWS compares them by text.
 */
#include "manifest/nlb.h"

#include <string.h>

static json_t *
read_word(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a word");
	g_autofree char *lower = text != NULL ? g_ascii_strdown(text, -1) : NULL;
	g_auto(GStrv) choices = g_strsplit(value->choices, " ", -1);
	if (lower != NULL && g_strv_contains((const char *const *)choices, lower))
		return json_string(lower);

	g_autofree char *list = g_strjoinv(" or ", choices);
	if (text != NULL)
		yaml_problem(decoder->problems, node, "«%s» is not %s", text, list);
	return NULL;
}

static json_t *
read_certificate(Decoder *decoder, const YamlNode *node, const Value *value)
{
	static const char form[] =
	    "^arn:[a-z-]+:(acm:[a-z0-9-]+:[0-9]+:certificate/|iam::[0-9]+:server-certificate/).+";
	const char *text = decode_scalar(decoder, node, "an ARN");
	if (text != NULL && !g_regex_match_simple(form, text, 0, 0))
		yaml_problem(decoder->problems, node,
		    "«%s» is not the full ARN of a certificate of ACM or IAM", text);
	return text != NULL ? json_text_value(text) : NULL;
}

static json_t *
read_range(Decoder *decoder, const YamlNode *node, const Value *value)
{
	const char *text = decode_scalar(decoder, node, "a range of IPv4 addresses");
	if (text == NULL)
		return NULL;

	g_autoptr(GInetAddressMask) mask =
	    strchr(text, '/') != NULL ? g_inet_address_mask_new_from_string(text, NULL) : NULL;
	bool is_ipv4 = mask != NULL && g_inet_address_mask_get_family(mask) == G_SOCKET_FAMILY_IPV4;
	if (is_ipv4)
		return json_string(text);

	yaml_problem(decoder->problems, node,
	    "«%s» is not a range of IPv4 addresses like 10.0.0.0/16, with no bits set behind it",
	    text);
	return NULL;
}

static const Value range = {"", read_range};

static json_t *
read_ranges(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *ranges = value_list(decoder, node, value);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	gsize index;
	json_t *entry;
	json_array_foreach(ranges, index, entry)
	{
		if (!g_hash_table_add(seen, (gpointer)json_string_value(entry)))
			yaml_problem(
			    decoder->problems, node, "«%s» stands twice", json_string_value(entry));
	}
	return ranges;
}

static const Value listener_members[] = {
    {"port", value_number, .minimum = 1, .maximum = 65535, .is_required = true},
    {"protocol", read_word, .choices = "tcp tls"},
    {"containerPort", value_number, .minimum = 1, .maximum = 65535},
    {"scheme", read_word, .choices = "public internal"},
    {"certificate", read_certificate},
    {"cross_zone", value_bool},
    {"preserve_client_ip", value_bool},
    {"allow_cidr", read_ranges, &range},
    {NULL},
};

static json_t *
read_listener(Decoder *decoder, const YamlNode *node, const Value *value)
{
	guint before = decoder->problems->len;
	json_t *listener = value_map(decoder, node, value);
	if (listener == NULL)
		return NULL;

	json_auto_t *defaults = json_pack("{s:s, s:s, s:I}", "protocol", "tcp", "scheme", "public",
	    "containerPort", (json_int_t)json_int_of(listener, "port", 0));
	json_object_update_missing(listener, defaults);
	bool is_tls = strcmp(json_text_of(listener, "protocol", ""), "tls") == 0;
	bool has_certificate = *json_text_of(listener, "certificate", "") != '\0';
	if (decoder->problems->len > before)
		return listener;
	if (is_tls && !has_certificate)
		yaml_problem(decoder->problems, node, "protocol tls needs a certificate");
	if (!is_tls && has_certificate)
		yaml_problem(decoder->problems, node, "a certificate is for protocol tls only");
	return listener;
}

static const Value listener_map = {"", read_listener, listener_members};

static json_t *
read_listeners(Decoder *decoder, const YamlNode *node, const Value *value)
{
	json_t *list = value_list(decoder, node, value);
	g_autoptr(GHashTable) inner = g_hash_table_new(NULL, NULL);
	gsize index;
	json_t *listener;
	json_array_foreach(list, index, listener)
	{
		guint port = (guint)json_int_of(listener, "containerPort", 0);
		if (port != 0 && !g_hash_table_add(inner, GUINT_TO_POINTER(port)))
			yaml_problem(decoder->problems, node,
			    "containerPort %u is used by two listeners", port);
	}
	return list;
}

const Value service_nlb = {"", read_listeners, &listener_map};

static void
check_service(
    Decoder *decoder, const YamlNode *node, const ManifestService *service, GHashTable *owners)
{
	const YamlNode *own = yaml_kind(node) == YAML_MAP ? yaml_member(node, "nlb") : NULL;
	json_t *listeners = json_object_get(service->more, "nlb");
	if (own == NULL || json_array_size(listeners) == 0)
		return;
	if (service->is_agent)
		yaml_problem(decoder->problems, own, "an agent cannot have listeners of an nlb");

	gsize index;
	json_t *listener;
	json_array_foreach(listeners, index, listener)
	{
		guint port = (guint)json_int_of(listener, "port", 0);
		const char *owner = g_hash_table_lookup(owners, GUINT_TO_POINTER(port));
		if (owner != NULL)
			yaml_problem(decoder->problems, own,
			    "port %u is a listener of service %s already", port, owner);
		else
			g_hash_table_insert(owners, GUINT_TO_POINTER(port), service->name);
	}
}

void
nlb_complete(Decoder *decoder, const YamlNode *services, const Manifest *manifest)
{
	g_autoptr(GHashTable) owners = g_hash_table_new(NULL, NULL);
	for (guint i = 0; i < manifest->services->len; i++) {
		const ManifestService *service = manifest->services->pdata[i];
		check_service(decoder, yaml_member(services, service->name), service, owners);
	}
}
