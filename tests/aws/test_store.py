"""Documents in DynamoDB and objects in S3: what every such part promises (aws-store, aws-objects)."""
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time

import pytest
import yaml
from conftest import Client

TEMPLATE = pathlib.Path(__file__).resolve().parents[2] / "templates/rack.yaml"
PROGRAM = os.environ.get("AWS_STORE", "aws-store")
OBJECTS = os.environ.get("AWS_OBJECTS", "aws-objects")


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which are read as their texts."""


Loader.add_multi_constructor("!", lambda _loader, _tag, node: str(node.value))


@pytest.fixture(scope="session")
def resources():
    return yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)["Resources"]  # noqa: S506


@pytest.fixture
def carrackd(root, resources):
    """A user who may do what carrackd's role may to tables, buckets and logs, and make the groups that an app's stack makes."""
    actions = ["logs:CreateLogGroup"]
    for policy in resources["ApiRole"]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            actions += [action for action in listed if action.startswith(("dynamodb:", "s3:", "logs:"))]
    name = f"carrackd-{time.monotonic_ns()}"
    root.call("iam", "CreateUser", UserName=name)
    root.call("iam", "PutUserPolicy", UserName=name, PolicyName="role", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
    key = root.call("iam", "CreateAccessKey", UserName=name)["AccessKey"]
    return root.with_keys(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def table(root, resources):
    """A table as the rack's template makes it."""
    wanted = resources["Documents"]["Properties"]
    name = f"documents-{time.monotonic_ns()}"
    root.call("dynamodb", "CreateTable", TableName=name, **{member: wanted[member] for member in (
        "BillingMode", "AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes")})
    return name


def run(client: Client, *arguments: str, program: str = PROGRAM) -> None:
    result = subprocess.run([program, *arguments], capture_output=True, text=True, env=client.environment, timeout=300,
                            check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


def test_every_promise_of_a_store(carrackd, table):
    run(carrackd, table, "-s", "/aws-store/a-lost-answer-is-no-failure")


class Lossy(http.server.BaseHTTPRequestHandler):
    """Hands requests on; the answer of each first write is lost on the way."""

    protocol_version = "HTTP/1.1"
    target = ("", 0)
    seen: set[bytes] = set()  # noqa: RUF012
    lost = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with contextlib.closing(http.client.HTTPConnection(*self.target, timeout=30)) as connection:
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            text = answer.read()
        is_write = self.headers["X-Amz-Target"].endswith((".PutItem", ".UpdateItem"))
        if is_write and body not in self.seen:
            self.seen.add(body)
            type(self).lost += 1
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_a_lost_answer_is_no_failure(root, table, ministack):
    host, port = ministack.removeprefix("http://").split(":")
    Lossy.target, Lossy.lost = (host, int(port)), 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lossy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        run(root.with_variables(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_MAX_ATTEMPTS="4"), table,
            "-p", "/aws-store/a-lost-answer-is-no-failure")
    finally:
        server.shutdown()
        server.server_close()
    assert Lossy.lost == 3


def test_every_promise_of_objects(carrackd, bucket):
    run(carrackd, bucket, program=OBJECTS)
