"""MiniStack's tasks with what the engine part relies on and they lack: tags of their service, ports and a machine of theirs,
why they were killed, and more of what a container's definition says."""
import contextlib
import resource

import docker
from ministack.core.responses import get_account_id, get_region, json_response
from ministack.services import ec2, ecr, ecs
from ministack.services.cloudformation import provisioners

ADDRESS = "127.0.0.1"
MIBIBYTE = 1024 * 1024
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

for name in ("_run_task", "_attach_started_container", "_mark_task_stopped", "_build_run_kwargs", "_remove_docker_container",
             "_list_container_instances", "_describe_container_instances", "_docker", "_get_docker",
             "_stop_task", "_resolve_task", "_reconcile_service_tasks"):
    assert hasattr(ecs, name), name


def replace(name: str, action: str | None, function) -> None:
    setattr(ecs, name, function)
    if action:
        ecs._ACTION_MAP[action] = function


# Tasks' ids are 32 hex digits on AWS.

plain_uuid = ecs.new_uuid
ecs.new_uuid = lambda: plain_uuid().replace("-", "")


# A service's tags go to its tasks when it says so (propagateTags).

plain_run_task = ecs._run_task


def run_task(request):
    group = request.get("group") or ""
    if group.startswith("service:") and not request.get("tags"):
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        service = ecs._services.get(f"{cluster}/{group.removeprefix('service:')}") or {}
        if service.get("propagateTags") == "SERVICE":
            request = {**request, "tags": service.get("tags", [])}
    return plain_run_task(request)


replace("_run_task", "RunTask", run_task)


# A service replaces what somebody has stopped; MiniStack waits for another reason to look.

plain_stop_task = ecs._stop_task


def stop_task(request):
    answer = plain_stop_task(request)
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    task = ecs._resolve_task(request.get("task", ""), cluster) or {}
    group = task.get("group") or ""
    if group.startswith("service:"):
        ecs._reconcile_service_tasks(cluster, f"{cluster}/{group.removeprefix('service:')}")
    return answer


ecs._ACTION_MAP["StopTask"] = stop_task  # not what MiniStack itself calls while it scales


# Ports that Docker chose; MiniStack publishes them and does not tell.

plain_attach = ecs._attach_started_container


def attach_started_container(task, container, index, *others):
    container.reload()
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    bindings = [{"bindIP": "0.0.0.0", "containerPort": int(port.split("/")[0]), "hostPort": int(published[0]["HostPort"]),
                 "protocol": port.split("/")[1]} for port, published in ports.items() if published]
    if index < len(task["containers"]):
        task["containers"][index]["networkBindings"] = bindings
    return plain_attach(task, container, index, *others)


replace("_attach_started_container", None, attach_started_container)


# One machine for all tasks that are not Fargate's: this one, reached at loopback.

machines: dict[tuple[str, str], str] = {}


def machine() -> str:
    place = get_account_id(), get_region()
    if machines.get(place) not in ec2._instances:
        (instance,) = ec2._launch_instances_internal("ami-00000000", "m6i.large", ec2._DEFAULT_SUBNET_ID, 1,
                                                     requested_private_ip=ADDRESS)
        machines[place] = instance["InstanceId"]
    return machines[place]


def resources(cpu: int, memory: int) -> list[dict]:
    return [{"name": "CPU", "type": "INTEGER", "integerValue": cpu}, {"name": "MEMORY", "type": "INTEGER", "integerValue": memory}]


def reserved() -> tuple[int, int]:
    cpu = memory = 0
    for task in ecs._tasks.values():
        definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"]))
        if task["lastStatus"] == "STOPPED" or not definition:
            continue
        for container in definition["containerDefinitions"]:
            cpu += container.get("cpu") or 0
            memory += container.get("memoryReservation") or container.get("memory") or 0
    return cpu, memory


def provider_of(cluster: str) -> str:
    strategy = ecs._clusters.get(cluster, {}).get("defaultCapacityProviderStrategy") or [{}]
    used = [task["capacityProviderName"] for task in ecs._tasks.values() if task.get("capacityProviderName")]
    return strategy[0].get("capacityProvider") or (used or ["none"])[-1]


def list_container_instances(request):
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    return json_response({"containerInstanceArns": [
        f"arn:aws:ecs:{get_region()}:{get_account_id()}:container-instance/{cluster}/{'0' * 32}"]})


def describe_container_instances(request):
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    client = ecs._get_docker()
    information = client.info() if client else {"NCPU": 2, "MemTotal": 8192 * MIBIBYTE}
    cpu, memory = information["NCPU"] * 1024, information["MemTotal"] // MIBIBYTE
    used = reserved()
    return json_response({"failures": [], "containerInstances": [
        {"containerInstanceArn": arn, "ec2InstanceId": machine(), "status": "ACTIVE", "agentConnected": True,
         "capacityProviderName": provider_of(cluster), "registeredResources": resources(cpu, memory),
         "remainingResources": resources(cpu - used[0], memory - used[1])} for arn in request.get("containerInstances", [])]})


replace("_list_container_instances", "ListContainerInstances", list_container_instances)
replace("_describe_container_instances", "DescribeContainerInstances", describe_container_instances)


# Of a container that the kernel has killed ECS says so.

plain_mark_stopped = ecs._mark_task_stopped


def mark_task_stopped(task_arn, task, *others, **more):
    client = ecs._get_docker()
    known = list(task.get("_docker_ids") or []) if client else []
    for container_id, container in zip(known, task.get("containers", []), strict=False):
        with contextlib.suppress(docker.errors.APIError):
            if client.api.inspect_container(container_id)["State"]["OOMKilled"]:
                container["reason"] = "OutOfMemoryError: Container killed due to memory usage"
    return plain_mark_stopped(task_arn, task, *others, **more)


replace("_mark_task_stopped", None, mark_task_stopped)


# More of a container's definition; how long it may take to stop is kept with it.

plain_run_arguments = ecs._build_run_kwargs
plain_remove = ecs._remove_docker_container


def run_arguments(definition, *others, **more):
    arguments = plain_run_arguments(definition, *others, **more)
    linux = definition.get("linuxParameters") or {}
    arguments["labels"] = {**arguments["labels"], "stop-timeout": str(definition.get("stopTimeout") or 30)}
    wanted = {
        "init": linux.get("initProcessEnabled"),
        "cap_drop": (linux.get("capabilities") or {}).get("drop"),
        "tmpfs": {mount["containerPath"]: ",".join([f"size={mount['size']}m", *mount.get("mountOptions", [])])
                  for mount in linux.get("tmpfs") or []},
        # No more than this machine's own: Docker may have no right to raise it.
        "ulimits": [docker.types.Ulimit(name=limit["name"], soft=min(limit["softLimit"], OPEN_FILES),
                                        hard=min(limit["hardLimit"], OPEN_FILES))
                    for limit in definition.get("ulimits") or [] if limit["name"] == "nofile"],
        "extra_hosts": {host["hostname"]: host["ipAddress"] for host in definition.get("extraHosts") or []},
    }
    return {**arguments, **{name: value for name, value in wanted.items() if value}}


def remove_container(client, container):
    if client and isinstance(container, str):
        try:
            container = client.containers.get(container)
        except docker.errors.APIError:
            return
    if container is not None:
        with contextlib.suppress(docker.errors.APIError, OSError):
            container.stop(timeout=int(container.labels.get("stop-timeout", 5)))
    plain_remove(client, container)


replace("_build_run_kwargs", None, run_arguments)
replace("_remove_docker_container", None, remove_container)


# A repository that is there already makes a stack fail.

REPOSITORY = provisioners._RESOURCE_HANDLERS["AWS::ECR::Repository"]
plain_create_repository = REPOSITORY["create"]


def create_repository(logical_id, properties, stack):
    if properties.get("RepositoryName") in ecr._repositories:
        raise ValueError(f"The repository with name '{properties['RepositoryName']}' already exists in the registry")
    return plain_create_repository(logical_id, properties, stack)


REPOSITORY["create"] = create_repository
