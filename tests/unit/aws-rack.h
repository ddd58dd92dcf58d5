/*
 * A rack on Fargate named prod whose AWS is a server of a test's.
 */
#pragma once

#include "aws-server.h"
#include "aws/rack.h"

AwsRack *
aws_server_rack(const AwsServer *server);
