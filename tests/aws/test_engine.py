"""The engine over ECS on MiniStack with Docker: what it asks for runs, ends and goes as core is told."""
import contextlib
import dataclasses
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from botocore.validate import ParamValidator
from conftest import HERE, REGION, ROOT_KEYS, free_port, wait_for_health

AWS_ENGINE = os.environ.get("AWS_ENGINE", "aws-engine")
RACK = "ecsrack"
BASE = "debian:bookworm-slim"
WAIT_SECONDS = 60
VALUES = {"PLAIN": "1", "EMPTY": "", "DOLLAR": "$HOME ${PATH} $$", "BRACES": "{{.Node}} {{", "LINES": "a\nb\n\n", "QUOTES": "'\"\\",
          "WIDE": "grüße 😀", "a:b": "colon", "a%3Ab": "no colon", "x.y-z": "odd name", "BLANKS": "  \t "}
SERVICES = {"AmazonEC2ContainerServiceV20141113": "ecs", "secretsmanager": "secretsmanager", "AmazonSQS": "sqs"}


def docker(*arguments: str) -> str:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, f"docker {arguments}: {result.stderr}"
    return result.stdout.strip()


class Proxy(http.server.ThreadingHTTPServer):
    """Stands before MiniStack, counts calls and holds those of JSON services against botocore's models."""

    daemon_threads = True

    def __init__(self, port: int, models):
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.target, self.models = port, models
        self.calls: list[tuple[str, dict]] = []
        self.problems: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, target: str, body: bytes) -> None:
        prefix, _, operation = target.partition(".")
        if prefix not in SERVICES:
            return
        request = json.loads(body)
        self.calls.append((operation, request))
        shape = self.models.get_service_model(SERVICES[prefix]).operation_model(operation).input_shape
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            self.problems.append(f"{operation}: {report.generate_report()}")


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.take(self.headers.get("X-Amz-Target", ""), body)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=120)
        connection.request("POST", self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        with contextlib.suppress(ConnectionError):  # a long poll whose asker has gone
            self.say(answer, content)
        connection.close()

    def say(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments) -> None:
        pass


@dataclasses.dataclass
class World:
    port: int
    models: object
    environment: dict[str, str]
    image: str = ""

    def client(self, service: str):
        return self.models.create_client(service, region_name=REGION, endpoint_url=f"http://127.0.0.1:{self.port}",
                                         aws_access_key_id=ROOT_KEYS[0], aws_secret_access_key=ROOT_KEYS[1])


@pytest.fixture(scope="module")
def world(tmp_path_factory, models):
    """A MiniStack of its own, with Docker, and an image in its registry."""
    folder = tmp_path_factory.mktemp("engine")
    log, port = folder / "log", free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
                   "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(HERE / "ministack_rack.py")], env=environment, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    world = World(port, models, {})
    tag = f"127.0.0.1:{port}/{RACK}/shop:1"
    try:
        wait_for_health(f"http://127.0.0.1:{port}", process, log)
        world.environment = environment_of(world, folder)
        with engine_of(world, models) as engine:
            engine("add_app", app="shop")
        docker("tag", BASE, tag)
        docker("push", "-q", tag)
        digests = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", tag))
        (world.image,) = (digest for digest in digests if digest.startswith(f"127.0.0.1:{port}/"))
        yield world
    finally:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/_ministack/reset", method="POST"),
                                   timeout=120).close()
        process.terminate()
        process.wait(timeout=30)
        subprocess.run(["docker", "image", "rm", tag], capture_output=True, timeout=60, check=False)


def environment_of(world: World, folder: pathlib.Path) -> dict[str, str]:
    world.client("ecs").create_cluster(clusterName=RACK)
    queue = world.client("sqs").create_queue(QueueName=f"{RACK}-events")["QueueUrl"]
    policy = world.client("iam").create_policy(PolicyName=f"{RACK}-boundary", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))["Policy"]["Arn"]
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    settings = {
        "RACK": RACK, "DOMAIN": "apps.example.org", "CAPACITY": "instances", "CAPACITY_PROVIDER": f"{RACK}-machines",
        "CLUSTER": RACK, "VPC": "vpc-1", "SUBNETS": "subnet-1,subnet-2", "PUBLIC_ADDRESSES": "yes", "SECURITY_GROUP": "sg-1",
        "BALANCER": "balancer.example.org", "LISTENER": "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/x/1/2",
        "DOCUMENTS": "documents", "OBJECTS": "objects", "REGISTRY": f"127.0.0.1:{world.port}", "KEY": key, "EVENTS": queue,
        "TOPIC": "arn:aws:sns:eu-west-1:000000000000:topic", "BUILD_TASK": f"{RACK}-build", "BUILD_PROVIDER": "build",
        "BUILD_LOGS": f"/carrack/{RACK}/builds", "APP_ROLE": "arn:aws:iam::000000000000:role/app-stacks",
        "APP_BOUNDARY": policy, "LOG_RETENTION": "30", "LOG_STREAM": "", "LOG_DELIVERY_ROLE": ""}
    environment = {f"CARRACK_{name}": value for name, value in settings.items()}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return {**environment, "HOME": str(folder), "PATH": os.environ["PATH"], "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ROOT_KEYS[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEYS[1], "AWS_EC2_METADATA_DISABLED": "true"}


class EngineError(Exception):
    pass


class Engine:
    """The program aws-engine, a request at a time."""

    def __init__(self, process: subprocess.Popen[str], world: World, proxy: Proxy):
        self.process, self.world, self.proxy = process, world, proxy

    def __call__(self, do: str, **values):
        print(json.dumps({"do": do, **values}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"{do}: aws-engine ended with {self.process.wait(timeout=30)}"
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer["value"]

    def create(self, *command: str, release: str = "RAAAAAAAAAA", **values) -> str:
        return self("create", image=self.world.image, command=list(command), release=release, **values)

    def until(self, condition, do: str, **values):
        """The first answer that the condition holds of."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            value = self(do, **values)
            if condition(value):
                return value
            time.sleep(0.05)
        raise AssertionError(f"{do}: still {str(value)[:2000]} after {WAIT_SECONDS} s")

    def running(self, deployment: str, count: int = 1) -> list[dict]:
        found = self.until(lambda all: len([one for one in all if is_running(one)]) == count, "processes", deployment=deployment)
        return [process for process in found if is_running(process)]


@contextlib.contextmanager
def engine_of(world: World, models, **variables: str):
    proxy = Proxy(world.port, models)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    environment = {**world.environment, "AWS_ENDPOINT_URL": proxy.url, **variables}
    process = subprocess.Popen([AWS_ENGINE], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Engine(process, world, proxy)
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert not proxy.problems
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=30)
        process.stdout.close()
        proxy.shutdown()
        thread.join()
        proxy.server_close()


@pytest.fixture
def engine(world, models):
    """Whatever a test leaves running goes with it."""
    with engine_of(world, models) as engine:
        yield engine
        for deployment in engine("deployments"):
            engine("remove", deployment=deployment["id"])
        for one_off in engine("one_offs"):
            engine("forget", app=one_off["app"], process=one_off["id"])


def is_running(process: dict) -> bool:
    return process["state"] == "running" and process["wanted"]


def container_of(world: World, process: dict) -> str:
    """The container of a process, by the task that it belongs to."""
    for container in docker("ps", "-q", "--no-trunc", "--filter", "label=ministack=ecs").splitlines():
        task = docker("inspect", "--format", '{{index .Config.Labels "com.amazonaws.ecs.task-arn"}}', container)
        if task.rpartition("/")[2].replace("-", "").startswith(process["id"]):
            return container
    raise AssertionError(f"no container of {process}")


def inventory(world: World) -> set[str]:
    ecs = world.client("ecs")
    secrets = world.client("secretsmanager").list_secrets()["SecretList"]
    return {*ecs.list_services(cluster=RACK)["serviceArns"], *ecs.list_tasks(cluster=RACK)["taskArns"],
            *ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"], *(secret["ARN"] for secret in secrets)}


def test_a_deployment_runs_with_its_environment_to_the_byte_and_leaves_nothing(engine, world):
    before = inventory(world)
    deployment = engine.create("sleep", "600", env=VALUES, memory=64, cpu=128, port=8080)
    assert deployment == "shop-web-RAAAAAAAAAA"
    (process,) = engine.running(deployment)
    assert (process["app"], process["service"], process["release"]) == ("shop", "web", "RAAAAAAAAAA")
    assert process["image"] == world.image
    assert (process["deployment"], process["one_off"], len(process["id"])) == (deployment, False, 12)

    container = container_of(world, process)
    seen = subprocess.run(["docker", "exec", container, "cat", "/proc/1/environ"], capture_output=True, check=True, timeout=30).stdout
    environ = dict(entry.partition("=")[::2] for entry in seen.decode().split("\0") if entry)
    assert {name: environ.get(name) for name in VALUES} == VALUES
    (listed,) = engine("deployments", app="shop")
    text = "".join(f"{name}={value}\0" for name, value in sorted(VALUES.items()))
    assert listed["env_hash"] == process["env_hash"] != hashlib.sha256(b"").hexdigest(), text
    assert (listed["count"], listed["memory"], listed["port"], listed["image"]) == (1, 64, 8080, world.image)
    definition = json.dumps(next(request for name, request in engine.proxy.calls if name == "RegisterTaskDefinition"))
    assert "grüße" not in json.loads(json.dumps(definition)) and "colon" not in definition, "a value is in the definition"

    found = engine("locate", app="shop", process=process["id"])
    assert found["address"] == "127.0.0.1"
    assert found["port"] == int(docker("port", container, "8080").splitlines()[0].rpartition(":")[2])

    engine("remove", deployment=deployment)
    engine("remove", deployment=deployment)
    assert engine("deployments", app="shop") == []
    assert inventory(world) == before
    assert not [one for one in engine("processes", deployment=deployment) if is_running(one)]


def test_a_start_makes_few_calls_however_often_core_asks(engine, world):
    begun = time.monotonic()
    deployment = engine.create("sleep", "600", env=VALUES)
    engine.running(deployment)
    for _ in range(100):
        engine("processes", deployment=deployment)
    seconds = time.monotonic() - begun
    calls = [name for name, _ in engine.proxy.calls]
    making = [name for name in calls if not name.startswith(("List", "Describe"))]
    assert making == ["CreateSecret", "RegisterTaskDefinition", "CreateService"]
    assert len(calls) - len(making) <= 4 * (seconds + 2), calls


def test_a_crash_is_told_and_replaced(engine, world):
    engine("watch")
    engine.until(lambda events: any(event["kind"] == "reconnected" for event in events), "events")
    deployment = engine.create("sh", "-c", "sleep 4; exit 7")
    (first,) = engine.running(deployment)
    ended = engine.until(lambda all: any(one["exit"] == 7 for one in all), "processes", deployment=deployment)
    dead = next(one for one in ended if one["id"] == first["id"])
    assert (dead["state"], dead["exit"], dead["wanted"], dead["reason"]) == ("failed", 7, False, "")
    engine.until(lambda all: any(is_running(one) and one["id"] != first["id"] for one in all), "processes", deployment=deployment)
    events: list[dict] = []

    def has_death(more: list[dict]) -> bool:
        events.extend(more)
        return any(event["kind"] == "die" and event["process"] == first["id"] for event in events)

    engine.until(has_death, "events")
    death = next(event for event in events if event["kind"] == "die")
    assert (death["app"], death["service"], death["deployment"], death["exit"]) == ("shop", "web", deployment, 7)
    starts = [event["process"] for event in events if event["kind"] == "start"]
    assert first["id"] in starts and len(starts) == len(set(starts))


def test_an_ending_is_told_with_its_reason(engine):
    deployment = engine.create("no-such-command", service="lost", init=False)
    ended = engine.until(lambda all: any(one["state"] == "failed" for one in all), "processes", deployment=deployment)
    failed = next(one for one in ended if one["state"] == "failed")
    assert "executable file not found" in failed["reason"] and failed["exit"] == 0

    deployment = engine.create("true", service="done")
    ended = engine.until(lambda all: any(one["state"] == "complete" for one in all), "processes", deployment=deployment)
    assert next(one for one in ended if one["state"] == "complete")["reason"] == ""


def test_the_last_lines_of_a_dead_process_are_there(engine):
    deployment = engine.create("sh", "-c", "for i in 1 2 3 4 5 6 7; do echo line $i; done; sleep 1; exit 3", service="teller")
    ended = engine.until(lambda all: any(one["exit"] == 3 for one in all), "processes", deployment=deployment)
    dead = next(one for one in ended if one["exit"] == 3)
    assert engine("last_lines", app="shop", process=dead["id"]) == [f"line {number}" for number in range(3, 8)]


def test_a_process_over_its_memory_is_told_so(engine):
    eater = "my $x = ''; $x .= 'x' x 1048576 while 1;"
    deployment = engine.create("perl", "-e", eater, service="eater", memory=16)
    ended = engine.until(lambda all: any(one["oom"] for one in all), "processes", deployment=deployment)
    dead = next(one for one in ended if one["oom"])
    assert (dead["state"], dead["exit"]) == ("failed", 137)


def test_an_image_that_is_not_there_is_called_so(engine, world):
    missing = world.image.partition("@")[0] + "@sha256:" + "0" * 64
    deployment = engine("create", image=missing, service="imageless")
    ended = engine.until(lambda all: any(one["state"] == "failed" for one in all), "processes", deployment=deployment)
    assert next(one for one in ended if one["state"] == "failed")["reason"].startswith("No such image")


def test_what_cannot_be_is_refused_before_anything_is_made(engine, world):
    before = inventory(world)
    with pytest.raises(EngineError, match="not named by digest"):
        engine("create", image="debian:latest")
    with pytest.raises(EngineError, match="variable BIG has 70000 bytes.*65536"):
        engine.create("sleep", "1", env={"BIG": "x" * 70000})
    with pytest.raises(EngineError, match="ECS takes 65536"):
        engine.create("sleep", "1", env={f"VARIABLE_{number:05}": "x" for number in range(700)})
    with pytest.raises(EngineError, match="ecsrack-app-stranger"):
        engine.create("sleep", "1", app="stranger")
    assert inventory(world) == before


def test_a_large_environment_is_in_several_secrets(engine, world):
    values = {f"LARGE_{number}": chr(97 + number) * 40000 for number in range(4)}
    deployment = engine.create("sleep", "600", env=values)
    (process,) = engine.running(deployment)
    assert len([name for name, _ in engine.proxy.calls if name == "CreateSecret"]) == 4
    container = container_of(world, process)
    seen = docker("exec", container, "cat", "/proc/1/environ").split("\0")
    assert {f"{name}={value}" for name, value in values.items()} <= set(seen)


def test_a_scale_goes_up_and_down(engine):
    deployment = engine.create("sleep", "600", count=1)
    engine.running(deployment)
    engine("scale", deployment=deployment, count=3)
    assert len({process["id"] for process in engine.running(deployment, 3)}) == 3
    engine("scale", deployment=deployment, count=1)
    engine.running(deployment, 1)
    assert [one["count"] for one in engine("deployments", app="shop")] == [1]


def test_two_deployments_of_one_release_have_names_of_their_own(engine):
    first = engine.create("sleep", "600")
    second = engine.create("sleep", "600")
    assert (first, second) == ("shop-web-RAAAAAAAAAA", "shop-web-RAAAAAAAAAA-2")
    (one,), (other,) = engine.running(first), engine.running(second)
    assert one["id"] != other["id"]


def test_a_name_that_was_taken_before_shows_nothing_of_then(engine):
    deployment = engine.create("sh", "-c", "exit 9")
    engine.until(lambda all: any(one["exit"] == 9 for one in all), "processes", deployment=deployment)
    engine("remove", deployment=deployment)
    time.sleep(1.5)  # ECS's times are not finer than what tells the two apart
    again = engine.create("sleep", "600")
    assert again == deployment
    assert {one["exit"] for one in engine("processes", deployment=again)} == {0}
    engine.running(again)


def test_a_stopped_process_is_replaced(engine):
    deployment = engine.create("sleep", "600")
    (first,) = engine.running(deployment)
    engine("stop", app="shop", process=first["id"])
    (second,) = engine.until(lambda all: [one for one in all if is_running(one) and one["id"] != first["id"]],
                             "processes_of_app", app="shop")
    assert second["command"] == "sleep 600"
    ended = engine("processes", deployment=deployment)
    assert next(one["state"] for one in ended if one["id"] == first["id"]) == "complete"
    with pytest.raises(EngineError, match="no such process: 000000000000"):
        engine("stop", app="shop", process="000000000000")


def test_a_one_off_ends_with_its_code_and_is_forgotten_for_good(engine, world, models):
    before = inventory(world)
    identity = engine("run", image=world.image, service="timer-night", role="timer", command=["sh", "-c", "exit $CODE"],
                      env={"CODE": "5"}, deadline=1)
    ended = engine.until(lambda all: any(one["state"] == "failed" for one in all), "one_offs", app="shop")
    (one,) = ended
    assert (one["id"], one["service"], one["exit"], one["one_off"]) == (identity, "timer-night", 5, True)
    assert engine("processes_of_app", app="shop") == []
    engine("forget", app="shop", process=identity)
    assert engine("one_offs", app="shop") == []
    assert inventory(world) == before
    with engine_of(world, models) as later:
        assert later("one_offs", app="shop") == []


def test_a_one_off_whose_command_is_not_there_has_a_shells_code(engine, world):
    engine("run", image=world.image, command=["no-such-command"], without_entrypoint=True, init=False)
    (one,) = engine.until(lambda all: all and all[0]["state"] == "failed", "one_offs", app="shop")
    assert one["exit"] == 127


def test_an_event_of_ecs_is_taken_at_once_and_told_once(engine, world):
    engine("watch")
    engine.until(lambda events: any(event["kind"] == "reconnected" for event in events), "events")
    deployment = engine.create("sleep", "600")
    (process,) = engine.running(deployment)
    engine.until(lambda events: any(event["process"] == process["id"] for event in events), "events")
    (task,) = world.client("ecs").list_tasks(cluster=RACK, serviceName=deployment)["taskArns"]
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "resources": [task],
             "detail": {"taskArn": task, "group": f"service:{deployment}"}}
    queue = world.client("sqs")
    for _ in range(2):
        queue.send_message(QueueUrl=world.environment["CARRACK_EVENTS"], MessageBody=json.dumps(event))
    deadline = time.monotonic() + WAIT_SECONDS
    while not any(name == "DeleteMessageBatch" for name, _ in engine.proxy.calls):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Now that events are known to come, nobody looks every other second.
    time.sleep(3)
    count = len(engine.proxy.calls)
    time.sleep(6)
    assert len(engine.proxy.calls) - count <= 2
    docker("kill", container_of(world, process))
    queue.send_message(QueueUrl=world.environment["CARRACK_EVENTS"], MessageBody=json.dumps(event))
    begun = time.monotonic()
    told = engine.until(lambda events: any(event["kind"] == "die" for event in events), "events")
    assert time.monotonic() - begun < 3
    assert [event["process"] for event in told if event["kind"] == "die"] == [process["id"]]


def test_capacity_is_what_the_machines_have_left(engine, world):
    empty = engine("capacity")
    assert (empty["nodes"], empty["cpu_free"]) == (1, empty["cpu"])
    engine.running(engine.create("sleep", "600", memory=128, cpu=256))
    used = engine("capacity")
    assert (empty["cpu_free"] - used["cpu_free"], empty["memory_free"] - used["memory_free"]) == (256, 128)
    assert engine("ping") is True


def test_on_fargate_a_task_has_its_own_address_and_one_of_fargates_sizes(world, models):
    with engine_of(world, models, CARRACK_CAPACITY="fargate", CARRACK_CAPACITY_PROVIDER="FARGATE") as engine:
        deployment = engine.create("sleep", "600", cpu=300, memory=700, port=8080)
        (process,) = engine.running(deployment)
        found = engine("locate", app="shop", process=process["id"])
        address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", container_of(world, process))
        assert (found["address"], found["port"]) == (address, 8080)
        made = dict(engine.proxy.calls)["RegisterTaskDefinition"]
        assert (made["cpu"], made["memory"], made["networkMode"]) == ("512", "1024", "awsvpc")
        network = dict(engine.proxy.calls)["CreateService"]["networkConfiguration"]["awsvpcConfiguration"]
        assert network == {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}
        engine("remove", deployment=deployment)


def test_an_app_comes_and_goes_with_all_that_is_its(engine, world):
    before = inventory(world)
    engine("add_app", app="second")
    engine("add_app", app="second")
    engine.create("sleep", "600", app="second", env={"A": "1"})
    engine("run", image=world.image, app="second", command=["sleep", "600"], env={"B": "2"})
    world.client("secretsmanager").create_secret(Name=f"{RACK}/app/second/left-RBBBBBBBBBB-1", SecretString="{}")
    engine("remove_app", app="second")
    assert inventory(world) == before
    stacks = world.client("cloudformation").describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks if stack["StackName"].endswith("-app-second")] == []
    assert engine("processes_of_app", app="second") == []


def test_a_stack_that_failed_is_told_and_made_again(engine, world):
    ecr = world.client("ecr")
    ecr.create_repository(repositoryName=f"{RACK}/third")
    with pytest.raises(EngineError, match="stack ecsrack-app-third is not made.*Repository"):
        engine("add_app", app="third")
    ecr.delete_repository(repositoryName=f"{RACK}/third", force=True)
    engine("add_app", app="third")
    engine("remove_app", app="third")
