"""The router part: the program router-test, each of its tests on an empty balancer of a MiniStack of this file's own."""
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest
from conftest import free_port, wait_for_health

HERE = pathlib.Path(__file__).resolve().parent
ROUTER_TEST = os.environ.get("ROUTER_TEST", "router-test")
REGION = "us-east-1"  # the region in which MiniStack looks for balancers when a request comes
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
TIMEOUT = 180
# What carrackd is told and the router does not look at.
OTHERS = ["CAPACITY_PROVIDER", "CLUSTER", "VPC", "SECURITY_GROUP", "DOCUMENTS", "OBJECTS", "REGISTRY", "KEY", "EVENTS", "TOPIC",
          "BUILD_TASK", "BUILD_PROVIDER", "BUILD_LOGS", "APP_ROLE", "APP_BOUNDARY", "SUBNETS"]


def cases() -> list[str]:
    result = subprocess.run([ROUTER_TEST, "-l"], capture_output=True, text=True, check=True, timeout=60)
    return [line for line in result.stdout.splitlines() if line.startswith("/balancer/")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balancer")
    url = f"http://127.0.0.1:{free_port()}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": url.rsplit(":", 1)[1], "BIND_HOST": "127.0.0.1",
                   "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "DOCKER_HOST": f"unix://{folder}/no-docker.sock"}
    log = folder / "log"
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
def rack(server, models, tmp_path) -> dict[str, str]:
    """An empty account with the rack's balancer, as the environment that carrackd gets."""
    urllib.request.urlopen(urllib.request.Request(f"{server}/_ministack/reset", method="POST"), timeout=30).close()
    elb = models.create_client("elbv2", region_name=REGION, endpoint_url=server, **KEYS)
    (balancer,) = elb.create_load_balancer(Name="router", Subnets=["subnet-1", "subnet-2"])["LoadBalancers"]
    (listener,) = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTPS", Port=443,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "nothing"}}],
    )["Listeners"]
    told = {name: "x" for name in OTHERS}
    told |= {"RACK": "prod", "DOMAIN": "apps.test", "CAPACITY": "fargate", "PUBLIC_ADDRESSES": "yes", "LOG_RETENTION": "7",
             "BALANCER": balancer["DNSName"], "LISTENER": listener["ListenerArn"], "BALANCER_URL": f"{server}/_alb/router"}
    own = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_REGION": REGION, "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
            **{f"CARRACK_{name}": value for name, value in told.items()}, **own}


@pytest.mark.parametrize("case", cases())
def test_the_router_on_a_balancer(rack, case):
    result = subprocess.run([ROUTER_TEST, "-p", case], env=rack, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-6000:]}"
    assert "# SKIP" not in result.stdout
