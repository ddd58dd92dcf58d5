"""The verdict on a release that cannot start, the CLI as whole processes, memory of carrackd."""
import os
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from .common import Kit, cli, memory_mb, spread

VERDICT_ROUNDS = 5
CLI_ROUNDS = 50
APPS = 50


def verdict(kit: Kit, options) -> dict:
    """From the promote call until the timeline says why it failed."""
    app = "bench-verdict"
    kit.app(app, stability=1)
    times, causes = [], set()
    for number in range(VERDICT_ROUNDS):
        release = kit.rack.release(app, BENCH_VERSION=f"b{number}", BENCH_BOOT="fail")
        begun = time.monotonic()
        kit.rack.promote(app, release)
        timeline = kit.rack.timeline(app, release)
        times.append(time.monotonic() - begun)
        causes.add(f"{timeline['state']}: {timeline['cause']}")
    print(f"verdict on a release that exits at boot: {spread(times)}")
    for cause in causes:
        print(f"  {cause}")
    kit.drop_app(app)
    return {"times": times, "causes": sorted(causes)}


def run_once(argv: list[str]) -> float:
    begun = time.monotonic()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    os.waitpid(pid, 0)
    return (time.monotonic() - begun) * 1000


def commands(kit: Kit, options) -> dict:
    results = {}
    for argv, target in ((["carrack", "--help"], 10), (["carrack", "apps"], 30)):
        run_once(argv)
        times = [run_once(argv) for _ in range(CLI_ROUNDS)]
        results[" ".join(argv)] = statistics.median(times)
        print(f"{' '.join(argv):16} {spread(times, 'ms')}, target under {target} ms")
    return results


def small_app(kit: Kit, name: str) -> None:
    cli("apps", "create", name)
    cli("apps", "params", "set", "StabilitySeconds=0", "-a", name)
    cli("deploy", str(kit.folder / "small"), "-a", name)


def memory(kit: Kit, options) -> dict:
    small = kit.folder / "small"
    subprocess.run(["cp", "-r", str(kit.source), str(small)], check=True)
    manifest = (small / "convox.yml").read_text().replace("count: 2", "count: 1")
    (small / "convox.yml").write_text(manifest)
    pid = kit.carrackd()
    idle = memory_mb(pid)
    apps = len(kit.rack.get("/apps"))
    print(f"carrackd idle with {apps} apps: {idle:.1f} MB resident, target under 25 MB")

    names = [f"bench-memory-{number:02}" for number in range(options.apps)]
    for name in names:
        kit.drop_app(name)
    kit.apps += names
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: small_app(kit, name), names))
    seconds = time.monotonic() - begun
    fresh = memory_mb(pid)
    time.sleep(10)
    settled = memory_mb(pid)
    print(f"carrackd with {options.apps} apps more, which took {seconds:.0f} s: {fresh:.1f} MB at once, {settled:.1f} MB "
          f"after ten seconds, most ever {memory_mb(pid, 'VmHWM'):.1f} MB, target under 50 MB")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: cli("apps", "delete", name, "--yes"), names))
    kit.apps = [name for name in kit.apps if name not in names]
    return {"idle_mb": round(idle, 1), "apps": options.apps, "fresh_mb": round(fresh, 1), "mb": round(settled, 1)}
