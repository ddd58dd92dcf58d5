/*
 * Ends a process and all that it has started, by signals: what the engine has no call for.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <sys/types.h>

/* SIGHUP (what a lost terminal means) and SIGTERM to `process` and its descendants; SIGKILL to
 * those that are still there after `grace_ms`. All are looked up in this process's own /proc. */
void
process_end(pid_t process, unsigned grace_ms);

/* The id that a process has in its own namespace of processes, read from `proc` («/host/proc»);
 * 0 when it is gone. */
pid_t
process_inner_id(const char *proc, pid_t process);
