"""The store over DynamoDB when the table is busy: batches done in part, short pages of queries, and calls refused as too many."""
import collections
import contextlib
import http.client
import http.server
import json
import threading

from test_store import resources, run, table  # noqa: F401 (fixtures)

DELETES, READS, PAGE, REFUSE_EACH = 10, 30, 40, 41


def first_of(requests: dict, count: int, part) -> tuple[dict, dict]:
    """The first `count` of each table's requests, and the others; `part` takes some of them."""
    some = {name: part(value, slice(count)) for name, value in requests.items()}
    others = {name: part(value, slice(count, None)) for name, value in requests.items()}
    return some, {name: value for name, value in others.items() if (value["Keys"] if isinstance(value, dict) else value)}


def part_of_keys(value, chosen):
    return {**value, "Keys": value["Keys"][chosen]}


def part_of_writes(value, chosen):
    return value[chosen]


class Busy(http.server.BaseHTTPRequestHandler):
    """Hands requests on, parts of them only."""

    protocol_version = "HTTP/1.1"
    target = ("", 0)
    calls = 0
    seen: collections.Counter[str] = collections.Counter()
    lock = threading.Lock()

    def forward(self, asked: dict) -> tuple[int, dict]:
        body = json.dumps(asked).encode()
        headers = {**dict(self.headers), "Content-Length": str(len(body))}
        with contextlib.closing(http.client.HTTPConnection(*self.target, timeout=30)) as connection:
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def in_part(self, operation: str, asked: dict) -> tuple[int, dict]:
        left = {}
        member = ""
        if operation == "BatchWriteItem":
            member = "UnprocessedItems"
            asked["RequestItems"], left = first_of(asked["RequestItems"], DELETES, part_of_writes)
        elif operation == "BatchGetItem":
            member = "UnprocessedKeys"
            asked["RequestItems"], left = first_of(asked["RequestItems"], READS, part_of_keys)
        elif operation == "Query":
            asked["Limit"] = min(asked.get("Limit", PAGE), PAGE)
        status, answer = self.forward(asked)
        if member and status == 200:
            answer[member] = left
        self.seen[member] += bool(left)
        self.seen["pages"] += "LastEvaluatedKey" in answer
        return status, answer

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            type(self).calls += 1
            is_refused = self.calls % REFUSE_EACH == 0
        if is_refused:
            self.seen["refused"] += 1
            status, answer = 400, {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                                   "message": "The level of configured provisioned throughput for the table was exceeded."}
        else:
            status, answer = self.in_part(self.headers["X-Amz-Target"].split(".")[-1], asked)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def test_a_busy_table_loses_nothing(root, table, ministack):  # noqa: F811
    host, port = ministack.removeprefix("http://").split(":")
    Busy.target, Busy.calls = (host, int(port)), 0
    Busy.seen.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        run(root.with_variables(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_MAX_ATTEMPTS="8"), table,
            "-p", "/aws-store/more-than-a-page", "-p", "/aws-store/a-scope-goes-with-all-kinds",
            "-p", "/aws-store/lists-are-newest-first-by-creation", "-p", "/aws-store/each-write-is-one-version-more")
    finally:
        server.shutdown()
        server.server_close()
    assert all(Busy.seen[what] for what in ("refused", "UnprocessedItems", "UnprocessedKeys", "pages")), Busy.seen
