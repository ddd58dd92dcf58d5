"""MiniStack's CloudFormation with what an installation relies on and it drops: secrets, volumes and Linux parameters of task
definitions, and passwords without punctuation."""
import functools

from ministack import app
from ministack.services.cloudformation import provisioners

LETTERS_ALONE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

for name in ("_normalize_container_defs", "_pascal_to_camel", "_sm_secret_string"):
    assert hasattr(provisioners, name), name


def secret_arn(name: str) -> str:
    """Ref of a secret is its name in MiniStack, and its ARN on AWS."""
    return provisioners._sm._secrets.get(name, {}).get("ARN", name)


plain_definitions = provisioners._normalize_container_defs


def container_definitions(definitions):
    found = plain_definitions(definitions)
    for definition in found:
        for member in ("secrets", "linuxParameters"):
            if member in definition:
                definition[member] = provisioners._pascal_to_camel(definition[member])
        for secret in definition.get("secrets", []):
            secret["valueFrom"] = secret_arn(secret["valueFrom"])
    return found


provisioners._normalize_container_defs = container_definitions


plain_secret = provisioners._sm_secret_string


def secret_string(properties):
    wish = dict(properties.get("GenerateSecretString") or {})
    if wish.get("ExcludePunctuation") in (True, "true"):
        wish["ExcludeCharacters"] = wish.get("ExcludeCharacters", "") + LETTERS_ALONE
        properties = {**properties, "GenerateSecretString": wish}
    return plain_secret(properties)


provisioners._sm_secret_string = secret_string


def with_volumes(create):
    @functools.wraps(create)
    def create_definition(logical_id, properties, *others):
        volumes = provisioners._pascal_to_camel(properties.get("Volumes") or [])
        return create(logical_id, {**properties, "Volumes": volumes}, *others)

    return create_definition


DEFINITIONS = provisioners._RESOURCE_HANDLERS["AWS::ECS::TaskDefinition"]
DEFINITIONS["create"] = with_volumes(DEFINITIONS["create"])


# A host below localhost is a bucket's to MiniStack, also where the path says that its balancer is meant.

assert hasattr(app, "_handle_s3_vhost_request")
plain_bucket_request = app._handle_s3_vhost_request


async def bucket_request(host, path, *others):
    return None if path.startswith("/_alb/") else await plain_bucket_request(host, path, *others)


app._handle_s3_vhost_request = bucket_request
