"""MiniStack with what the rack's templates need and it lacks: some CloudFormation types, conditions over functions,
numbers and booleans that are written as text, and properties of ECS services and containers that it drops.

Starts the server like MiniStack's own program, with the same environment. It reaches into private names of the one version
that requirements.txt pins; a name that is gone ends the start.
"""
import functools

import ministack_balancer
import ministack_builds  # noqa: F401 (it changes the emulator)
import ministack_credentials  # noqa: F401 (it changes the emulator)
import ministack_exec  # noqa: F401 (it changes the emulator)
import ministack_logs  # noqa: F401 (it changes the emulator)
import ministack_stacks  # noqa: F401 (it changes the emulator)
import ministack_tasks  # noqa: F401 (it changes the emulator)
from ministack import app
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ec2, ecs
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

HANDLERS = provisioners._RESOURCE_HANDLERS


def new_id(prefix: str) -> str:
    return prefix + new_uuid().replace("-", "")[:17]


def query(**values) -> dict[str, list[str]]:
    """Parameters as the handlers of Query services take them."""
    return {name: [str(value)] for name, value in values.items() if value is not None}


def added(table, create) -> str:
    """The key that `create` adds to a table of the emulator."""
    before = set(table.keys())
    create()
    return (set(table.keys()) - before).pop()


def register(type_name: str, create, delete, update=None) -> None:
    assert type_name not in HANDLERS, f"{type_name} is built in now: take ours out"
    HANDLERS[type_name] = {"create": create, "delete": delete, **({"update": update} if update else {})}


# EC2, by the emulator's own functions.

def create_address(_logical_id, _properties, _stack):
    allocation = added(ec2._addresses, lambda: ec2._allocate_address(query(Domain="vpc")))
    address = ec2._addresses[allocation]["PublicIp"]
    return address, {"AllocationId": allocation, "PublicIp": address}


def delete_address(physical_id, _properties):
    for allocation, address in list(ec2._addresses.items()):
        if address["PublicIp"] == physical_id:
            ec2._release_address(query(AllocationId=allocation))


def create_nat(_logical_id, properties, _stack):
    wanted = query(**{name: properties.get(name) for name in ("SubnetId", "AllocationId", "ConnectivityType")})
    gateway = added(ec2._nat_gateways, lambda: ec2._create_nat_gateway(wanted))
    return gateway, {"NatGatewayId": gateway}


def create_ingress(_logical_id, properties, _stack):
    group = ec2._security_groups.get(properties["GroupId"])
    if not group:
        raise ValueError(f"security group {properties['GroupId']} does not exist")
    group["IpPermissions"] += provisioners._ec2_sg_permissions([properties])
    return new_id("sgr-"), {"Id": properties["GroupId"]}


def delete_ingress(_physical_id, properties):
    group = ec2._security_groups.get(properties["GroupId"])
    for rule in provisioners._ec2_sg_permissions([properties]) if group else []:
        if rule in group["IpPermissions"]:
            group["IpPermissions"].remove(rule)


register("AWS::EC2::EIP", create_address, delete_address)
register("AWS::EC2::NatGateway", create_nat, lambda gateway, _: ec2._delete_nat_gateway(query(NatGatewayId=gateway)))
register("AWS::EC2::SecurityGroupIngress", create_ingress, delete_ingress)


# ECS capacity providers.

def checked(answer):
    status, _headers, body = answer
    if status >= 400:
        raise ValueError(body)


def create_provider(logical_id, properties, stack):
    name = properties.get("Name") or f"{stack}-{logical_id}-{new_uuid()[:8]}"
    group = provisioners._pascal_to_camel(properties.get("AutoScalingGroupProvider") or {})
    checked(ecs._create_capacity_provider({"name": name, "autoScalingGroupProvider": group}))
    return name, {"Name": name}


def put_providers(_logical_id, properties, _stack):
    strategy = provisioners._pascal_to_camel(properties.get("DefaultCapacityProviderStrategy") or [])
    checked(ecs._put_cluster_capacity_providers({
        "cluster": properties["Cluster"], "capacityProviders": properties.get("CapacityProviders", []),
        "defaultCapacityProviderStrategy": strategy}))
    return properties["Cluster"], {}


def update_providers(physical_id, _old, new, stack, logical_id=None):
    return put_providers(logical_id or physical_id, new, stack)


register("AWS::ECS::CapacityProvider", create_provider,
         lambda name, _: ecs._delete_capacity_provider({"capacityProvider": name}),
         lambda physical_id, _old, _new, _stack: (physical_id, {"Name": physical_id}))
register("AWS::ECS::ClusterCapacityProviderAssociations", put_providers, lambda *_: None, update_providers)


# Types that are kept as a record only: they have a name and no effect.

def register_record(type_name: str, name_of) -> None:
    def create(logical_id, properties, stack):
        name = name_of(logical_id, properties, stack)
        return name, {"Id": name, "Arn": name}

    register(type_name, create, lambda *_: None, lambda physical_id, *_others: (physical_id, {"Id": physical_id}))


def scaling_policy_arn(logical_id, properties, _stack):
    name = properties.get("PolicyName", logical_id)
    return f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{new_uuid()}:policyName/{name}"


register_record("AWS::ElasticLoadBalancingV2::ListenerCertificate", lambda *_: new_id("lc-"))
register_record("AWS::EC2::FlowLog", lambda *_: new_id("fl-"))
register_record("AWS::ApplicationAutoScaling::ScalableTarget", lambda _id, properties, _stack: "|".join(
    properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")))
register_record("AWS::ApplicationAutoScaling::ScalingPolicy", scaling_policy_arn)


# CloudFormation makes numbers and booleans of texts where the type of the property says so.

NUMBERS = {"DesiredCount", "ContainerPort", "HostPort", "Memory", "MemoryReservation", "MinimumHealthyPercent",
           "MaximumPercent", "HealthCheckGracePeriodSeconds", "Weight", "Base", "StopTimeout", "StartTimeout", "Cpu"}
BOOLEANS = {"Essential", "Enable", "Rollback", "Privileged", "ReadonlyRootFilesystem", "EnableExecuteCommand",
            "EnableECSManagedTags", "InitProcessEnabled", "ReadOnly"}


def typed(value, name=None):
    if isinstance(value, dict):
        return {key: typed(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [typed(member, name) for member in value]
    if isinstance(value, str) and name in NUMBERS and value.strip().isdigit():
        return int(value)
    if isinstance(value, str) and name in BOOLEANS and value in ("true", "false"):
        return value == "true"
    return value


def typed_properties(properties):
    """Cpu and Memory of a whole task are texts; those of its containers are numbers."""
    if not isinstance(properties, dict):
        return properties
    of_task = {name: properties[name] for name in ("Cpu", "Memory") if "ContainerDefinitions" in properties
               and name in properties}
    return {**typed(properties), **of_task}


def with_types(function):
    @functools.wraps(function)
    def typed_function(*arguments, **others):
        return function(*(typed_properties(argument) for argument in arguments), **others)

    return typed_function


# Properties of a service that its CloudFormation handler drops go into the call that it makes.

DROPPED = {"EnableExecuteCommand": "enableExecuteCommand", "SchedulingStrategy": "schedulingStrategy",
           "HealthCheckGracePeriodSeconds": "healthCheckGracePeriodSeconds", "PropagateTags": "propagateTags"}


def with_dropped(create):
    @functools.wraps(create)
    def create_service(logical_id, properties, stack, *others):
        plain_create = ecs._create_service
        more = {DROPPED[name]: properties[name] for name in DROPPED if name in properties}
        ecs._create_service = lambda request: plain_create({**request, **more})
        try:
            return create(logical_id, properties, stack, *others)
        finally:
            ecs._create_service = plain_create

    return create_service


HANDLERS["AWS::ECS::Service"]["create"] = with_dropped(HANDLERS["AWS::ECS::Service"]["create"])
for ecs_type in ("AWS::ECS::Service", "AWS::ECS::TaskDefinition"):
    for verb in ("create", "update"):
        HANDLERS[ecs_type][verb] = with_types(HANDLERS[ecs_type][verb])


# Containers get more of what their definition says.

plain_run_arguments = ecs._build_run_kwargs


def run_arguments(definition, *others, **more):
    arguments = plain_run_arguments(definition, *others, **more)
    memory, reservation = definition.get("memory"), definition.get("memoryReservation")
    wanted = {
        "entrypoint": definition.get("entryPoint"),
        "mem_limit": memory and f"{int(memory)}m",
        "mem_reservation": reservation and f"{int(reservation)}m",
        "cpu_shares": definition.get("cpu") and max(2, int(definition["cpu"])),
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "read_only": definition.get("readonlyRootFilesystem"),
    }
    return {**arguments, **{name: value for name, value in wanted.items() if value}}


ecs._build_run_kwargs = run_arguments


# Conditions: the engine compares functions as raw text, so all but the logical ones are worked out before.

def value_of_name(name, parameters):
    pseudo = {"AWS::Region": get_region(), "AWS::AccountId": get_account_id(), "AWS::Partition": "aws"}
    parameter = parameters.get(name)
    if parameter is None:
        return pseudo.get(name, {"Ref": name})
    value, kind = (parameter["Value"], parameter.get("Type", "")) if isinstance(parameter, dict) else (parameter, "")
    is_list = kind.startswith(("CommaDelimitedList", "List<")) and isinstance(value, str)
    return [item.strip() for item in value.split(",")] if is_list else value


FUNCTIONS = {
    "Fn::Join": lambda argument, _: argument[0].join(str(item) for item in argument[1]),
    "Fn::Split": lambda argument, _: str(argument[1]).split(argument[0]),
    "Fn::Select": lambda argument, _: argument[1][int(argument[0])],
    "Fn::FindInMap": lambda argument, mappings: mappings[argument[0]][argument[1]][argument[2]],
    "Fn::Equals": lambda argument, _: {"Fn::Equals": [",".join(side) if isinstance(side, list) else side for side in argument]},
}


def worked_out(value, parameters, mappings):
    if isinstance(value, list):
        return [worked_out(member, parameters, mappings) for member in value]
    if not isinstance(value, dict) or len(value) != 1 or "Condition" in value:
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return value_of_name(argument, parameters)

    argument = worked_out(argument, parameters, mappings)
    return FUNCTIONS[function](argument, mappings) if function in FUNCTIONS else {function: argument}


plain_conditions = engine._evaluate_conditions


def evaluate_conditions(template, parameters):
    mappings = template.get("Mappings", {})
    conditions = {name: worked_out(value, parameters, mappings) for name, value in (template.get("Conditions") or {}).items()}
    return plain_conditions({**template, "Conditions": conditions}, parameters)


for module in (engine, handlers, stacks, changesets):
    assert module._evaluate_conditions
    module._evaluate_conditions = evaluate_conditions


if __name__ == "__main__":
    ministack_balancer.start()
    app.main()
