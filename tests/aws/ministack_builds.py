"""MiniStack's tasks that build: they need what an instance of AWS has and a container here has not. Whoever holds the engine's
socket is on the host's network, because MiniStack listens on loopback alone, and so does its registry for the engine.
"""
import json
import os

from ministack.services import ecs
from ministack.services.cloudformation import provisioners

ENGINE = "/var/run/docker.sock"
PLACE = "127.0.0.1:" + os.environ.get("GATEWAY_PORT", "4566")
ECR = ".dkr.ecr."

assert hasattr(ecs, "_build_run_kwargs")


def holds_engine(properties: dict) -> bool:
    return f'"{ENGINE}"' in json.dumps(properties.get("Volumes") or [])


def on_host(function):
    def create_or_update(*arguments, **others):
        return function(*({**argument, "NetworkMode": "host"} if isinstance(argument, dict) and holds_engine(argument) else argument
                          for argument in arguments), **others)

    return create_or_update


HANDLER = provisioners._RESOURCE_HANDLERS["AWS::ECS::TaskDefinition"]
for verb in ("create", "update"):
    HANDLER[verb] = on_host(HANDLER[verb])


# ECR's host is MiniStack itself; on the host's network so are all other services.

plain_run_arguments = ecs._build_run_kwargs


def run_arguments(definition, *others, **more):
    arguments = plain_run_arguments(definition, *others, **more)
    environment = {name: PLACE if ECR in value and "/" not in value else value
                   for name, value in (arguments.get("environment") or {}).items()}
    if arguments.get("network_mode") == "host" and "AWS_SECRET_ACCESS_KEY" not in environment:
        environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {**arguments, "environment": environment}


ecs._build_run_kwargs = run_arguments
