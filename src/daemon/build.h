/*
 * `carrackd build`: the task's side of the AWS rack's builder.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Does the job that the environment names and leaves its result in the rack's bucket; a build that
 * fails is a result too. Standard output is the build's log. SIGTERM, which has to be blocked, ends
 * it without a result. */
bool
daemon_build(const char *const *environment, GError **error);
