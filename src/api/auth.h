/*
 * Who may do what. One password opens everything for now; the table of roles is complete all the
 * same, so that narrower credentials only need to be recognised here.
 */
#pragma once

#include "base/error.h"

/* What a route asks for. Zero is «nobody has thought about it», which no route may have. */
typedef enum { ROLE_UNSET, ROLE_PUBLIC, ROLE_READ, ROLE_WRITE, ROLE_ADMIN } Role;

/* Checks an Authorization header (may be NULL) against the rack's password and the route's role;
 * UNAUTHORIZED «invalid authentication». */
bool
auth_check(const char *authorization, const char *password, Role role, GError **error);
