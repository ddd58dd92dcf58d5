"""Deploys that go well: from a folder to a serving release, and back."""
import pytest
from helpers import DOCKERFILE, wait_for

TWO = """services:
  web:
    build: .
    port: 3000
    health: /health
    environment: ['*']
  worker:
    build: .
    command: echo working in $ROLE; sleep 1000
    environment: [ROLE=back]
"""


def test_a_folder_with_only_a_dockerfile_is_an_app(app):
    app.write(manifest=None, dockerfile=DOCKERFILE.replace("COPY", "EXPOSE 3000\nCOPY"))
    result = app.deploy()
    assert app.rack.address(app.host) in result.out + result.err
    assert app.version() == "v1"
    assert app.get(tls=True).text == "v1\n"
    app.promote(VERSION="v2")
    assert app.version() == "v2"


def test_a_manifest_with_two_services_runs_both(app):
    app.write(TWO).deploy()
    assert app.version() == "v1"
    assert len(app.processes("web")) == len(app.processes("worker")) == 1
    wait_for(lambda: "working in back" in app.logs("-s", "worker"), what="the worker's line")
    assert "working" not in app.logs("-s", "web")
    assert app.get(headers={"Host": f"{app.name}-worker.{app.rack.domain}"}).status in (404, 503)


def test_env_set_promote_changes_what_runs_and_keeps_serving(live):
    first = live.release()
    live.promote(VERSION="v2")
    assert live.version() == "v2"
    assert live.release() != first
    assert [r["status"] for r in live.releases()][:1] == ["active"]


def test_a_release_goes_back_with_its_environment_even_to_the_first(live):
    first = live.release()
    live.promote(VERSION="v2")
    live.promote(VERSION="v3", MORE="x")
    second = [r["id"] for r in live.releases()][1]
    live.run("releases", "rollback", second)
    assert live.version() == "v2"
    assert live.get("/env?name=MORE").status == 404
    live.run("releases", "rollback", first)
    assert live.version() == "v1"
    assert live.run("env").out.strip() == ""


def test_the_manifest_of_a_release_is_kept(live):
    manifest = live.run("releases", "manifest", live.release()).out
    assert "port: 3000" in manifest
    assert live.run("releases", "info", live.release(), "--json").json()["id"] == live.release()


def test_a_deploy_of_the_same_folder_is_a_new_release(live):
    first = live.release()
    live.deploy()
    assert live.release() != first
    assert live.version() == "v1"
    wait_for(lambda: len(live.processes()) == 1, 90, "the end of the old process")


def test_a_release_that_is_not_promoted_changes_nothing(live):
    first = live.release()
    live.env(VERSION="v2")
    assert (live.version(), live.release()) == ("v1", first)
    live.run("releases", "promote")
    assert live.version() == "v2"


def test_id_and_json_print_nothing_else(live):
    release = live.run("env", "set", "A=1", "--id").out.strip()
    assert release == live.releases()[0]["id"]
    answer = live.run("deploy", str(live.folder), "--json").json()
    assert answer["release"] == live.release()


def test_apps_delete_leaves_nothing(make_app, rack):
    app = make_app("goes")
    app.write().deploy()
    app.delete()
    assert app.containers() == []
    wait_for(lambda: app.containers("-a") == [], 20, "the end of its containers")
    assert "no such app: goes" in app.fail("apps", "info").err
    assert app.get().status == 404
    answer = rack.call("GET", "/apps/goes/objects")
    assert answer.status == 404
    fresh = make_app("goes")
    assert (fresh.releases(), fresh.logs("--since", "1h")) == ([], "")


@pytest.mark.parametrize(("first", "second"), [("aa-b", "c"), ("aa", "b-c")])
def test_names_with_dashes_do_not_meet(make_app, rack, first, second):
    """The host name of service c of aa-b is that of service b-c of aa: one of the two has to be refused, and told so."""
    manifest = "services:\n  {0}:\n    build: .\n    port: 3000\n    health: /health\n    environment: ['*']\n"
    one, other = make_app(first), make_app("aa" if first == "aa-b" else "aa-b")
    one.write(manifest.format(second)).deploy(VERSION="one")
    other.write(manifest.format("b-c" if second == "c" else "c"))
    result = other.deploy(code=1, VERSION="other")
    assert f"aa-b-c.{rack.domain}" in result.err
    assert one.get(headers={"Host": f"aa-b-c.{rack.domain}"}).text == "one\n"
