/*
 * What the languages fill in, and the table row that each of them is. A Dockerfile is a template
 * with {names}; a line that holds one without a value is left out, so that a template shows all
 * that may come, in its order.
 */
#pragma once

#include "detect/images.h"
#include "detect/project.h"

typedef struct Plan Plan;

typedef struct {
	const char *name; /* of --language, and of the base image */
	const char *title;
	const char *sought; /* for the error that lists what was looked for */
	const char *version;
	unsigned port; /* that such apps take when nobody tells them */
	bool is_last;  /* fits only where nothing else does */
	/* True when the folder is of that language; `why` then says by what, and otherwise what is
	 * missing where something is there. */
	bool (*probe)(const Project *project, GString *why);
	bool (*plan)(Plan *plan, GError **error);
	const char *ignored; /* lines of .dockerignore */
} Language;

struct Plan {
	const Project *project;
	const Images *images;
	const Language *language;
	bool has_processes;    /* a Procfile says what is run */
	const char *framework; /* or NULL */
	char *version;
	GPtrArray *reasons;  /* of char * */
	GHashTable *values;  /* name → text, for the template */
	GString *dockerfile; /* written at the end */
};

extern const Language language_node;
extern const Language language_python;
extern const Language language_ruby;
extern const Language language_go;
extern const Language language_php;
extern const Language language_java;
extern const Language language_static;

Plan *
plan_new(const Project *project, const Language *language, const Images *images);

void
plan_free(Plan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* A line for the user on what was found and what follows from it. */
void
plan_because(Plan *plan, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Takes the version out of `text` («v20.11.1», «~> 3.2»), with so many of its numbers. `file` is
 * for the reason. Nothing happens when `text` is NULL or has none. */
void
plan_pin(Plan *plan, const char *text, unsigned numbers, const char *file);

/* The same when it is newer than the usual one, which serves what is older. */
void
plan_pin_least(Plan *plan, const char *text, unsigned numbers, const char *file);

/* A value for the template; NULL takes the lines that hold it away. */
void
plan_set(Plan *plan, const char *name, const char *value);

/* What is run, as words. A Procfile's `web` goes before: then nothing happens. */
void
plan_run(Plan *plan, ...) G_GNUC_NULL_TERMINATED;

/* The same with the words of a shell, for programs that take PORT only as an argument. */
void
plan_run_shell(Plan *plan, const char *command);

/* A library of the language, and the package of the image's Debian that it needs when it runs. */
typedef struct {
	const char *library;
	const char *package;
} PlanPackage;

/* True when the project asks for a library. */
typedef bool (*PlanAsks)(const Project *project, const char *library);

/* Has those installed that are needed; the last of `packages` has no library. */
void
plan_packages(Plan *plan, PlanAsks asks, const PlanPackage *packages);

/* Writes the Dockerfile. {port} and the names of base images are known without plan_set. */
void
plan_write(Plan *plan, const char *template);
