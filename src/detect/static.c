/*
 * Static files, served by Caddy: the folder that holds an index.html, where nothing else says what
 * the app is.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

static const char dockerfile[] =
    "FROM {static}\n"
    "WORKDIR /site\n"
    "ENV PORT={port} HOME=/tmp XDG_CONFIG_HOME=/tmp XDG_DATA_HOME=/tmp\n"
    "RUN mkdir -p /etc/caddy && printf '%s\\n' '{' 'admin off' 'auto_https off' '}' \\\n"
    "  ':{$PORT} {' 'root * /site' 'encode gzip' \\\n"
    "  'file_server {' 'hide .git .env* .dockerignore Dockerfile convox.yml' '}' \\\n"
    "  'handle_errors {' '@missing file /404.html' 'rewrite @missing /404.html' 'file_server' '}' "
    "\\\n"
    "  '}' >/etc/caddy/Caddyfile\n"
    "COPY {folder} ./\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

static const char *const pages[] = {"index.html", "public/index.html", "dist/index.html",
    "_site/index.html", "site/index.html", "docs/index.html", NULL};

static bool
probe(const Project *project, GString *why)
{
	const char *page = project_first(project, pages);
	if (page)
		g_string_append_printf(why, "%s is there, and nothing else says what it is", page);
	return page != NULL;
}

static bool
plan_static(Plan *plan, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(project_first(plan->project, pages));
	if (plan->has_processes)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "a Procfile is there, but no language that its processes could be in");

	plan_because(plan, "Caddy serves %s", strcmp(folder, ".") == 0 ? "the folder" : folder);
	plan_set(plan, "folder", folder);
	plan_run(plan, "caddy", "run", "--config", "/etc/caddy/Caddyfile", NULL);
	plan_write(plan, dockerfile);
	return true;
}

const Language language_static = {
    .name = "static",
    .title = "Static files",
    .sought = "index.html, here or in public, dist, _site, site, docs",
    .version = "",
    .port = 8080,
    .is_last = true,
    .probe = probe,
    .plan = plan_static,
    .ignored = "",
};
