/*
 * Go: a module with one program, in its root or in a folder of cmd/. It is built without cgo, so
 * that it runs in any image, with the folders beside it that programs usually read.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

static const char dockerfile[] =
    "FROM {go} AS build\n"
    "WORKDIR /app\n"
    "ENV CGO_ENABLED=0\n"
    "\n"
    "# Apart from the rest, so that this layer is made anew only when they "
    "change.\n"
    "COPY {files} ./\n"
    "RUN go mod download\n"
    "\n"
    "COPY . .\n"
    "RUN mkdir -p bin && go build -trimpath -o bin/ {programs}\n"
    "\n"
    "FROM {go-run}\n"
    "WORKDIR /app\n"
    "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\n"
    "COPY --from=build /app/bin ./bin\n"
    "{folders}\n"
    "ENV PORT={port} HOME=/tmp\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

static bool
probe(const Project *project, GString *why)
{
	bool is_there = project_has(project, "go.mod");
	if (is_there)
		g_string_append(why, "go.mod is there");
	return is_there;
}

static bool
holds_program(const Project *project, const char *folder)
{
	g_autoptr(GPtrArray) files = project_files(project, folder, ".go");
	for (guint i = 0; i < files->len; i++) {
		g_autofree char *path = g_build_filename(folder, files->pdata[i], NULL);
		if (project_matches(project, path, "^package main\\b"))
			return true;
	}
	return false;
}

/* The folders of cmd/ that are programs; of char *. */
static GPtrArray *
programs_of(const Project *project)
{
	GPtrArray *programs = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) folders = project_folders(project, "cmd");
	for (guint i = 0; i < folders->len; i++) {
		g_autofree char *path = g_build_filename("cmd", folders->pdata[i], NULL);
		if (holds_program(project, path))
			g_ptr_array_add(programs, g_strdup(folders->pdata[i]));
	}
	return programs;
}

/* What `go build` names the program of the root: the module's last part, but for «/v2». */
static char *
root_name(const Project *project)
{
	g_autofree char *module = project_match(project, "go.mod", "^module[ \\t]+\"?([^\\s\"]+)");
	g_auto(GStrv) parts = g_strsplit(module ? module : "app", "/", -1);
	guint last = g_strv_length(parts) - 1;
	bool is_version = last > 0 && parts[last][0] == 'v' && g_ascii_isdigit(parts[last][1]);

	return g_strdup(parts[is_version ? last - 1 : last]);
}

static bool
set_programs_error(const GPtrArray *programs, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < programs->len; i++)
		g_string_append_printf(
		    names, "%scmd/%s", i > 0 ? ", " : "", (char *)programs->pdata[i]);
	if (programs->len == 0)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "no «package main» in the folder of go.mod nor in one of cmd/");
	return error_set(error, CARRACK_ERROR_INVALID,
	    "several programs: %s; a Procfile can say which is run, as web: bin/%s", names->str,
	    (char *)programs->pdata[0]);
}

static bool
plan_programs(Plan *plan, GError **error)
{
	g_autoptr(GPtrArray) programs = programs_of(plan->project);
	bool has_root = holds_program(plan->project, ".");
	if (programs->len != 1 && !has_root && !(plan->has_processes && programs->len > 0))
		return set_programs_error(programs, error);

	g_autofree char *name = has_root ? root_name(plan->project) : g_strdup(programs->pdata[0]);
	g_autofree char *path = g_strconcat("./cmd/", name, NULL);
	g_autofree char *binary = g_strconcat("bin/", name, NULL);
	bool has_several = plan->has_processes && programs->len > 0;
	if (has_several)
		plan_set(plan, "programs", has_root ? ". ./cmd/..." : "./cmd/...");
	else
		plan_set(plan, "programs", has_root ? "." : path);
	plan_because(plan, "%s %s built%s", has_several ? "the programs of cmd/" : binary,
	    has_several ? "are" : "is", has_several ? " into bin/" : "");
	plan_run(plan, binary, NULL);
	return true;
}

/* What such programs read when they run. */
static void
plan_folders(Plan *plan)
{
	static const char *const names[] = {
	    "assets", "config", "migrations", "public", "static", "templates", "views", "web"};
	g_autoptr(GString) lines = g_string_new(NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!project_has_folder(plan->project, names[i]))
			continue;
		g_string_append_printf(
		    lines, "%sCOPY %s ./%s", lines->len > 0 ? "\n" : "", names[i], names[i]);
		plan_because(plan, "%s/ is taken along", names[i]);
	}
	plan_set(plan, "folders", lines->len > 0 ? lines->str : NULL);
}

static bool
plan_go(Plan *plan, GError **error)
{
	g_autofree char *version = project_match(plan->project, "go.mod", "^go[ \\t]+([0-9.]+)");
	bool has_sums = project_has(plan->project, "go.sum");
	plan_pin_least(plan, version, 2, "go.mod");
	plan_set(plan, "files", has_sums ? "go.mod go.sum" : "go.mod");
	plan_folders(plan);
	if (!plan_programs(plan, error))
		return false;

	plan_write(plan, dockerfile);
	return true;
}

const Language language_go = {
    .name = "go",
    .title = "Go",
    .sought = "go.mod",
    .version = "1.25",
    .port = 8080,
    .probe = probe,
    .plan = plan_go,
    .ignored = "/bin\n",
};
