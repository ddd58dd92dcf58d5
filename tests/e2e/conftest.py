"""A rack for the whole run, installed from the programs under test and taken away at the end; apps for single tests.

The run fails when the rack leaves something behind, or when a carrackd of it has ever complained of itself."""
import fcntl
import itertools
import os
import signal

import pytest
from differences import SWARM_ALONE
from helpers import REPORTS, App, DaemonLogs, Rack, docker, wait_for
from helpers_aws import AwsRack

PROVIDER = os.environ.get("CARRACK_E2E_PROVIDER", "swarm")

counter = itertools.count(1)


def remains(rack):
    """What the engine still has of the rack, by kind."""
    label = f"label=carrack.rack={rack.name}"
    found = {
        "containers": docker("ps", "-aq", "--filter", label),
        "services": docker("service", "ls", "-q", "--filter", label, check=False),
        "volumes": docker("volume", "ls", "-q", "--filter", label),
        "networks": docker("network", "ls", "-q", "--filter", label),
        "secrets": docker("secret", "ls", "-q", "--filter", label, check=False),
        "images": docker("images", "-q", "--filter", f"reference=127.0.0.1:{rack.registry}/*"),
        "folder": f"/run/{rack.name}" if os.path.exists(f"/run/{rack.name}") else "",
    }
    return {kind: things for kind, things in found.items() if things}


def has_users_rack():
    return docker("ps", "-q", "--filter", "name=^carrack-router$") != ""


def end_daemon(rack):
    """Ends carrackd as an update would, so that it looks for what it has lost."""
    container, process = rack.daemon()
    os.kill(process, signal.SIGTERM)
    wait_for(lambda: docker("inspect", "-f", "{{.State.Running}}", container, check=False) != "true", 30, "the end of carrackd")
    return docker("inspect", "-f", "{{.State.ExitCode}}", container, check=False)


def pytest_collection_modifyitems(config, items):
    """On AWS the files of the conformance suite, without what differences.py names. A name there that is no test is an error."""
    if PROVIDER != "aws":
        return
    left, taken = [], set()
    for item in items:
        file, name = item.path.name, item.originalname
        key = file if file in SWARM_ALONE else f"{file}::{name}"
        taken.add(key)
        if key not in SWARM_ALONE:
            left.append(item)
    if all(os.path.isdir(path) for path in config.args):
        unknown = set(SWARM_ALONE) - taken
        assert not unknown, f"differences.py names what is no test: {sorted(unknown)}"
    config.hook.pytest_deselected(items=[item for item in items if item not in left])
    items[:] = left


def lock_name(name):
    lock = open(f"/tmp/carrack-{name}.lock", "w", encoding="utf-8")  # noqa: SIM115
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where another run has this rack
    return lock


def swarm_rack(folder):
    rack = Rack(folder)
    lock = lock_name(rack.name)
    rack.run("uninstall", "--data", "--yes")
    had_users_rack = has_users_rack()
    logs = DaemonLogs(rack, rack.folder / "daemon")
    rack.installed = rack.run("install", timeout=600)
    rack.password = rack.read_password()
    rack.logs = logs
    yield rack
    status = end_daemon(rack)
    rack.run("uninstall", "--data", "--yes", timeout=300)
    text = logs.end()
    report = REPORTS.search(text)
    assert not report, f"carrackd complained of itself:\n{text[max(0, report.start() - 1000):report.start() + 8000]}"
    assert status in ("0", ""), f"carrackd ended with {status}"
    assert remains(rack) == {}
    assert has_users_rack() or not had_users_rack
    assert not rack.config.exists()
    lock.close()


def aws_rack(folder):
    rack = AwsRack(folder)
    lock = lock_name(rack.name)
    logs = DaemonLogs(rack, rack.folder / "daemon")
    try:
        rack.installed = rack.install()
        rack.logs = logs
        yield rack
    finally:
        try:
            rack.uninstall()
        finally:
            text = logs.end()
            lock.close()
    report = REPORTS.search(text)
    assert not report, f"carrackd complained of itself:\n{text[max(0, report.start() - 1000):report.start() + 8000]}"


@pytest.fixture(scope="session")
def rack(tmp_path_factory):
    yield from (aws_rack if PROVIDER == "aws" else swarm_rack)(tmp_path_factory.mktemp("rack"))


def maker(rack, folder):
    """A function that makes apps, and the list of those it has made."""
    made = []

    def make(name=None, stability=1):
        app = App(rack, name or f"app{next(counter)}", folder / f"app-{next(counter)}")
        rack.run("apps", "create", app.name)
        app.is_named = bool(name)  # the next test may want the name
        made.append(app)
        app.run("apps", "params", "set", f"StabilitySeconds={stability}")
        return app

    return make, made


def delete(rack, made):
    for app in made:
        rack.run("apps", "delete", app.name, "--yes", *([] if app.is_named else ["--no-wait"]), code=None)


@pytest.fixture(name="make_app")
def apps(rack, tmp_path):
    """Makes apps; those that are still there at the end are deleted."""
    make, made = maker(rack, tmp_path)
    yield make
    delete(rack, made)


@pytest.fixture(scope="module")
def module_app(rack, tmp_path_factory):
    """An app for all tests of a file."""
    make, made = maker(rack, tmp_path_factory.mktemp("module"))
    yield make()
    delete(rack, made)


@pytest.fixture
def app(make_app):
    """An app that nothing is deployed to."""
    return make_app()


@pytest.fixture
def live(app):
    """An app with one healthy service."""
    app.write().deploy()
    return app
