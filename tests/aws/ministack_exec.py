"""ExecuteCommand of MiniStack with a session that somebody serves: fake_channel, within this process."""
import functools
import json

import fake_channel
from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

for name in ("_execute_command", "_resolve_task", "_resolve_cluster_name"):
    assert hasattr(ecs, name), name

plain_execute = ecs._execute_command


@functools.cache
def channel() -> fake_channel.FakeChannel:
    return fake_channel.FakeChannel()


def execute_command(data):
    status, headers, body = plain_execute(data)
    if status >= 400:
        return status, headers, body
    answer = json.loads(body)
    task = ecs._resolve_task(data["task"], ecs._resolve_cluster_name(data.get("cluster", "default")))
    names = [container["name"] for container in task["containers"]]
    if not task.get("_docker_ids") or answer["containerName"] not in names:
        return error_response_json("TargetNotConnectedException", "The execute command failed.", 400)
    container = task["_docker_ids"][names.index(answer["containerName"])]
    return json_response({**answer, "session": channel().open_session(container, data["command"])})


ecs._execute_command = execute_command
ecs._ACTION_MAP["ExecuteCommand"] = execute_command
