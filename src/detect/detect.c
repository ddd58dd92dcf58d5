/*
 * The table of languages, the choice among them, and the texts that follow (detect.h). A language
 * is a row here and a file of its own with a probe and a plan.
 */
#include "detect/detect.h"

#include "base/error.h"
#include "detect/plan.h"
#include "detect/procfile.h"

#include <string.h>

static const Language *const languages[] = {
    &language_node,
    &language_python,
    &language_ruby,
    &language_go,
    &language_php,
    &language_java,
    &language_static,
};

/* What no image needs, whatever the language. */
static const char always_ignored[] = ".git\n"
				     ".gitignore\n"
				     ".dockerignore\n"
				     "Dockerfile\n"
				     "convox.yml\n"
				     ".carrack\n"
				     ".convox\n"
				     ".env*\n"
				     "**/.DS_Store\n";

const char **
detect_languages(void)
{
	const char **names = g_new0(const char *, G_N_ELEMENTS(languages) + 1);
	for (gsize i = 0; i < G_N_ELEMENTS(languages); i++)
		names[i] = languages[i]->name;
	return names;
}

/* The choice */

typedef struct {
	const Project *project;
	const Language *language;
	GString *why;     /* that it is this one */
	GString *fitting; /* all that fit, for the error */
	GString *sought;  /* all that do not, and what they want */
	unsigned count;
} Choice;

static void
choice_clear(Choice *choice)
{
	g_string_free(choice->why, TRUE);
	g_string_free(choice->fitting, TRUE);
	g_string_free(choice->sought, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Choice, choice_clear)

static void
try_language(Choice *choice, const Language *language)
{
	g_autoptr(GString) why = g_string_new(NULL);
	if (!language->probe(choice->project, why)) {
		g_string_append_printf(choice->sought, "\n  %s: %s%s%s", language->name,
		    language->sought, why->len > 0 ? "; here " : "", why->str);
		return;
	}

	choice->count++;
	choice->language = language;
	g_string_assign(choice->why, why->str);
	g_string_append_printf(choice->fitting, "\n  %s: %s", language->name, why->str);
}

static bool
set_language_error(const char *wanted, GError **error)
{
	g_autofree const char **names = detect_languages();
	g_autofree char *all = g_strjoinv(", ", (GStrv)names);

	return error_set(error, CARRACK_ERROR_INVALID,
	    "language %s: there is none of that name; there are %s", wanted, all);
}

static bool
choose_wanted(Choice *choice, const char *wanted, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(languages); i++) {
		if (strcmp(languages[i]->name, wanted) != 0)
			continue;
		try_language(choice, languages[i]);
		return choice->count > 0 ||
		       error_set(error, CARRACK_ERROR_NOT_FOUND,
			   "the folder does not look like it; looked for%s", choice->sought->str);
	}
	return set_language_error(wanted, error);
}

static bool
choose(Choice *choice, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(languages); i++) {
		if (!languages[i]->is_last || choice->count == 0)
			try_language(choice, languages[i]);
	}
	if (choice->count == 1)
		return true;
	if (choice->count == 0)
		return error_set(error, CARRACK_ERROR_NOT_FOUND,
		    "the language is not known; looked for%s", choice->sought->str);
	return error_set(error, CARRACK_ERROR_INVALID,
	    "several languages fit: say which with --language%s", choice->fitting->str);
}

/* The texts */

static void
detected_file_free(gpointer data)
{
	DetectedFile *file = data;

	g_free(file->path);
	g_free(file->text);
	g_free(file);
}

static void
add_file(Detection *detection, const char *path, const char *text)
{
	DetectedFile *file = g_new0(DetectedFile, 1);

	file->path = g_strdup(path);
	file->text = g_strdup(text);
	g_ptr_array_add(detection->files, file);
}

static char *
manifest_text(const Plan *plan, const char *title, GError **error)
{
	unsigned port = plan->language->port;
	g_autofree char *services = plan->has_processes
					? procfile_services(plan->project, port, error)
					: g_strdup_printf("services:\n"
							  "  web:\n"
							  "    build: .\n"
							  "    port: %u\n"
							  "    environment: [\"*\"]\n",
					      port);
	if (!services)
		return NULL;
	return g_strdup_printf("# %s. All keys: man carrack.yml\n%s", title, services);
}

static Detection *
detection_of(Plan *plan, GError **error)
{
	g_autoptr(Detection) detection = g_new0(Detection, 1);
	detection->language = plan->language->name;
	detection->title = plan->framework
			       ? g_strdup_printf("%s (%s)", plan->language->title, plan->framework)
			       : g_strdup(plan->language->title);
	detection->reasons = g_ptr_array_ref(plan->reasons);
	detection->files = g_ptr_array_new_with_free_func(detected_file_free);
	g_autofree char *manifest = manifest_text(plan, detection->title, error);
	if (!manifest)
		return NULL;

	g_autofree char *ignored = g_strconcat(always_ignored, plan->language->ignored, NULL);
	add_file(detection, "convox.yml", manifest);
	add_file(detection, "Dockerfile", plan->dockerfile->str);
	add_file(detection, ".dockerignore", ignored);
	return g_steal_pointer(&detection);
}

static Detection *
make_plan(const Choice *choice, const Images *images, GError **error)
{
	g_autoptr(Plan) plan = plan_new(choice->project, choice->language, images);
	g_autofree char *web = procfile_web(choice->project);
	plan_set(plan, "command", web);
	plan->has_processes = procfile_is_there(choice->project);

	plan_because(plan, "%s", choice->why->str);
	if (!choice->language->plan(plan, error))
		return NULL;
	if (plan->has_processes)
		plan_because(plan, "the process types of Procfile are the services");
	return detection_of(plan, error);
}

Detection *
detect_folder(const char *folder, const char *language, const Images *images, GError **error)
{
	g_autoptr(Project) project = project_open(folder, error);
	if (!project)
		return NULL;

	g_auto(Choice) choice = {
	    .project = project,
	    .why = g_string_new(NULL),
	    .fitting = g_string_new(NULL),
	    .sought = g_string_new(NULL),
	};
	bool is_chosen =
	    language ? choose_wanted(&choice, language, error) : choose(&choice, error);
	Detection *detection = is_chosen ? make_plan(&choice, images, error) : NULL;
	if (!detection)
		g_prefix_error(error, "%s: ", folder);
	return detection;
}

void
detection_free(Detection *detection)
{
	if (!detection)
		return;

	g_free(detection->title);
	g_ptr_array_unref(detection->reasons);
	if (detection->files)
		g_ptr_array_unref(detection->files);
	g_free(detection);
}

const char *
detection_text(const Detection *detection, const char *path)
{
	for (guint i = 0; i < detection->files->len; i++) {
		const DetectedFile *file = detection->files->pdata[i];
		if (strcmp(file->path, path) == 0)
			return file->text;
	}
	return NULL;
}
