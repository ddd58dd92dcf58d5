"""How long from the promote call until the first answer of the new release, against the same by hand.

The rounds take turns, so that whatever else the machine does hits all alike.
"""
import statistics
import time

from .common import Kit, clean_engine, seconds_of, spread
from .hand import HandPlain, HandSwarm

APP = "bench-promote"
WATCH_RATE = 250  # a fresh connection every 4 ms


class Ours:
    name = "carrack"

    def __init__(self, kit: Kit, app: str) -> None:
        self.kit, self.app = kit, app
        self.port, self.host = kit.rack.port, kit.rack.host(app)

    def prepare(self, version: str) -> str:
        return self.kit.rack.release(self.app, BENCH_VERSION=version)

    def deploy(self, version: str, release: str) -> dict:
        begun = time.monotonic()
        self.kit.rack.promote(self.app, release)
        accepted = time.monotonic()
        self.release = release
        return {"begun": begun, "accepted": accepted - begun}

    def settle(self) -> dict:
        timeline = self.kit.rack.succeeded(self.app, self.release)
        self.kit.wait_containers(f"{self.app}-web-", 2)
        start = seconds_of(timeline["started"])
        own = {}
        for step in timeline["steps"]:
            if seconds_of(step["started"]) < start - 0.01:
                continue  # of the build
            own[step["name"]] = (seconds_of(step["started"]) - start, seconds_of(step["ended"]) - start)
        service = self.kit.engine.get("/services", label=[f"carrack.app={self.app}",
                                                          f"carrack.release={self.release}"])[0]
        return {"engine": self.kit.engine_seconds(service), "steps": own}


def one_round(kit: Kit, way, version: str) -> tuple[float, dict]:
    prepared = way.prepare(version)
    host = way.host if isinstance(way, Ours) else "localhost"
    port = way.port if isinstance(way, Ours) else way.proxy.port
    watch = kit.load(port, host, "--no-keepalive", "--rate", str(WATCH_RATE), "--duration", "60",
                     "--until", f"version={version} ", "--timeout", "5000")
    time.sleep(0.3)
    phases = way.deploy(version, prepared)
    seen = kit.summary(watch, 90)
    live = seen["until_us"] / 1e6 - phases.pop("begun")
    phases["failed"] = seen["failed"]
    return live, {**phases, "steps": {}, **way.settle()}


def table(results: dict[str, list], ours: str) -> None:
    hand = statistics.median(live for live, _ in results["by hand, Swarm"])
    plain = statistics.median(live for live, _ in results["by hand, plain"])
    mine = statistics.median(live for live, _ in results[ours])
    for name, rounds in results.items():
        print(f"  {name:16} live after {spread([live for live, _ in rounds])}")
    print(f"  ratio            {mine / hand:.2f} x by hand with Swarm, {mine / plain:.2f} x with plain containers")
    for name, rounds in results.items():
        keys = [key for key in rounds[0][1] if key not in ("steps", "failed")]
        medians = ", ".join(f"{key} {statistics.median(phase[key] for _, phase in rounds):.3f}" for key in keys)
        print(f"  {name:16} {medians}")
    for name in ("by hand, Swarm", ours):
        rest = statistics.median(live - phase["engine"] for live, phase in results[name])
        print(f"  {name:16} beyond what the engine took: {rest * 1000:.0f} ms")
    steps = [phase["steps"] for _, phase in results[ours]]
    for name in steps[0]:
        known = [one[name] for one in steps if name in one]
        print(f"    timeline {name:8} {statistics.median(a for a, _ in known):.3f} to "
              f"{statistics.median(b for _, b in known):.3f} s")


def measure(kit: Kit, options) -> dict:
    print(f"promote to live: {options.rounds} rounds each, two processes, a change of the environment")
    kit.app(APP, stability=1)
    ways = [Ours(kit, APP), HandSwarm(kit, APP, options.port), HandPlain(kit, APP, options.port + 1)]
    for way in ways[1:]:
        way.deploy("v0", way.prepare("v0"))
    one_round(kit, ways[0], "v0")
    results: dict[str, list] = {way.name: [] for way in ways}
    for number in range(1, options.rounds + 1):
        for way in ways:
            results[way.name].append(one_round(kit, way, f"v{number}"))
    table(results, Ours.name)
    clean_engine()
    kit.drop_app(APP)
    return {name: {"live": [round(live, 4) for live, _ in rounds], "phases": [phase for _, phase in rounds]}
            for name, rounds in results.items()}
