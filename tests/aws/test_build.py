"""Builds as tasks: the program build-test drives the builder; MiniStack runs `carrackd build` on this machine's Docker."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request

import cfnlint.decode
import pytest
from conftest import free_port, wait_for_health

HERE = pathlib.Path(__file__).resolve().parent
BUILD_TEST = os.environ.get("BUILD_TEST", "build-test")
CARRACKD = os.environ.get("CARRACKD", "carrackd")
REGION = "us-east-1"  # the region in which MiniStack keeps what comes without a signature, as pushes do
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
BUCKET, LOGS = "builds-objects", "/carrack/prod/builds"
TIMEOUT = 300
OTHERS = ["CAPACITY_PROVIDER", "VPC", "SECURITY_GROUP", "DOCUMENTS", "KEY", "EVENTS", "TOPIC", "APP_ROLE", "APP_BOUNDARY",
          "SUBNETS", "LISTENER", "BALANCER"]


def cases() -> list[str]:
    result = subprocess.run([BUILD_TEST, "-l"], capture_output=True, text=True, check=True, timeout=60)
    return [line for line in result.stdout.splitlines() if line.startswith("/build/")]


def docker(*arguments: str, timeout: int = 600) -> str:
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return subprocess.run(["docker", *arguments], env=environment, capture_output=True, text=True, check=True,
                          timeout=timeout).stdout


def forget_images(repository: str) -> None:
    """What a test that broke off has left, by name: an image may have other names, which are not ours."""
    words = docker("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}", repository).split()
    for name in words:
        if "<none>" not in name:
            subprocess.run(["docker", "rmi", name], capture_output=True, check=False, timeout=60)


def sanitizers_of(program: str) -> list[pathlib.Path]:
    """Libraries that the rack's image has not got, because they are for tests alone."""
    words = subprocess.run(["ldd", program], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    return [pathlib.Path(word) for word in words if word.startswith("/") and ("asan" in word or "ubsan" in word)]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The rack's image as far as a build task needs it."""
    context = tmp_path_factory.mktemp("image")
    name = f"carrack-test-build:{os.getpid()}"
    programs, libraries = context / "rack/usr/local/bin", context / "rack/usr/local/lib"
    programs.mkdir(parents=True)
    libraries.mkdir()
    shutil.copy(HERE.parents[1] / "data/rack.Dockerfile", context / "Dockerfile")
    shutil.copy(CARRACKD, programs)
    for library in sanitizers_of(CARRACKD):
        shutil.copy(library, libraries)
    with (context / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("RUN ldconfig\n")
    docker("build", "-q", "-t", name, str(context))
    yield name
    docker("rmi", "-f", name)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A MiniStack with Docker, which it gets from DOCKER_HOST or the usual socket."""
    folder = tmp_path_factory.mktemp("builds")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
                   "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0"}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(HERE / "ministack_rack.py")], env=environment, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_health(url, process, log)
        yield url
        urllib.request.urlopen(urllib.request.Request(f"{url}/_ministack/reset", method="POST"), timeout=60).close()
    finally:
        process.terminate()
        process.wait(timeout=30)
        forget_images(url.removeprefix("http://") + "/prod/shop")


def resolved(value, image: str):
    """References of the template to what this test has instead of a stack."""
    known = {"AWS::StackName": "prod", "AWS::Region": REGION, "ApiImage": image, "Objects": BUCKET, "BuildLogs": LOGS,
             "BuildMemory": "1024"}
    if isinstance(value, list):
        return [resolved(member, image) for member in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return known[value["Ref"]]
    if "Fn::GetAtt" in value:
        return "arn:aws:iam::000000000000:role/build"
    if "Fn::Sub" in value:
        return f"000000000000.dkr.ecr.{REGION}.amazonaws.com" if ".dkr.ecr." in value["Fn::Sub"] else value["Fn::Sub"].replace(
            "${AWS::StackName}", "prod")
    return {name: resolved(member, image) for name, member in value.items()}


def stack_of_tasks(image: str) -> dict:
    """The rack's own definition of a build, and one of a program that does no job."""
    content, problems = cfnlint.decode.decode(str(HERE.parents[1] / "templates/rack.yaml"))
    assert not problems
    build = resolved(json.loads(json.dumps(content["Resources"]["BuildTask"]["Properties"])), image)
    idle = {**build, "Family": "idle-build", "ContainerDefinitions": [
        {**build["ContainerDefinitions"][0], "Command": ["carrackd", "--version"]}]}
    return {"Resources": {name: {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}
                          for name, properties in (("Build", build), ("Idle", idle))}}


@pytest.fixture(scope="module")
def rack(server, image, models, tmp_path_factory) -> dict[str, str]:
    """A rack's parts that builds need, as the environment that carrackd gets."""
    clients = {name: models.create_client(name, region_name=REGION, endpoint_url=server, **KEYS)
               for name in ("cloudformation", "ecs", "ecr", "s3", "logs")}
    clients["ecs"].create_cluster(clusterName="prod")
    clients["cloudformation"].create_stack(StackName="prod", TemplateBody=json.dumps(stack_of_tasks(image)))
    clients["ecr"].create_repository(repositoryName="prod/shop", imageTagMutability="IMMUTABLE")
    clients["s3"].create_bucket(Bucket=BUCKET)
    clients["logs"].create_log_group(logGroupName=LOGS)
    told = {name: "x" for name in OTHERS}
    told |= {"RACK": "prod", "DOMAIN": "apps.test", "CAPACITY": "fargate", "PUBLIC_ADDRESSES": "yes", "LOG_RETENTION": "7",
             "CLUSTER": "prod", "OBJECTS": BUCKET, "REGISTRY": server.removeprefix("http://"), "BUILD_TASK": "prod-build",
             "BUILD_PROVIDER": "prod-build", "BUILD_LOGS": LOGS}
    own = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home")), "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true", **{f"CARRACK_{name}": value for name, value in told.items()}, **own}


def sanitizer_reports(server, models) -> list[str]:
    logs = models.create_client("logs", region_name=REGION, endpoint_url=server, **KEYS)
    events = logs.filter_log_events(logGroupName=LOGS)["events"]
    return [event["message"] for event in events if any(
        word in event["message"] for word in ("Sanitizer", "runtime error", "    #"))]


@pytest.mark.parametrize("case", cases())
def test_a_build(rack, server, models, case):
    result = subprocess.run([BUILD_TEST, "-p", case], env=rack, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-6000:]}"
    assert "# SKIP" not in result.stdout
    assert not sanitizer_reports(server, models)
