"""The templates by themselves: cfn-lint on every variant, sizes, and what must hold for security, property by property."""
import json
import pathlib
import re
import subprocess
import sys

import cfnlint.decode
import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "templates"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/prod-system@sha256:" + "0" * 64
BASE = {"Version": "1.0.0", "Domain": "apps.example.org", "Certificate": CERTIFICATE, "InstanceMinimum": "2"}
LIVE = {"ApiImage": IMAGE}
SUBNETS = {"ExistingVpc": "vpc-0123456789abcdef0",
           "ExistingPublicSubnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1"}
PRIVATE_SUBNETS = {"ExistingPrivateSubnets": "subnet-0123456789abcdef2,subnet-0123456789abcdef3"}
DRAINS = {"LogDrains": '{"*": ["syslog+tls://logs.example.org:6514"]}', "LogDrainCode": "lambda/log-drain.zip"}
# Every value of every condition, alone and where they meet.
VARIANTS = {
    "first-round": {},
    "public": LIVE,
    "two-zones": {**LIVE, "Zones": "2"},
    "own-certificate": {**LIVE, "Certificate": "", "HostedZone": "Z0123456789ABCDEFGHIJ"},
    "private": {**LIVE, "Private": "Yes"},
    "private-one-nat": {**LIVE, "Private": "Yes", "NatGateways": "one", "Zones": "2"},
    "fargate": {**LIVE, "Capacity": "fargate"},
    "fargate-private": {**LIVE, "Capacity": "fargate", "Private": "Yes"},
    "existing": {**LIVE, **SUBNETS},
    "existing-private-fargate": {**LIVE, **SUBNETS, **PRIVATE_SUBNETS, "Private": "Yes", "Capacity": "fargate"},
    "drains": {**LIVE, **DRAINS},
    "all": {**LIVE, **DRAINS, "Private": "Yes", "Certificate": "", "HostedZone": "Z0123456789ABCDEFGHIJ"},
}
APP = {"Rack": "prod", "App": "shop", "Boundary": "arn:aws:iam::123456789012:policy/carrack/prod/b", "LogStream": "",
       "LogDeliveryRole": "", "Key": "arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"}
APP_VARIANTS = {
    "plain": APP,
    "policy": {**APP, "Policy": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
    "drained": {**APP, "LogStream": "arn:aws:kinesis:eu-west-1:123456789012:stream/prod",
                "LogDeliveryRole": "arn:aws:iam::123456789012:role/carrack/prod/d"},
}

# Statements that allow or deny on every resource, each with why it cannot be narrower.
UNSCOPED = {
    ("rack", "InstanceRole", "Endpoint"): "DiscoverPollEndpoint knows no resource",
    ("rack", "ExecutionRole", "RegistryLogin"): "GetAuthorizationToken knows no resource",
    ("rack", "ApiRole", "ListInCluster"): "the cluster is a condition: the calls know no resource",
    ("rack", "ApiRole", "TaskDefinitions"): "these calls know no resource; which roles a definition names is GiveRoles' to say",
    ("rack", "ApiRole", "Machines"): "DescribeInstances knows no resource",
    ("rack", "ApiRole", "ListEnvironments"): "ListSecrets knows no resource; it tells names, never values",
    ("rack", "ApiRole", "SeeBalancers"): "Describe* of the balancer API knows no resource",
    ("rack", "ApiRole", "ListCertificates"): "ListCertificates knows no resource",
    ("rack", "BuildRole", "RegistryLogin"): "GetAuthorizationToken knows no resource",
    ("rack", "AppStackRole", "SeeLogGroups"): "DescribeLogGroups knows no resource",
    ("rack", "AppBoundary", "AllButTheAccount"): "a boundary: it allows nothing by itself",
    ("rack", "Key", "Account"): "a key policy: every resource is this key",
    ("rack", "Key", "Logs"): "a key policy: every resource is this key",
    ("app", "TaskRole", "Exec"): "the channels of ECS Exec know no resource",
    ("app", "ExecutionRole", "RegistryLogin"): "GetAuthorizationToken knows no resource",
}
# Allowing all of a service's actions: the account's own right to its key, without which nobody could ever change it.
WHOLE_SERVICES = {("rack", "Key", "Account")}


def template(name: str) -> dict:
    content, problems = cfnlint.decode.decode(str(FOLDER / f"{name}.yaml"))
    assert not problems
    return json.loads(json.dumps(content))


RACK, SHOP = template("rack"), template("app")


def of_type(content: dict, kind: str) -> dict:
    return {name: entry["Properties"] for name, entry in content["Resources"].items() if entry["Type"] == kind}


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def documents(content: dict):
    """All policy documents with the resource they stand in."""
    for name, entry in content["Resources"].items():
        properties = entry.get("Properties", {})
        for key in ("PolicyDocument", "KeyPolicy"):
            if key in properties:
                yield name, properties[key]
        for policy in properties.get("Policies", []):
            yield name, policy["PolicyDocument"]


def statements(content: dict):
    for name, document in documents(content):
        assert document["Version"] == "2012-10-17", name
        for statement in as_list(document["Statement"]):
            for branch in statement["Fn::If"][1:] if "Fn::If" in statement else [statement]:
                if "Effect" in branch:
                    yield name, branch


def all_statements():
    return [(kind, name, statement) for kind, content in (("rack", RACK), ("app", SHOP))
            for name, statement in statements(content)]


def lint(name: str, values: dict, folder: pathlib.Path) -> str:
    parameters = folder / "parameters.json"
    parameters.write_text(json.dumps([{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]))
    command = [pathlib.Path(sys.executable).with_name("cfn-lint"), str(FOLDER / f"{name}.yaml"), "-i", "I",
               "--parameter-files", str(parameters)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return f"{result.stdout}{result.stderr}"


@pytest.mark.parametrize(("name", "values"), [("rack", {**BASE, **values}) for values in VARIANTS.values()] +
                         [("app", values) for values in APP_VARIANTS.values()],
                         ids=[*VARIANTS, *(f"app-{name}" for name in APP_VARIANTS)])
def test_cfn_lint_has_nothing_to_say(name, values, tmp_path):
    assert lint(name, values, tmp_path) == ""


def test_cfn_lint_sees_what_parameters_make_wrong(tmp_path):
    assert "W1030" in lint("rack", {**BASE, "AllowedCidr": "everybody"}, tmp_path)


def test_the_templates_fit_into_what_cloudformation_takes():
    assert len(RACK["Resources"]) < 500
    assert len(RACK["Parameters"]) < 200
    assert len(RACK["Outputs"]) < 200
    assert (FOLDER / "rack.yaml").stat().st_size < 1_000_000, "the limit of TemplateURL"
    assert (FOLDER / "app.yaml").stat().st_size < 51_200, "the limit of TemplateBody"


def test_lines_fit_into_a_window():
    for name in ("rack", "app"):
        for number, line in enumerate((FOLDER / f"{name}.yaml").read_text().splitlines(), 1):
            assert len(line) <= 135, f"{name}.yaml:{number}"


def test_every_parameter_is_described_or_speaks_for_itself():
    plain = {"ApiCpu", "InstanceMinimum", "InstanceMaximum", "BuildInstanceType", "BuildInstanceMaximum"}
    for content in (RACK, SHOP):
        for name, parameter in content["Parameters"].items():
            assert "Description" in parameter or name in plain, name


def test_no_statement_allows_every_action():
    for kind, name, statement in all_statements():
        if statement["Effect"] != "Allow":
            continue
        place = (kind, name, statement.get("Sid"))
        for action in as_list(statement.get("Action", [])):
            assert action != "*", place
            assert not action.endswith(":*") or place in WHOLE_SERVICES, place
        assert "NotAction" not in statement or name == "AppBoundary", place


def test_statements_on_every_resource_are_those_that_cannot_be_narrower():
    found = {(kind, name, statement.get("Sid")) for kind, name, statement in all_statements()
             if "*" in as_list(statement["Resource"])}
    assert found == set(UNSCOPED)


def test_nobody_is_trusted_but_services():
    for content in (RACK, SHOP):
        for name, role in of_type(content, "AWS::IAM::Role").items():
            for statement in as_list(role["AssumeRolePolicyDocument"]["Statement"]):
                assert list(statement["Principal"]) == ["Service"], name


def test_roles_of_the_rack_are_under_its_path_and_those_of_apps_are_bounded():
    for name, role in of_type(RACK, "AWS::IAM::Role").items():
        assert role["Path"] == {"Fn::Sub": "/carrack/${AWS::StackName}/"}, name
    for name, role in of_type(SHOP, "AWS::IAM::Role").items():
        assert role["Path"] == {"Fn::Sub": "/carrack/${Rack}/app/"}, name
        assert role["PermissionsBoundary"] == {"Ref": "Boundary"}, name


def test_a_role_is_passed_only_to_the_service_it_is_for():
    passing = [(name, statement) for _, name, statement in all_statements()
               if "iam:PassRole" in as_list(statement.get("Action", []))]
    assert len(passing) == 3
    for name, statement in passing:
        assert "iam:PassedToService" in statement["Condition"]["StringEquals"], name


def test_carrackd_cannot_change_roles_network_or_its_own_stack():
    actions = [action for name, statement in statements(RACK) if name == "ApiRole" for action in as_list(statement["Action"])]
    forbidden = re.compile(r"^(iam:(?!PassRole)|ec2:(?!DescribeInstances$)|autoscaling:|lambda:|kms:(?!Decrypt|GenerateDataKey)"
                           r"|dynamodb:(Create|Delete|Update)Table)")
    assert not [action for action in actions if forbidden.match(action)]
    changing = next(s for name, s in statements(RACK) if s.get("Sid") == "ChangeStacks")
    assert "stack/${AWS::StackName}-app-*" in changing["Resource"]["Fn::Sub"]
    assert "cloudformation:RoleArn" in changing["Condition"]["StringEquals"]


def test_only_the_balancer_is_open_to_addresses():
    for name, group in of_type(RACK, "AWS::EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            assert ("CidrIp" in rule) == (name == "BalancerSecurity"), name
            assert rule["IpProtocol"] == "tcp", name
    for name, rule in of_type(RACK, "AWS::EC2::SecurityGroupIngress").items():
        assert "CidrIp" not in rule and "CidrIpv6" not in rule, name
    assert "SecurityGroupIngress" not in of_type(RACK, "AWS::EC2::SecurityGroup")["BuildSecurity"]


def test_instances_have_imdsv2_encrypted_disks_and_no_key():
    templates = of_type(RACK, "AWS::EC2::LaunchTemplate")
    assert set(templates) == {"LaunchTemplate", "BuildLaunchTemplate"}
    for name, properties in templates.items():
        data = properties["LaunchTemplateData"]
        options = {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert data["MetadataOptions"] == options, name
        assert "KeyName" not in data, name
        for mapping in data["BlockDeviceMappings"]:
            assert (mapping["Ebs"]["VolumeType"], mapping["Ebs"]["Encrypted"]) == ("gp3", True), name
        assert data["UserData"]["Fn::Base64"]["Fn::Sub"].startswith("#cloud-config\n"), name


def test_instances_go_only_when_they_are_empty():
    for name, group in of_type(RACK, "AWS::AutoScaling::AutoScalingGroup").items():
        assert group["NewInstancesProtectedFromScaleIn"] is True, name
        assert "DesiredCapacity" not in group, f"{name}: an update must not undo the scaling"
    for name, provider in of_type(RACK, "AWS::ECS::CapacityProvider").items():
        group = provider["AutoScalingGroupProvider"]
        assert group["ManagedScaling"]["Status"] == "ENABLED", name
        assert (group["ManagedTerminationProtection"], group["ManagedDraining"]) == ("ENABLED", "ENABLED"), name


def test_the_bucket_is_encrypted_private_and_tls_only():
    (bucket,) = of_type(RACK, "AWS::S3::Bucket").values()
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (policy,) = of_type(RACK, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_documents_are_on_demand_encrypted_recoverable_and_read_newest_first():
    (table,) = of_type(RACK, "AWS::DynamoDB::Table").values()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEType"] == "KMS"
    (by_age,) = table["LocalSecondaryIndexes"]
    assert [key["AttributeName"] for key in by_age["KeySchema"]] == ["scope", "age"]


def test_an_environment_is_written_by_carrackd_and_read_by_its_apps_start_alone():
    """One secret or more a deployment: no stack holds one, so that a deploy needs none of CloudFormation."""
    assert not of_type(SHOP, "AWS::SecretsManager::Secret")
    assert list(of_type(RACK, "AWS::SecretsManager::Secret")) == ["Password"]
    allowed = {(name, action): statement["Resource"] for _, name, statement in all_statements()
               for action in as_list(statement.get("Action", []))
               if statement["Effect"] == "Allow" and action.startswith("secretsmanager:")}
    writing = ("CreateSecret", "DeleteSecret", "TagResource")
    assert set(allowed) == {("ApiRole", f"secretsmanager:{verb}") for verb in (*writing, "ListSecrets")} | {
        ("ExecutionRole", "secretsmanager:GetSecretValue")}
    for verb in writing:
        assert allowed["ApiRole", f"secretsmanager:{verb}"]["Fn::Sub"].endswith(":secret:${AWS::StackName}/app/*")
    own = [statement["Resource"] for name, statement in statements(SHOP) if statement.get("Sid") == "Environments"]
    assert len(own) == 1 and own[0]["Fn::Sub"].endswith(":secret:${Rack}/app/${App}/*")


def test_all_else_that_holds_data_is_encrypted_too():
    for content in (RACK, SHOP):
        for name, group in of_type(content, "AWS::Logs::LogGroup").items():
            assert "KmsKeyId" in group and "RetentionInDays" in group, name
        for name, secret in of_type(content, "AWS::SecretsManager::Secret").items():
            assert "KmsKeyId" in secret, name
    assert of_type(RACK, "AWS::Kinesis::Stream")["LogStream"]["StreamEncryption"]["EncryptionType"] == "KMS"
    assert "KmsMasterKeyId" in of_type(RACK, "AWS::SNS::Topic")["Notifications"]
    assert of_type(RACK, "AWS::SQS::Queue")["Events"]["SqsManagedSseEnabled"] is True
    assert of_type(RACK, "AWS::KMS::Key")["Key"]["EnableKeyRotation"] is True


def test_nothing_secret_is_clear_in_a_task_definition():
    for name, task in of_type(RACK, "AWS::ECS::TaskDefinition").items():
        for container in task["ContainerDefinitions"]:
            text = json.dumps(container["Environment"])
            assert not re.search(r'PASSWORD|SECRET|TOKEN|"Ref": "LogDrains"', text), name
    (api,) = of_type(RACK, "AWS::ECS::TaskDefinition")["ApiTask"]["ContainerDefinitions"]
    assert api["Secrets"] == [{"Name": "CARRACK_PASSWORD", "ValueFrom": {"Ref": "Password"}}]
    assert RACK["Parameters"]["LogDrains"]["NoEcho"] is True


def test_http_is_redirected_and_unknown_hosts_get_404():
    listeners = of_type(RACK, "AWS::ElasticLoadBalancingV2::Listener")
    (redirect,) = listeners["Listener80"]["DefaultActions"]
    assert redirect["RedirectConfig"] == {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    (answer,) = listeners["Listener443"]["DefaultActions"]
    assert answer["FixedResponseConfig"]["StatusCode"] == "404"
    assert "TLS13-1-2" in listeners["Listener443"]["SslPolicy"]


def test_no_image_with_a_tag_expires_in_an_apps_repository():
    (repository,) = of_type(SHOP, "AWS::ECR::Repository").values()
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]
    assert repository["ImageTagMutability"] == "IMMUTABLE"


def test_one_carrackd_at_a_time():
    service = of_type(RACK, "AWS::ECS::Service")["Api"]
    assert service["DesiredCount"] == 1
    configuration = service["DeploymentConfiguration"]
    assert (configuration["MinimumHealthyPercent"], configuration["MaximumPercent"]) == (0, 100)


def test_a_build_reads_sources_and_jobs_and_writes_results_only():
    allowed = {statement["Sid"]: statement for name, statement in statements(RACK) if name == "BuildRole"}
    objects = {sid: (statement["Action"], statement["Resource"]["Fn::Sub"].removeprefix("${Objects.Arn}/"))
               for sid, statement in allowed.items() if str(statement["Action"]).startswith("s3:")}
    assert objects == {"Source": ("s3:GetObject", "objects/*"), "Job": ("s3:GetObject", "builds/*/job.json"),
                       "Result": ("s3:PutObject", "builds/*/result.json")}
    assert allowed["Push"]["Resource"]["Fn::Sub"].endswith(":repository/${AWS::StackName}/*")
    assert not [action for statement in allowed.values() for action in as_list(statement["Action"]) if "Delete" in action]


def test_nobody_but_a_build_can_push_images():
    pushing = {name for name, statement in statements(RACK) if statement["Effect"] == "Allow"
               for action in as_list(statement.get("Action", [])) if action == "ecr:PutImage"}
    assert pushing == {"BuildRole"}


def test_a_build_is_told_what_it_needs():
    (build,) = RACK["Resources"]["BuildTask"]["Properties"]["ContainerDefinitions"]
    told = {variable["Name"] for variable in build["Environment"]}
    assert told == {"AWS_REGION", "CARRACK_RACK", "CARRACK_OBJECTS", "CARRACK_REGISTRY"}
    assert build["Command"] == ["carrackd", "build"] and build["Name"] == "build"
    assert build["LogConfiguration"]["Options"]["awslogs-stream-prefix"] == "build"
    assert build["MountPoints"] == [{"SourceVolume": "engine", "ContainerPath": "/var/run/docker.sock"}]
