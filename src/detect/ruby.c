/*
 * Ruby: a Gemfile says what is installed; Rails, a config.ru (Rack, Sinatra), or one file that
 * starts a server is what is run. Gems are installed in a stage that has compilers.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

static const char dockerfile[] =
    "FROM {ruby-build} AS build{if-build}\n"
    "WORKDIR /app{if-build}\n"
    "ENV BUNDLE_FROZEN=true{if-frozen}\n"
    "ENV BUNDLE_WITHOUT=development:test{if-build}\n"
    "{if-build}\n"
    "# Apart from the rest, so that this layer is made anew only when they "
    "change.{if-build}\n"
    "COPY {files} ./\n"
    "RUN bundle install --jobs 4{if-build}\n"
    "{if-assets}\n"
    "COPY . .{if-assets}\n"
    "RUN RAILS_ENV=production SECRET_KEY_BASE_DUMMY=1 bundle exec rails "
    "assets:precompile{if-assets}\n"
    "{if-build}\n"
    "FROM {ruby}\n"
    "WORKDIR /app\n"
    "RUN apt-get update && apt-get install -y --no-install-recommends "
    "{packages} && rm -rf /var/lib/apt/lists/*\n"
    "ENV BUNDLE_FROZEN=true{if-frozen}\n"
    "ENV BUNDLE_WITHOUT=development:test{if-build}\n"
    "ENV RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 "
    "RAILS_SERVE_STATIC_FILES=1{if-rails}\n"
    "ENV RACK_ENV=production PORT={port} HOME=/tmp\n"
    "COPY --from=build /usr/local/bundle /usr/local/bundle{if-build}\n"
    "COPY . .\n"
    "COPY --from=build /app/public ./public{if-assets}\n"
    "RUN mkdir -p log storage tmp && chown -R 1000:1000 log storage "
    "tmp{if-rails}\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

#define GEM "^ *(?:gem ['\"])?%s(?:['\"]| \\()"

static const char *const entries[] = {"app.rb", "server.rb", "main.rb", NULL};

static const PlanPackage packages[] = {
    {"pg", "libpq5"},
    {"mysql2", "libmariadb3"},
    {"ruby-vips", "libvips42"},
    {NULL},
};

static bool
probe(const Project *project, GString *why)
{
	static const char *const named[] = {"Gemfile", "config.ru", NULL};
	const char *file = project_first(project, named);
	const char *entry = file ? NULL : project_first(project, entries);

	if (file || entry)
		g_string_append_printf(why, "%s is there", file ? file : entry);
	return file || entry;
}

static bool
has_gem(const Project *project, const char *gem)
{
	g_autofree char *expression = g_strdup_printf(GEM, gem);
	return project_matches(project, "Gemfile.lock", expression) ||
	       project_matches(project, "Gemfile", expression);
}

static void
find_version(Plan *plan)
{
	g_autofree char *asked =
	    project_match(plan->project, "Gemfile", "^ruby ['\"]([^'\"]+)['\"]");
	if (project_has(plan->project, ".ruby-version"))
		plan_pin(plan, project_text(plan->project, ".ruby-version"), 2, ".ruby-version");
	else if (asked && strchr(asked, '>'))
		plan_pin_least(plan, asked, 2, "Gemfile");
	else
		plan_pin(plan, asked, 2, "Gemfile");
}

static void
plan_install(Plan *plan)
{
	bool is_locked = project_has(plan->project, "Gemfile.lock");
	bool is_pinned = project_has(plan->project, ".ruby-version");
	g_autofree char *files = g_strconcat(
	    "Gemfile", is_locked ? " Gemfile.lock" : "", is_pinned ? " .ruby-version" : "", NULL);
	if (!project_has(plan->project, "Gemfile"))
		return;

	if (is_locked)
		plan_because(plan, "Gemfile.lock says what is installed");
	else
		plan_because(
		    plan, "there is no Gemfile.lock: each build may install other versions");
	plan_set(plan, "if-build", "");
	plan_set(plan, "if-frozen", is_locked ? "" : NULL);
	plan_set(plan, "files", files);
	plan_packages(plan, has_gem, packages);
}

static void
plan_rails(Plan *plan)
{
	bool has_assets = project_has_folder(plan->project, "app/assets");
	plan->framework = "Rails";
	plan_because(plan, "it depends on rails%s",
	    has_assets ? ": its assets are made in a stage of their own" : "");
	if (project_has(plan->project, "package.json"))
		plan_because(plan, "package.json is not used: an app whose assets Node makes needs "
				   "a Dockerfile of its own");
	plan_because(plan, "it wants SECRET_KEY_BASE or RAILS_MASTER_KEY in its environment");
	plan_set(plan, "if-rails", "");
	plan_set(plan, "if-assets", has_assets ? "" : NULL);
	plan_run(plan, "bundle", "exec", "rails", "server", "-b", "0.0.0.0", NULL);
}

static void
plan_rack(Plan *plan)
{
	bool has_puma = has_gem(plan->project, "puma");
	plan->framework = has_gem(plan->project, "sinatra") ? "Sinatra" : "Rack";
	plan_because(plan, "config.ru is run by %s", has_puma ? "puma" : "rackup");
	if (has_puma)
		plan_run_shell(plan, "bundle exec puma -b tcp://0.0.0.0:$PORT");
	else if (project_has(plan->project, "Gemfile"))
		plan_run_shell(plan, "bundle exec rackup -E production -o 0.0.0.0 -p $PORT");
	else
		plan_run_shell(plan, "rackup -E production -o 0.0.0.0 -p $PORT");
}

static bool
plan_file(Plan *plan, GError **error)
{
	const char *entry = project_first(plan->project, entries);
	bool has_gems = project_has(plan->project, "Gemfile");
	if (!entry)
		return plan->has_processes ||
		       error_set(error, CARRACK_ERROR_INVALID,
			   "it does not depend on rails, and there is no config.ru, app.rb, "
			   "server.rb, main.rb: a Procfile can say what is run");

	bool is_sinatra = project_matches(plan->project, entry, "^require ['\"]sinatra['\"]");
	g_autofree char *command = g_strdup_printf(
	    "%sruby %s -e production -o 0.0.0.0 -p $PORT", has_gems ? "bundle exec " : "", entry);
	plan->framework = is_sinatra ? "Sinatra" : NULL;
	plan_because(plan, "%s is run", entry);
	if (is_sinatra)
		plan_run_shell(plan, command);
	else if (has_gems)
		plan_run(plan, "bundle", "exec", "ruby", entry, NULL);
	else
		plan_run(plan, "ruby", entry, NULL);
	return true;
}

static bool
plan_ruby(Plan *plan, GError **error)
{
	find_version(plan);
	plan_install(plan);
	if (has_gem(plan->project, "rails"))
		plan_rails(plan);
	else if (project_has(plan->project, "config.ru"))
		plan_rack(plan);
	else if (!plan_file(plan, error))
		return false;

	plan_write(plan, dockerfile);
	return true;
}

const Language language_ruby = {
    .name = "ruby",
    .title = "Ruby",
    .sought = "Gemfile, config.ru, app.rb, server.rb, main.rb",
    .version = "3.4",
    .port = 3000,
    .probe = probe,
    .plan = plan_ruby,
    .ignored = ".bundle\n"
	       "vendor/bundle\n"
	       "log/*\n"
	       "tmp/*\n"
	       "config/master.key\n",
};
