/*
 * PHP under Apache, as its official image has it: index.php in the folder or in public/, and what
 * Composer installs. Apache reads PORT from the environment itself.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

static const char dockerfile[] =
    "FROM {composer} AS build{if-composer}\n"
    "WORKDIR /app{if-composer}\n"
    "{if-composer}\n"
    "# Apart from the rest, so that this layer is made anew only when they change.{if-composer}\n"
    "COPY {files} ./\n"
    "RUN composer install --no-dev --no-scripts --no-autoloader --no-interaction --no-progress "
    "--prefer-dist --ignore-platform-reqs{if-composer}\n"
    "{if-composer}\n"
    "COPY . .{if-composer}\n"
    "RUN composer dump-autoload --no-dev --no-scripts --optimize --ignore-platform-reqs"
    "{if-composer}\n"
    "{if-composer}\n"
    "FROM {php}\n"
    "WORKDIR /app\n"
    "ENV PORT={port}\n"
    "RUN docker-php-ext-install {extensions}\n"
    "RUN a2enmod -q rewrite && echo 'Listen ${PORT}' >/etc/apache2/ports.conf && printf '%s\\n' "
    "\\\n"
    "  '<VirtualHost *:${PORT}>' 'DocumentRoot {root}' 'ErrorLog /dev/stderr' \\\n"
    "  'CustomLog /dev/stdout combined' '<Directory {root}>' 'Options -Indexes' \\\n"
    "  'AllowOverride All' 'Require all granted' '</Directory>' \\\n"
    "  '<FilesMatch \"^(\\.|Dockerfile$|Procfile$|convox\\.yml$|composer\\.)\">' \\\n"
    "  'Require all denied' '</FilesMatch>' '</VirtualHost>' \\\n"
    "  >/etc/apache2/sites-available/000-default.conf\n"
    "COPY --from=build /app ./{if-composer}\n"
    "COPY . .{if-plain}\n"
    "RUN chown -R 1000:1000 storage bootstrap/cache{if-laravel}\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

static const char *const roots[] = {"public/index.php", "index.php", "web/index.php", NULL};

/* Those that the image's own tool builds without further packages. */
static const char *const buildable[] = {
    "bcmath", "calendar", "exif", "mysqli", "pcntl", "pdo_mysql", "shmop", "sockets", NULL};

/* Those that it has already. */
static const char *const builtin[] = {"ctype", "curl", "date", "dom", "fileinfo", "filter", "hash",
    "iconv", "json", "libxml", "mbstring", "openssl", "pcre", "pdo", "pdo_sqlite", "phar", "posix",
    "random", "readline", "reflection", "session", "simplexml", "sodium", "spl", "sqlite3",
    "standard", "tokenizer", "xml", "xmlreader", "xmlwriter", "zlib", NULL};

static bool
probe(const Project *project, GString *why)
{
	const char *index = project_first(project, roots);
	bool has_composer = project_has(project, "composer.json");

	if (index || has_composer)
		g_string_append_printf(why, "%s is there", index ? index : "composer.json");
	return index || has_composer;
}

static bool
is_laravel(const Plan *plan, const json_t *composer)
{
	return project_has(plan->project, "artisan") &&
	       json_at(composer, "require", "laravel/framework", NULL);
}

static void
find_version(Plan *plan, const json_t *composer)
{
	const char *asked = json_string_value(json_at(composer, "require", "php", NULL));
	bool is_least = asked && strpbrk(asked, "^>") != NULL;

	if (is_least)
		plan_pin_least(plan, asked, 2, "composer.json");
	else
		plan_pin(plan, asked, 2, "composer.json");
}

static void
plan_extensions(Plan *plan, const json_t *composer, bool wants_database)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (gsize i = 0; buildable[i]; i++) {
		g_autofree char *key = g_strconcat("ext-", buildable[i], NULL);
		bool is_asked = json_at(composer, "require", key, NULL);
		bool is_database = wants_database && strcmp(buildable[i], "pdo_mysql") == 0;
		if (is_asked || is_database)
			g_string_append_printf(names, " %s", buildable[i]);
	}
	if (names->len > 0)
		plan_set(plan, "extensions", names->str + 1);
}

/* The rest needs packages that only its owner knows. */
static void
tell_other_extensions(Plan *plan, const json_t *composer)
{
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(composer, "require"), key, value)
	{
		const char *name = g_str_has_prefix(key, "ext-") ? key + strlen("ext-") : NULL;
		if (name && !g_strv_contains(buildable, name) && !g_strv_contains(builtin, name))
			plan_because(plan,
			    "composer.json asks for %s: the image must have it (--base)", key);
	}
}

static void
plan_composer(Plan *plan)
{
	bool has_composer = project_has(plan->project, "composer.json");
	bool is_locked = project_has(plan->project, "composer.lock");
	plan_set(plan, "if-composer", has_composer ? "" : NULL);
	plan_set(plan, "if-plain", has_composer ? NULL : "");
	if (!has_composer)
		return;

	plan_set(plan, "files", is_locked ? "composer.json composer.lock" : "composer.json");
	if (is_locked)
		plan_because(plan, "composer.lock says what is installed");
	else
		plan_because(
		    plan, "there is no composer.lock: each build may install other versions");
}

static void
plan_laravel(Plan *plan)
{
	plan->framework = "Laravel";
	plan_because(plan, "artisan is there, and it depends on laravel/framework");
	if (project_has(plan->project, "package.json"))
		plan_because(plan, "package.json is not used: an app whose assets Node makes needs "
				   "a Dockerfile of its own");
	plan_set(plan, "if-laravel", "");
}

static bool
plan_php(Plan *plan, GError **error)
{
	json_auto_t *composer = project_json(plan->project, "composer.json", error);
	if (!composer)
		return false;
	const char *index = project_first(plan->project, roots);
	if (!index && !plan->has_processes)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "there is no index.php, neither here nor in public/ or web/: a Procfile can "
		    "say what is run");

	g_autofree char *folder = g_path_get_dirname(index ? index : "index.php");
	g_autofree char *root = g_canonicalize_filename(folder, "/app");
	bool has_laravel = is_laravel(plan, composer);
	plan_because(plan, "Apache serves %s", root);
	plan_set(plan, "root", root);
	plan_run(plan, "apache2-foreground", NULL);
	find_version(plan, composer);
	plan_composer(plan);
	if (has_laravel)
		plan_laravel(plan);
	plan_extensions(plan, composer, has_laravel);
	tell_other_extensions(plan, composer);
	plan_write(plan, dockerfile);
	return true;
}

const Language language_php = {
    .name = "php",
    .title = "PHP",
    .sought = "composer.json, index.php, public/index.php, web/index.php",
    .version = "8.4",
    .port = 8080,
    .probe = probe,
    .plan = plan_php,
    .ignored = "/vendor\n"
	       "node_modules\n"
	       "storage/logs/*\n",
};
