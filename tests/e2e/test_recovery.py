"""What the rack's own parts may suffer: apps serve on, and the rack comes back by itself."""
import os
import signal
import time

from helpers import Load, docker, wait_for


def kill_daemon(rack, number=signal.SIGKILL):
    container, process = rack.daemon()
    os.kill(process, number)
    return container


def wait_for_daemon(rack, other_than=None):
    wait_for(lambda: rack.daemon()[0] != other_than and rack.answers(), 60, "the return of carrackd")


def test_apps_serve_while_carrackd_is_killed_and_it_comes_back_with_its_state(live, rack):
    live.promote(VERSION="v2")
    releases = live.releases()
    with Load(live, clients=3, keep=True) as load:
        container = kill_daemon(rack)
        wait_for_daemon(rack, container)
        time.sleep(1)
    assert load.failures() == []
    assert live.releases() == releases
    assert live.version() == "v2"
    live.promote(VERSION="v3")
    assert live.version() == "v3"


def test_a_promote_that_is_killed_is_the_old_or_the_new_release(make_app, rack):
    app = make_app(stability=2)
    app.write().deploy()
    serving = "v1"
    for number, seconds in enumerate((0.3, 1.2, 2.6), 2):
        version = f"v{number}"
        before = app.release()
        release = app.env("--id", VERSION=version).out.strip()
        running = app.start("releases", "promote", release)
        wait_for(lambda: app.info()["status"] == "updating", what="the promote", pause=0.02)
        time.sleep(seconds)
        with Load(app, clients=2, keep=True) as load:
            container = kill_daemon(rack)
            wait_for_daemon(rack, container)
            wait_for(lambda: app.info()["status"] == "running", 60, "rest")
        running.communicate(timeout=90)
        assert load.failures() == []
        states = {entry["id"]: entry["status"] for entry in app.releases()}
        if app.release() == release:
            serving = version
            assert states[release] == "active"
        else:
            assert (app.release(), states[release]) == (before, "failed")
        assert {app.version() for _ in range(5)} == {serving}
        wait_for(lambda: len(app.containers()) == 1, 30, "one process")
    app.promote(VERSION="last")
    assert app.version() == "last"


def test_a_build_that_is_killed_has_failed_and_the_next_works(live, rack):
    live.write(dockerfile='FROM debian:bookworm-slim\nRUN sleep 96.5\nCOPY app.pl /app.pl\nCMD ["perl", "/app.pl"]\n')
    running = live.start("build", str(live.folder))
    wait_for(lambda: "sleep 96.5" in docker("ps", "--no-trunc"), what="the build's step")
    container = kill_daemon(rack)
    wait_for_daemon(rack, container)
    running.communicate(timeout=60)
    assert running.returncode == 1
    assert wait_for(lambda: live.run("builds", "--json").json()[0]["status"] != "running", 30, "the end of the build")
    assert live.run("builds", "--json").json()[0]["status"] == "failed"
    live.write().deploy()
    assert live.version() == "v1"


def test_a_stopped_and_continued_carrackd_goes_on(rack):
    container = kill_daemon(rack, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(rack.daemon()[1], signal.SIGCONT)
    time.sleep(1)
    assert rack.daemon()[0] == container
    assert rack.answers()


def test_apps_are_served_again_after_a_restart_of_the_router(live, rack):
    docker("restart", "-t", "3", f"{rack.name}-router")
    restarted = time.monotonic()

    def answers():
        try:
            return live.get().text == "v1\n"
        except OSError:
            return False

    wait_for(answers, 15, "an answer")
    assert time.monotonic() - restarted < 15
    wait_for(rack.answers, 15, "the API")
    live.promote(VERSION="v2")
    assert live.version() == "v2"


def test_an_update_of_the_rack_keeps_apps_serving(live, rack):
    with Load(live, clients=3, keep=True) as load:
        rack.run("install", "--new-password", timeout=300)
    rack.password = rack.read_password()
    assert load.failures() == []
    assert rack.answers()
    assert live.version() == "v1"
