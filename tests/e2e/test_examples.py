"""The examples, deployed from plain folders as a user would copy them, and what they answer."""
import contextlib
import http.client
import json
import shutil
import subprocess

import pytest
from helpers import ROOT, docker, wait_for

EXAMPLES = ROOT / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / "Dockerfile").exists())  # the others: test_languages.py


@pytest.fixture(scope="session", autouse=True)
def base_images():
    """The images that the examples are built from, made here where there is no way to pull them."""
    for image in ("python:3.11-slim-bookworm", "node:18-bookworm-slim"):
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode != 0:
            subprocess.run([ROOT / "tools/base-image", image], check=True, stdin=subprocess.DEVNULL, timeout=600)


@pytest.fixture
def deployed(make_app):
    """Copies an example and deploys it."""

    def deploy(name, **environment):
        app = make_app()
        shutil.copytree(EXAMPLES / name, app.folder, dirs_exist_ok=True)
        if environment:
            app.env(**environment)
        app.run("deploy", str(app.folder), timeout=600)
        return app

    return deploy


def ask(app, path, method="GET", **options):
    answer = app.rack.request(app.host, path, method, **options)
    return answer.status, json.loads(answer.body) if answer.body else None


def users(app):
    """Who the processes of an app run as."""
    return {docker("exec", container, "id", "-u") for container in app.containers()}


def test_every_example_is_tried_here():
    assert NAMES == ["hello", "node", "python", "shop"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_says_at_its_top_what_it_is(name):
    folder = EXAMPLES / name
    assert (folder / "convox.yml").read_text(encoding="utf-8").startswith("# ")
    assert (folder / "Dockerfile").is_file()
    assert (folder / ".dockerignore").is_file()


def test_hello_greets_and_takes_a_new_greeting_without_a_build(deployed):
    app = deployed("hello")
    assert app.get("/").text.startswith(f"hello from version 1, release {app.release()}, process ")
    builds = app.run("builds", "--json").json()
    app.promote(GREETING="good morning")
    assert app.get("/").text.startswith("good morning from version 1")
    assert app.run("builds", "--json").json() == builds


def test_python_writes_markdown_as_html(deployed):
    app = deployed("python", TITLE="Drafts")
    page = app.get("/")
    assert page.status == 200
    assert "<title>Drafts</title>" in page.text
    assert f"release {app.release()}" in page.text
    preview = app.get("/preview", method="POST", body="# One\n*two* <script>three</script>")
    assert preview.text == "<h1>One</h1>\n<p><em>two</em> &lt;script&gt;three&lt;/script&gt;</p>\n"
    assert users(app) == {"1000"}


def test_python_installs_its_requirements_once(deployed):
    app = deployed("python")
    with (app.folder / "app.py").open("a", encoding="utf-8") as file:
        file.write('\n\n@app.get("/new")\ndef new():\n    return "new"\n')
    second = app.run("deploy", str(app.folder), timeout=600)
    assert "Using cache" in second.err + second.out
    assert "Installing collected packages" not in second.err + second.out
    assert app.get("/new").text == "new"


def test_node_sees_the_client_and_nothing_that_it_made_up(deployed):
    app = deployed("node")
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "ftp"}
    status, seen = ask(app, "/?q=1", "PUT", headers=headers, body="x", tls=True)
    assert status == 200
    assert (seen["method"], seen["path"], seen["scheme"], seen["host"]) == ("PUT", "/?q=1", "https", app.host)
    assert seen["client"] == "127.0.0.1"
    assert seen["release"] == app.release()
    assert ask(app, "/")[1]["scheme"] == "http"
    assert users(app) == {"1000"}


def test_node_streams_events_as_they_come(deployed):
    app = deployed("node")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", app.rack.http, timeout=10)) as connection:
        connection.request("GET", "/clock", headers={"Host": app.host})
        answer = connection.getresponse()
        assert answer.getheader("content-type").startswith("text/event-stream")
        lines = [answer.readline() for _ in range(4)]
    assert [line[:8] for line in lines] == [b"data: 20", b"\n", b"data: 20", b"\n"]
    assert lines[0] != lines[2]


def test_the_lock_file_names_no_registry():
    lock = json.loads((EXAMPLES / "node/package-lock.json").read_text(encoding="utf-8"))
    packages = [value for name, value in lock["packages"].items() if name]
    assert packages
    assert all("resolved" not in value and value["integrity"].startswith("sha512-") for value in packages)


def test_the_shop_is_not_built_without_its_token(make_app):
    app = make_app()
    shutil.copytree(EXAMPLES / "shop", app.folder, dirs_exist_ok=True)
    assert "required env: SHOP_TOKEN" in app.fail("deploy", str(app.folder)).err
    assert app.run("builds", "--json").json() == []


def test_the_shops_worker_ships_what_is_ordered(deployed):
    app = deployed("shop", SHOP_TOKEN="secret-7261")
    status, shop = ask(app, "/")
    assert (status, shop["shop"]) == (200, "Corner shop")
    assert ask(app, "/orders", "POST", body='{"item": "anvil"}')[0] == 422
    assert ask(app, "/packing", "POST")[0] == 403
    status, order = ask(app, "/orders", "POST", body='{"item": "mug"}')
    assert (status, order) == (201, {"number": 1, "item": "mug", "state": "placed"})
    wait_for(lambda: ask(app, "/orders/1")[1]["state"] == "shipped", 30, "shipping")
    wait_for(lambda: "shipped order 1: mug" in app.logs("-s", "worker"), 30, "the worker's line")
    assert len(app.processes("worker")) == 1
    assert users(app) == {"1000"}


def test_the_shop_ends_in_order_when_it_is_replaced(deployed):
    app = deployed("shop", SHOP_TOKEN="secret-7261")
    app.promote(SHOP_NAME="Market")
    assert ask(app, "/")[1]["shop"] == "Market"
    wait_for(lambda: "closed" in app.logs("-s", "web") and "going home" in app.logs("-s", "worker"), 60, "the old processes' end")
    assert "exited with 137" not in app.logs()
