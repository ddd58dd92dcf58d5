/*
 * Why a deploy failed: one cause from a fixed list (docs/causes.md), as the object that timelines
 * keep: {"code", "cause", "service", "process", "exit", "lines", "hint"}.
 */
#pragma once

#include "core/probe.h"
#include "core/rack-private.h"

/* Each sets `error` to the cause as well and returns the object, which the caller owns. */

/* A process has ended by itself or could not start. `when` says at what point («at boot», «after 4
 * s»). */
json_t *
failure_ended(Rack *rack, Process *process, const char *when, GError **error);

/* A process never gave a healthy answer within its grace. */
json_t *
failure_unhealthy(
    Rack *rack, const Process *process, Probe *probe, unsigned seconds, GError **error);

/* The engine finds no room. */
json_t *
failure_no_capacity(Rack *rack, const PlanService *service, GError **error);

/* Anything else: code and cause are given. */
json_t *
failure_plain(const char *code, const char *service, const char *cause, GError **error);
