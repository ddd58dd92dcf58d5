"""Tasks of MiniStack act in their role: it gives out the account's own credentials, whatever a task's role may do, by an address
that AWS's rules for clients forbid. Here a task gets a session of its role in its environment, so with AUTH=true its policies count.
"""
import secrets
import time

from ministack.services import ecs, sts

LIFETIME = 12 * 3600

for module, name in ((ecs, "_register_metadata"), (sts, "register_session"), (sts, "_assumed_role_arn"), (sts, "_role_id")):
    assert hasattr(module, name), name


def session_of(role: str, name: str) -> dict[str, str]:
    """A new session of a role, as AssumeRole makes it; the environment that carries it."""
    key, secret, token = "ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(40)
    sts.register_session(key, {
        "Arn": sts._assumed_role_arn(role, name), "UserId": f"{sts._role_id(role)}:{name}", "SecretAccessKey": secret,
        "SessionToken": token, "Expiration": time.time() + LIFETIME, "AccountId": role.split(":")[4], "PrincipalType": "AssumedRole",
        "SourceAccessKeyId": "", "SourcePrincipalArn": "", "SessionTags": {}, "SessionPolicies": None,
    })
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


plain_register = ecs._register_metadata


def register_metadata(task_arn, cluster_arn, definition, container, launch_type, environment, *others):
    token = plain_register(task_arn, cluster_arn, definition, container, launch_type, environment, *others)
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        environment.pop(name, None)
    if definition.get("taskRoleArn"):
        environment.update(session_of(definition["taskRoleArn"], task_arn.rsplit("/", 1)[-1]))
    return token


ecs._register_metadata = register_metadata
