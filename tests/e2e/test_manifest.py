"""What the keys of a manifest do on a rack that runs: settings of processes, the release command, timers, volumes, links."""
import json
import re
import time

from conftest import end_daemon
from helpers import MANIFEST, docker, wait_for

COMPOSE = """services:
  web:
    build: .
    ports: ["3000:3000"]
    environment: {VERSION: v1}
    healthcheck: {test: curl http://localhost/health}
    entrypoint: [env, ENTRY=here]
    command: [perl, /app.pl]
    user: "33:44"
    group_add: ["55"]
    working_dir: /var/tmp
    tmpfs: ["/scratch:size=1m,mode=1777"]
    shm_size: 5m
    read_only: true
    cap_drop: [ALL]
    ulimits: {nofile: {soft: 123, hard: 456}}
    extra_hosts: ["elsewhere:10.9.8.7"]
    stop_signal: SIGTERM
"""
LOOK = (
    "echo $ENTRY; pwd; id -u; id -g; id -G; ulimit -Sn; ulimit -Hn; df -k --output=size,target /scratch /dev/shm; "
    "grep CapBnd /proc/self/status; getent hosts elsewhere; "
    "touch /etc/x 2>/dev/null || echo sealed; touch /scratch/x && echo scratched"
)


def shell(app, verb, target, text):
    return app.rack.run(verb, "-a", app.name, target, "--", "sh", "-c", text).out


def live_release(app):
    return app.info()["release"]


def test_surroundings(app):
    app.write(manifest=None, **{"docker-compose.yml": COMPOSE}).deploy()
    assert app.version() == "v1"
    assert app.get("/env?name=ENTRY").text.strip() == "here"
    for verb in ("exec", "run"):  # a one-off finds what the service's processes find
        seen = shell(app, verb, "web", LOOK)
        assert seen.startswith(f"{'here' if verb == 'run' else ''}\n/var/tmp\n"), seen
        assert "\n33\n44\n44 55\n" in seen, seen
        assert "\n123\n456\n" in seen, seen
        assert re.search(r"1024 /scratch\n +5120 /dev/shm", seen), seen
        assert re.search(r"CapBnd:\s+0000000000000000", seen), seen
        assert re.search(r"10\.9\.8\.7 +elsewhere", seen), seen
        assert seen.endswith("sealed\nscratched\n"), seen


def test_power_over_the_machine(app, tmp_path):
    (tmp_path / "shown").write_text("of the machine", encoding="utf-8")
    manifest = MANIFEST + f"    volumes: ['{tmp_path}:/m']\n"
    # A path of the machine in a convox.yml is a volume, unless it is one of the system's.
    app.write(manifest).deploy()
    assert shell(app, "exec", "web", "ls /m") == ""
    asks = MANIFEST + "    securityContext: {capabilities: {add: [NET_ADMIN]}}\n    volumes: [/var/run/docker.sock]\n"
    before = live_release(app)
    refused = app.write(asks).deploy(code=1)
    assert "convox.yml:7:43: services.web.securityContext.capabilities.add: it gives power over the machine" in refused.err + refused.out
    assert "services.web.volumes[0]" in refused.err + refused.out
    assert "HostAccess=Yes" in refused.err + refused.out
    assert live_release(app) == before
    assert "HostAccess is Yes or No" in app.fail("apps", "params", "set", "HostAccess=maybe").err

    app.run("apps", "params", "set", "HostAccess=Yes")
    app.deploy()
    assert shell(app, "exec", "web", "test -S /var/run/docker.sock && echo there") == "there\n"
    mask = int(re.search(r"CapEff:\s+(\S+)", shell(app, "exec", "web", "grep CapEff /proc/self/status")).group(1), 16)
    assert mask >> 12 & 1  # NET_ADMIN
    compose = f"services:\n  web:\n    build: .\n    ports: ['3000:3000']\n    volumes: ['{tmp_path}:/m:ro']\n"
    (app.folder / "convox.yml").unlink()
    app.write(manifest=None, **{"docker-compose.yml": compose}).deploy()
    assert shell(app, "exec", "web", "cat /m/shown; touch /m/x 2>/dev/null || echo sealed") == "of the machinesealed\n"
    privileged = app.write(MANIFEST + "    privileged: true\n").deploy(code=1)
    assert "services.web.privileged: a process cannot be privileged" in privileged.err + privileged.out


def test_keys_without_an_answer_are_named(app):
    app.write(MANIFEST + "    annotations: [a=b]\n    timeout: 3\n")
    result = app.deploy()
    for key in ("annotations", "timeout"):
        assert f"services.web.{key}: not supported yet, ignored" in result.err + result.out, str(result)


def test_release_command(app):
    procfile = "web: exec perl /app.pl\nrelease: echo migrating $VERSION; exit ${RELEASE_EXIT:-0}\n"
    app.write(manifest=None, Procfile=procfile).deploy(VERSION="v1", PORT="3000")
    assert app.version() == "v1"
    wait_for(lambda: re.search(r"service/release/\w+ migrating v1|release.*migrating v1", app.logs()), 20, "the release command's line")
    before = live_release(app)
    failed = app.refused(VERSION="v2", RELEASE_EXIT="9")
    assert "release command exited 9" in failed.err + failed.out
    assert "migrating v2" in failed.err + failed.out
    assert app.version() == "v1" and live_release(app) == before
    newest = app.releases()[0]["id"]
    timeline = json.loads(app.rack.call("GET", f"/apps/{app.name}/releases/{newest}/timeline").text)
    assert [(s["name"], s["state"]) for s in timeline["steps"]][-1] == ("release", "failed"), timeline
    assert timeline["failure"]["code"] == "release-command" and timeline["failure"]["exit"] == 9
    assert docker("ps", "-aq", "--filter", f"label=carrack.release={newest}") == ""
    app.promote(RELEASE_EXIT="0")
    assert app.version() == "v2"


def test_timers(app):
    timers = "timers:\n  tick:\n    schedule: '* * * * *'\n    service: web\n    command: echo tick $VERSION $RELEASE; sleep 2; exit 3\n"
    bad = app.write(MANIFEST + timers.replace("'* * * * *'", "'61 * * * *'")).deploy(code=1)
    assert "timers.tick.schedule: field 1 (minute): «61»" in bad.err + bad.out
    app.write(MANIFEST + timers).deploy(VERSION="v1")
    release = live_release(app)

    def running():
        return [p for p in app.run("ps", "--json").json() if p["service"] == "tick"]

    first = wait_for(running, 75, "the first run")[0]
    assert "(timer)" in first["status"] and first["release"] == release
    minute = int(time.time()) // 60
    # A carrackd that begins in the same minute runs it no second time.
    end_daemon(app.rack)
    wait_for(app.rack.answers, 60, "carrackd")
    wait_for(lambda: not running(), 30, "the end of the run")
    info = json.loads(app.rack.call("GET", f"/apps/{app.name}/processes/{first['id']}").text)
    assert info["exit"] == 3 and info["name"] == "tick"
    while int(time.time()) // 60 == minute and int(time.time()) % 60 < 58:
        time.sleep(1)
    lines = [line for line in app.logs("--since", "1h").splitlines() if f"tick v1 {release}" in line]
    assert len(lines) == 1, lines
    assert "service/tick/" in lines[0], lines


def test_volumes_and_links(make_app):
    app = make_app("keeper")
    both = MANIFEST + ("    volumes: [/keep, 'shared:/srv/files']\n    links: [files]\n  files:\n    build: .\n    port: 3000\n    internal: true\n"
                       "    volumes: ['shared:/other:ro']\n")
    app.write(both).deploy(VERSION="v1")
    shell(app, "exec", "web", "echo kept > /keep/a; echo shared > /srv/files/b")
    assert shell(app, "exec", "files", "cat /other/b; touch /other/x 2>/dev/null || echo sealed") == "shared\nsealed\n"
    assert shell(app, "exec", "web", "echo $FILES_URL") == "http://files:3000\n"
    get = "use IO::Socket::INET; my $s = IO::Socket::INET->new('files:3000') or die; print $s \"GET / HTTP/1.0\\r\\n\\r\\n\"; print <$s>"
    assert "v1" in app.rack.run("exec", "-a", app.name, "web", "--", "perl", "-e", get).out

    # Old first: no moment with two processes of web.
    seen = []
    deploy = app.start("env", "set", "VERSION=v2", "--promote")
    while deploy.poll() is None:
        seen.append(len(docker("ps", "-q", "--filter", f"label=carrack.app={app.name}", "--filter", "label=carrack.service=web").split()))
    assert deploy.returncode == 0 and max(seen) == 1, seen
    assert shell(app, "run", "web", "cat /keep/a") == "kept\n"
    assert app.version() == "v2"

    # What leaves the manifest is kept, and so is what an app leaves behind.
    app.write(MANIFEST).deploy()
    app.write(both).deploy()
    assert shell(app, "exec", "web", "cat /keep/a") == "kept\n"
    app.delete()
    again = make_app("keeper")
    again.write(both).deploy(VERSION="v3")
    assert shell(again, "exec", "web", "cat /keep/a /srv/files/b") == "kept\nshared\n"


def test_data_survives_a_failed_deploy(app):
    app.write(MANIFEST + "    volumes: [/keep]\n").deploy(VERSION="v1")
    shell(app, "exec", "web", "echo kept > /keep/a")
    app.refused(VERSION="v2", EXIT_AT_BOOT="5")
    # The old process had to end first, and comes back.
    wait_for(lambda: app.version() == "v1", 30, "the old release")
    assert shell(app, "exec", "web", "cat /keep/a") == "kept\n"
