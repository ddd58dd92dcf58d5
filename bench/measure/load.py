"""Requests that fail while promotes follow one another under load.

Two apps, one that finishes what it has begun and one that exits at once on SIGTERM, get the same four kinds of requests.
"""
import statistics
import time

from .common import Kit, spread

APPS = {"bench-graceful": "", "bench-at-once": "at-once"}
# Shares of the whole rate; long requests are few because each holds a connection. HAProxy sends a GET again when a
# process ends in the middle of it, which shows as a latency of twice its time; a POST is lost.
KINDS = {
    "keep-alive": (0.40, ["--connections", "40"]),
    "no keep-alive": (0.30, ["--no-keepalive", "--connections", "400"]),
    "POST 2 kB": (0.28, ["--post", "2048", "--connections", "40"]),
    "GET of 2 s": (0.01, ["--path", "/slow?2000", "--connections", "100"]),
    "POST of 2 s": (0.007, ["--path", "/slow?2000", "--post", "2048", "--connections", "100"]),
    "POST of 8 s": (0.003, ["--path", "/slow?8000", "--post", "2048", "--connections", "100"]),
}


def start_loads(kit: Kit, app: str, rate: float, stop: str) -> dict:
    host = kit.rack.host(app)
    common = ["--duration", "3600", "--stop-file", stop, "--timeout", "20000", "--expect", "bench version=",
              "--version-key", "version="]
    return {kind: kit.load(kit.rack.port, host, "--rate", f"{rate * share:.1f}", *words, *common)
            for kind, (share, words) in KINDS.items()}


def promote_all(kit: Kit, count: int) -> tuple[list[float], int]:
    times, number = [], 0
    while number < count:
        for app, how in APPS.items():
            number += 1
            release = kit.rack.release(app, BENCH_VERSION=f"r{number}", BENCH_EXIT=how)
            begun = time.monotonic()
            kit.rack.promote(app, release)
            kit.rack.succeeded(app, release)
            times.append(time.monotonic() - begun)
    return times, number


def report(summaries: dict, times: list[float], promotes: int, seconds: float) -> int:
    requests = sum(one["requests"] for one in summaries.values())
    failed = sum(one["failed"] for one in summaries.values())
    print(f"  {promotes} promotes in {seconds:.0f} s, {requests} requests ({requests / seconds:.0f} a second): "
          f"{failed} failed")
    print(f"  promote until proven and the old processes drained: {spread(times)}")
    print(f"  {'app':15} {'requests':14} {'number':>8} {'failed':>7} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} versions")
    for (app, kind), one in summaries.items():
        ms = one["ms"]
        print(f"  {app:15} {kind:14} {one['requests']:8} {one['failed']:7} {ms['p50']:8.2f} {ms['p99']:8.2f} "
              f"{ms['max']:8.2f} {len(one['versions'])}")
        if one["failed"]:
            lost = ", ".join(f"{name} {number}" for name, number in one["lost"].items() if number)
            print(f"    {lost}; first: {one['first_loss']}")
        if not one["balanced"]:
            print("    the counts do not add up: the load generator is wrong")
    return failed


def measure(kit: Kit, options) -> dict:
    print(f"promotes under load: {options.promotes} in a row under {options.rate} requests a second")
    for app, how in APPS.items():
        kit.app(app, stability=options.stability)
        kit.rack.succeeded(app, promote_first(kit, app, how))
    stop = str(kit.folder / "stop")
    loads = {(app, kind): child for app in APPS
             for kind, child in start_loads(kit, app, options.rate / len(APPS), stop).items()}
    time.sleep(1)
    begun = time.monotonic()
    try:
        times, promotes = promote_all(kit, options.promotes)
        seconds = time.monotonic() - begun
        time.sleep(1)
    finally:
        open(stop, "w").close()
    summaries = {key: kit.summary(child) for key, child in loads.items()}
    failed = report(summaries, times, promotes, seconds)
    for app in APPS:
        kit.drop_app(app)
    return {"promotes": promotes, "seconds": round(seconds, 1), "failed": failed,
            "median_promote": round(statistics.median(times), 3),
            "loads": {f"{app}, {kind}": one for (app, kind), one in summaries.items()}}


def promote_first(kit: Kit, app: str, how: str) -> str:
    release = kit.rack.release(app, BENCH_VERSION="r0", BENCH_EXIT=how)
    kit.rack.promote(app, release)
    return release
