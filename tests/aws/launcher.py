"""MiniStack with what the rack's templates need and it lacks: types of CloudFormation that it refuses, properties of ECS
services that its CloudFormation drops, and container settings that it ignores.

It reaches into one release of MiniStack by private names, so the start checks that each of them exists. Use it as
`python launcher.py` with MiniStack's own environment variables (GATEWAY_PORT, BIND_HOST, …).
"""
import importlib.metadata
import sys

from ministack.core.responses import new_uuid
from ministack.services import ec2, ecs
from ministack.services.cloudformation import provisioners

VERSION = "1.5.33"
NEEDED = {
    ec2: ["_addresses", "_allocate_address", "_release_address", "_nat_gateways", "_create_nat_gateway", "_delete_nat_gateway",
          "_security_groups"],
    ecs: ["_create_capacity_provider", "_delete_capacity_provider", "_put_cluster_capacity_providers", "_create_service",
          "_build_run_kwargs"],
    provisioners: ["_RESOURCE_HANDLERS", "_ec2_sg_permissions", "_pascal_to_camel"],
}
# Of a service, left out when CloudFormation creates it.
SERVICE_PROPERTIES = ["EnableExecuteCommand", "HealthCheckGracePeriodSeconds", "PropagateTags", "SchedulingStrategy"]
# CloudFormation turns the text of a parameter into what the property is; MiniStack's ECS takes it as it comes.
NUMBERS = {"ContainerPort", "DesiredCount", "HealthCheckGracePeriodSeconds", "HostPort", "MaximumPercent", "MemoryReservation",
           "MinimumHealthyPercent", "StopTimeout", "TargetCapacity", "Weight"}


def check() -> None:
    found = importlib.metadata.version("ministack")
    if found != VERSION:
        sys.exit(f"launcher: made for ministack {VERSION}, not {found}")
    for module, names in NEEDED.items():
        for name in names:
            if not hasattr(module, name):
                sys.exit(f"launcher: {module.__name__} has no {name} any more")


def query(**values) -> dict:
    """Parameters in the shape of MiniStack's handlers of the Query protocol."""
    return {name: [str(value)] for name, value in values.items() if value is not None}


def new_key(table: dict, act) -> str:
    before = set(table.keys())
    act()
    return (set(table.keys()) - before).pop()


def demand(response) -> None:
    if response[0] >= 400:
        raise ValueError(response[2])


def address_create(logical, properties, stack):
    allocation = new_key(ec2._addresses, lambda: ec2._allocate_address(query(Domain="vpc")))
    address = ec2._addresses[allocation]["PublicIp"]
    return address, {"AllocationId": allocation, "PublicIp": address}


def address_delete(physical, properties):
    for allocation, record in list(ec2._addresses.items()):
        if record["PublicIp"] == physical:
            ec2._release_address(query(AllocationId=allocation))


def nat_create(logical, properties, stack):
    wish = query(SubnetId=properties["SubnetId"], AllocationId=properties.get("AllocationId"))
    gateway = new_key(ec2._nat_gateways, lambda: ec2._create_nat_gateway(wish))
    return gateway, {"NatGatewayId": gateway}


def nat_delete(physical, properties):
    ec2._delete_nat_gateway(query(NatGatewayId=physical))


def ingress_create(logical, properties, stack):
    group = ec2._security_groups.get(properties["GroupId"])
    if not group:
        raise ValueError(f"security group {properties['GroupId']} does not exist")
    group["IpPermissions"] += provisioners._ec2_sg_permissions([properties])
    identity = "sgr-" + new_uuid().replace("-", "")[:17]
    return identity, {"Id": identity}


def ingress_delete(physical, properties):
    group = ec2._security_groups.get(properties["GroupId"])
    for permission in provisioners._ec2_sg_permissions([properties]) if group else []:
        if permission in group["IpPermissions"]:
            group["IpPermissions"].remove(permission)


def provider_create(logical, properties, stack):
    name = properties.get("Name") or f"{stack}-{logical}-{new_uuid()[:8]}"
    group = provisioners._pascal_to_camel(coerced(properties.get("AutoScalingGroupProvider") or {}))
    demand(ecs._create_capacity_provider({"name": name, "autoScalingGroupProvider": group}))
    return name, {}


def provider_delete(physical, properties):
    ecs._delete_capacity_provider({"capacityProvider": physical})


def providers_put(properties) -> None:
    demand(ecs._put_cluster_capacity_providers({
        "cluster": properties["Cluster"],
        "capacityProviders": properties.get("CapacityProviders", []),
        "defaultCapacityProviderStrategy":
            provisioners._pascal_to_camel(coerced(properties.get("DefaultCapacityProviderStrategy") or [])),
    }))


def providers_create(logical, properties, stack):
    providers_put(properties)
    return properties["Cluster"], {}


def providers_update(physical, old, new, stack):
    providers_put(new)
    return physical, {}


def coerced(value, name=None):
    if isinstance(value, dict):
        return {key: coerced(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [coerced(member, name) for member in value]
    if isinstance(value, str) and name in NUMBERS and value.isdigit():
        return int(value)
    return value


def coercing(handler):
    return lambda *arguments: handler(*[coerced(a) if isinstance(a, dict) else a for a in arguments])


def keep_service_properties(handlers: dict) -> None:
    """What CloudFormation's handler does not hand on is added to its call of CreateService."""
    dropped = {}
    create_service, create = ecs._create_service, handlers["AWS::ECS::Service"]["create"]

    def create_service_whole(request):
        return create_service({**request, **dropped.pop(request.get("serviceName"), {})})

    def create_whole(logical, properties, stack):
        found = {name: properties[name] for name in SERVICE_PROPERTIES if name in properties}
        dropped[properties.get("ServiceName", f"{stack}-{logical}")] = provisioners._pascal_to_camel(found)
        return create(logical, properties, stack)

    ecs._create_service = create_service_whole
    handlers["AWS::ECS::Service"]["create"] = create_whole


def keep_container_settings() -> None:
    build = ecs._build_run_kwargs

    def build_whole(definition, *arguments, **named):
        options = build(definition, *arguments, **named)
        for name, option in (("entryPoint", "entrypoint"), ("user", "user"), ("workingDirectory", "working_dir")):
            if definition.get(name):
                options[option] = definition[name]
        if definition.get("memory"):
            options["mem_limit"] = f"{int(definition['memory'])}m"
        if definition.get("cpu"):
            options["cpu_shares"] = max(2, int(definition["cpu"]))
        if definition.get("readonlyRootFilesystem"):
            options["read_only"] = True
        return options

    ecs._build_run_kwargs = build_whole


def teach() -> None:
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::EC2::EIP"] = {"create": address_create, "delete": address_delete}
    handlers["AWS::EC2::NatGateway"] = {"create": nat_create, "delete": nat_delete}
    handlers["AWS::EC2::SecurityGroupIngress"] = {"create": ingress_create, "delete": ingress_delete}
    handlers["AWS::ECS::CapacityProvider"] = {"create": provider_create, "delete": provider_delete}
    handlers["AWS::ECS::ClusterCapacityProviderAssociations"] = {
        "create": providers_create, "update": providers_update, "delete": lambda physical, properties: None}
    keep_service_properties(handlers)
    keep_container_settings()
    for kind in ("AWS::ECS::Service", "AWS::ECS::TaskDefinition"):
        for verb in ("create", "update"):
            if verb in handlers[kind]:
                handlers[kind][verb] = coercing(handlers[kind][verb])


if __name__ == "__main__":
    check()
    teach()
    from ministack.app import main
    main()
