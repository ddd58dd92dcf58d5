"""What Convox's own parsers made of a manifest (Go structs as JSON), in the members of `carrack manifest show`."""

SIMPLE = ("sticky", "init", "internal", "singleton", "privileged")


def port(value):
    return {"port": value["Port"], "scheme": value["Scheme"] or "http"} if value and value["Port"] else None


def command(value, generation):
    """The third generation keeps the text and splits it when it starts the container."""
    if not value:
        return None
    return value if generation == 2 else value.split()


def scale(value):
    mapped = {
        "count": {"min": value["Count"]["Min"], "max": value["Count"]["Max"]},
        "cpu": value["Cpu"],
        "memory": value["Memory"],
    }
    if "Cooldown" in value:
        mapped["cooldown"] = {"up": value["Cooldown"]["Up"], "down": value["Cooldown"]["Down"]}
    targets = {name.lower(): value["Targets"][name] for name in ("Cpu", "Memory", "Requests") if value["Targets"][name]}
    if targets:
        mapped["targets"] = targets
    if value.get("Gpu", {}).get("Count"):
        mapped["gpu"] = {"count": value["Gpu"]["Count"], "vendor": value["Gpu"]["Vendor"]}
    return mapped


def health(value):
    mapped = {name.lower(): value[name] for name in ("Grace", "Interval", "Path", "Timeout")}
    if "Disable" in value:
        mapped["disable"] = value["Disable"]
        mapped["port"] = port(value["Port"])
    return mapped


def ports(value):
    return [{"port": entry["Port"], "protocol": entry["Protocol"] or "tcp"} for entry in value or []]


def of_second(own):
    mapped = {
        "agent": {"enabled": own["Agent"]["Enabled"], "ports": ports(own["Agent"]["Ports"])},
        "links": own["Links"] or [],
        "internalAndExternal": own["InternalAndExternal"],
    }
    mapped.update({name: own[name.capitalize()] for name in ("policies", "tags") if own[name.capitalize()]})
    return mapped


def of_third(own):
    mapped = {
        "agent": {"enabled": own["Agent"]["Enabled"]},
        "ports": ports(own["Ports"]),
        "timeout": own["Timeout"],
        "tls": {"redirect": own["Tls"]["Redirect"]},
    }
    if own["Annotations"]:
        mapped["annotations"] = [{"key": entry["Key"], "value": entry["Value"]} for entry in own["Annotations"]]
    if own["Liveness"]["Path"]:
        names = ("Path", "Grace", "Interval", "Timeout", "SuccessThreshold", "FailureThreshold")
        mapped["liveness"] = {name[:1].lower() + name[1:]: own["Liveness"][name] for name in names}
    mapped.update({name: own[name.capitalize()] for name in ("labels", "whitelist") if own[name.capitalize()]})
    return mapped


def service(entry, generation):
    own = entry["service"]
    build = own["Build"]
    mapped = {
        "name": own["Name"],
        "environment": entry["env"],
        "build": None if own["Image"] else {"path": build["Path"], "manifest": build["Manifest"], "args": build["Args"] or []},
        "image": own["Image"] or None,
        "command": command(own["Command"], generation),
        "port": port(own["Port"]),
        "health": health(own["Health"]),
        "scale": scale(own["Scale"]),
        "deployment": {"minimum": own["Deployment"]["Minimum"], "maximum": own["Deployment"]["Maximum"]},
        "domain": own["Domains"] or [],
        "drain": own["Drain"],
        "termination": {"grace": own["Termination"]["Grace"]},
        "test": own["Test"] or None,
        "resources": own["Resources"] or [],
        "volumes": own["Volumes"] or [],
    }
    mapped.update({name: own[name.capitalize()] for name in SIMPLE})
    mapped.update(of_second(own) if generation == 2 else of_third(own))
    return mapped


def timer(own, generation):
    text = own["Command"]
    shell = ["sh", "-c", text] if text else None
    mapped = {
        "name": own["Name"],
        "schedule": own["Schedule"],
        "service": own["Service"],
        "command": command(text, 3) if generation == 3 else shell,
    }
    if generation == 3:
        mapped["concurrency"] = own["Concurrency"] or None
        mapped["parallelCount"] = own["ParallelCount"]
    return mapped


def resource(own):
    return {"name": own["Name"], "type": own["Type"], "options": own["Options"] or {}}


def resolved(result, generation):
    """None for a manifest that the parser refused."""
    if not isinstance(result, dict) or "error" in result:
        return None
    return {
        "services": [service(entry, generation) for entry in result["services"] or []],
        "resources": [resource(own) for own in result["resources"] or []],
        "timers": [timer(own, generation) for own in result["timers"] or []],
    }
