"""MiniStack's balancer with what the router part relies on: weights, health checks, draining, and refusals.

MiniStack answers 502 to a weighted forward, finds every target healthy and lets it go at once. Here a target is initial until
it has answered its group's check (asked by a thread, faster than AWS would), unhealthy when it stops, and draining for the
group's deregistration delay; requests go to healthy ones. Priorities and names in use, groups in use and the quota of
rules are refused as AWS does. CreateTargetGroup keeps ProtocolVersion and GrpcCode.
"""
import collections
import concurrent.futures
import os
import random
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request

from ministack.services import alb

CHECK_SECONDS = float(os.environ.get("CARRACK_CHECK_SECONDS", "0.2"))
RULES = 100
LIMITS = {"rules-per-application-load-balancer": RULES, "target-groups-per-application-load-balancer": 100,
          "target-groups": 3000, "condition-values-per-alb-rule": 5, "target-groups-per-action-on-application-load-balancer": 5}
REASONS = {"initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
           "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
           "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress")}

for name in ("_parse_actions", "_action_xml", "_create_tg", "_tg_xml", "_delete_tg", "_create_rule", "_register_targets",
             "_deregister_targets", "_describe_target_health", "set_targets_for_group", "_execute_action", "_forward_to_tg"):
    assert hasattr(alb, name), name

draining: dict[str, list[dict]] = {}


def replace(name: str, action: str | None, function) -> None:
    setattr(alb, name, function)
    if action:
        alb._ACTION_MAP[action] = function


# Weighted forwards.

plain_parse_actions, plain_action_xml = alb._parse_actions, alb._action_xml
plain_execute_action = alb._execute_action


def parse_actions(params, prefix="DefaultActions"):
    actions = plain_parse_actions(params, prefix)
    for number, action in enumerate(actions, 1):
        base, groups = f"{prefix}.member.{number}.ForwardConfig.TargetGroups.member", []
        while arn := alb._p(params, f"{base}.{len(groups) + 1}.TargetGroupArn"):
            groups.append({"TargetGroupArn": arn, "Weight": int(alb._p(params, f"{base}.{len(groups) + 1}.Weight", "1"))})
        if groups:
            action["ForwardConfig"] = groups
    return actions


def action_xml(action):
    groups = "".join(f"<member><TargetGroupArn>{group['TargetGroupArn']}</TargetGroupArn><Weight>{group['Weight']}</Weight></member>"
                     for group in action.get("ForwardConfig", []))
    more = f"<ForwardConfig><TargetGroups>{groups}</TargetGroups></ForwardConfig>" if groups else ""
    return plain_action_xml(action).replace("</Type>", f"</Type>{more}", 1)


async def execute_action(action, *arguments, **others):
    groups = action.get("ForwardConfig")
    if not groups or not sum(group["Weight"] for group in groups):
        return await plain_execute_action(action, *arguments, **others)
    (chosen,) = random.choices(groups, [group["Weight"] for group in groups])
    return await plain_execute_action({**action, "TargetGroupArn": chosen["TargetGroupArn"]}, *arguments, **others)


replace("_parse_actions", None, parse_actions)
replace("_action_xml", None, action_xml)
replace("_execute_action", None, execute_action)


# Rules and groups: what is refused, and what is kept.

plain_create_rule, plain_create_tg = alb._create_rule, alb._create_tg
plain_tg_xml, plain_delete_tg = alb._tg_xml, alb._delete_tg


def create_rule(params):
    rules = [rule for rule in alb._rules.values() if rule["ListenerArn"] == alb._p(params, "ListenerArn") and not rule["IsDefault"]]
    if any(rule["Priority"] == alb._p(params, "Priority") for rule in rules):
        return alb._error("PriorityInUse", f"Priority '{alb._p(params, 'Priority')}' is currently in use")
    if len(rules) >= RULES:
        return alb._error("TooManyRules", "The maximum number of rules has been reached")
    if any(len(condition["Values"]) > 5 for condition in alb._parse_conditions(params)):
        return alb._error("ValidationError", "A rule can have at most 5 condition values")
    return plain_create_rule(params)


def create_tg(params):
    if len(alb._p(params, "Name")) > 32:
        return alb._error("ValidationError", f"Target group name '{alb._p(params, 'Name')}' cannot be longer than '32' characters")
    answer = plain_create_tg(params)
    for group in alb._tgs.values():
        if answer[0] == 200 and group["TargetGroupName"] == alb._p(params, "Name"):
            group["ProtocolVersion"] = alb._p(params, "ProtocolVersion", "HTTP1")
            if code := alb._p(params, "Matcher.GrpcCode"):
                group["Matcher"] = {"GrpcCode": code}
    return answer


def tg_xml(group):
    version = group.get("ProtocolVersion", "HTTP1")
    xml = plain_tg_xml(group).replace("<Port>", f"<ProtocolVersion>{version}</ProtocolVersion><Port>", 1)
    code = group.get("Matcher", {}).get("GrpcCode")
    return xml.replace("<HttpCode>200</HttpCode>", f"<GrpcCode>{code}</GrpcCode>") if code else xml


def delete_tg(params):
    arn = alb._p(params, "TargetGroupArn")
    actions = [action for rule in alb._rules.values() for action in rule["Actions"]]
    used = {group["TargetGroupArn"] for action in actions for group in action.get("ForwardConfig", [])}
    if arn in used | {action.get("TargetGroupArn") for action in actions}:
        return alb._error("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
    draining.pop(arn, None)
    return plain_delete_tg(params)


def describe_limits(_params):
    members = "".join(f"<member><Name>{name}</Name><Max>{value}</Max></member>" for name, value in LIMITS.items())
    return alb._xml(200, "DescribeAccountLimits", f"<Limits>{members}</Limits>")


replace("_create_rule", "CreateRule", create_rule)
replace("_create_tg", "CreateTargetGroup", create_tg)
replace("_tg_xml", None, tg_xml)
replace("_delete_tg", "DeleteTargetGroup", delete_tg)
alb._ACTION_MAP["DescribeAccountLimits"] = describe_limits


# Targets: registered by id and port; they leave after the group's delay.

def place(target, arn):
    return target["Id"], int(target.get("Port") or alb._tgs[arn]["Port"])


def register(arn, targets):
    registered = alb._targets.setdefault(arn, [])
    known = {place(target, arn) for target in registered}
    for target in targets:
        if place(target, arn) not in known:
            leaving = [old for old in draining.get(arn, []) if place(old, arn) != place(target, arn)]
            draining[arn] = leaving
            registered.append({"Id": target["Id"], "Port": place(target, arn)[1], "State": "initial", "Failures": 0})


def deregister(arn, places):
    delay = next((int(entry["Value"]) for entry in alb._tg_attrs.get(arn, [])
                  if entry["Key"] == "deregistration_delay.timeout_seconds"), 300)
    leaving = [target for target in alb._targets.get(arn, []) if place(target, arn) in places]
    alb._targets[arn] = [target for target in alb._targets.get(arn, []) if target not in leaving]
    draining.setdefault(arn, []).extend({**target, "Until": time.monotonic() + delay} for target in leaving)


def register_targets(params):
    arn = alb._p(params, "TargetGroupArn")
    if arn not in alb._tgs:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    register(arn, alb._parse_targets_param(params))
    return alb._empty("RegisterTargets")


def deregister_targets(params):
    arn = alb._p(params, "TargetGroupArn")
    if arn not in alb._tgs:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    deregister(arn, {place(target, arn) for target in alb._parse_targets_param(params)})
    return alb._empty("DeregisterTargets")


def set_targets(arn, targets, previous_ids=()):
    """ECS says which tasks it has now. One that was taken out by somebody else meanwhile stays out, as on AWS."""
    if arn not in alb._tgs:
        return False
    present = {identity for identity, _port in targets}
    gone = set(previous_ids) - present
    deregister(arn, {place(target, arn) for target in alb._targets.get(arn, []) if target["Id"] in gone})
    register(arn, [{"Id": identity, "Port": port} for identity, port in targets if identity not in set(previous_ids)])
    return True


def describe_health(params):
    arn = alb._p(params, "TargetGroupArn")
    if arn not in alb._tgs:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    wanted = {place(target, arn) for target in alb._parse_targets_param(params)}
    draining[arn] = [target for target in draining.get(arn, []) if target["Until"] > time.monotonic()]
    members = ""
    for target in alb._targets.get(arn, []) + [{**target, "State": "draining"} for target in draining[arn]]:
        if wanted and place(target, arn) not in wanted:
            continue
        state = target.get("State", "initial")
        reason, text = REASONS.get(state, ("", ""))
        why = f"<Reason>{reason}</Reason><Description>{text}</Description>" if reason else ""
        members += (f"<member><Target><Id>{target['Id']}</Id><Port>{place(target, arn)[1]}</Port></Target>"
                    f"<TargetHealth><State>{state}</State>{why}</TargetHealth></member>")
    return alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>")


replace("_register_targets", "RegisterTargets", register_targets)
replace("_deregister_targets", "DeregisterTargets", deregister_targets)
replace("_describe_target_health", "DescribeTargetHealth", describe_health)
replace("set_targets_for_group", None, set_targets)


# Requests go to healthy targets; when there are only unhealthy ones, to all of them.

plain_forward = alb._forward_to_tg


async def forward(arn, *arguments, **others):
    group = alb._tgs.get(arn)
    if not group or group.get("TargetType") == "lambda":
        return await plain_forward(arn, *arguments, **others)
    registered = alb._targets.get(arn, [])
    able = [target for target in registered if target.get("State") == "healthy"] or \
           [target for target in registered if target.get("State") == "unhealthy"]
    if not able:
        return 503, {"Content-Type": "text/plain"}, b"no target is able to take the request"
    method, path, headers, body, query, *raw = arguments
    raw_query, raw_path = (*raw, None, None)[:2]
    raw_query, raw_path = others.get("raw_query_string", raw_query), others.get("raw_path", raw_path)
    return await alb._proxy_http_target(random.choice(able), group, method, raw_path or path, headers, body, query, raw_query)


replace("_forward_to_tg", None, forward)


# Health checks.

def is_in(code: int, ranges: str) -> bool:
    bounds = [part.split("-") for part in ranges.split(",")]
    return any(int(bound[0]) <= code <= int(bound[-1]) for bound in bounds)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


def answers(group: dict, target: dict) -> bool:
    host, port = target["Id"], target["Port"]
    if "GrpcCode" in group.get("Matcher", {}):
        try:
            with socket.create_connection((host, port), timeout=1):
                return True
        except OSError:
            return False
    scheme = "https" if group.get("HealthCheckProtocol") == "HTTPS" else "http"
    opener = urllib.request.build_opener(
        NoRedirect, urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))
    try:
        with opener.open(f"{scheme}://{host}:{port}{group['HealthCheckPath']}", timeout=1) as answer:
            code = answer.status
    except urllib.error.HTTPError as error:
        code = error.code
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return is_in(code, group["Matcher"]["HttpCode"])


def check(group: dict, target: dict) -> None:
    good = answers(group, target)
    target["Failures"] = 0 if good else target.get("Failures", 0) + 1
    if good:
        target["State"] = "healthy"
    elif target["Failures"] >= group["UnhealthyThresholdCount"]:
        target["State"] = "unhealthy"


def check_all() -> None:
    groups = {arn: group for (*_scope, arn), group in list(alb._tgs._data.items())}
    due = [(groups[arn], target) for (*_scope, arn), targets in list(alb._targets._data.items()) if arn in groups
           for target in list(targets)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: check(*pair), due))


def check_for_ever() -> None:
    while True:
        time.sleep(CHECK_SECONDS)
        check_all()


# How often each action was called, told by an action of our own.

calls: collections.Counter[str] = collections.Counter()


def counted(action: str, function):
    def call(params):
        calls[action] += 1
        return function(params)

    return call


def tell_calls(_params):
    members = "".join(f"<member><Action>{action}</Action><Count>{count}</Count></member>" for action, count in calls.items())
    return alb._xml(200, "CarrackCalls", f"<Calls>{members}</Calls>")


alb._ACTION_MAP.update({action: counted(action, function) for action, function in alb._ACTION_MAP.items()})
alb._ACTION_MAP["CarrackCalls"] = tell_calls


plain_reset = alb.reset


def reset():
    plain_reset()
    draining.clear()
    calls.clear()


alb.reset = reset


def start() -> None:
    threading.Thread(target=check_for_ever, daemon=True, name="health-checks").start()
