"""The same rack on AWS, which MiniStack plays: what it has no counterpart for is in differences.py.

MiniStack listens on loopback. A HAProxy in front of it is what AWS's balancer is to the world: names, ports and TLS; and what its
endpoints are to containers. Requests to apps go through MiniStack's own balancer; those to the rack's API straight to carrackd,
since that balancer refuses WebSockets.
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

from helpers import ROOT, Rack, docker, wait_for

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
IMAGE_PARAMETER = "/carrack-test/image"
FRONT = """
global
  stats socket {folder}/front.sock level admin
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend web
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {folder}/front.pem
  use_backend api if {{ hdr(host),field(1,:) -i rack.{domain} }}
  default_backend balancer
backend balancer
  http-request set-header Host %[req.hdr(host),field(1,:)]:443
  http-request set-path /_alb/{name}%[path]
  server emulator 127.0.0.1:{port}
backend api
  server carrackd 127.0.0.1:1 disabled
listen containers
  mode tcp
  bind {gateway}:{port}
  server emulator 127.0.0.1:{port}
"""


class Emulator:
    """MiniStack with its ECS on this machine's Docker."""

    def __init__(self, folder: pathlib.Path, port: int, cluster: str):
        self.folder, self.port = folder, port
        # Another MiniStack may run beside this one.
        self.containers = ("--filter", f"label=com.amazonaws.ecs.cluster=arn:aws:ecs:{REGION}:000000000000:cluster/{cluster}")
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "emulator.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        python = subprocess.run([str(ROOT / "tests/aws/setup")], capture_output=True, text=True, check=True).stdout.strip()
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GATEWAY_PORT": str(self.port), "BIND_HOST": "127.0.0.1",
                       "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "MINISTACK_REGION": REGION}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen([python, str(ROOT / "tests/aws/ministack_rack.py")], env=environment, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        wait_for(self.is_up, 60, "MiniStack")

    def is_up(self) -> bool:
        assert self.process and self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5):
            return True
        return False

    def call(self, service: str, target: str, **values):
        """An operation of a JSON service; MiniStack asks for no signature."""
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", "Authorization":
                   f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"}
        request = urllib.request.Request(self.url, json.dumps(values).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def stop(self) -> None:
        if not self.process:
            return
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(urllib.request.Request(f"{self.url}/_ministack/reset", method="POST"), timeout=120).close()
        self.process.terminate()
        self.process.wait(timeout=60)
        for container in docker("ps", "-aq", *self.containers).split():
            docker("rm", "-f", container, check=False)


class Front:
    """HAProxy before MiniStack; carrackd's address is learned as its container comes and goes."""

    def __init__(self, rack: "AwsRack"):
        self.rack = rack
        self.folder = rack.folder
        self.socket = self.folder / "front.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_event = threading.Event()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.address = ""

    def start(self) -> None:
        key, certificate = self.folder / "front.key", self.folder / "front.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", f"/CN={self.rack.domain}",
                        "-addext", f"subjectAltName=DNS:*.{self.rack.domain}", "-keyout", str(key), "-out", str(certificate)],
                       capture_output=True, check=True)
        (self.folder / "front.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        gateway = docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
        (self.folder / "front.cfg").write_text(FRONT.format(
            folder=self.folder, http=self.rack.http, https=self.rack.https, domain=self.rack.domain, name=self.rack.name,
            port=self.rack.emulator.port, gateway=gateway), encoding="utf-8")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(self.folder / "front.cfg")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.socket.exists, 10, "HAProxy in front of MiniStack")
        self.thread.start()

    def command(self, text: str) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(text.encode() + b"\n")
            connection.recv(4096)

    def follow(self) -> None:
        while not self.stop_event.wait(0.3):
            container = self.rack.container()
            address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container,
                             check=False).split() if container else []
            if address and address[0] != self.address:
                self.address = address[0]
                self.command(f"set server api/carrackd addr {self.address} port 5443")
                self.command("set server api/carrackd state ready")

    def stop(self) -> None:
        self.stop_event.set()
        if self.thread.is_alive():
            self.thread.join(30)
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)


class AwsRack(Rack):
    """The rack under test in an account of MiniStack's."""

    kind = "aws"
    domain = "apps.localhost"

    def __init__(self, folder: pathlib.Path):
        super().__init__(folder)
        self.emulator = Emulator(folder, self.registry, self.name)
        self.api = self.http  # one door for apps and API
        self.front = Front(self)
        self.environment.update(KEYS, AWS_REGION=REGION, AWS_ENDPOINT_URL=self.emulator.url, AWS_EC2_METADATA_DISABLED="true",
                                CARRACK_BALANCER_URL=f"{self.emulator.url}/_alb/{self.name}", CARRACK_CA=str(folder / "front.crt"))

    def containers_of(self, app, *arguments):
        family = '{{.ID}} {{.Label "com.amazonaws.ecs.task-definition-family"}}'
        listed = docker("ps", "--no-trunc", *self.emulator.containers, "--format", family, *arguments)
        found = [line.split(" ") for line in listed.splitlines()]
        return [container for container, name in found if name.startswith(f"{self.name}-{app}-")]

    def address(self, host):
        return f"http://{host}"

    def daemon_filter(self):
        return *self.emulator.containers, "--filter", "label=com.amazonaws.ecs.container-name=api"

    def container(self) -> str:
        return docker("ps", "-q", *self.daemon_filter(), check=False).split("\n")[0]

    def install(self):
        self.emulator.start()
        self.front.start()
        self.emulator.call("ssm", "AmazonSSM.PutParameter", Name=IMAGE_PARAMETER, Value="ami-0123456789abcdef0", Type="String")
        certificate = self.emulator.call("acm", "CertificateManager.RequestCertificate", DomainName=f"*.{self.domain}")
        result = self.run("install", "aws", "--name", self.name, f"Domain={self.domain}", "Capacity=fargate", "Zones=2",
                          f"Certificate={certificate['CertificateArn']}", f"ImageId={IMAGE_PARAMETER}", timeout=600)
        self.password = self.read_password()
        self.environment["RACK_URL"] = f"https://convox:{self.password}@rack.{self.domain}:{self.https}"
        wait_for(self.answers, 60, "the rack's API")
        return result

    def uninstall(self) -> None:
        try:
            self.environment.pop("RACK_URL", None)
            self.run("uninstall", "aws", "--name", self.name, "--yes", timeout=600)
        finally:
            self.front.stop()
            self.emulator.stop()

    def call(self, method, path, body=None, headers=None, password=None):
        return super().call(method, path, body, {"Host": f"rack.{self.domain}", **(headers or {})}, password)
