/*
 * What is run for a command in a process: ECS Exec knows nothing of an image's entrypoint, so where
 * one belongs before the command it is looked up, first in the task's definition, then in the
 * image.
 */
#pragma once

#include "aws/rack.h"
#include "core/engine.h"

/* The whole argv. INVALID when it is empty. The caller frees it. */
GStrv
exec_argv(AwsRack *rack,
    const char *task,
    const char *container,
    const EngineExec *exec,
    GCancellable *cancel,
    GError **error);
