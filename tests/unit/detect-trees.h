/*
 * Small projects of every kind that detection knows, for test-detect.c: paths and texts.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
	const char *name;      /* of the golden file */
	const char *files[24]; /* path, text, path, text, …, NULL */
} Tree;

extern const Tree trees[];

/* The tree of that name. */
const Tree *
tree_named(const char *name);

/* Writes a tree's files into a folder. */
void
tree_write(const Tree *tree, const char *folder);
