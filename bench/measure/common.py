"""What all measurements share: the rack's API and CLI, the engine's API, the load generator, and numbers.

Everything talks to this machine only: to the rack's and the engine's sockets and to ports of 127.0.0.1.
"""
import base64
import calendar
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

BENCH = pathlib.Path(__file__).resolve().parent.parent
LABEL = "carrack-bench"


class Failure(Exception):
    """A measurement that could not be made, with what a person needs to know."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Service:
    """HTTP with JSON answers over a unix socket, on one connection as long as it lasts."""

    def __init__(self, path: str, headers: dict[str, str], timeout: float = 90) -> None:
        self.path, self.headers, self.timeout = path, headers, timeout
        self.connection = UnixConnection(path, timeout)

    def call(self, method: str, target: str, body: bytes | None = None, kind: str = "", good: tuple = ()):
        headers = dict(self.headers, **({"Content-Type": kind} if kind else {}))
        for is_last in (False, True):
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException):
                # Only what cannot have had an effect is said twice.
                self.connection.close()
                self.connection = UnixConnection(self.path, self.timeout)
                if is_last or method != "GET":
                    raise
        if answer.status >= 400 and answer.status not in good:
            raise Failure(f"{method} {target}: {answer.status} {data[:300].decode(errors='replace').strip()}")
        try:
            return json.loads(data)
        except ValueError:
            return data.decode(errors="replace")


class Engine(Service):
    def __init__(self, path: str = "/var/run/docker.sock") -> None:
        super().__init__(path, {})

    def get(self, target: str, **filters):
        if filters:
            target += "?filters=" + urllib.parse.quote(json.dumps(filters))
        return self.call("GET", "/v1.41" + target)

    def post(self, target: str, value=None, good: tuple = (304,)):
        body = None if value is None else json.dumps(value).encode()
        return self.call("POST", "/v1.41" + target, body, "application/json", good)

    def delete(self, target: str) -> None:
        self.call("DELETE", "/v1.41" + target, good=(404, 409))


class Rack(Service):
    """The current rack of the `carrack` command."""

    def __init__(self) -> None:
        folder = os.environ.get("CARRACK_CONFIG") or os.path.expanduser("~/.config/carrack")
        try:
            config = json.loads((pathlib.Path(folder) / "config.json").read_text())
            entry = config["racks"][config["current"]]
        except (OSError, ValueError, KeyError) as problem:
            raise Failure(f"no rack on this machine ({problem}): run ./up first") from problem
        if not entry.get("socket"):
            raise Failure("the current rack is not on this machine: its socket is needed")
        url = urllib.parse.urlsplit(entry["url"])
        token = base64.b64encode(f"{url.username}:{urllib.parse.unquote(url.password or '')}".encode()).decode()
        super().__init__(entry["socket"], {"Authorization": "Basic " + token})
        self.system = self.get("/system")
        self.name = self.system["name"]
        self.port = int(self.system["http-port"])

    def get(self, target: str):
        return self.call("GET", target)

    def form(self, method: str, target: str, **fields):
        body = urllib.parse.urlencode(fields).encode()
        return self.call(method, target, body, "application/x-www-form-urlencoded")

    def host(self, app: str) -> str:
        return self.get(f"/apps/{app}/services")[0]["domain"]

    def release(self, app: str, **env: str) -> str:
        text = "\n".join(f"{name}={value}" for name, value in env.items())
        return self.form("POST", f"/apps/{app}/releases", env=text)["id"]

    def promote(self, app: str, release: str) -> None:
        self.form("POST", f"/apps/{app}/releases/{release}/promote")

    def timeline(self, app: str, release: str, seconds: float = 120) -> dict:
        """The timeline when it has ended."""
        deadline, version = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            now = self.get(f"/apps/{app}/releases/{release}/timeline?after={version}&wait=5s")
            if now["state"] in ("succeeded", "failed"):
                return now
            version = now["version"]
        raise Failure(f"{app}: {release} did not end in {seconds:.0f} s")

    def succeeded(self, app: str, release: str) -> dict:
        timeline = self.timeline(app, release)
        if timeline["state"] != "succeeded":
            raise Failure(f"{app}: {release} failed: {timeline['cause']}")
        return timeline


def cli(*words: str, folder: str | None = None) -> str:
    """A verb of the CLI as a process; its stdout."""
    done = subprocess.run(["carrack", *words], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Failure(f"carrack {' '.join(words)}: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout


class Kit:
    """A temporary folder with the load generator and the app, and all that has to go at the end."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="carrack-bench-"))
        self.load_program = self.folder / "load"
        self.source = self.folder / "app"
        self.source.mkdir()
        flags = ["cc", "-O2", "-D_GNU_SOURCE", "-pthread"]
        subprocess.run([*flags, "-o", self.load_program, *sorted(BENCH.glob("load*.c"))], check=True)
        subprocess.run([*flags, "-static", "-s", "-o", self.source / "app", BENCH / "app" / "app.c"], check=True)
        for name in ("Dockerfile", "convox.yml"):
            (self.source / name).write_bytes((BENCH / "app" / name).read_bytes())
        self.engine = Engine()
        self.rack = Rack()
        self.apps: list[str] = []
        self.children: list[subprocess.Popen] = []

    def app(self, name: str, stability: int | None, deploy: bool = True) -> None:
        """A fresh app of that name, deployed from bench/app."""
        self.drop_app(name)
        self.apps.append(name)
        cli("apps", "create", name)
        if stability is not None:
            cli("apps", "params", "set", f"StabilitySeconds={stability}", "-a", name)
        if deploy:
            cli("deploy", str(self.source), "-a", name)

    def drop_app(self, name: str) -> None:
        known = [app["name"] for app in self.rack.get("/apps")]
        if name in known:
            cli("apps", "delete", name, "--yes")
        if name in self.apps:
            self.apps.remove(name)

    def load(self, port: int, host: str, *words: str) -> subprocess.Popen:
        argv = [self.load_program, "--port", str(port), "--host", host, *words]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        return child

    def summary(self, child: subprocess.Popen, seconds: float = 60) -> dict:
        output, _ = child.communicate(timeout=seconds)
        self.children.remove(child)
        return json.loads(output)

    def containers(self, prefix: str) -> list[dict]:
        """The running ones whose name begins so."""
        return [one for one in self.engine.get("/containers/json")
                if any(name.startswith("/" + prefix) for name in one["Names"])]

    def wait_containers(self, prefix: str, count: int, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while len(self.containers(prefix)) != count:
            if time.monotonic() > deadline:
                raise Failure(f"{prefix}: not {count} containers after {seconds:.0f} s")
            time.sleep(0.1)

    def engine_seconds(self, service: dict) -> float:
        """By the engine's own clock: from the creation of a Swarm service until the last of its tasks runs."""
        tasks = self.engine.get("/tasks", service=[service["ID"]])
        ready = max(seconds_of(task["Status"]["Timestamp"]) for task in tasks)
        return ready - seconds_of(service["CreatedAt"])

    def carrackd(self) -> int:
        """The pid of carrackd on this machine."""
        for container in self.containers(f"{self.rack.name}-api"):
            top = self.engine.get(f"/containers/{container['Id']}/json")["State"]["Pid"]
            for pid in (top, *children_of(top)):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "carrackd":
                    return pid
        raise Failure("no container with carrackd")

    def close(self) -> None:
        for child in self.children:
            child.send_signal(signal.SIGKILL)
            child.wait()
        # First what is on the apps' networks.
        clean_engine()
        problems = []
        for name in list(self.apps):
            try:
                self.drop_app(name)
            except (Failure, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as problem:
                problems.append(f"app {name}: {problem}")
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)
        for problem in problems:
            print(f"not cleaned up: {problem}")


def clean_engine() -> None:
    """Services and containers that the by-hand deploys have left."""
    engine = Engine()
    label = [f"{LABEL}=1"]
    for service in engine.get("/services", label=label):
        engine.delete(f"/services/{service['ID']}")
    for container in engine.call("GET", "/v1.41/containers/json?all=1&filters="
                                 + urllib.parse.quote(json.dumps({"label": label}))):
        engine.delete(f"/containers/{container['Id']}?force=1")


def children_of(pid: int) -> list[int]:
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{field}:\s+(\d+) kB", text, re.M)
    return int(match.group(1)) / 1024 if match else 0.0


def seconds_of(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time in UTC."""
    whole, _, rest = text.rstrip("Z").partition(".")
    base = time.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(base) + (float("0." + rest) if rest else 0.0)


def spread(values: list[float], unit: str = "s") -> str:
    """Median and range."""
    digits = 3 if unit == "s" else 1
    return (f"{statistics.median(values):.{digits}f} {unit}  "
            f"({min(values):.{digits}f} to {max(values):.{digits}f}, n={len(values)})")


def machine() -> dict:
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "cpu": cpu.group(1) if cpu else "?", "cores": os.cpu_count(), "kernel": os.uname().release,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(value, 2) for value in os.getloadavg()],
        "engine": Engine().get("/version")["Version"],
    }
