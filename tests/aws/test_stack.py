"""MiniStack with the additions of ministack_rack.py, through our client: a stack like those of a rack."""
import json
import time

PARAMETERS = {"Count": ("Number", "2"), "Private": ("String", "Yes"), "Zones": ("CommaDelimitedList", "a,b")}
EQUALS_YES = [{"Fn::FindInMap": ["Sizes", "large", "Nat"]}, {"Fn::Join": ["", ["Y", "es"]]}]
TEMPLATE = {
    "Parameters": {name: {"Type": kind, "Default": value} for name, (kind, value) in PARAMETERS.items()},
    "Mappings": {"Sizes": {"large": {"Nat": "Yes"}, "small": {"Nat": "No"}}},
    "Conditions": {
        "Nat": {"Fn::And": [{"Fn::Equals": EQUALS_YES}, {"Fn::Equals": [{"Ref": "Private"}, "Yes"]}]},
        "Gone": {"Fn::Equals": [{"Fn::Select": ["0", {"Ref": "Zones"}]}, "b"]},
        "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]},
    },
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.1.0/24"}},
        "Address": {"Type": "AWS::EC2::EIP", "Condition": "Nat", "Properties": {"Domain": "vpc"}},
        "Gateway": {"Type": "AWS::EC2::NatGateway", "Condition": "Nat", "Properties": {
            "SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}}},
        "Absent": {"Type": "AWS::SNS::Topic", "Condition": "Gone"},
        "Present": {"Type": "AWS::SNS::Topic", "Condition": "Here"},
        "Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "g", "VpcId": {"Ref": "Vpc"}}},
        "Ingress": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {
            "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]}, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
            "CidrIp": "0.0.0.0/0"}},
        "Cluster": {"Type": "AWS::ECS::Cluster"},
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "stack", "ContainerDefinitions": [
            {"Name": "main", "Image": "none", "Memory": "64", "Essential": "true"}]}},
        "Service": {"Type": "AWS::ECS::Service", "Properties": {
            "Cluster": {"Ref": "Cluster"}, "TaskDefinition": {"Ref": "Task"}, "DesiredCount": {"Ref": "Count"},
            "EnableExecuteCommand": True}},
        "Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": {
            "ResourceId": "service/a/b", "ScalableDimension": "ecs:service:DesiredCount", "ServiceNamespace": "ecs",
            "MinCapacity": 1, "MaxCapacity": 2}},
    },
    "Outputs": {"Gateway": {"Value": {"Ref": "Gateway"}}, "Cluster": {"Value": {"Ref": "Cluster"}},
                "Group": {"Value": {"Fn::GetAtt": ["Group", "GroupId"]}}},
}


def wait_for_stack(user, name: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (stack,) = user.call("cloudformation", "DescribeStacks", StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.1)
    raise AssertionError(f"stack {name} is still {stack['StackStatus']}")


def test_a_stack_like_a_racks_is_created_and_deleted(user):
    name = f"stack-{time.monotonic_ns()}"
    user.call("cloudformation", "CreateStack", StackName=name, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"],
              Parameters=[{"ParameterKey": "Count", "ParameterValue": "3"}])
    stack = wait_for_stack(user, name)
    events = user.json("list", "cloudformation", "DescribeStackEvents", "NextToken", "NextToken", "StackEvents",
                       json.dumps({"StackName": name}))
    assert stack["StackStatus"] == "CREATE_COMPLETE", events
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in stack["Outputs"]}

    resources = {entry["LogicalResourceId"] for entry in user.json(
        "list", "cloudformation", "ListStackResources", "NextToken", "NextToken", "StackResourceSummaries",
        json.dumps({"StackName": name}))}
    assert resources == set(TEMPLATE["Resources"]) - {"Absent"}
    (gateway,) = user.call("ec2", "DescribeNatGateways", NatGatewayId=[outputs["Gateway"]])["natGatewaySet"]
    assert gateway["subnetId"]
    (group,) = user.call("ec2", "DescribeSecurityGroups", GroupId=[outputs["Group"]])["securityGroupInfo"]
    assert any(rule.get("fromPort") == "443" for rule in group["ipPermissions"])
    arns = user.call("ecs", "ListServices", cluster=outputs["Cluster"])["serviceArns"]
    (service,) = user.call("ecs", "DescribeServices", cluster=outputs["Cluster"], services=arns)["services"]
    assert (service["desiredCount"], service["enableExecuteCommand"]) == (3, True)

    user.call("cloudformation", "DeleteStack", StackName=name)
    deadline = time.monotonic() + 60
    while (result := user.run("call", "cloudformation", "DescribeStacks", json.dumps({"StackName": name}))).returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert result.stderr.decode().splitlines()[1:] == ["ValidationError", "404"]
