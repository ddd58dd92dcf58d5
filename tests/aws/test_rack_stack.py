"""The rack's and an app's stack on MiniStack: every variant comes up whole, and goes without leaving a thing."""
import json
import pathlib
import time

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, ROOT_KEYS

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "templates"
CERTIFICATE = "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef"
IMAGE = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/prod-system@sha256:" + "0" * 64
ALWAYS = {"Version", "Address", "Domain", "BalancerHost", "BalancerName", "Listener80", "Listener443", "Vpc", "Subnets",
          "ProcessSecurity", "Cluster", "Capacity", "CapacityProvider", "BuildProvider", "Repository", "Documents", "Objects",
          "Password", "Key", "SystemLogs", "BuildLogs", "Events", "Notifications", "ApiRole", "AppStackRole", "AppBoundary"}
# What an account holds: service, call, list in the answer, what names an entry.
INVENTORY = [
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"), ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupName"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    ("ecs", "describe_capacity_providers", "capacityProviders", "name"), ("ecs", "list_clusters", "clusterArns", None),
    ("dynamodb", "list_tables", "TableNames", None), ("s3", "list_buckets", "Buckets", "Name"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"), ("sqs", "list_queues", "QueueUrls", None),
    ("sns", "list_topics", "Topics", "TopicArn"), ("events", "list_rules", "Rules", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"), ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"), ("ssm", "describe_parameters", "Parameters", "Name"),
    ("kinesis", "list_streams", "StreamNames", None), ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"), ("kms", "list_aliases", "Aliases", "AliasName"),
    ("acm", "list_certificates", "CertificateSummaryList", "CertificateArn"),
]


class Account:
    """An account on MiniStack, spoken to with botocore as root or with a session's keys."""

    def __init__(self, session, url: str, keys: tuple[str, ...] = ROOT_KEYS):
        self.session, self.url, self.keys, self.clients = session, url, keys, {}

    def __getattr__(self, service: str):
        if service not in self.clients:
            self.clients[service] = self.session.create_client(
                service, region_name=REGION, endpoint_url=self.url, **dict(zip(
                    ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), self.keys, strict=False)))
        return self.clients[service]

    def inventory(self) -> set[tuple[str, str]]:
        found = set()
        for service, call, members, name in INVENTORY:
            for entry in getattr(getattr(self, service), call)().get(members) or []:
                found.add((call, entry[name] if name else entry))
        found |= {("nat", entry["NatGatewayId"]) for entry in self.ec2.describe_nat_gateways()["NatGateways"]
                  if entry["State"] != "deleted"}
        return found | {("policy", entry["Arn"]) for entry in self.iam.list_policies(Scope="Local")["Policies"]}

    def wait(self, name: str) -> dict:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            (stack,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            time.sleep(0.05)
        raise AssertionError(f"stack {name} is still {stack['StackStatus']}")

    def reasons(self, name: str) -> list[str]:
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in
                self.cloudformation.describe_stack_events(StackName=name)["StackEvents"] if "FAILED" in event["ResourceStatus"]]

    def outputs(self, name: str, wish: str) -> dict[str, str]:
        stack = self.wait(name)
        assert stack["StackStatus"] == wish, self.reasons(stack["StackId"])
        return {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", [])}

    def delete(self, name: str) -> None:
        (stack,) = self.cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.cloudformation.delete_stack(StackName=name)
        deleted = self.wait(stack["StackId"])
        assert deleted["StackStatus"] == "DELETE_COMPLETE", self.reasons(stack["StackId"])


def parameters_of(values: dict) -> list[dict]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


@pytest.fixture(scope="session")
def account(models, ministack):
    """With what the templates take from outside: a bucket for the template, a zone, an image's name."""
    account = Account(models, ministack)
    account.s3.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": REGION})
    account.s3.put_object(Bucket="templates", Key="rack.yaml", Body=(FOLDER / "rack.yaml").read_bytes())
    account.ssm.put_parameter(Name="/images/ecs", Value="ami-0123456789abcdef0", Type="String")
    account.zone = account.route53.create_hosted_zone(Name="example.org", CallerReference="1")["HostedZone"]["Id"].split("/")[-1]
    return account


def rack_parameters(**values) -> list[dict]:
    return parameters_of({"Version": "1.0.0", "Domain": "apps.example.org", "Certificate": CERTIFICATE, "ImageId": "/images/ecs",
                          **values})


def create_rack(account, name: str, **values) -> dict[str, str]:
    account.cloudformation.create_stack(
        StackName=name, TemplateURL=f"{account.url}/templates/rack.yaml", Capabilities=["CAPABILITY_IAM"],
        Parameters=rack_parameters(**values), Tags=[{"Key": "carrack", "Value": name}])
    return account.outputs(name, "CREATE_COMPLETE")


def update_rack(account, name: str, **values) -> dict[str, str]:
    account.cloudformation.update_stack(
        StackName=name, TemplateURL=f"{account.url}/templates/rack.yaml", Capabilities=["CAPABILITY_IAM"],
        Parameters=rack_parameters(**values))
    return account.outputs(name, "UPDATE_COMPLETE")


SUBNETS = {"ExistingVpc": "vpc-0123456789abcdef0", "ExistingPublicSubnets": "subnet-a,subnet-b"}
VARIANTS = {
    "public": ({}, 3, 0),
    "twozones": ({"Zones": "2"}, 2, 0),
    "private": ({"Private": "Yes"}, 3, 3),
    "onenat": ({"Private": "Yes", "NatGateways": "one", "Zones": "2"}, 2, 1),
    "fargate": ({"Capacity": "fargate"}, 3, 0),
    "fargprivate": ({"Capacity": "fargate", "Private": "Yes"}, 3, 3),
    "existing": (SUBNETS, 2, 0),
    "exprivate": ({**SUBNETS, "ExistingPrivateSubnets": "subnet-c,subnet-d", "Private": "Yes"}, 2, 0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_rack_comes_up_in_two_rounds_and_goes_without_a_trace(account, name):
    values, subnets, gateways = VARIANTS[name]
    before = account.inventory()
    first = create_rack(account, name, **values)
    assert set(first) == ALWAYS
    assert all(first.values())
    assert len(first["Subnets"].split(",")) == subnets
    assert len([entry for entry in account.inventory() - before if entry[0] == "nat"]) == gateways

    second = update_rack(account, name, **values, ApiImage=IMAGE)
    assert set(second) == ALWAYS | {"BuildTask"}
    assert {key: second[key] for key in first} == first
    (service,) = account.ecs.describe_services(cluster=name, services=["api"])["services"]
    assert service["desiredCount"] == 1
    assert service["deploymentConfiguration"]["maximumPercent"] == 100

    account.delete(name)
    assert account.inventory() == before


def test_processes_of_a_private_rack_are_in_private_subnets(account):
    outputs = create_rack(account, "inside", Private="Yes")
    subnets = account.ec2.describe_subnets(SubnetIds=outputs["Subnets"].split(","))["Subnets"]
    assert {subnet["MapPublicIpOnLaunch"] for subnet in subnets} == {False}
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 3
    groups = account.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    mine = [group for group in groups if group["VPCZoneIdentifier"] == outputs["Subnets"]]
    assert len(mine) == 2
    (balancer,) = account.elbv2.describe_load_balancers(Names=["inside"])["LoadBalancers"]
    assert not {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} & set(outputs["Subnets"].split(","))
    account.delete("inside")


def test_the_rack_answers_for_its_own_host_only(account):
    outputs = create_rack(account, "hosts", Certificate="", HostedZone=account.zone)
    rules = account.elbv2.describe_rules(ListenerArn=outputs["Listener443"])["Rules"]
    first = next(rule for rule in rules if rule["Priority"] == "1")
    assert first["Conditions"][0]["HostHeaderConfig"]["Values"] == ["rack.apps.example.org"]
    default = next(rule for rule in rules if rule["IsDefault"])
    assert default["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
    records = account.route53.list_resource_record_sets(HostedZoneId=account.zone)["ResourceRecordSets"]
    wildcard = next(record for record in records if record["Type"] == "A")
    assert wildcard["AliasTarget"]["DNSName"].rstrip(".").endswith(outputs["BalancerHost"])
    account.delete("hosts")


def test_a_rack_without_certificate_and_zone_is_refused_at_once(account):
    with pytest.raises(account.cloudformation.exceptions.ClientError, match="Certificate or HostedZone is needed"):
        create_rack(account, "nocert", Certificate="")


def test_an_apps_stack_comes_and_goes_with_a_drain_and_without(account):
    drains = {"LogDrains": '{"*": ["syslog://127.0.0.1:1"]}'}
    first = create_rack(account, "apps", **drains)
    assert "LogStream" not in first, "without the function's code there is no drain"
    account.s3.put_object(Bucket=first["Objects"], Key="lambda/log-drain.zip", Body=b"PK\5\6" + bytes(18))
    rack = update_rack(account, "apps", **drains, LogDrainCode="lambda/log-drain.zip")
    before = account.inventory()
    for stream in ("", rack["LogStream"]):
        role = rack["LogDeliveryRole"] if stream else ""
        account.cloudformation.create_stack(
            StackName="apps-app-shop", TemplateBody=(FOLDER / "app.yaml").read_text(), Capabilities=["CAPABILITY_IAM"],
            Parameters=parameters_of({"Rack": "apps", "App": "shop", "Key": rack["Key"], "Boundary": rack["AppBoundary"],
                                      "LogStream": stream, "LogDeliveryRole": role}))
        app = account.outputs("apps-app-shop", "CREATE_COMPLETE")
        assert app["Logs"] == "/carrack/apps/app/shop"
        assert app["Repository"].endswith("/apps/shop")
        assert ":role/carrack/apps/app/" in app["TaskRole"]
        filters = account.logs.describe_subscription_filters(logGroupName=app["Logs"])["subscriptionFilters"]
        assert [entry["destinationArn"] for entry in filters] == ([stream] if stream else [])
        rules = json.loads(account.ecr.get_lifecycle_policy(repositoryName="apps/shop")["lifecyclePolicyText"])["rules"]
        assert len(rules) == 1
        account.delete("apps-app-shop")
        assert account.inventory() == before
    account.s3.delete_object(Bucket=rack["Objects"], Key="lambda/log-drain.zip")
    account.delete("apps")


def refusal(call, **values) -> str:
    with pytest.raises(ClientError) as caught:
        call(**values)
    return caught.value.response["Error"]["Code"]


def test_carrackd_may_deploy_and_not_change_the_account(account, models):
    rack = create_rack(account, "rights")
    account.iam.update_assume_role_policy(
        RoleName=rack["ApiRole"].split("/")[-1], PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}))
    key = account.sts.assume_role(RoleArn=rack["ApiRole"], RoleSessionName="test")["Credentials"]
    api = Account(models, account.url, (key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]))

    api.ecs.register_task_definition(family="rights-shop-web", containerDefinitions=[{"name": "web", "image": "x", "memory": 64}])
    api.ecs.create_service(cluster="rights", serviceName="shop-web", taskDefinition="rights-shop-web", desiredCount=0)
    # MiniStack takes target groups that are to be and rules for «*», which the role does not have; AWS has their ARNs.
    (target,) = account.elbv2.create_target_group(Name="rights-1", Protocol="HTTP", Port=80, VpcId=rack["Vpc"])["TargetGroups"]
    (rule,) = api.elbv2.create_rule(ListenerArn=rack["Listener443"], Priority=100,
                                    Conditions=[{"Field": "host-header", "Values": ["a.example.org"]}],
                                    Actions=[{"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}])["Rules"]
    account.elbv2.delete_rule(RuleArn=rule["RuleArn"])
    account.elbv2.delete_target_group(TargetGroupArn=target["TargetGroupArn"])
    api.ecs.delete_service(cluster="rights", service="shop-web", force=True)
    api.dynamodb.put_item(TableName=rack["Documents"], Item=document("", "app", "shop", 1))

    denied = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
    # Allowed to, but not without TLS, which MiniStack does not speak.
    assert refusal(api.s3.put_object, Bucket=rack["Objects"], Key="objects/shop/x", Body=b"1") in denied
    bucket = account.s3.get_bucket_policy(Bucket=rack["Objects"])["Policy"]
    account.s3.delete_bucket_policy(Bucket=rack["Objects"])
    api.s3.put_object(Bucket=rack["Objects"], Key="objects/shop/x", Body=b"1")
    api.s3.delete_object(Bucket=rack["Objects"], Key="objects/shop/x")
    account.s3.put_bucket_policy(Bucket=rack["Objects"], Policy=bucket)
    assert refusal(api.iam.create_user, UserName="x") in denied
    own_role = rack["ApiRole"].split("/")[-1]
    assert refusal(api.iam.put_role_policy, RoleName=own_role, PolicyName="x", PolicyDocument="{}") in denied
    assert refusal(api.cloudformation.update_stack, StackName="rights", UsePreviousTemplate=True) in denied
    assert refusal(api.cloudformation.delete_stack, StackName="rights") in denied
    assert refusal(api.ecs.create_service, cluster="other", serviceName="x", taskDefinition="y") in denied
    assert refusal(api.ec2.run_instances, ImageId="ami-1", MinCount=1, MaxCount=1) in denied
    assert refusal(api.secretsmanager.get_secret_value, SecretId=rack["Password"]) in denied
    environment = {"Name": "rights/app/shop/web-RABCDEFGHIJ-1", "SecretString": "{}", "KmsKeyId": rack["Key"]}
    secret = api.secretsmanager.create_secret(**environment, Tags=[{"Key": "carrack", "Value": "rights"}])["ARN"]
    assert refusal(api.secretsmanager.get_secret_value, SecretId=secret) in denied
    assert refusal(api.secretsmanager.create_secret, **{**environment, "Name": "rights/other"}) in denied
    api.secretsmanager.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    assert refusal(api.dynamodb.delete_table, TableName=rack["Documents"]) in denied
    assert refusal(api.elbv2.delete_load_balancer, LoadBalancerArn=rack["Listener443"]) in denied
    account.delete("rights")


def document(scope: str, kind: str, name: str, sequence: int) -> dict:
    return {"scope": {"S": f"@{scope}"}, "name": {"S": f"{kind}/{name}"}, "age": {"S": f"{kind}/{sequence:020d}"},
            "kind": {"S": kind}, "sequence": {"N": str(sequence)}, "version": {"N": "1"}, "body": {"S": "{}"}}


def read(database, table: str, keys: list[dict]) -> list[dict]:
    """Keys of an index with their documents, in the order of the keys."""
    wanted = [{member: key[member] for member in ("scope", "name")} for key in keys]
    items = database.batch_get_item(RequestItems={table: {"Keys": wanted, "ConsistentRead": True}})["Responses"][table]
    return sorted(items, key=lambda item: wanted.index({member: item[member] for member in ("scope", "name")}))


def test_the_table_holds_documents_as_core_store_wants_them(account):
    """docs/why/0008-documents-in-dynamodb.md, request by request. All names go by placeholders: NAME is a reserved word."""
    table = create_rack(account, "store")["Documents"]
    database = account.dynamodb
    absent = {"ConditionExpression": "attribute_not_exists(#scope)", "ExpressionAttributeNames": {"#scope": "scope"}}
    for sequence, (scope, kind, name) in enumerate([("shop", "release", "R9"), ("shop", "build", "B1"), ("shop", "release", "R1"),
                                                    ("blog", "release", "R5"), ("", "app", "shop")], 1):
        database.put_item(TableName=table, Item=document(scope, kind, name, sequence), **absent)
    with pytest.raises(database.exceptions.ConditionalCheckFailedException):
        database.put_item(TableName=table, Item=document("shop", "release", "R9", 9), **absent)

    update = {"TableName": table, "Key": {"scope": {"S": "@shop"}, "name": {"S": "release/R9"}}, "ReturnValues": "UPDATED_NEW",
              "UpdateExpression": "SET #body = :body, #version = #version + :one", "ConditionExpression": "#version = :read",
              "ExpressionAttributeNames": {"#body": "body", "#version": "version"},
              "ExpressionAttributeValues": {":body": {"S": '{"a":1}'}, ":one": {"N": "1"}, ":read": {"N": "1"}}}
    assert database.update_item(**update)["Attributes"]["version"] == {"N": "2"}
    with pytest.raises(database.exceptions.ConditionalCheckFailedException):
        database.update_item(**update)

    newest_first = database.query(
        TableName=table, IndexName="by-age", ConsistentRead=True, ScanIndexForward=False,
        KeyConditionExpression="#scope = :scope AND begins_with(#age, :kind)",
        ExpressionAttributeNames={"#scope": "scope", "#age": "age"},
        ExpressionAttributeValues={":scope": {"S": "@shop"}, ":kind": {"S": "release/"}})["Items"]
    assert [item["name"]["S"] for item in newest_first] == ["release/R1", "release/R9"]
    assert [item["body"]["S"] for item in read(database, table, newest_first)] == ["{}", '{"a":1}']

    older = database.query(
        TableName=table, IndexName="by-age", ConsistentRead=True, ScanIndexForward=False, Limit=1,
        KeyConditionExpression="#scope = :scope AND #age BETWEEN :first AND :last",
        ExpressionAttributeNames={"#scope": "scope", "#age": "age"},
        ExpressionAttributeValues={":scope": {"S": "@shop"}, ":first": {"S": "release/"}, ":last": {"S": f"release/{2:020d}"}})
    assert [item["name"]["S"] for item in older["Items"]] == ["release/R9"]
    everywhere = database.query(
        TableName=table, IndexName="by-kind", ScanIndexForward=False, KeyConditionExpression="#kind = :kind",
        ExpressionAttributeNames={"#kind": "kind"}, ExpressionAttributeValues={":kind": {"S": "release"}})["Items"]
    assert [item["name"]["S"] for item in everywhere] == ["release/R5", "release/R1", "release/R9"]

    scope = database.query(
        TableName=table, ConsistentRead=True, KeyConditionExpression="#scope = :scope",
        ExpressionAttributeNames={"#scope": "scope"}, ExpressionAttributeValues={":scope": {"S": "@shop"}})["Items"]
    assert {item["name"]["S"] for item in scope} == {"release/R9", "release/R1", "build/B1"}
    account.delete("store")
