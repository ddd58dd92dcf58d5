"""Lists of many pages and names in many batches, on MiniStack and against its own counts."""
import json
import time

SERVICES = 23
FAMILIES = 130


def test_every_page_of_a_list_is_read(user):
    prefix = f"family-{time.monotonic_ns()}"
    definition = {"containerDefinitions": [{"name": "main", "image": "none", "memory": 16}]}
    for number in range(FAMILIES):
        user.call("ecs", "RegisterTaskDefinition", family=f"{prefix}-{number:03}", **definition)
    arguments = ["ecs", "ListTaskDefinitionFamilies", "nextToken", "nextToken", "families"]
    for page in ({}, {"maxResults": 7}, {"maxResults": 1}):
        families = user.json("list", *arguments, json.dumps({"familyPrefix": prefix, **page}))
        assert families == [f"{prefix}-{number:03}" for number in range(FAMILIES)]


def test_every_service_is_described_ten_at_a_time(user):
    cluster = f"cluster-{time.monotonic_ns()}"
    user.call("ecs", "CreateCluster", clusterName=cluster)
    user.call("ecs", "RegisterTaskDefinition", family=cluster, containerDefinitions=[
        {"name": "main", "image": "none", "memory": 16}])
    for number in range(SERVICES):
        user.call("ecs", "CreateService", cluster=cluster, serviceName=f"s{number:02}", taskDefinition=cluster, desiredCount=0)
    arns = user.json("list", "ecs", "ListServices", "nextToken", "nextToken", "serviceArns", json.dumps({"cluster": cluster}))
    assert len(arns) == SERVICES
    answer = user.json("batches", "ecs", "DescribeServices", "services", "10", json.dumps([*arns, "none"]),
                       json.dumps({"cluster": cluster}))
    assert sorted(service["serviceName"] for service in answer["services"]) == [f"s{number:02}" for number in range(SERVICES)]
    assert len(answer["failures"]) == 1


def test_a_list_of_xml_pages(user):
    prefix = f"/{time.monotonic_ns()}/"
    for number in range(15):
        user.call("iam", "CreateUser", UserName=f"u{time.monotonic_ns()}-{number}", Path=prefix)
    users = user.json("list", "iam", "ListUsers", "Marker", "Marker", "Users", json.dumps({"PathPrefix": prefix, "MaxItems": 4}))
    assert len({entry["UserName"] for entry in users}) == 15


def test_a_table_is_read_by_keys(user):
    table = f"table-{time.monotonic_ns()}"
    user.call("dynamodb", "CreateTable", TableName=table, BillingMode="PAY_PER_REQUEST",
              AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
              KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    for number in range(9):
        user.call("dynamodb", "PutItem", TableName=table, Item={"id": {"S": f"{number}"}})
    items = user.json("list", "dynamodb", "Scan", "ExclusiveStartKey", "LastEvaluatedKey", "Items",
                      json.dumps({"TableName": table, "Limit": 2}))
    assert sorted(item["id"]["S"] for item in items) == [f"{number}" for number in range(9)]
    result = user.run("call", "dynamodb", "PutItem", json.dumps({
        "TableName": table, "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}))
    assert result.stderr.decode().splitlines()[1:] == ["ConditionalCheckFailedException", "409"]
