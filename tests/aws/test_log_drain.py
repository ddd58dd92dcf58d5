"""The function of the log drains: run by MiniStack's Lambda out of a stream, and in an empty folder as on Amazon's machines."""
import base64
import contextlib
import gzip
import http.server
import io
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import zipfile

import pytest
from conftest import REGION, free_port
from test_rack_stack import Account

LOG_DRAIN = os.environ.get("LOG_DRAIN", "log-drain")
CONTENT = {"messageType": "DATA_MESSAGE", "logGroup": "/carrack/prod/app/shop", "logStream": "service/web/0123",
           "logEvents": [{"id": "1", "timestamp": 1700000000123, "message": "hello ü"}]}
MESSAGE = "62 <14>1 2023-11-14T22:13:20.123Z prod shop web/0123 - - hello ü".encode()
PIECE = gzip.compress(json.dumps(CONTENT).encode())


class Syslog:
    """A receiver of syslog over TCP, with a certificate over TLS."""

    def __init__(self, certificate: pathlib.Path | None = None):
        self.got, self.changed = b"", threading.Condition()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self.server.accept()[0]
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                with connection:
                    while part := connection.recv(65536):
                        with self.changed:
                            self.got += part
                            self.changed.notify_all()

    def await_bytes(self, wanted: bytes) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: wanted in self.got, timeout=60), self.got


class Runtime:
    """Lambda's runtime interface for one event; answers come to `answers`."""

    def __init__(self, event: dict):
        runtime, body = self, json.dumps(event).encode()
        self.answers: list[tuple[str, dict]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(500 if runtime.answers else 200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "id-1")
                self.end_headers()
                self.wfile.write(b"" if runtime.answers else body)

            def do_POST(self):
                runtime.answers.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(202)
                self.end_headers()

            def log_message(self, format, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"


def event() -> dict:
    return {"Records": [{"kinesis": {"sequenceNumber": "7", "data": base64.b64encode(PIECE).decode()}}]}


def run(command: list[str], runtime: Runtime, drains: dict, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"AWS_LAMBDA_RUNTIME_API": runtime.address, "RACK": "prod", "DRAINS": json.dumps(drains), **variables}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> pathlib.Path:
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", f"{file}.crt"],
                   check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + pathlib.Path(f"{file}.crt").read_bytes())
    return file


def test_the_program_needs_no_library():
    with open(LOG_DRAIN, "rb") as file:
        content = file.read()
    assert content[:4] == b"\x7fELF"
    assert b"ld-linux" not in content[:4096]


def test_a_batch_goes_over_tls_to_who_is_known(certificate):
    syslog, runtime = Syslog(certificate), Runtime(event())
    result = run([LOG_DRAIN], runtime, {"shop": [f"syslog+tls://localhost:{syslog.port}"]}, SSL_CERT_FILE=str(certificate))
    syslog.await_bytes(MESSAGE)
    assert runtime.answers == [("/2018-06-01/runtime/invocation/id-1/response", {"batchItemFailures": []})], result.stderr


def test_a_batch_that_nobody_took_comes_again():
    runtime = Runtime(event())
    result = run([LOG_DRAIN], runtime, {"*": [f"syslog://127.0.0.1:{free_port()}"]})
    assert runtime.answers[0][1] == {"batchItemFailures": [{"itemIdentifier": "7"}]}
    assert b"lost app=* host=127.0.0.1 why=" in result.stderr


def test_an_app_without_a_drain_sends_nothing():
    runtime = Runtime(event())
    run([LOG_DRAIN], runtime, {"blog": [f"syslog://127.0.0.1:{free_port()}"]})
    assert runtime.answers[0][1] == {"batchItemFailures": []}


def test_a_wrong_setting_ends_the_program_and_shows_no_url():
    result = run([LOG_DRAIN], Runtime(event()), {"shop": ["ftp://secret@logs.test"]})
    assert result.returncode == 1
    assert b"DRAINS: a destination of shop" in result.stderr and b"secret" not in result.stderr


def answer_names(server: socket.socket) -> None:
    """Says 127.0.0.1 to every question for an IPv4 address."""
    with contextlib.suppress(OSError):
        while True:
            query, sender = server.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            is_address = struct.unpack(">H", query[end - 4:end - 2])[0] == 1
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_address else b""
            counts = struct.pack(">HHHH", 1, 1 if is_address else 0, 0, 0)
            server.sendto(query[:2] + b"\x81\x80" + counts + query[12:end] + answer, sender)


def test_names_are_looked_up_without_any_library(tmp_path):
    """In a root folder with the program alone: glibc's static getaddrinfo may not fall back on libraries that are not there."""
    shutil.copy(LOG_DRAIN, tmp_path / "bootstrap")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 127.0.0.9\noptions timeout:5 attempts:1\n")
    (tmp_path / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.9", 53))
        threading.Thread(target=answer_names, args=(names,), daemon=True).start()
        syslog, runtime = Syslog(), Runtime(event())
        result = run(["/usr/sbin/chroot", str(tmp_path), "/bootstrap"], runtime, {"*": [f"syslog://logs.example.test:{syslog.port}"]})
        syslog.await_bytes(MESSAGE)
    assert runtime.answers[0][1] == {"batchItemFailures": []}, result.stderr


def test_lambda_runs_it_on_what_a_stream_brings(models, ministack):
    """MiniStack hands CloudWatch's subscriptions to functions only, so the test puts the record in its place."""
    account, syslog = Account(models, ministack), Syslog()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, pathlib.Path(LOG_DRAIN).read_bytes())
    role = account.iam.create_role(RoleName="drain", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    account.kinesis.create_stream(StreamName="drain", ShardCount=1)
    stream = account.kinesis.describe_stream(StreamName="drain")["StreamDescription"]["StreamARN"]
    function = getattr(account, "lambda").create_function(
        FunctionName="drain", Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": archive.getvalue()}, Timeout=30,
        Environment={"Variables": {"RACK": "prod", "DRAINS": json.dumps({"shop": [f"syslog://127.0.0.1:{syslog.port}"]})}})
    assert f":{REGION}:" in function["FunctionArn"]
    mapping = getattr(account, "lambda").create_event_source_mapping(
        FunctionName="drain", EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"])
    try:
        account.kinesis.put_record(StreamName="drain", Data=PIECE, PartitionKey="1")
        syslog.await_bytes(MESSAGE)
    finally:
        getattr(account, "lambda").delete_event_source_mapping(UUID=mapping["UUID"])
        getattr(account, "lambda").delete_function(FunctionName="drain")
        account.kinesis.delete_stream(StreamName="drain")
        account.iam.delete_role(RoleName="drain")
