/*
 * Node: a package.json that says how the app is started, or has an entry file under a usual name.
 * One without is taken for the assets of an app in another language.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

static const char dockerfile[] =
    "FROM {node-build} AS build{if-build}\n"
    "FROM {node}{if-plain}\n"
    "WORKDIR /app\n"
    "ENV NODE_ENV=production PORT={port} HOME=/tmp{if-plain}\n"
    "RUN {tool}\n"
    "\n"
    "# Apart from the rest, so that this layer is made anew only when they "
    "change.{if-apart}\n"
    "COPY {lock} ./\n"
    "RUN {install}\n"
    "\n"
    "COPY . .{if-apart}\n"
    "RUN {build}\n"
    "RUN {prune}\n"
    "{if-build}\n"
    "FROM {node}{if-build}\n"
    "WORKDIR /app{if-build}\n"
    "ENV NODE_ENV=production PORT={port} HOME=/tmp{if-build}\n"
    "COPY --from=build --chown=1000:1000 /app ./{if-build}\n"
    "RUN {tool-again}\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

static const char *const entries[] = {"server.js", "index.js", "app.js", "main.js", "server.mjs",
    "index.mjs", "src/server.js", "src/index.js", "src/app.js", NULL};

typedef struct {
	const char *lock;
	const char *name;
	const char *install;     /* what is needed to run */
	const char *install_all; /* to build, too */
	const char *prune;
	const char *tool; /* brings the manager itself, or NULL */
} Manager;

static const Manager managers[] = {
    {"package-lock.json", "npm", "npm ci --omit=dev --no-audit --no-fund",
	"npm ci --include=dev --no-audit --no-fund", "npm prune --omit=dev --no-audit --no-fund"},
    {"yarn.lock", "yarn", "yarn install --frozen-lockfile --production",
	"yarn install --frozen-lockfile --production=false",
	"yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline"},
    {"pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile --prod",
	"pnpm install --frozen-lockfile --prod=false", "pnpm prune --prod",
	"npm install -g pnpm@9"},
    {"", "npm", "npm install --omit=dev --no-audit --no-fund",
	"npm install --include=dev --no-audit --no-fund",
	"npm prune --omit=dev --no-audit --no-fund"},
};

typedef struct {
	const char *package;
	const char *title;
} Framework;

/* Next brings its own server, so it is told before those that others use inside. */
static const Framework frameworks[] = {
    {"next", "Next"},
    {"@nestjs/core", "Nest"},
    {"express", "Express"},
    {"fastify", "Fastify"},
    {"koa", "Koa"},
};

static const char *
script_of(const json_t *package, const char *name)
{
	return json_string_value(json_at(package, "scripts", name, NULL));
}

/* The file that is run when no script says how, or NULL. Borrowed. */
static const char *
entry_of(const Project *project, const json_t *package)
{
	const char *named = json_text_of(package, "main", NULL);

	return named && project_has(project, named) ? named : project_first(project, entries);
}

static bool
probe(const Project *project, GString *why)
{
	if (!project_has(project, "package.json"))
		return false;

	/* One that is no JSON is somebody's Node app all the same; the plan says what is wrong. */
	json_auto_t *package = project_json(project, "package.json", NULL);
	const char *entry = package ? entry_of(project, package) : NULL;
	bool has_start = package && script_of(package, "start");
	bool is_app = !package || has_start || entry ||
		      project_matches(project, "Procfile", "^web:.*\\b(node|npm|npx|yarn|pnpm)\\b");
	if (!is_app)
		g_string_append(why, "package.json has no start script, and there is no server.js");
	else if (has_start)
		g_string_append(why, "package.json has a start script");
	else
		g_string_append_printf(
		    why, "package.json is there%s%s", entry ? ", and " : "", entry ? entry : "");
	return is_app;
}

static void
find_framework(Plan *plan, const json_t *package)
{
	for (gsize i = 0; i < G_N_ELEMENTS(frameworks); i++) {
		if (!json_at(package, "dependencies", frameworks[i].package, NULL))
			continue;
		plan->framework = frameworks[i].title;
		plan_because(plan, "it depends on %s", frameworks[i].package);
		return;
	}
}

static void
find_version(Plan *plan, const json_t *package)
{
	static const char *const files[] = {".nvmrc", ".node-version", NULL};
	const char *file = project_first(plan->project, files);
	const char *engine = json_string_value(json_at(package, "engines", "node", NULL));

	if (file)
		plan_pin(plan, project_text(plan->project, file), 1, file);
	else if (engine && strchr(engine, '>'))
		plan_pin_least(plan, engine, 1, "package.json");
	else
		plan_pin(plan, engine, 1, "package.json");
}

static const Manager *
find_manager(Plan *plan)
{
	const Manager *manager = managers;
	while (*manager->lock && !project_has(plan->project, manager->lock))
		manager++;

	if (*manager->lock)
		plan_because(plan, "%s: %s installs what it says", manager->lock, manager->name);
	else
		plan_because(plan, "there is no lock file: each build may install other versions");
	return manager;
}

/* Scripts that run at the installation may want any file of the app. */
static bool
installs_apart(const json_t *package)
{
	static const char *const hooks[] = {"preinstall", "install", "postinstall", "prepare"};
	for (gsize i = 0; i < G_N_ELEMENTS(hooks); i++) {
		if (script_of(package, hooks[i]))
			return false;
	}
	return !json_object_get(package, "workspaces");
}

static void
plan_install(Plan *plan, const json_t *package, const Manager *manager)
{
	static const char *const more[] = {".npmrc", ".yarnrc", ".yarnrc.yml", NULL};
	bool is_apart = installs_apart(package);
	bool has_build = script_of(package, "build");
	g_autoptr(GString) files = g_string_new("package.json");
	if (*manager->lock)
		g_string_append_printf(files, " %s", manager->lock);
	for (const char *const *file = more; *file; file++) {
		if (project_has(plan->project, *file))
			g_string_append_printf(files, " %s", *file);
	}

	plan_set(plan, "if-build", has_build ? "" : NULL);
	plan_set(plan, "if-plain", has_build ? NULL : "");
	plan_set(plan, "if-apart", is_apart ? "" : NULL);
	plan_set(plan, "lock", is_apart ? files->str : ".");
	plan_set(plan, "tool", manager->tool);
	plan_set(plan, "install", has_build ? manager->install_all : manager->install);
	if (!has_build)
		return;
	g_autofree char *build = g_strdup_printf("%s run build", manager->name);
	plan_because(plan, "package.json has a build script: it runs in a stage of its own");
	plan_set(plan, "build", build);
	plan_set(plan, "prune", manager->prune);
	plan_set(plan, "tool-again", manager->tool);
}

/* «node server.js» is run as it is, so that node itself gets SIGTERM; anything else by npm. */
static bool
run_plainly(Plan *plan, const json_t *package, const char *start)
{
	g_auto(GStrv) words = NULL;
	bool is_plain = strpbrk(start, ";&|<>$*?()`~\n\\") == NULL &&
			!script_of(package, "prestart") && !script_of(package, "poststart");
	if (!is_plain || !g_shell_parse_argv(start, NULL, &words, NULL) ||
	    strcmp(words[0], "node") != 0 || plan->has_processes)
		return false;

	g_autoptr(GString) list = g_string_new("[");
	for (gsize i = 0; words[i]; i++) {
		json_auto_t *word = json_text_value(words[i]);
		g_autofree char *text = json_dumps(word, JSON_ENCODE_ANY);
		g_string_append_printf(list, "%s%s", i > 0 ? ", " : "", text);
	}
	g_string_append_c(list, ']');
	plan_set(plan, "command", list->str);
	return true;
}

static bool
plan_start(Plan *plan, const json_t *package, const Manager *manager, GError **error)
{
	const char *start = script_of(package, "start");
	const char *entry = entry_of(plan->project, package);
	bool is_next = plan->framework && strcmp(plan->framework, "Next") == 0;
	if (is_next)
		plan_run(plan, "node_modules/.bin/next", "start", NULL);
	else if (start && !run_plainly(plan, package, start))
		plan_run(plan, manager->name, "start", NULL);
	else if (!start && entry)
		plan_run(plan, "node", entry, NULL);

	if (start || entry || is_next || plan->has_processes)
		return true;
	return error_set(error, CARRACK_ERROR_INVALID,
	    "package.json does not say what is run: give it a start script");
}

static bool
plan_node(Plan *plan, GError **error)
{
	json_auto_t *package = project_json(plan->project, "package.json", error);
	if (!package)
		return false;

	/* Its packages may lie in archives, where node alone does not find them. */
	if (project_matches(plan->project, "yarn.lock", "^__metadata:"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "yarn.lock is of Yarn 2 or later: that needs a Dockerfile of its own");

	find_framework(plan, package);
	find_version(plan, package);
	const Manager *manager = find_manager(plan);
	plan_install(plan, package, manager);
	if (!plan_start(plan, package, manager, error))
		return false;

	plan_write(plan, dockerfile);
	return true;
}

const Language language_node = {
    .name = "node",
    .title = "Node",
    .sought = "package.json with a start script, or with server.js, index.js, app.js beside it",
    .version = "22",
    .port = 3000,
    .probe = probe,
    .plan = plan_node,
    .ignored = "node_modules\n"
	       "npm-debug.log*\n"
	       ".next\n"
	       "coverage\n",
};
