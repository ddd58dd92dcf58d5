"""A server that keeps requests as they come over the wire and answers what it is told."""
import contextlib
import dataclasses
import http.server
import threading
from collections.abc import Callable, Iterator


@dataclasses.dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return ",".join(value for key, value in self.headers if key.lower() == name.lower())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Request], bytes]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        # The target as it came: the path that the base class makes of it lacks doubled slashes.
        target = self.requestline.split(" ")[1]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, target, list(self.headers.items()), body)
        self.server.requests.append(request)
        answer = self.server.answer(request)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def log_message(self, *arguments) -> None:
        pass


@contextlib.contextmanager
def serve(answer: Callable[[Request], bytes]) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
