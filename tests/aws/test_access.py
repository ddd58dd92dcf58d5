"""Who may do what: signatures, sessions and roles on MiniStack; expiry and clocks on the wire."""
import configparser
import datetime
import json
import pathlib
import time

import pytest
from conftest import REGION, client_at
from wire import serve


@pytest.fixture
def role(root):
    """A role that may list clusters and nothing else, and the user who may take it."""
    suffix = time.monotonic_ns()
    account = root.bytes("account").decode().strip()
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]}
    arn = root.call("iam", "CreateRole", RoleName=f"role-{suffix}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    root.call("iam", "PutRolePolicy", RoleName=f"role-{suffix}", PolicyName="list", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}]}))
    return arn


def test_json_query_and_ec2_calls_pass_the_check(user):
    user.call("ecs", "CreateCluster", clusterName="a")
    assert any(arn.endswith("/a") for arn in user.call("ecs", "ListClusters")["clusterArns"])
    assert user.call("sts", "GetCallerIdentity")["Account"] == user.bytes("account").decode().strip()
    vpc = user.call("ec2", "CreateVpc", CidrBlock="10.9.0.0/16")["vpc"]["vpcId"]
    found = user.call("ec2", "DescribeVpcs", Filter=[{"Name": "vpc-id", "Value": [vpc]}])["vpcSet"]
    assert [entry["cidrBlock"] for entry in found] == ["10.9.0.0/16"]


def test_a_wrong_secret_is_refused_and_not_told(user):
    wrong = user.with_variables(AWS_SECRET_ACCESS_KEY="not/the+secret")
    for arguments in (("call", "ecs", "ListClusters"), ("call", "iam", "ListUsers"), ("objects", "some-bucket", "")):
        text, code = wrong.error(*arguments)
        assert code in ("InvalidSignatureException", "SignatureDoesNotMatch"), text
        assert "not/the" not in text


def test_a_role_of_a_profile_is_taken_with_its_source(user, role, tmp_path):
    files = pathlib.Path(user.environment["HOME"]) / ".aws"
    files.mkdir()
    config = configparser.ConfigParser()
    config["profile base"] = {"aws_access_key_id": user.environment["AWS_ACCESS_KEY_ID"],
                              "aws_secret_access_key": user.environment["AWS_SECRET_ACCESS_KEY"]}
    config["profile worker"] = {"role_arn": role, "source_profile": "base"}
    with (files / "config").open("w") as file:
        config.write(file)
    worker = user.with_keys("", "").with_variables(AWS_PROFILE="worker")

    assert "assumed-role" in worker.call("sts", "GetCallerIdentity")["Arn"]
    assert "clusterArns" in worker.call("ecs", "ListClusters")
    text, code = worker.error("call", "ecs", "CreateCluster", '{"clusterName": "b"}')
    assert code.startswith("AccessDenied"), text


def test_a_session_without_its_token_is_refused(user, role):
    session = user.call("sts", "AssumeRole", RoleArn=role, RoleSessionName="s")["Credentials"]
    worker = user.with_keys(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert "clusterArns" in worker.call("ecs", "ListClusters")
    _text, code = worker.with_variables(AWS_SESSION_TOKEN="").error("call", "ecs", "ListClusters")
    assert code in ("UnrecognizedClientException", "InvalidClientTokenId", "IncompleteSignature", "AccessDeniedException")


def test_the_machines_role_is_asked_for_with_a_token(ministack, tmp_path):
    with serve(lambda request: b"{}") as server:
        machine = client_at(server.url, tmp_path).with_keys("", "").with_variables(
            AWS_EC2_METADATA_SERVICE_ENDPOINT=ministack, AWS_EC2_METADATA_DISABLED="")
        machine.call("ecs", "ListClusters")
        # MiniStack's own check does not know these keys, so they are looked at here.
        assert "Credential=ASIA" in server.requests[0].header("authorization")
        assert server.requests[0].header("x-amz-security-token")


def test_the_region_is_in_the_signature(tmp_path):
    with serve(lambda request: b"{}") as server:
        client_at(server.url, tmp_path).call("ecs", "ListClusters")
        day = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
        assert f"/{day}/{REGION}/ecs/aws4_request" in server.requests[0].header("authorization")
