"""Logs in CloudWatch: what every such part promises (aws-logs), and following (aws-logs-follow), also through a proxy that
counts what is asked and has some of it refused as too much."""
import collections
import contextlib
import http.client
import http.server
import json
import os
import subprocess
import threading

import pytest
from conftest import Client
from test_store import carrackd, resources  # noqa: F401 (fixtures)

LOGS = os.environ.get("AWS_LOGS", "aws-logs")
FOLLOW = os.environ.get("AWS_LOGS_FOLLOW", "aws-logs-follow")
SHARED = "/aws-logs-follow/one-poll-for-all-and-fewer-while-nothing-comes"


def run(client: Client, *arguments: str) -> None:
    result = subprocess.run(arguments, capture_output=True, text=True, env=client.environment, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands requests on and counts them by operation; refuses some as too many."""

    protocol_version = "HTTP/1.1"
    target = ("", 0)
    refuse_each = 0
    counts: collections.Counter[str] = collections.Counter()
    refused = 0
    lock = threading.Lock()

    def answer(self, status: int, content_type: str, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            self.counts[self.headers["X-Amz-Target"].split(".")[-1]] += 1
            is_refused = self.refuse_each and self.counts.total() % self.refuse_each == 0
            type(self).refused += bool(is_refused)
        if is_refused:
            self.answer(400, "application/x-amz-json-1.1", json.dumps(
                {"__type": "ThrottlingException", "message": "Rate exceeded"}).encode())
            return
        with contextlib.closing(http.client.HTTPConnection(*self.target, timeout=30)) as connection:
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self.answer(answer.status, answer.headers["Content-Type"], answer.read())

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(root, ministack):
    host, port = ministack.removeprefix("http://").split(":")
    Proxy.target, Proxy.refuse_each, Proxy.refused = (host, int(port)), 0, 0
    Proxy.counts.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root.with_variables(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_MAX_ATTEMPTS="8")
    server.shutdown()
    server.server_close()


def test_every_promise_of_logs(carrackd):  # noqa: F811
    run(carrackd, LOGS)


def test_every_promise_of_following(carrackd):  # noqa: F811
    run(carrackd, FOLLOW, "-s", SHARED)


def test_many_followers_ask_as_one(proxy):
    run(proxy, FOLLOW, "-p", SHARED)
    # 13 read history, one a last time, and one poll a second for all of them would be 10; less than that, since nothing comes.
    assert 13 + 1 + 3 <= Proxy.counts["FilterLogEvents"] <= 13 + 1 + 9, Proxy.counts


def test_refused_calls_are_made_again(proxy):
    Proxy.refuse_each = 3
    run(proxy, LOGS, "-p", "/aws-logs/more-than-an-answer-holds", "-p", "/aws-logs/every-member-of-a-query-counts")
    run(proxy, FOLLOW, "-p", "/aws-logs-follow/following-goes-on-after-the-tail")
    assert Proxy.refused > 5
