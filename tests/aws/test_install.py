"""A rack's life in an account, from the command line: `carrack install aws` and what follows, on MiniStack with Docker.

carrackd is a stand-in that answers /check: what is tested is what the program does to the account. The real one is what the
end-to-end tests install.
"""
import contextlib
import dataclasses
import http.server
import io
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError
from conftest import HERE, REGION, free_port, wait_for_health
from test_rack_stack import Account

CARRACK = os.environ.get("CARRACK", "carrack")
LOG_DRAIN = os.environ.get("LOG_DRAIN", "log-drain")
IMAGE_PARAMETER = "/carrack-test/image"
DOMAIN = "apps.localhost"
STEP_SECONDS = 120
KEYS = ("test", "test")


@dataclasses.dataclass
class Cloud:
    """An account on MiniStack, and the program under test in front of it."""

    folder: pathlib.Path
    url: str
    account: Account
    environment: dict[str, str]
    certificate: str = ""
    broken_certificate: str = ""

    def variables(self, rack: str) -> dict[str, str]:
        return {**self.environment, "CARRACK_BALANCER_URL": f"{self.url}/_alb/{rack}"}

    def run(self, *arguments: str, rack: str = "first", code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run([str(self.folder / "bin/carrack"), *arguments], env={**self.variables(rack), **variables},
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode == code, f"{arguments}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def wishes(self, **values: str) -> list[str]:
        wishes = {"Domain": DOMAIN, "Certificate": self.certificate, "ImageId": IMAGE_PARAMETER, "Capacity": "fargate",
                  "Zones": "2", **values}
        return [f"{name}={value}" for name, value in wishes.items() if value]

    def install(self, rack: str, code: int = 0, **values: str) -> subprocess.CompletedProcess[str]:
        return self.run("install", "aws", "--name", rack, *self.wishes(**values), rack=rack, code=code)

    def stack(self, rack: str) -> dict:
        (stack,) = self.account.cloudformation.describe_stacks(StackName=rack)["Stacks"]
        return stack

    def parameters(self, rack: str) -> dict[str, str]:
        return {entry["ParameterKey"]: entry["ParameterValue"] for entry in self.stack(rack)["Parameters"]}

    def outputs(self, rack: str) -> dict[str, str]:
        return {entry["OutputKey"]: entry["OutputValue"] for entry in self.stack(rack)["Outputs"]}

    def is_there(self, rack: str) -> bool:
        with contextlib.suppress(ClientError):
            return self.stack(rack)["StackStatus"] != "DELETE_COMPLETE"
        return False

    def config(self) -> dict:
        file = self.folder / "config/config.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def template_buckets(self, rack: str) -> list[str]:
        return [bucket["Name"] for bucket in self.account.s3.list_buckets()["Buckets"]
                if bucket["Name"].startswith(f"carrack-{rack}-")]


def program_folder(folder: pathlib.Path) -> None:
    """The program, and beside it what it takes for carrackd."""
    binaries = folder / "bin"
    binaries.mkdir()
    shutil.copy2(CARRACK, binaries / "carrack")
    shutil.copy2(LOG_DRAIN, binaries / "log-drain")
    shutil.copy2(HERE / "stand-in-carrackd", binaries / "carrackd")
    # Images are found by their content; this run's own is taken away at the end.
    with (binaries / "carrackd").open("a", encoding="utf-8") as file:
        file.write(f"# {time.time_ns()}\n")


def remove_containers(cluster_account: str) -> None:
    containers = subprocess.run(["docker", "ps", "-aq", "--filter", f"label={cluster_account}"], capture_output=True, text=True,
                                check=True).stdout.split()
    if containers:
        subprocess.run(["docker", "rm", "-f", *containers], capture_output=True, check=True)


def remove_image(port: int) -> None:
    names = subprocess.run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    used = {name.split()[1] for name in names if name.startswith(f"127.0.0.1:{port}/")}
    for image in used:
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


@pytest.fixture(scope="module")
def cloud(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    program_folder(folder)
    log, port = folder / "log", free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
                   "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "MINISTACK_REGION": REGION}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(HERE / "ministack_rack.py")], env=environment, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    program = {"PATH": os.environ["PATH"], "HOME": str(folder), "CARRACK_CONFIG": str(folder / "config"), "AWS_REGION": REGION,
               "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": KEYS[0],
               "AWS_SECRET_ACCESS_KEY": KEYS[1]}
    program |= {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    try:
        wait_for_health(url, process, log)
        account = Account(models, url, KEYS)
        account.ssm.put_parameter(Name=IMAGE_PARAMETER, Value="ami-0123456789abcdef0", Type="String")
        certificates = [account.acm.request_certificate(DomainName=f"*.{domain}")["CertificateArn"]
                        for domain in (DOMAIN, "broken.localhost")]
        yield Cloud(folder, url, account, program, *certificates)
    finally:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(f"{url}/_ministack/reset", method="POST"), timeout=120).close()
        process.terminate()
        process.wait(timeout=60)
        for rack in ("first", "cut"):
            remove_containers(f"com.amazonaws.ecs.cluster=arn:aws:ecs:{REGION}:000000000000:cluster/{rack}")
        remove_image(port)


@pytest.fixture(scope="module")
def rack(cloud) -> Cloud:
    """With the rack «first» installed."""
    cloud.before = cloud.account.inventory()
    cloud.installed = cloud.install("first")
    return cloud


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_made(cloud):
    before = cloud.account.inventory()
    result = cloud.run("install", "aws", "--name", "first", "Domaim=x.org", "Capacity=both", "InstanceMinimum=0", "Version=2",
                       "Zones", "VpcCidr=999.0.0.0/16", code=1)
    errors = [line.removeprefix("ERROR: ") for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
    assert errors[0] == "Domaim: no such parameter; did you mean Domain?"
    assert errors[1] == "Capacity=both: has to be one of instances, fargate"
    assert errors[2] == 'InstanceMinimum: "0" is not a whole number between 1 and 1000000'
    assert errors[3] == "Version: is set by carrack itself"
    assert errors[4] == "Zones: a parameter is written Param=Value"
    assert errors[5] == "VpcCidr=999.0.0.0/16: has to be a network of IPv4, as 10.0.0.0/16"
    assert errors[6] == "Domain is needed, as Domain=apps.example.org"
    assert errors[7].startswith("a certificate is needed: Certificate=ARN")
    assert errors[8:] == []
    assert cloud.account.inventory() == before


@pytest.mark.parametrize(("values", "error"), [
    ({"Certificate": "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"}, "Certificate: "),
    ({"Domain": "other.example.org"}, f"Certificate: is for *.{DOMAIN} and not for *.other.example.org"),
    ({"Certificate": "", "HostedZone": "Z0000000000000"}, "HostedZone: "),
    ({"ImageId": "/no/such/parameter"}, "ImageId: "),
    ({"ExistingVpc": "vpc-1", "ExistingPublicSubnets": "subnet-1,subnet-2"}, "ExistingPublicSubnets: "),
])
def test_what_only_aws_knows_is_asked_before_anything_is_made(cloud, values, error):
    result = cloud.install("first", code=1, **values)
    assert f"ERROR: {error}" in result.stderr
    assert not cloud.is_there("first")


@pytest.mark.parametrize(("arguments", "error", "code"), [
    (["--name", "a-name-of-twenty-one-cs"], "at most 20 are allowed", 1),
    (["--name", "internal-x"], "balancers that begin with internal-", 1),
    (["--name", "Prod"], "rack name", 1),
    ([], "install aws needs --name", 2),
])
def test_a_name_has_to_be_good(cloud, arguments, error, code):
    assert error in cloud.run("install", "aws", *arguments, *cloud.wishes(), code=code).stderr


def test_without_credentials_the_first_line_says_so(cloud):
    result = cloud.run("install", "aws", "--name", "first", *cloud.wishes(), code=1, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "ERROR: no use of AWS: " in result.stderr


def test_a_stack_of_somebody_else_is_left_alone(cloud):
    cloud.account.cloudformation.create_stack(StackName="foreign", TemplateBody=json.dumps(
        {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}))
    cloud.account.wait("foreign")
    assert "is no rack; choose another name" in cloud.install("foreign", code=1).stderr
    assert "is no rack" in cloud.run("uninstall", "aws", "--name", "foreign", "--yes", code=1).stderr
    cloud.account.delete("foreign")


def test_without_an_engine_no_stack_is_made(cloud):
    result = cloud.run("install", "aws", "--name", "first", *cloud.wishes(), code=1, CARRACK_DOCKER_SOCKET="/nowhere.sock")
    assert "the rack's image is built here: no Docker engine" in result.stderr
    assert not cloud.is_there("first")


def test_the_first_resource_that_fails_is_the_reason_and_a_second_try_begins_anew(cloud):
    cloud.account.ecr.create_repository(repositoryName="fails-system")
    for _ in range(2):
        result = cloud.install("fails", code=1)
        assert "ERROR: creating stack fails failed: Repository (ECR::Repository): " in result.stderr
        assert "ERROR: stack fails is now ROLLBACK_COMPLETE: what had been made is taken away again" in result.stderr
    assert "taking away an earlier try that failed" in result.stderr
    assert cloud.template_buckets("fails") == []
    cloud.account.ecr.delete_repository(repositoryName="fails-system")
    said = cloud.run("rack", "repair", "--rack", "fails", "--region", REGION, code=1).stderr
    assert "run `carrack install aws --name fails` again" in said
    cloud.run("uninstall", "aws", "--name", "fails", "--yes")
    assert not cloud.is_there("fails")


def test_an_installation_ends_with_a_carrackd_that_answers_and_a_login(rack):
    assert "rack first is installed" in rack.installed.stdout
    assert f"*.{DOMAIN}  CNAME  {rack.outputs('first')['BalancerHost']}" in rack.installed.stdout
    assert "CREATE_COMPLETE  Listener443 (ElasticLoadBalancingV2::Listener)" in rack.installed.stderr
    stack = rack.stack("first")
    assert stack["EnableTerminationProtection"]
    assert {"Key": "carrack", "Value": "first"} in stack["Tags"]
    assert rack.parameters("first")["ApiImage"].split("@")[1].startswith("sha256:")
    assert rack.template_buckets("first") == []

    password = rack.account.secretsmanager.get_secret_value(SecretId=rack.outputs("first")["Password"])["SecretString"]
    assert rack.config() == {"current": "first", "racks": {"first": {
        "url": f"https://convox:{password}@rack.{DOMAIN}", "aws": {"account": "000000000000", "region": REGION}}}}
    assert (rack.folder / "config/config.json").stat().st_mode & 0o777 == 0o600
    assert password not in rack.installed.stdout + rack.installed.stderr


def test_carrackd_is_told_where_its_test_balancer_is(rack):
    (container,) = rack.account.ecs.describe_task_definition(taskDefinition="first-api")["taskDefinition"]["containerDefinitions"]
    told = {entry["name"]: entry["value"] for entry in container["environment"]}
    port = rack.url.rsplit(":", 1)[1]
    assert told["CARRACK_BALANCER_URL"] == f"http://host.docker.internal:{port}/_alb/first"


def test_a_second_installation_changes_nothing(rack):
    before = rack.stack("first")["LastUpdatedTime"]
    result = rack.run("install", "aws", "--name", "first")
    assert "rack first is as it should be" in result.stdout
    assert "building" not in result.stderr and "pushing" not in result.stderr
    assert rack.stack("first")["LastUpdatedTime"] == before


def test_parameters_are_listed_and_set(rack):
    listed = json.loads(rack.run("rack", "params", "--json").stdout)
    assert listed["Domain"] == DOMAIN and listed["Zones"] == "2"
    result = rack.run("rack", "params", "set", "LogRetention=90")
    assert "modify SystemLogs (AWS::Logs::LogGroup)" in result.stderr
    assert rack.parameters("first")["LogRetention"] == "90"
    assert json.loads(rack.run("rack", "params", "set", "LogRetention=90", "--json").stdout)["state"] == "unchanged"
    assert "LogRetention=91: has to be one of 1, 3" in rack.run("rack", "params", "set", "LogRetention=91", code=1).stderr
    fargate = rack.run("rack", "scale", "--count", "3", code=1).stderr
    assert "processes are on Fargate" in fargate


def test_log_drains_bring_their_function(rack):
    rack.run("rack", "params", "set", 'LogDrains={"*": ["syslog://127.0.0.1:1"]}')
    key = rack.parameters("first")["LogDrainCode"]
    archive = rack.account.s3.get_object(Bucket=rack.outputs("first")["Objects"], Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert members.testzip() is None
        (member,) = members.infolist()
        assert (member.filename, member.external_attr >> 16) == ("bootstrap", 0o100755)
        assert members.read(member) == pathlib.Path(LOG_DRAIN).read_bytes()
    assert rack.outputs("first")["LogStream"]
    (function,) = rack.account.session.create_client(
        "lambda", region_name=REGION, endpoint_url=rack.url, aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1]).list_functions()["Functions"]
    assert function["Runtime"] == "provided.al2023"
    rack.run("rack", "params", "set", "LogDrains=", "--yes")
    assert "LogStream" not in rack.outputs("first")


def test_an_update_shows_what_changes_and_asks(rack):
    refused = rack.run("rack", "update", "ApiMemory=1024", code=2)
    assert "modify ApiTask (AWS::ECS::TaskDefinition)" in refused.stderr
    assert "rack update needs --yes where nobody can be asked" in refused.stderr
    assert rack.parameters("first")["ApiMemory"] == "512"
    assert rack.account.cloudformation.list_change_sets(StackName="first")["Summaries"] == [] or all(
        entry["ExecutionStatus"] != "AVAILABLE" for entry in
        rack.account.cloudformation.list_change_sets(StackName="first")["Summaries"])
    assert "rack first is updated" in rack.run("rack", "update", "ApiMemory=1024", "--yes").stdout
    assert rack.parameters("first")["ApiMemory"] == "1024"
    assert rack.parameters("first")["LogRetention"] == "90", "what is not given stays"


def test_a_carrackd_that_does_not_run_is_told_with_its_last_lines(rack):
    broken = rack.run("rack", "update", "Domain=broken.localhost", f"Certificate={rack.broken_certificate}", "--yes", code=1).stderr
    assert "its exit code was 3" in broken
    assert 'event=failed reason="the domain is broken"' in broken
    assert "carrackd does not run: it has ended" in broken
    rack.run("rack", "update", f"Domain={DOMAIN}", f"Certificate={rack.certificate}", "--yes")


def test_a_rack_that_is_not_on_aws_is_told_so(rack):
    said = rack.run("rack", "update", "--rack", "elsewhere", code=2).stderr
    assert "rack elsewhere is not known to be on AWS" in said
    unknown = rack.run("rack", "params", "--rack", "elsewhere", "--region", REGION, code=1).stderr
    assert "no rack named elsewhere is in account 000000000000" in unknown


# Cut off

def kill_at(cloud: Cloud, rack: str, line: str) -> None:
    """Installs, and kills the program as soon as it says that it begins this step."""
    process = subprocess.Popen([str(cloud.folder / "bin/carrack"), "install", "aws", "--name", rack, *cloud.wishes()],
                               env=cloud.variables(rack), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    said = []
    assert process.stderr
    for text in process.stderr:
        said.append(text)
        if text.startswith(line):
            process.send_signal(signal.SIGKILL)
            break
    process.wait(timeout=STEP_SECONDS)
    process.stderr.close()
    assert said and said[-1].startswith(line), f"{line} never came:\n{''.join(said)}"


def test_an_installation_that_was_killed_is_taken_up_where_it_was(cloud):
    for line in ("stack cut", "  20  CREATE_COMPLETE", "pushing the rack's image"):
        if line.startswith("  20") and cloud.is_there("cut"):
            continue  # MiniStack is done with a stack in less than a second
        kill_at(cloud, "cut", line)
    kill_at(cloud, "cut", "carrackd")
    kill_at(cloud, "cut", "waiting for carrackd")
    kill_at(cloud, "cut", "password and configuration")
    result = cloud.run("install", "aws", "--name", "cut", rack="cut")
    assert "rack cut is" in result.stdout
    assert cloud.template_buckets("cut") == []
    assert cloud.parameters("cut")["ApiImage"]
    assert "cut" in cloud.config()["racks"]
    cloud.run("uninstall", "aws", "--name", "cut", "--yes", rack="cut")
    assert not cloud.is_there("cut")


# Repair: MiniStack knows no way back that fails, so CloudFormation is played here.

class StuckStack(http.server.BaseHTTPRequestHandler):
    """A stack in UPDATE_ROLLBACK_FAILED, which the second ContinueUpdateRollback leads out of it."""

    asked: list[str] = []
    tries: list[dict] = []
    succeeds_at = 2

    def log_message(self, *_arguments) -> None:
        """Nothing on stderr."""

    def status(self) -> str:
        return "UPDATE_ROLLBACK_COMPLETE" if len(self.tries) >= self.succeeds_at else "UPDATE_ROLLBACK_FAILED"

    def stacks(self, _values) -> str:
        return (f"<Stacks><member><StackId>arn:stuck</StackId><StackName>stuck</StackName><StackStatus>{self.status()}</StackStatus>"
                "<Description>A Carrack rack</Description></member></Stacks>")

    def events(self, _values) -> str:
        token = self.tries[-1]["ClientRequestToken"]
        failed = (f"<member><EventId>{token}-1</EventId><StackName>stuck</StackName><LogicalResourceId>Balancer</LogicalResourceId>"
                  "<ResourceType>AWS::X::Y</ResourceType><ResourceStatus>UPDATE_FAILED</ResourceStatus>"
                  f"<ResourceStatusReason>it resists</ResourceStatusReason><ClientRequestToken>{token}</ClientRequestToken></member>")
        return (f"<StackEvents><member><EventId>{token}-2</EventId><StackName>stuck</StackName>"
                "<LogicalResourceId>stuck</LogicalResourceId><PhysicalResourceId>arn:stuck</PhysicalResourceId>"
                f"<ResourceType>AWS::CloudFormation::Stack</ResourceType><ResourceStatus>{self.status()}</ResourceStatus>"
                f"<ClientRequestToken>{token}</ClientRequestToken></member>"
                f"{failed if self.status().endswith('FAILED') else ''}</StackEvents>")

    def resources(self, _values) -> str:
        return ("<StackResourceSummaries><member><LogicalResourceId>Balancer</LogicalResourceId>"
                "<ResourceStatus>UPDATE_FAILED</ResourceStatus></member></StackResourceSummaries>")

    def go_back(self, values) -> str:
        self.tries.append(values)
        return ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        values = dict(urllib.parse.parse_qsl(body))
        action = values["Action"]
        self.asked.append(action)
        answers = {"DescribeStacks": self.stacks, "DescribeStackEvents": self.events, "ListStackResources": self.resources,
                   "ContinueUpdateRollback": self.go_back}
        text = f"<{action}Response><{action}Result>{answers[action](values)}</{action}Result></{action}Response>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.mark.parametrize("succeeds_at", [1, 3])
def test_a_way_back_that_failed_is_gone_again(cloud, succeeds_at):
    class Stack(StuckStack):
        asked: list[str] = []
        tries: list[dict] = []

    Stack.succeeds_at = succeeds_at
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stack)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        result = cloud.run("rack", "repair", "--rack", "stuck", "--region", REGION, rack="stuck",
                           AWS_ENDPOINT_URL_CLOUDFORMATION=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "rack stuck: UPDATE_ROLLBACK_COMPLETE" in result.stdout
    assert len(Stack.tries) == succeeds_at
    skipped = [values.get("ResourcesToSkip.member.1") for values in Stack.tries]
    assert skipped == [None] * min(succeeds_at, 2) + ["Balancer"] * (succeeds_at > 2)
    assert ("left out, the next update has to put it right: Balancer" in result.stderr) == (succeeds_at > 2)
    assert ("Balancer (X::Y): it resists" in result.stderr) == (succeeds_at > 1)


# The end

def add_traces(cloud: Cloud) -> None:
    """What carrackd and apps would have left by now."""
    account, outputs = cloud.account, cloud.outputs("first")
    account.cloudformation.create_stack(
        StackName="first-app-shop", TemplateBody=(HERE.parents[1] / "templates/app.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"], Tags=[{"Key": "carrack", "Value": "first"}],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in {
            "Rack": "first", "App": "shop", "Key": outputs["Key"], "Boundary": outputs["AppBoundary"], "LogStream": "",
            "LogDeliveryRole": ""}.items()])
    account.outputs("first-app-shop", "CREATE_COMPLETE")
    tags = [{"Key": "carrack", "Value": "first"}]
    account.secretsmanager.create_secret(Name="first/app/shop/web-R1", SecretString="{}", Tags=tags)
    account.logs.create_log_group(logGroupName="/carrack/first/app/late")
    account.s3.put_bucket_versioning(Bucket=outputs["Objects"], VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        account.s3.put_object(Bucket=outputs["Objects"], Key="objects/shop/x", Body=body)
    (group,) = account.elbv2.create_target_group(Name="first-a", Protocol="HTTP", Port=80, VpcId=outputs["Vpc"],
                                                 Tags=tags)["TargetGroups"]
    account.elbv2.create_rule(ListenerArn=outputs["Listener443"], Priority=100, Tags=tags,
                              Conditions=[{"Field": "host-header", "Values": ["a.example.org"]}],
                              Actions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}])
    image = cloud.parameters("first")["ApiImage"]
    account.ecs.register_task_definition(family="first-shop-web", tags=[{"key": "carrack", "value": "first"}], containerDefinitions=[
        {"name": "web", "image": image, "memory": 128, "essential": True, "command": ["perl", "-e", "sleep 600"]}])
    account.ecs.create_service(cluster="first", serviceName="shop-web-R1", taskDefinition="first-shop-web", desiredCount=1)
    deadline = time.monotonic() + STEP_SECONDS
    while account.ecs.describe_services(cluster="first", services=["shop-web-R1"])["services"][0]["runningCount"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answer_at_terminal(cloud: Cloud, answer: str, *arguments: str) -> tuple[int, str]:
    """Runs the program on a terminal and types an answer to its question."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(cloud.folder / "bin/carrack", ["carrack", *arguments], cloud.variables("first"))
    text, is_answered, deadline = "", False, time.monotonic() + 300
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            text += os.read(terminal, 65536).decode(errors="replace") if ready else ""
        except OSError:
            break
        if "to go on: " in text and not is_answered:
            is_answered = True
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text


def test_an_uninstallation_asks_and_leaves_nothing(rack):
    add_traces(rack)
    assert rack.account.inventory() > rack.before, "there is something to leave behind"
    refused = rack.run("uninstall", "aws", "--name", "first", code=2).stderr
    assert "uninstall aws needs --yes where nobody can be asked" in refused
    code, text = answer_at_terminal(rack, "yes", "uninstall", "aws", "--name", "first")
    assert code == 1 and "not confirmed: nothing was changed" in text
    assert "app shop with its images, logs and environments" in text
    assert rack.is_there("first")

    code, text = answer_at_terminal(rack, "first", "uninstall", "aws", "--name", "first")
    assert code == 0, text
    assert rack.account.inventory() - rack.before == set()
    tagged = rack.account.resourcegroupstaggingapi.get_resources(TagFilters=[{"Key": "carrack", "Values": ["first"]}])
    left = [entry["ResourceARN"] for entry in tagged["ResourceTagMappingList"]]
    # In MiniStack tags outlive these (the inventory has looked at the things themselves), and a key waits for a week.
    lasting = (":table/", ":key/", ":task-definition/", ":task/", ":service/", ":cluster/")
    assert [arn for arn in left if not any(kind in arn for kind in lasting)] == []
    assert rack.account.ecs.list_services(cluster="first")["serviceArns"] == []
    assert "first" not in rack.config().get("racks", {})
    assert rack.account.ecs.list_task_definitions(familyPrefix="first-api")["taskDefinitionArns"] == []


def test_a_rack_that_is_not_there_is_no_error(cloud):
    result = cloud.run("uninstall", "aws", "--name", "nobody", "--yes")
    assert "nothing of a rack named nobody is in this region" in result.stderr


def test_the_page_has_every_parameter():
    template = (HERE.parents[1] / "templates/rack.yaml").read_text().split("\nParameters:\n")[1].split("\nRules:\n")[0]
    page = (HERE.parents[1] / "docs/aws.md").read_text().split("\n## Parameters\n")[1].split("\n## ")[0]
    names = {line.split(":")[0].strip() for line in template.splitlines() if line.startswith("  ") and line[2].isalpha()}
    assert len(names) > 25
    assert {name for name in names if f"`{name}`" not in page} == set()
