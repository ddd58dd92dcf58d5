/*
 * Java: Maven or Gradle builds it, or it is one jar. Spring makes a jar that runs by itself;
 * otherwise the class with `main` is run, with what it depends on beside it.
 */
#include "detect/plan.h"

#include "base/error.h"

#include <string.h>

#define SOURCES "src/main/java"
#define DEEPEST 12
/* Jars of sources and the like, which lie beside the one that is run. */
#define PICK                                                                                       \
	"ls @/*.jar | grep -Ev '(^|/)original-|-(plain|sources|javadoc|tests)\\.jar$' | "          \
	"head -n 1"

static const char maven[] =
    "FROM {maven} AS build\n"
    "WORKDIR /app\n"
    "\n"
    "# Apart from the rest, so that this layer is made anew only when it changes.\n"
    "COPY pom.xml ./\n"
    "RUN mvn -B -q dependency:go-offline{if-spring}\n"
    "RUN mvn -B -q dependency:go-offline dependency:copy-dependencies -DincludeScope=runtime "
    "-DoutputDirectory=/lib-run && mkdir -p /lib-run{if-plain}\n"
    "\n"
    "COPY . .\n"
    "RUN mvn -B -q package -DskipTests && cp \"$({pick})\" /app.jar\n";

static const char gradle[] =
    "FROM {gradle} AS build\n"
    "WORKDIR /app\n"
    "COPY . .\n"
    "RUN gradle --no-daemon -q bootJar && cp \"$({pick})\" /app.jar{if-spring}\n"
    "RUN gradle --no-daemon -q installDist && mkdir -p /lib-run && cp "
    "build/install/*/lib/*.jar /lib-run/ && cp \"$({pick})\" "
    "/app.jar{if-plain}\n";

static const char image[] = "\n"
			    "FROM {java}\n"
			    "WORKDIR /app\n"
			    "ENV PORT={port} HOME=/tmp\n"
			    "COPY --from=build /lib-run ./lib{if-plain}\n"
			    "COPY --from=build /app.jar ./app.jar\n"
			    "USER 1000:1000\n"
			    "EXPOSE {port}\n"
			    "CMD {command}\n";

static const char single[] = "FROM {java}\n"
			     "WORKDIR /app\n"
			     "ENV PORT={port} HOME=/tmp\n"
			     "COPY [{jar}, \"./app.jar\"]\n"
			     "USER 1000:1000\n"
			     "EXPOSE {port}\n"
			     "CMD {command}\n";

static const char *const builds[] = {"pom.xml", "build.gradle", "build.gradle.kts", NULL};

/* The only jar of the folder, or NULL. */
static char *
only_jar(const Project *project)
{
	g_autoptr(GPtrArray) jars = project_files(project, ".", ".jar");
	return jars->len == 1 ? g_strdup(jars->pdata[0]) : NULL;
}

static bool
probe(const Project *project, GString *why)
{
	const char *build = project_first(project, builds);
	g_autofree char *jar = build ? NULL : only_jar(project);
	g_autoptr(GPtrArray) jars = project_files(project, ".", ".jar");

	if (build || jar)
		g_string_append_printf(why, "%s is there", build ? build : jar);
	else if (jars->len > 1)
		g_string_append(why, "there are several jars");
	return build || jar;
}

/* The class with `main`, as the sources have it: «com.example.Main». */
static char *
find_main(const Project *project, const char *folder, unsigned depth)
{
	g_autoptr(GPtrArray) files = project_files(project, folder, ".java");
	for (guint i = 0; i < files->len; i++) {
		g_autofree char *path = g_build_filename(folder, files->pdata[i], NULL);
		if (!project_matches(project, path, "\\bstatic\\s+void\\s+main\\s*\\("))
			continue;
		const char *name = path + strlen(SOURCES "/");
		g_autofree char *class = g_strndup(name, strlen(name) - strlen(".java"));
		return g_strdelimit(g_steal_pointer(&class), "/", '.');
	}

	g_autoptr(GPtrArray) folders = project_folders(project, folder);
	for (guint i = 0; i < folders->len && depth < DEEPEST; i++) {
		g_autofree char *path = g_build_filename(folder, folders->pdata[i], NULL);
		char *found = find_main(project, path, depth + 1);
		if (found)
			return found;
	}
	return NULL;
}

static char *
main_class(Plan *plan, const char *build)
{
	static const char expression[] = "(?|<mainClass>\\s*([A-Za-z0-9_.$]+)\\s*</mainClass>|"
					 "mainClass(?:\\.set\\(|\\s*=)\\s*['\"]([A-Za-z0-9_.$]+))";
	g_autofree char *named = project_match(plan->project, build, expression);
	if (named)
		return g_steal_pointer(&named);
	return find_main(plan->project, SOURCES, 0);
}

static bool
run_main(Plan *plan, const char *build, GError **error)
{
	g_autofree char *class = main_class(plan, build);
	if (!class)
		return plan->has_processes ||
		       error_set(error, CARRACK_ERROR_INVALID,
			   "%s names no mainClass, and no class below " SOURCES " has a main",
			   build);

	plan_because(plan, "%s has the main that is run", class);
	plan_run(plan, "java", "-cp", "app.jar:lib/*", class, NULL);
	return true;
}

static bool
plan_build(Plan *plan, const char *build, GError **error)
{
	bool is_maven = strcmp(build, "pom.xml") == 0;
	if (is_maven && project_matches(plan->project, build, "<module>"))
		return error_set(error, CARRACK_ERROR_INVALID,
		    "pom.xml has several modules: that needs a Dockerfile of its own");

	bool is_spring = project_matches(plan->project, build,
	    "spring-boot-maven-plugin|spring-boot-starter|org\\.springframework\\.boot");
	g_auto(GStrv) pick = g_strsplit(PICK, "@", 2);
	g_autofree char *picked = g_strjoinv(is_maven ? "target" : "build/libs", pick);
	plan_set(plan, "pick", picked);
	plan_set(plan, "if-spring", is_spring ? "" : NULL);
	plan_set(plan, "if-plain", is_spring ? NULL : "");
	plan->framework = is_spring ? "Spring" : is_maven ? "Maven" : "Gradle";
	plan_because(plan, "%s builds it", is_maven ? "Maven" : "Gradle");
	if (is_spring) {
		plan_because(plan, "%s names Spring Boot, whose jar runs by itself", build);
		plan_run_shell(plan, "java -Dserver.port=$PORT -jar app.jar");
	} else if (!run_main(plan, build, error)) {
		return false;
	}
	plan_write(plan, is_maven ? maven : gradle);
	plan_write(plan, image);
	return true;
}

static void
find_version(Plan *plan, const char *build)
{
	g_autofree char *pom = project_match(plan->project, build,
	    "<(?:maven\\.compiler\\.release|maven\\.compiler\\.target|java\\.version|release)>"
	    "\\s*(\\d+)");
	g_autofree char *script = project_match(
	    plan->project, build, "(?:JavaLanguageVersion\\.of\\(|JavaVersion\\.VERSION_)(\\d+)");

	plan_pin_least(plan, pom ? pom : script, 1, build);
}

static bool
plan_java(Plan *plan, GError **error)
{
	const char *build = project_first(plan->project, builds);
	if (build) {
		find_version(plan, build);
		return plan_build(plan, build, error);
	}

	g_autofree char *jar = only_jar(plan->project);
	plan->framework = "jar";
	json_auto_t *name = json_text_value(jar);
	g_autofree char *quoted = json_dumps(name, JSON_ENCODE_ANY);
	plan_set(plan, "jar", quoted);
	plan_run(plan, "java", "-jar", "app.jar", NULL);
	plan_write(plan, single);
	return true;
}

const Language language_java = {
    .name = "java",
    .title = "Java",
    .sought = "pom.xml, build.gradle, build.gradle.kts, or one jar",
    .version = "21",
    .port = 8080,
    .probe = probe,
    .plan = plan_java,
    .ignored = "target\n"
	       "build\n"
	       ".gradle\n",
};
