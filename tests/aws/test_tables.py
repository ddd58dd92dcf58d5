"""The table of services and the Query forms, against botocore's models of the same."""
import json
import urllib.parse

import botocore.regions
import botocore.serialize
import pytest
from conftest import Client, client_at

PROTOCOLS = {"json": 0, "query": 1, "ec2": 2, "rest-json": 3, "rest-xml": 3}
REGIONS = ["eu-west-1", "us-gov-west-1", "cn-northwest-1", "eusc-de-east-1"]


def offline(home, region: str = "eu-west-1") -> Client:
    return client_at("", home).with_variables(AWS_REGION=region)


def test_every_service_is_as_its_model_says(models, tmp_path):
    for service in offline(tmp_path).json("services"):
        model = models.get_service_model(service["name"])
        protocols = model.metadata.get("protocols") or [model.metadata["protocol"]]
        assert service["protocol"] in [PROTOCOLS.get(name) for name in protocols], service
        assert service["signing_name"] == model.signing_name
        assert service["id"] == model.service_id.replace(" ", "_").upper()
        if service["protocol"] == 0:
            assert service["version"] == model.metadata["jsonVersion"]
            assert service["target_prefix"] == model.metadata["targetPrefix"]
        else:
            assert service["version"] == model.api_version


@pytest.mark.parametrize("region", REGIONS)
def test_every_address_is_botocores(region, models, tmp_path):
    resolver = botocore.regions.EndpointResolver(models.get_data("endpoints"))
    for service in offline(tmp_path, region).json("services"):
        assert service["partition"] == resolver.get_partition_for_region(region)
        endpoint = resolver.construct_endpoint(models.get_service_model(service["name"]).endpoint_prefix, region)
        is_known = endpoint and "hostname" in endpoint
        is_global = service["name"] in ("iam", "route53")
        if is_global and service["partition"] == "aws-eusc":
            continue  # not in this version of its data
        assert is_known, service
        assert service["url"] == f"https://{endpoint['hostname']}", service
        assert service["region"] == endpoint.get("credentialScope", {}).get("region", region), service


def forms():
    """Our input in the names of the wire, beside botocore's in those of its model."""
    same = None
    tags = [{"Key": "a b", "Value": "ü&="}, {"Key": "", "Value": ""}]
    yield "cloudformation", "CreateStack", {
        "StackName": "s", "DisableRollback": True, "TimeoutInMinutes": 5, "Capabilities": ["CAPABILITY_IAM"], "Tags": tags,
        "Parameters": [{"ParameterKey": "A", "UsePreviousValue": True}], "NotificationARNs": []}, same
    yield "elbv2", "CreateRule", {
        "ListenerArn": "l", "Priority": 1, "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
            {"TargetGroupArn": "t", "Weight": 1}]}}],
        "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.b", "c.d"]}}]}, same
    yield "iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": '{"a": "\n"}', "Tags": tags}, same
    yield "autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": "g", "DesiredCapacity": 0, "HonorCooldown": False}, same
    yield "sns", "CreateTopic", {"Name": "t", "Attributes.entry": {"A": "1", "B": "2"}}, {
        "Name": "t", "Attributes": {"A": "1", "B": "2"}}
    yield "rds", "CreateDBSubnetGroup", {
        "DBSubnetGroupName": "g", "DBSubnetGroupDescription": "d", "SubnetIds.SubnetIdentifier": ["a", "b"], "Tags.Tag": tags}, {
        "DBSubnetGroupName": "g", "DBSubnetGroupDescription": "d", "SubnetIds": ["a", "b"], "Tags": tags}
    yield "elasticache", "DescribeCacheClusters", {"CacheClusterId": "c", "ShowCacheNodeInfo": True}, same
    yield "cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}, same
    yield "ec2", "DescribeInstances", {"Filter": [{"Name": "x", "Value": ["a", "b"]}], "InstanceId": ["i-1"],
                                       "MaxResults": 10}, {
        "Filters": [{"Name": "x", "Values": ["a", "b"]}], "InstanceIds": ["i-1"], "MaxResults": 10}
    yield "ec2", "CreateTags", {"ResourceId": ["r"], "Tag": tags}, {"Resources": ["r"], "Tags": tags}
    yield "sts", "AssumeRole", {"RoleArn": "r", "RoleSessionName": "s", "DurationSeconds": 900}, same


@pytest.mark.parametrize(("service", "operation", "ours", "theirs"), list(forms()))
def test_a_form_is_botocores(service, operation, ours, theirs, models, tmp_path):
    output = offline(tmp_path).bytes("form", service, operation, json.dumps(ours)).decode().strip()
    model = models.get_service_model(service)
    serializer = botocore.serialize.create_serializer("ec2" if service == "ec2" else "query", False)
    request = serializer.serialize_to_request(theirs or ours, model.operation_model(operation))
    expected = {name: "" if value is None else str(value) for name, value in request["body"].items()}

    assert dict(urllib.parse.parse_qsl(output, keep_blank_values=True, strict_parsing=True)) == expected
