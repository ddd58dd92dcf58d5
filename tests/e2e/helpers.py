"""What the end-to-end tests act with: a rack of their own, the command line, apps, requests and load.

Requests go over sockets and are never repeated: what fails once has failed.
"""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = pathlib.Path(__file__).with_name("server.pl")
DOCKERFILE = 'FROM debian:bookworm-slim\nCOPY app.pl /app.pl\nCMD ["perl", "/app.pl"]\n'
MANIFEST = "services:\n  web:\n    build: .\n    port: 3000\n    health: /health\n    environment: ['*']\n"
REPORTS = re.compile(r"(AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|GLib-CRITICAL)")


def wait_for(condition, seconds=30, what="it", pause=0.1):
    """The first true value of the condition; an AssertionError when there was none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(pause)


def docker(*arguments, check=True):
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert not check or result.returncode == 0, f"docker {arguments}: {result.stderr}"
    return result.stdout.strip()


class Result:
    """How a command ended."""

    def __init__(self, arguments, completed, seconds):
        self.arguments = arguments
        self.code = completed.returncode
        self.bytes = completed.stdout
        self.out = completed.stdout.decode("utf-8", "replace")
        self.err = completed.stderr.decode("utf-8", "replace")
        self.seconds = seconds

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"carrack {' '.join(self.arguments)[:300]}: exit {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        self.text = self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.status} {self.text[:200]!r}"


class Rack:
    """The rack of the tests and everything by which it is reached."""

    kind = "swarm"
    domain = "localhost"

    def __init__(self, folder):
        first = int(os.environ.get("CARRACK_E2E_PORT", "18080"))
        self.name = os.environ.get("CARRACK_E2E_RACK", "e2e")
        self.folder = folder
        self.config = folder / "config"
        self.binary = os.environ.get("CARRACK_BINARY", str(ROOT / "build-check/src/cli/carrack"))
        self.http, self.https, self.api, self.registry = first, first + 1, first + 2, first + 3
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "CARRACK_CONFIG": str(self.config), "CARRACK_RACK": self.name,
            "CARRACK_HTTP_PORT": str(self.http), "CARRACK_HTTPS_PORT": str(self.https), "CARRACK_API_PORT": str(self.api),
            "CARRACK_REGISTRY_PORT": str(self.registry), "LC_ALL": "C.UTF-8",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""), "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", ""),
        }
        self.password = ""

    def read_password(self):
        config = json.loads((self.config / "config.json").read_text(encoding="utf-8"))
        return config["racks"][self.name]["url"].split(":")[2].split("@")[0]

    def start(self, *arguments, cwd=None, environment=None, **options):
        """A command that goes on by itself, as a Popen."""
        return subprocess.Popen([self.binary, *arguments], cwd=cwd or self.folder, env={**self.environment, **(environment or {})},
                                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})

    def run(self, *arguments, code=0, cwd=None, environment=None, stdin=None, timeout=120):
        """Runs the command line; its exit status must be `code` (None: any but that of a crash)."""
        began = time.monotonic()
        completed = subprocess.run(
            [self.binary, *arguments], cwd=cwd or self.folder, env={**self.environment, **(environment or {})},
            capture_output=True, timeout=timeout, check=False,
            **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
        result = Result(arguments, completed, time.monotonic() - began)
        assert not REPORTS.search(result.err), str(result)
        if code is not None:
            assert result.code == code, str(result)
        return result

    def fail(self, *arguments, **options):
        """Runs what must fail; the error is on stderr alone."""
        result = self.run(*arguments, code=None, **options)
        assert result.code in (1, 2), str(result)
        assert "ERROR: " in result.err or f"carrack {arguments[0]}: " in result.err, str(result)
        return result

    def call(self, method, path, body=None, headers=None, password=None):
        """A request to the API through the router."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=60)
        token = f"convox:{self.password if password is None else password}"
        headers = {"Authorization": "Basic " + base64.b64encode(token.encode()).decode(), **(headers or {})}
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers)
            return Answer(connection.getresponse())

    def request(self, host, path="/", method="GET", headers=None, body=None, tls=False, timeout=30):
        """A request to an app by its host name."""
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            raw = socket.create_connection(("127.0.0.1", self.https), timeout=timeout)
            connection = http.client.HTTPConnection("127.0.0.1", self.https, timeout=timeout)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers={"Host": host, **(headers or {})})
            return Answer(connection.getresponse())

    def raw(self, text, timeout=30):
        """Bytes in, bytes out, until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=timeout) as connection:
            connection.sendall(text)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received

    def containers_of(self, app, *arguments):
        """Ids of an app's containers, newest first; `arguments` go to `docker ps`."""
        return docker("ps", "-q", "--no-trunc", "--filter", f"label=carrack.rack={self.name}", "--filter", f"label=carrack.app={app}",
                      *arguments).split()

    def address(self, host):
        """What the rack calls the address of a host."""
        return f"http://{host}:{self.http}"

    def daemon_filter(self):
        """What tells containers of carrackd from others, for `docker ps`."""
        return "--filter", f"label=carrack.rack={self.name}", "--filter", "label=carrack.part=api"

    def daemon(self):
        """Container of the running carrackd, its process on this machine."""
        def running():
            container = docker("ps", "-q", *self.daemon_filter())
            return container.split("\n")[0] or None

        container = wait_for(running, 60, "carrackd")
        return container, int(docker("inspect", "-f", "{{.State.Pid}}", container))

    def answers(self):
        """True when the API answers through the router."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("GET", "/system").status == 200
        return False


class App:
    """An app of the rack."""

    def __init__(self, rack, name, folder):
        self.rack = rack
        self.name = name
        self.folder = folder
        self.folder.mkdir()
        self.host = f"{name}-web.{rack.domain}"

    def run(self, *arguments, **options):
        return self.rack.run(*arguments, "-a", self.name, **options)

    def fail(self, *arguments, **options):
        return self.rack.fail(*arguments, "-a", self.name, **options)

    def start(self, *arguments, **options):
        return self.rack.start(*arguments, "-a", self.name, **options)

    def write(self, manifest=MANIFEST, dockerfile=DOCKERFILE, **files):
        """The project's folder; manifest None: only a Dockerfile."""
        shutil.copy(SERVER, self.folder / "app.pl")
        (self.folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        if manifest is None:
            (self.folder / "convox.yml").unlink(missing_ok=True)
        else:
            (self.folder / "convox.yml").write_text(manifest, encoding="utf-8")
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        return self

    def deploy(self, *arguments, code=0, **environment):
        """Deploys the folder, after setting variables."""
        if environment:
            self.env(**environment)
        return self.run("deploy", str(self.folder), *arguments, code=code)

    def env(self, *arguments, code=0, **environment):
        return self.run("env", "set", *[f"{name}={value}" for name, value in environment.items()], *arguments, code=code)

    def promote(self, *arguments, code=0, **environment):
        """Sets variables and promotes."""
        return self.env("--promote", *arguments, code=code, **environment)

    def refused(self, **environment):
        """The promote of this environment fails; its result."""
        result = self.env("--promote", code=1, **environment)
        assert "ERROR" in result.err, str(result)
        return result

    def get(self, path="/", **options):
        return self.rack.request(self.host, path, **options)

    def version(self):
        answer = self.get("/")
        return answer.text.strip() if answer.status == 200 else str(answer.status)

    def info(self):
        return self.run("apps", "info", "--json").json()

    def releases(self):
        return self.run("releases", "--json").json()

    def release(self):
        return self.info()["release"]

    def processes(self, service="web"):
        return [p["id"] for p in self.run("ps", "--json").json() if p["service"] == service and p["status"] == "running"]

    def containers(self, *arguments):
        return self.rack.containers_of(self.name, *arguments)

    def logs(self, *arguments):
        return self.run("logs", "--no-follow", *arguments).out

    def delete(self):
        self.rack.run("apps", "delete", self.name, "--yes")


class Load:
    """Clients that ask for / again and again, each over its own sockets, until the block ends.

    With `keep`, connections are kept for the next request unless the answer ends them."""

    def __init__(self, app, clients=4, keep=False, pause=0.01, path="/"):
        self.address = ("127.0.0.1", app.rack.http)
        self.keep = keep
        self.pause = pause
        line = "keep-alive" if keep else "close"
        self.text = f"GET {path} HTTP/1.1\r\nHost: {app.host}\r\nConnection: {line}\r\n\r\n".encode()
        self.answers = []  # (status, body)
        self.errors = []
        self.failed_at = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)

    def ask(self):
        connection = None
        while not self.stop.is_set():
            try:
                if connection is None:
                    connection = socket.create_connection(self.address, timeout=10)
                    reader = connection.makefile("rb")
                connection.sendall(self.text)
                ends = self.read(reader)
            except OSError as error:
                self.errors.append(repr(error))
                self.failed_at.append(time.monotonic())
                ends = True
            if ends or not self.keep:
                connection.close()
                connection = None
            time.sleep(self.pause)

    def read(self, reader):
        line = reader.readline()
        if not line:
            raise OSError("closed without an answer")
        length, ends = 0, False
        while (header := reader.readline().strip().lower()) != b"":
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
            ends = ends or header == b"connection: close"
        body = reader.read(length)
        if len(body) != length:
            raise OSError("cut off in the body")
        status = int(line.split()[1])
        self.answers.append((status, body.decode().strip()))
        if status != 200:
            self.failed_at.append(time.monotonic())
        return ends

    def failures(self):
        return self.errors + [answer for answer in self.answers if answer[0] != 200]

    def outage(self):
        """Seconds from the first failure to the last."""
        return max(self.failed_at) - min(self.failed_at) if self.failed_at else 0

    def versions(self):
        return {body for status, body in self.answers if status == 200}


class DaemonLogs:
    """Keeps what every carrackd of the rack writes, also of those that are gone."""

    def __init__(self, rack, folder):
        self.rack = rack
        self.folder = folder
        self.folder.mkdir()
        self.followers = {}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.stop.wait(0.5):
            self.look()

    def look(self):
        for container in docker("ps", "-aq", *self.rack.daemon_filter()).split():
            if container not in self.followers:
                with open(self.folder / container, "wb") as file:
                    self.followers[container] = subprocess.Popen(
                        ["docker", "logs", "-f", container], stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def text(self):
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in sorted(self.folder.iterdir()))

    def end(self):
        """All of it, when the last carrackd has ended."""
        self.stop.set()
        self.thread.join(10)
        for follower in self.followers.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                follower.wait(5)
            follower.kill()
            follower.wait()
        return self.text()
