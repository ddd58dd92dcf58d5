/*
 * Python: what is installed comes from requirements.txt, a lock file of uv, Poetry or Pipenv, or
 * the project itself; what is run from the framework and where its application object is.
 * Everything is installed into /venv in a stage that has compilers.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

#define NAME "[A-Za-z_][A-Za-z0-9_]*"

static const char dockerfile[] =
    "FROM {python-build} AS build{if-build}\n"
    "WORKDIR /app{if-build}\n"
    "RUN python -m venv /venv{if-build}\n"
    "ENV PATH=/venv/bin:$PATH{if-build}\n"
    "{if-build}\n"
    "# Apart from the rest, so that this layer is made anew only when they "
    "change.{if-apart}\n"
    "COPY {files} ./\n"
    "RUN {export}\n"
    "RUN {install}\n"
    "RUN {server}\n"
    "{if-build}\n"
    "FROM {python}\n"
    "WORKDIR /app\n"
    "RUN apt-get update && apt-get install -y --no-install-recommends "
    "{packages} && rm -rf /var/lib/apt/lists/*\n"
    "ENV PATH=/venv/bin:$PATH{if-build}\n"
    "ENV PYTHONUNBUFFERED=1 PORT={port} HOME=/tmp\n"
    "COPY --from=build /venv /venv{if-build}\n"
    "COPY . .\n"
    "RUN {collect}\n"
    "USER 1000:1000\n"
    "EXPOSE {port}\n"
    "CMD {command}\n";

#define PIP "pip install --no-cache-dir --disable-pip-version-check "
#define TOOLS "python -m venv /tools && /tools/bin/" PIP

static const char *const entries[] = {
    "main.py", "app.py", "server.py", "wsgi.py", "asgi.py", "application.py", NULL};

static const char *const named[] = {
    "requirements.txt", "pyproject.toml", "Pipfile", "setup.py", "manage.py", NULL};

typedef struct {
	const char *lock;
	const char *files;
	const char *export; /* makes a requirements.txt of it */
	const char *install;
} Installer;

static const Installer installers[] = {
    {"requirements.txt", "requirements.txt", NULL, PIP "-r requirements.txt"},
    {"uv.lock", "pyproject.toml uv.lock",
	TOOLS "uv && /tools/bin/uv export --frozen --no-dev --no-emit-project -o "
	      "/requirements.txt",
	PIP "-r /requirements.txt"},
    {"poetry.lock", "pyproject.toml poetry.lock",
	TOOLS "poetry poetry-plugin-export && /tools/bin/poetry export -o /requirements.txt",
	PIP "-r /requirements.txt"},
    {"Pipfile.lock", "Pipfile Pipfile.lock",
	TOOLS "pipenv && /tools/bin/pipenv requirements --hash >/requirements.txt",
	PIP "-r /requirements.txt"},
    {"pyproject.toml", ".", NULL, PIP "."},
    {"setup.py", ".", NULL, PIP "."},
};

static const PlanPackage packages[] = {
    {"psycopg2", "libpq5"},
    {"psycopg", "libpq5"},
    {"mysqlclient", "libmariadb3"},
    {NULL},
};

/* A requirement by its name alone: not «flask-login» for «flask», and no comment. */
#define DEPENDENCY "(?i)^(?:[^#\\n]*[\"'\\s,\\[])?%s(?![A-Za-z0-9._-])"

static bool
probe(const Project *project, GString *why)
{
	const char *file = project_first(project, named);
	const char *entry = file ? NULL : project_first(project, entries);

	if (file || entry)
		g_string_append_printf(why, "%s is there", file ? file : entry);
	return file || entry;
}

static bool
depends_on(const Project *project, const char *package)
{
	static const char *const files[] = {
	    "requirements.txt", "pyproject.toml", "Pipfile", "setup.py"};
	g_autofree char *expression = g_strdup_printf(DEPENDENCY, package);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		if (project_matches(project, files[i], expression))
			return true;
	}
	return false;
}

/* Where the application is */

typedef struct {
	const char *maker;  /* «Flask» */
	char *module;       /* «shop.web» */
	char *name;         /* «app» */
	const char *before; /* a function that makes it, or NULL */
} Application;

static void
application_clear(Application *application)
{
	g_free(application->module);
	g_free(application->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Application, application_clear)

/* «shop/web.py» is the module shop.web, «shop/__init__.py» the module shop. */
static char *
module_of(const char *path)
{
	g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".py"));
	char *tail = g_str_has_suffix(stem, "/__init__") ? strrchr(stem, '/') : NULL;

	if (tail)
		*tail = '\0';
	return g_strdelimit(g_steal_pointer(&stem), "/", '.');
}

static bool
look_into(const Project *project, const char *path, Application *application)
{
	g_autofree char *object = g_strdup_printf(
	    "^(" NAME ")(?:\\s*:[^=\\n]*)?\\s*=\\s*(?:" NAME "\\.)?%s\\(", application->maker);
	g_autofree char *factory =
	    g_strdup_printf("^def (create_app|make_app)\\((?s:.*)%s\\(", application->maker);
	char *name = project_match(project, path, object);
	bool is_made = !name;
	if (!name)
		name = project_match(project, path, factory);
	if (!name)
		return false;

	application->name = is_made ? g_strconcat(name, "()", NULL) : g_strdup(name);
	application->module = module_of(path);
	g_free(name);
	return true;
}

static bool
look_into_folder(const Project *project, const char *folder, Application *application)
{
	g_autoptr(GPtrArray) files = project_files(project, folder, ".py");
	bool is_root = strcmp(folder, ".") == 0;
	for (guint i = 0; i < files->len; i++) {
		g_autofree char *path = is_root ? g_strdup(files->pdata[i])
						: g_build_filename(folder, files->pdata[i], NULL);
		if (!g_str_has_prefix(files->pdata[i], "test") &&
		    look_into(project, path, application))
			return true;
	}
	return false;
}

/* The usual names first, then all of the folder, then packages in it. */
static bool
find_application(const Project *project, Application *application)
{
	for (const char *const *entry = entries; *entry; entry++) {
		if (look_into(project, *entry, application))
			return true;
	}
	if (look_into_folder(project, ".", application))
		return true;

	g_autoptr(GPtrArray) folders = project_folders(project, ".");
	for (guint i = 0; i < folders->len; i++) {
		if (!g_str_has_prefix(folders->pdata[i], "test") &&
		    look_into_folder(project, folders->pdata[i], application))
			return true;
	}
	return false;
}

/* Frameworks */

static void
need_server(Plan *plan, const char *package, const char *install)
{
	if (depends_on(plan->project, package))
		return;

	g_autofree char *command = g_strconcat(PIP, install, NULL);
	plan_because(plan, "%s is not among what it asks for: it is added", package);
	plan_set(plan, "server", command);
	plan_set(plan, "if-build", "");
}

static void
run_gunicorn(Plan *plan, const char *application)
{
	need_server(plan, "gunicorn", "\"gunicorn>=23,<24\"");
	/* It listens on PORT by itself. A worker says that it lives by a file: not on a disk. */
	plan_run(plan, "gunicorn", "--threads", "8", "--worker-tmp-dir", "/dev/shm",
	    "--access-logfile", "-", application, NULL);
}

static bool
set_no_application(const Application *application, GError **error)
{
	return error_set(error, CARRACK_ERROR_INVALID,
	    "no line «app = %s(…)» in main.py, app.py, server.py, wsgi.py, another file of the "
	    "folder or of a package in it: a Procfile can say what is run",
	    application->maker);
}

static bool
plan_django(Plan *plan, GError **error)
{
	g_autofree char *settings = project_match(plan->project, "manage.py",
	    "DJANGO_SETTINGS_MODULE[\"'],\\s*[\"']([A-Za-z0-9_.]+)[\"']");
	g_auto(GStrv) parts = g_strsplit(settings ? settings : "", ".", 2);
	if (!settings && !plan->has_processes)
		return error_set(error, CARRACK_ERROR_INVALID,
		    "manage.py does not set DJANGO_SETTINGS_MODULE: a Procfile can say what is "
		    "run");

	plan->framework = "Django";
	plan_because(plan, "manage.py is Django's%s%s", settings ? ", settings are in " : "",
	    settings ? settings : "");
	g_autofree char *path = g_strdup_printf("%s/settings.py", parts[0] ? parts[0] : ".");
	if (project_matches(plan->project, path, "^STATIC_ROOT\\s*="))
		plan_set(
		    plan, "collect", "SECRET_KEY=unused python manage.py collectstatic --noinput");
	g_autofree char *application =
	    g_strdup_printf("%s.wsgi:application", parts[0] ? parts[0] : "");
	if (!plan->has_processes)
		run_gunicorn(plan, application);
	return true;
}

static bool
plan_flask(Plan *plan, GError **error)
{
	g_auto(Application) application = {.maker = "Flask"};
	plan->framework = "Flask";
	plan_because(plan, "it depends on flask");
	if (plan->has_processes)
		return true;
	if (!find_application(plan->project, &application))
		return set_no_application(&application, error);

	g_autofree char *target = g_strdup_printf("%s:%s", application.module, application.name);
	plan_because(plan, "the application is %s", target);
	run_gunicorn(plan, target);
	return true;
}

static bool
plan_fastapi(Plan *plan, GError **error)
{
	g_auto(Application) application = {.maker = "FastAPI"};
	plan->framework = "FastAPI";
	plan_because(plan, "it depends on fastapi");
	if (plan->has_processes)
		return true;
	if (!find_application(plan->project, &application))
		return set_no_application(&application, error);

	bool is_factory = g_str_has_suffix(application.name, "()");
	g_autofree char *name =
	    g_strndup(application.name, strlen(application.name) - (is_factory ? strlen("()") : 0));
	g_autofree char *command = g_strdup_printf("uvicorn %s:%s%s --host 0.0.0.0 --port $PORT",
	    application.module, name, is_factory ? " --factory" : "");
	plan_because(plan, "the application is %s:%s", application.module, application.name);
	need_server(plan, "uvicorn", "\"uvicorn>=0.30,<1\"");
	plan_run_shell(plan, command);
	return true;
}

static bool
plan_plain(Plan *plan, GError **error)
{
	const char *entry = project_first(plan->project, entries);
	if (entry)
		plan_run(plan, "python", entry, NULL);
	if (entry || plan->has_processes)
		return true;

	return error_set(error, CARRACK_ERROR_INVALID,
	    "it depends on none of Django, Flask and FastAPI, and there is no main.py, app.py, "
	    "server.py, wsgi.py: a Procfile can say what is run");
}

static bool
plan_framework(Plan *plan, GError **error)
{
	if (project_has(plan->project, "manage.py"))
		return plan_django(plan, error);
	if (depends_on(plan->project, "flask"))
		return plan_flask(plan, error);
	if (depends_on(plan->project, "fastapi"))
		return plan_fastapi(plan, error);
	return plan_plain(plan, error);
}

static void
plan_install(Plan *plan)
{
	for (gsize i = 0; i < G_N_ELEMENTS(installers); i++) {
		const Installer *installer = &installers[i];
		if (!project_has(plan->project, installer->lock))
			continue;
		plan_because(plan, "%s says what is installed", installer->lock);
		plan_set(plan, "if-build", "");
		plan_set(plan, "if-apart", strcmp(installer->files, ".") != 0 ? "" : NULL);
		plan_set(plan, "files", installer->files);
		plan_set(plan, "export", installer->export);
		plan_set(plan, "install", installer->install);
		plan_packages(plan, depends_on, packages);
		return;
	}
}

static bool
plan_python(Plan *plan, GError **error)
{
	static const char *const files[] = {".python-version", "runtime.txt", NULL};
	const char *file = project_first(plan->project, files);
	if (file)
		plan_pin(plan, project_text(plan->project, file), 2, file);

	plan_install(plan);
	if (!plan_framework(plan, error))
		return false;

	plan_write(plan, dockerfile);
	return true;
}

const Language language_python = {
    .name = "python",
    .title = "Python",
    .sought = "requirements.txt, pyproject.toml, Pipfile, setup.py, manage.py, main.py, app.py",
    .version = "3.13",
    .port = 8000,
    .probe = probe,
    .plan = plan_python,
    .ignored = "**/__pycache__\n"
	       "**/*.pyc\n"
	       ".venv\n"
	       "venv\n"
	       ".pytest_cache\n",
};
