"""MiniStack for the whole session, with signatures checked, and the program aws-call to speak to it."""
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import botocore.session
import pytest

HERE = pathlib.Path(__file__).resolve().parent
AWS_CALL = os.environ.get("AWS_CALL", "aws-call")
ROOT_KEYS = ("AKIDROOTEXAMPLE00000", "root/secret+key=")
REGION = "eu-west-1"
START_SECONDS = 60


@dataclasses.dataclass
class Client:
    """aws-call with an environment of its own."""

    environment: dict[str, str]

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([AWS_CALL, *arguments], input=stdin, capture_output=True, env=self.environment,
                              timeout=120, check=False)

    def bytes(self, *arguments: str, stdin: bytes = b"") -> bytes:
        result = self.run(*arguments, stdin=stdin)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout

    def json(self, *arguments: str, stdin: bytes = b""):
        return json.loads(self.bytes(*arguments, stdin=stdin))

    def call(self, service: str, operation: str, **values):
        return self.json("call", service, operation, json.dumps(values))

    def error(self, *arguments: str) -> tuple[str, str]:
        """The text and AWS's code of a call that must fail."""
        result = self.run(*arguments)
        assert result.returncode == 1, result.stdout.decode()
        text, code, _status = result.stderr.decode().splitlines()
        return text, code

    def with_variables(self, **variables: str) -> "Client":
        return Client({**self.environment, **variables})

    def with_keys(self, access_key: str, secret_key: str, token: str = "") -> "Client":
        return self.with_variables(AWS_ACCESS_KEY_ID=access_key, AWS_SECRET_ACCESS_KEY=secret_key,
                                   AWS_SESSION_TOKEN=token)


def client_at(url: str, home: pathlib.Path) -> Client:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "AWS_REGION": REGION, "AWS_ENDPOINT_URL": url,
                   "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "2"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return Client(environment).with_keys(*ROOT_KEYS)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def wait_for_health(url: str, process: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"MiniStack is not up after {START_SECONDS} s: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def ministack(tmp_path_factory):
    """The address of a MiniStack that checks signatures and policies. Without Docker: nothing here runs a task."""
    folder = tmp_path_factory.mktemp("ministack")
    log = folder / "log"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
        "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "AUTH": "true", "AWS_ACCESS_KEY_ID": ROOT_KEYS[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEYS[1],
    }
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(HERE / "ministack_rack.py")], env=environment, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_health(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def root(ministack, tmp_path) -> Client:
    """The account's root, whose signature MiniStack does not check."""
    return client_at(ministack, tmp_path)


@pytest.fixture
def user(root):
    """A user who may do everything and whose signatures are checked."""
    name = f"user-{time.monotonic_ns()}"
    root.call("iam", "CreateUser", UserName=name)
    root.call("iam", "PutUserPolicy", UserName=name, PolicyName="all", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    key = root.call("iam", "CreateAccessKey", UserName=name)["AccessKey"]
    return root.with_keys(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def bucket(user):
    name = f"bucket-{time.monotonic_ns()}"
    user.bytes("rest", json.dumps({"service": "s3", "method": "PUT", "bucket": name, "path": "/", "headers": [
        "Content-Type: application/xml"]}), stdin=(
        b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"))
    return name


@pytest.fixture(scope="session")
def models():
    """botocore's models of all services."""
    return botocore.session.Session()
