"""Apps that run: scale, restart, load over deploys, crashes."""
import concurrent.futures
import time

import pytest
from helpers import MANIFEST, Load, docker, wait_for


def test_scale_up_down_to_nothing_and_back(live):
    live.run("scale", "web", "--count", "3")
    assert len(live.processes()) == 3
    assert {p["desired"] for p in live.run("scale", "--json").json() if p["service"] == "web"} == {3}
    live.run("scale", "web", "--count", "1")
    wait_for(lambda: len(live.processes()) == 1, what="one process")
    live.run("scale", "web", "--count", "0")
    empty = live.get()
    assert empty.status == 503
    assert "retry-after" in empty.headers
    live.run("scale", "web", "--count", "2")
    wait_for(lambda: live.version() == "v1", 10, "an answer")


def test_a_deploy_at_scale_0_stays_at_0(live):
    live.run("scale", "web", "--count", "0")
    result = live.promote(VERSION="v2")
    assert result.seconds < 20
    assert live.processes() == []
    assert live.get().status == 503
    live.run("scale", "web", "--count", "2")
    wait_for(lambda: {live.version() for _ in range(6)} == {"v2"}, 10, "the new version")


def test_a_scale_of_one_service_does_not_touch_another(app):
    manifest = MANIFEST + "  worker:\n    build: .\n    command: sleep 1000\n    scale: {count: 2}\n"
    app.write(manifest).deploy()
    app.run("scale", "web", "--count", "2")
    for _ in range(2):
        app.deploy()
        assert (len(app.processes()), len(app.processes("worker"))) == (2, 2)
    app.run("scale", "worker", "--count", "0")
    app.promote(VERSION="v2")
    assert (len(app.processes()), len(app.processes("worker"))) == (2, 0)


def test_a_restart_replaces_the_processes_without_a_gap(live):
    before = live.processes()
    with Load(live, keep=True) as load:
        live.run("restart")
    assert not set(before) & set(live.processes())
    assert load.failures() == []
    assert live.version() == "v1"


def test_a_stopped_process_is_replaced(live):
    live.run("scale", "web", "--count", "2")
    before = live.processes()
    live.run("ps", "stop", before[0])
    wait_for(lambda: len(live.processes()) == 2 and before[0] not in live.processes(), 30, "a new process")
    wait_for(lambda: live.version() == "v1", what="an answer")


def test_a_crashed_process_is_out_of_the_router_and_replaced(live):
    live.run("scale", "web", "--count", "3")
    before = live.containers()
    with Load(live, clients=4) as load:
        time.sleep(0.5)
        docker("kill", "-s", "KILL", before[0])
        killed = time.monotonic()
        time.sleep(1)
        failed = len(load.failures())
        wait_for(lambda: len(live.processes()) == 3 and before[0] not in live.containers(), 30, "a new process")
        time.sleep(1)
        assert load.failures()[failed:] == []
    assert failed <= 4, load.failures()  # what was under way in it
    assert time.monotonic() - killed < 30


@pytest.mark.parametrize("keep", [True, False], ids=["keep-alive", "a connection a request"])
def test_five_deploys_under_load_fail_no_request(make_app, keep):
    app = make_app()
    app.write(MANIFEST + "    scale: 2\n").deploy()
    with Load(app, clients=6, keep=keep, pause=0.005) as load:
        for number in range(2, 7):
            app.promote(VERSION=f"v{number}")
    assert load.failures() == []
    assert load.versions() == {f"v{number}" for number in range(1, 7)}
    assert len(load.answers) > 500


def test_requests_in_flight_survive_a_deploy(live):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(live.get, "/slow?s=4") for _ in range(20)]
        time.sleep(0.5)
        live.promote(VERSION="v2")
        assert live.version() == "v2"
        answers = [future.result() for future in slow]
    assert {(answer.status, answer.text) for answer in answers} == {(200, "slow v1\n")}


def test_a_request_longer_than_the_drain_does_not_hold_the_deploy(app):
    """And it is cut: a POST is never sent to a second process."""
    app.write(MANIFEST + "    drain: 2\n    termination: {grace: 2}\n").deploy()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(app.get, "/slow?s=60", method="POST", body=b"x")
        time.sleep(0.5)
        result = app.promote(VERSION="v2")
        assert result.seconds < 15
        assert slow.result().status in (502, 504)
    assert app.version() == "v2"


def test_an_images_healthcheck_does_not_decide(app):
    """DEP-07: the image's own check fails for ever; the manifest's is good."""
    app.write(dockerfile='FROM debian:bookworm-slim\nCOPY app.pl /app.pl\nHEALTHCHECK --interval=1s --retries=1 CMD exit 1\n'
                         'CMD ["perl", "/app.pl"]\n').deploy()
    time.sleep(3)
    assert app.version() == "v1"
    assert len(app.processes()) == 1


def test_the_health_check_says_host_and_scheme(app):
    """DEP-08"""
    app.write(MANIFEST + "    domain: dep8.test\n").deploy(NEED_HOST="dep8.test", NEED_TLS="1")
    assert app.get(headers={"Host": "dep8.test"}).status in (200, 301)
    assert app.rack.request("dep8.test", tls=True).text == "v1\n"


def test_an_image_that_was_pruned_comes_back_from_the_registry(make_app, rack):
    """PLT-01"""
    app = make_app()
    app.write().deploy(VERSION="v1")
    first = app.release()
    app.write(dockerfile='FROM debian:bookworm-slim\nRUN echo other > /other\nCOPY app.pl /app.pl\nCMD ["perl", "/app.pl"]\n')
    app.deploy(VERSION="v2")
    images = docker("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}").split("\n")
    mine = {line.split()[0] for line in images if line.endswith(f":{rack.registry}/{app.name}")}
    for image in mine:
        docker("rmi", "-f", image, check=False)
    result = app.run("releases", "rollback", first, code=None)
    if result.code == 0:
        assert app.version() == "v1"
    else:
        assert "gone" in result.err
        assert app.version() == "v2"
