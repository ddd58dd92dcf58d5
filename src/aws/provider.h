/*
 * The AWS provider: an implementation of each part over one AwsRack, which is borrowed and outlives
 * them. Each part has its own file, named as its header in core/ and as its counterpart in swarm/.
 */
#pragma once

#include "aws/rack.h"
#include "core/provider.h"

/* Puts the parts together; takes the rack over. */
Provider *
aws_provider_new(AwsRack *rack, GError **error);

/* docs/why/0008 says how documents lie in the table; `objects` takes bodies that are too large. */
Store *
store_dynamodb_new(AwsRack *rack, Objects *objects, GError **error);

/* Keys are objects/APP/KEY in the rack's bucket. */
Objects *
objects_s3_new(AwsRack *rack, GError **error);

Logs *
logs_cloudwatch_new(AwsRack *rack, GError **error);

/* `router` gives deployments their target groups, `logs` the last lines of processes. */
Engine *
engine_ecs_new(AwsRack *rack, Router *router, Logs *logs, GError **error);

/* `store` keeps backends: kind «backend», scope «», id APP/SERVICE. */
Router *
router_balancer_new(AwsRack *rack, Store *store, GError **error);

Builder *
builder_ecs_new(AwsRack *rack, Objects *objects, GError **error);

/* Certificates of ACM at the listener; `store` keeps which: kind «certificate», scope «». */
Certificates *
certificates_acm_new(AwsRack *rack, Store *store);

/* The target group in which the processes of a new deployment of this release belong: the one of
 * the service's two that does not serve, emptied. NULL without an error when the service has no
 * host; NOT_FOUND before ensure. The caller frees it. */
char *
aws_router_group(
    Router *router, const char *app, const char *service, const char *release, GError **error);

/* A command in a container of a task through ECS Exec; `container` is its name in the task. */
EngineStream *
aws_exec_open(AwsRack *rack,
    const char *task,
    const char *container,
    const EngineExec *exec,
    GCancellable *cancel,
    GError **error);
