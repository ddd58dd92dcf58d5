/*
 * Services as other verbs need them.
 */
#pragma once

#include "cli/call.h"

/* Where the app's services answer from outside (or one service), in the rack's order; char *.
 * NOT_FOUND names the services there are when `service` is none of them. */
GPtrArray *
service_urls(Call *call, const char *service, GError **error);
