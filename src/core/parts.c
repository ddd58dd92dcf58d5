/*
 * Destructors of the plain structs that parts hand out, and small helpers over parts that every
 * provider shares.
 */
#include "core/provider.h"

#include <stdarg.h>
#include <string.h>

void
store_document_free(StoreDocument *document)
{
	if (!document)
		return;

	g_free(document->id);
	json_decref(document->body);
	g_free(document);
}

void
process_free(Process *process)
{
	if (!process)
		return;

	g_free(process->id);
	g_free(process->deployment);
	g_free(process->app);
	g_free(process->service);
	g_free(process->release);
	g_free(process->node);
	g_free(process->container);
	g_free(process->image);
	g_free(process->env_hash);
	g_free(process->address);
	g_free(process->command);
	g_free(process->reason);
	g_free(process->role);
	g_free(process);
}

void
engine_deployment_free(EngineDeployment *deployment)
{
	if (!deployment)
		return;

	g_free(deployment->id);
	g_free(deployment->name);
	g_free(deployment->app);
	g_free(deployment->service);
	g_free(deployment->release);
	g_free(deployment->image);
	g_free(deployment->env_hash);
	g_free(deployment);
}

void
engine_stream_free(EngineStream *stream)
{
	if (stream)
		stream->ops->free(stream);
}

static int
compare_texts(gconstpointer one, gconstpointer other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

GStrv
router_hosts(
    const char *const *hosts, char *(*read)(const char *host, GError **error), GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	for (; hosts && *hosts; hosts++) {
		g_autofree char *name = read(*hosts, error);
		if (!name)
			return NULL;
		if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
			g_ptr_array_add(names, g_steal_pointer(&name));
	}
	g_ptr_array_sort(names, compare_texts);
	g_ptr_array_add(names, NULL);
	return (GStrv)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

void
router_server_free(RouterServer *server)
{
	if (!server)
		return;

	g_free(server->address);
	g_free(server->process);
	g_free(server);
}

void
builder_image_free(BuilderImage *image)
{
	if (!image)
		return;

	g_free(image->reference);
	g_free(image->digest);
	g_free(image);
}

CertificateEntry *
certificate_entry_new(const Certificate *certificate)
{
	CertificateEntry *entry = g_new0(CertificateEntry, 1);
	entry->id = g_strdup(certificate->id);
	entry->domains = g_strdupv(certificate->names);
	entry->expires = certificate->expires;
	entry->is_ready = true;
	return entry;
}

void
certificate_entry_free(CertificateEntry *entry)
{
	if (!entry)
		return;

	g_free(entry->id);
	g_strfreev(entry->domains);
	json_decref(entry->validation);
	g_free(entry);
}

bool
certificate_entry_covers(const CertificateEntry *entry, const char *host)
{
	const char *rest = strchr(host, '.');
	for (GStrv name = entry->domains; *name; name++) {
		if (g_ascii_strcasecmp(*name, host) == 0)
			return true;
		if (g_str_has_prefix(*name, "*.") && rest && rest != host &&
		    g_ascii_strcasecmp(*name + 1, rest) == 0)
			return true;
	}
	return false;
}

void
provider_free(Provider *provider)
{
	if (!provider)
		return;

	/* In the order of dependence: the engine's threads write logs, the store goes last. */
	if (provider->engine)
		provider->engine->ops->free(provider->engine);
	if (provider->builder)
		provider->builder->ops->free(provider->builder);
	if (provider->certificates)
		provider->certificates->ops->free(provider->certificates);
	if (provider->router)
		provider->router->ops->free(provider->router);
	if (provider->logs)
		provider->logs->ops->free(provider->logs);
	if (provider->objects)
		provider->objects->ops->free(provider->objects);
	if (provider->store)
		provider->store->ops->free(provider->store);
	g_free(provider->name);
	g_free(provider->domain);
	g_free(provider->version);
	g_free(provider->region);
	if (provider->close)
		provider->close(provider->closing);
	g_free(provider);
}

const char *
process_state_name(ProcessState state)
{
	static const char *const names[] = {
	    [PROCESS_PENDING] = "pending",
	    [PROCESS_STARTING] = "starting",
	    [PROCESS_RUNNING] = "running",
	    [PROCESS_STOPPING] = "stopping",
	    [PROCESS_FAILED] = "failed",
	    [PROCESS_COMPLETE] = "complete",
	};
	return names[state];
}

bool
objects_parse_url(const char *url, char **app, char **key, GError **error)
{
	const char *rest = g_str_has_prefix(url, "object://") ? url + strlen("object://") : NULL;
	const char *slash = rest ? strchr(rest, '/') : NULL;
	if (!slash || slash == rest || !slash[1])
		return error_set(error, CARRACK_ERROR_INVALID,
		    "«%s» is not an object URL (object://APP/KEY)", url);

	*app = g_strndup(rest, slash - rest);
	*key = g_strdup(slash + 1);
	return true;
}

void
logs_system(Logs *logs, const char *app, const char *part, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	LogLine line = {.time = g_get_real_time(),
	    .kind = "system",
	    .service = part,
	    .process = "",
	    .release = "",
	    .text = text,
	    .length = strlen(text)};
	g_autoptr(GError) error = NULL;
	if (!logs->ops->append(logs, app, &line, 1, &error))
		g_printerr("event=log-lost app=%s reason=\"%s\"\n", app, error->message);
}
