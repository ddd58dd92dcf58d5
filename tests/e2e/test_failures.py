"""Deploys that cannot go well: told at once, with the cause, while the old release serves on."""
import concurrent.futures
import contextlib
import re
import time

import pytest
from helpers import MANIFEST, Load, docker, wait_for

QUICK = MANIFEST.replace("health: /health", "health: {path: /health, grace: 4, interval: 1, timeout: 1}")


@contextlib.contextmanager
def serving_on(app, *versions, outage=None):
    """The app answers all the while with these versions (v1), without a failed request or one outage, and is at rest then."""
    release, containers = app.release(), set(app.containers())
    with Load(app, clients=3, keep=True) as load:
        yield
    assert load.failures() == [] if outage is None else load.outage() < outage, load.failures()
    assert load.versions() <= set(versions or ["v1"])
    assert app.version() == "v1"
    assert app.release() == release
    assert app.info()["status"] == "running"
    wait_for(lambda: set(app.containers()) <= containers, 15, "the end of the failed processes")


def cause_of(app):
    return app.run("releases", "info", app.releases()[0]["id"]).out


def test_an_exit_at_boot_is_told_within_seconds_with_its_last_lines(live):
    with serving_on(live):
        result = live.refused(EXIT_AT_BOOT="7", VERSION="broken")
    assert result.seconds < 15
    assert "exited 7" in result.err
    assert "service web" in result.err
    assert "starting broken" in result.out + result.err
    assert "exited 7" in cause_of(live)
    assert live.releases()[0]["status"] == "failed"
    live.promote(VERSION="v2", EXIT_AT_BOOT="")
    assert live.version() == "v2"


def test_an_exit_with_0_is_a_failure(live):
    with serving_on(live):
        result = live.refused(EXIT_AT_BOOT="0")
    assert "exited with 0" in result.err
    assert result.seconds < 15


def test_a_crash_after_four_seconds_goes_back(make_app):
    app = make_app(stability=6)
    app.write().deploy()
    with serving_on(app, "v1", "v2", outage=0.3):  # it serves until it crashes
        result = app.refused(EXIT_AFTER="4:1", VERSION="v2")
    assert "exited 1" in result.err
    assert "leaving with 1" in result.out + result.err
    app.run("apps", "params", "set", "StabilitySeconds=1")
    app.promote(EXIT_AFTER="", VERSION="v4")
    assert app.version() == "v4"


def test_an_unhealthy_release_is_refused_with_what_it_answers(live):
    live.write(QUICK).deploy()
    with serving_on(live):
        result = live.refused(HEALTH_CODE="500")
    assert "health 500 on /health" in result.err
    assert result.seconds < 20


def test_a_wrong_port_is_told_with_the_right_one(live):
    live.write(QUICK).deploy()
    with serving_on(live):
        result = live.refused(PORT="8080")
    assert "nothing listens on 3000" in result.err
    assert "8080" in result.err


def test_a_command_that_does_not_exist_is_told(live):
    live.write(MANIFEST + "    command: [/no/such/program]\n")
    with serving_on(live):
        result = live.deploy(code=1)
    assert re.search(r"exited 127 (at boot|after \d s)", result.err)
    assert "/no/such/program" in result.err


def test_memory_over_the_limit_is_told(live):
    live.write(MANIFEST + "    scale: {memory: 64}\n").deploy()
    with serving_on(live):
        result = live.refused(FILL_MB="200")
    assert "out of memory" in result.err
    assert "scale.memory" in result.out + result.err


def test_a_size_that_no_node_has_is_refused_at_once_with_numbers(live):
    live.write(MANIFEST + "    scale: {memory: 9000000}\n")
    with serving_on(live):
        result = live.deploy(code=1)
    assert "no capacity" in result.err
    assert "9000000 MB" in result.err
    assert "free" in result.err


def test_a_first_deploy_may_fail_and_the_next_works(app):
    app.write()
    result = app.deploy(code=1, EXIT_AT_BOOT="1")
    assert "exited 1" in result.err
    assert "previous spec" not in result.err
    assert app.release() == ""
    wait_for(lambda: app.containers() == [], 15, "the end of the failed processes")
    assert app.get().status in (404, 503)
    app.promote(EXIT_AT_BOOT="")
    assert app.version() == "v1"


def test_a_slow_start_gets_its_grace_and_traffic_only_when_healthy(live):
    live.write(MANIFEST.replace("health: /health", "health: {path: /health, grace: 20, interval: 1, timeout: 1}")).deploy()
    with Load(live, keep=True) as load:
        result = live.promote(START_DELAY="6", VERSION="v2")
    assert load.failures() == []
    assert load.versions() == {"v1", "v2"}
    assert 6 < result.seconds < 18
    assert live.version() == "v2"


def test_a_slow_start_beyond_its_grace_fails(live):
    live.write(QUICK).deploy()
    with serving_on(live):
        result = live.refused(START_DELAY="40")
    assert result.seconds < 20
    assert "nothing listens on 3000" in result.err


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(live):
    live.write(MANIFEST + "    termination: {grace: 3}\n    drain: 1\n").deploy(IGNORE_TERM="1")
    old = live.containers()
    began = time.monotonic()
    with Load(live, keep=True) as load:
        live.promote(VERSION="v2")
        wait_for(lambda: not set(old) & set(live.containers()), 20, "the end of the old process", 0.05)
    assert 3 <= time.monotonic() - began < 14
    assert load.failures() == []
    assert live.version() == "v2"


@pytest.mark.parametrize(("text", "place"), [
    ("services:\n  web:\n    build: .\n    port: 99999\n", "convox.yml:4:11"),
    ("services:\n  web:\n\tbuild: .\n", "convox.yml:3"),
    ("services:\n  web:\n    build: .\n  web:\n    build: .\n", "convox.yml:4:3"),
    ("services:\n  Web_1:\n    build: .\n", "convox.yml:2:3"),
])
def test_an_error_in_the_manifest_has_file_line_and_column(app, text, place):
    app.write(text)
    result = app.deploy(code=1)
    assert place in result.err
    assert "Uploading" not in result.out + result.err


def test_all_errors_of_a_manifest_are_told_at_once(app):
    app.write("services:\n  web:\n    build: .\n    port: 99999\n  Bad_Name:\n    build: .\n    scale: -1\n")
    result = app.deploy(code=1)
    assert "99999" in result.err
    assert "Bad_Name" in result.err


def test_of_twenty_promotes_at_once_one_wins_entirely(make_app, rack):
    app = make_app()
    app.write(MANIFEST + "    scale: 2\n").deploy()
    releases = [app.run("env", "set", f"VERSION=p{i}", "--id").out.strip() for i in range(20)]
    with Load(app, clients=2, keep=True) as load:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda r: rack.call("POST", f"/apps/{app.name}/releases/{r}/promote"), releases))
        app.run("apps", "wait")
    accepted = [release for release, answer in zip(releases, answers, strict=True) if answer.status == 200]
    assert accepted, answers
    assert all(answer.status in (200, 403, 409) for answer in answers), answers
    assert app.release() in accepted
    assert load.failures() == []
    wait_for(lambda: len(app.containers()) == 2, 30, "two processes")
    image = {docker("inspect", "-f", '{{index .Config.Labels "carrack.release"}}', c) for c in app.containers()}
    assert image == {app.release()}
    assert {app.version() for _ in range(10)} == {f"p{releases.index(app.release())}"}


def test_a_forced_promote_takes_over(live):
    slow = live.env("--id", VERSION="slow", START_DELAY="25").out.strip()
    running = live.start("releases", "promote", slow)
    wait_for(lambda: live.info()["status"] == "updating", what="the first promote")
    fast = live.env("--id", VERSION="fast", START_DELAY="").out.strip()
    assert "promote" in live.fail("releases", "promote", fast).err
    live.run("releases", "promote", fast, "--force")
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 1
    assert b"superseded" in errors
    assert (live.version(), live.release()) == ("fast", fast)


def test_a_promote_can_be_cancelled(live):
    with serving_on(live):
        running = live.start("env", "set", "START_DELAY=25", "--promote")
        wait_for(lambda: live.info()["status"] == "updating", what="the promote")
        began = time.monotonic()
        live.run("apps", "cancel")
        _, errors = running.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert running.returncode == 1
        assert b"cancelled" in errors
    assert "not updating" in live.fail("apps", "cancel").err


def test_a_build_can_be_cancelled(live):
    live.write(dockerfile="FROM debian:bookworm-slim\nRUN echo e2e-sleeper; sleep 98.7\n")
    running = live.start("build", str(live.folder))
    wait_for(lambda: "sleep 98.7" in docker("ps", "--no-trunc"), what="the build's step")
    began = time.monotonic()
    live.run("apps", "cancel")
    _, errors = running.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert running.returncode == 1, errors
    assert live.run("builds", "--json").json()[0]["status"] == "failed"
    wait_for(lambda: "sleep 98.7" not in docker("ps", "--no-trunc"), 15, "the end of the build's step")
    assert live.version() == "v1"
