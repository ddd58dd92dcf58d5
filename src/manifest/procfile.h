/*
 * Procfile: a line `NAME: COMMAND` for each kind of process, all from the Dockerfile beside it.
 */
#pragma once

#include "manifest/bundle.h"
#include "manifest/decode.h"
#include "manifest/manifest.h"

/* Adds the services to `manifest`; problems are with `decoder`. `env` (may be NULL) is the app's.
 */
void
procfile_decode(Decoder *decoder, const Bundle *bundle, const Env *env, Manifest *manifest);
