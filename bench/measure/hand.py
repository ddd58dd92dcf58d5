"""The same deploy made by hand, as quickly as the engine allows: what a rack is measured against.

Both ways start the new processes beside the old, ask each for its health at its own address, put them into a HAProxy of
their own over its runtime socket, and only then take the old ones out. Polls every 5 ms.
"""
import pathlib
import socket
import subprocess
import threading
import time
import urllib.parse

from .common import LABEL, Engine, Failure, Kit

PORT = 3000
POLL = 0.005
SLOTS = 12
CONFIG = """global
	master-worker
	stats socket {socket} mode 600 level admin
	maxconn 1000
	log stdout format raw daemon err
defaults
	mode http
	option redispatch 1
	retries 3
	timeout connect 500ms
	timeout client 60s
	timeout server 60s
	timeout http-keep-alive 60s
frontend door
	bind 127.0.0.1:{port}
	default_backend hand
backend hand
	balance roundrobin
	option httpchk GET /health
	default-server check inter 250ms fastinter 100ms downinter 250ms rise 1 fall 2
	server-template s 1-{slots} 127.0.0.1:1 disabled
"""


class Proxy:
    """A HAProxy from the rack's image, in a container of its own, with slots."""

    def __init__(self, kit: Kit, name: str, port: int) -> None:
        self.engine, self.port = kit.engine, port
        folder = kit.folder / name
        folder.mkdir()
        self.socket = str(folder / "socket")
        (folder / "haproxy.cfg").write_text(CONFIG.format(socket=self.socket, port=port, slots=SLOTS))
        router = kit.engine.get(f"/containers/{kit.rack.name}-router/json")["Image"]
        made = kit.engine.post(f"/containers/create?name={LABEL}-{name}", {
            "Image": router, "Entrypoint": ["haproxy", "-f", str(folder / "haproxy.cfg")], "Cmd": [],
            "Labels": {LABEL: "1"}, "User": "0:0",
            "HostConfig": {"NetworkMode": "host", "Binds": [f"{folder}:{folder}"]}})
        kit.engine.post(f"/containers/{made['Id']}/start")
        self.slots: list[str | None] = [None] * SLOTS
        deadline = time.monotonic() + 10
        while not pathlib.Path(self.socket).exists():
            if time.monotonic() > deadline:
                raise Failure("the HAProxy for the deploys by hand does not start")
            time.sleep(0.02)

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(2)
            one.connect(self.socket)
            one.sendall(command.encode() + b"\n")
            one.shutdown(socket.SHUT_WR)
            parts = []
            while part := one.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()

    def switch(self, addresses: list[str]) -> None:
        """In with the new, all of them; out with the old."""
        old = [index for index, who in enumerate(self.slots) if who]
        free = [index for index, who in enumerate(self.slots) if not who]
        for index, address in zip(free, addresses, strict=False):
            self.slots[index] = address
            self.ask(f"set server hand/s{index + 1} addr {address} port {PORT}")
            self.ask(f"set server hand/s{index + 1} state ready")
        rows = {row.split()[3]: row.split()[5] for row in self.ask("show servers state hand").splitlines()[2:]
                if row.strip()}
        if any(rows[f"s{index + 1}"] != "2" for index in free[:len(addresses)]):
            raise Failure("a slot that was made ready is not up")
        for index in old:
            self.ask(f"set server hand/s{index + 1} state drain")

    def retire(self, kept: list[str]) -> None:
        for index, who in enumerate(self.slots):
            if who and who not in kept:
                self.ask(f"set server hand/s{index + 1} state maint")
                self.slots[index] = None


def wait_healthy(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, PORT), timeout=1) as one:
                one.sendall(b"GET /health HTTP/1.1\r\nHost: hand\r\nConnection: close\r\n\r\n")
                if one.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(POLL)
    raise Failure(f"{address} does not get healthy")


class HandSwarm:
    """A new Swarm service per release, on the network and with the very task of the rack's own deployment."""

    name = "by hand, Swarm"

    def __init__(self, kit: Kit, app: str, port: int) -> None:
        self.kit, self.engine, self.app = kit, kit.engine, app
        self.proxy = Proxy(kit, "swarm", port)
        self.service: str | None = None
        self.addresses: list[str] = []

    def spec(self, version: str) -> dict:
        ours = [one for one in self.engine.get("/services", label=[f"carrack.app={self.app}"])][0]["Spec"]
        template = ours["TaskTemplate"]
        container = template["ContainerSpec"]
        container["Labels"] = {LABEL: "1"}
        container["Env"] = [one for one in container["Env"] if not one.startswith("BENCH_VERSION=")]
        container["Env"].append(f"BENCH_VERSION={version}")
        container["Image"] = self.engine.get(f"/images/{urllib.parse.quote(container['Image'])}/json")["Id"]
        for network in template["Networks"]:
            network["Aliases"] = ["hand"]
        return {"Name": f"{LABEL}-{version}", "Labels": {LABEL: "1"}, "TaskTemplate": template,
                "Mode": {"Replicated": {"Replicas": 2}}, "EndpointSpec": {"Mode": "dnsrr"}}

    def address(self, container: str) -> str | None:
        sandbox = self.engine.get(f"/containers/{container}/json")["NetworkSettings"]["SandboxID"]
        bridge = self.engine.get("/networks/docker_gwbridge")["Containers"]
        for one in bridge.values():
            if one["Name"] == "gateway_" + sandbox[:12]:
                return one["IPv4Address"].split("/")[0]
        return None

    def start(self, spec: dict) -> tuple[str, list[str]]:
        service = self.engine.post("/services/create", spec)["ID"]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            tasks = self.engine.get("/tasks", service=[service])
            running = [task for task in tasks if task["Status"]["State"] == "running"]
            if len(running) == 2:
                break
            time.sleep(POLL)
        addresses = [self.address(task["Status"]["ContainerStatus"]["ContainerID"]) for task in running]
        if len(addresses) != 2 or not all(addresses):
            raise Failure("by hand, Swarm: two tasks with an address did not come")
        return service, addresses

    def deploy(self, version: str, prepared: dict) -> dict:
        begun = time.monotonic()
        service, addresses = self.start(prepared)
        running = time.monotonic()
        for address in addresses:
            wait_healthy(address)
        healthy = time.monotonic()
        self.proxy.switch(addresses)
        switched = time.monotonic()
        old, self.service, self.addresses = self.service, service, addresses
        if old:
            self.proxy.retire(addresses)
            self.engine.delete(f"/services/{old}")
        return {"begun": begun, "running": running - begun, "healthy": healthy - begun, "switched": switched - begun}

    def prepare(self, version: str) -> dict:
        return self.spec(version)

    def settle(self) -> dict:
        self.kit.wait_containers(f"{LABEL}-v", 2)
        return {"engine": self.kit.engine_seconds(self.engine.get(f"/services/{self.service}"))}


class HandPlain:
    """Plain containers on the default bridge: no scheduler at all, the floor."""

    name = "by hand, plain"

    def __init__(self, kit: Kit, app: str, port: int) -> None:
        self.kit, self.engine, self.app = kit, kit.engine, app
        self.proxy = Proxy(kit, "plain", port)
        self.containers: list[str] = []

    def prepare(self, version: str) -> dict:
        spec = HandSwarm.spec(self, version)["TaskTemplate"]["ContainerSpec"]
        return {"Image": spec["Image"], "Env": spec["Env"], "Labels": {LABEL: "1"}, "HostConfig": {"Init": False}}

    def start_one(self, name: str, body: dict, found: list) -> None:
        engine = Engine()
        container = engine.post(f"/containers/create?name={name}", body)["Id"]
        engine.post(f"/containers/{container}/start")
        networks = engine.get(f"/containers/{container}/json")["NetworkSettings"]["Networks"]
        address = networks["bridge"]["IPAddress"]
        wait_healthy(address)
        found.append((container, address))

    def deploy(self, version: str, prepared: dict) -> dict:
        begun = time.monotonic()
        found: list = []
        threads = [threading.Thread(target=self.start_one, args=(f"{LABEL}-plain-{version}-{i}", prepared, found))
                   for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(found) != 2:
            raise Failure("by hand, plain: two containers did not come")
        healthy = time.monotonic()
        addresses = [address for _, address in found]
        self.proxy.switch(addresses)
        switched = time.monotonic()
        old, self.containers = self.containers, [container for container, _ in found]
        self.proxy.retire(addresses)
        for container in old:
            subprocess.Popen(["docker", "rm", "-f", container], stdout=subprocess.DEVNULL).wait()
        return {"begun": begun, "healthy": healthy - begun, "switched": switched - begun}

    def settle(self) -> dict:
        self.kit.wait_containers(f"{LABEL}-plain-", 2)
        return {}
