"""The rack itself: how it is reached, who may, and what it refuses."""
import base64
import concurrent.futures
import socket

import pytest


def test_install_prints_how_the_rack_is_reached(rack):
    out = rack.installed.out
    assert f"rack {rack.name} is installed" in out
    assert f"RACK_URL=http://convox:{rack.password}@127.0.0.1:{rack.api}" in out
    assert f"RACK_URL=https://convox:{rack.password}@rack.localhost:{rack.https}" in out


def test_a_second_installation_changes_nothing(rack):
    before = rack.daemon()
    assert "is as it should be" in rack.run("install", timeout=300).out
    assert rack.daemon() == before


def test_a_port_of_another_rack_is_refused_with_its_name(rack):
    result = rack.fail("install", environment={"CARRACK_RACK": "e2e-other", "CARRACK_CONFIG": str(rack.folder / "other")})
    assert f"port {rack.http} belongs to the rack {rack.name}" in result.err


def test_a_folder_of_something_else_is_not_taken(rack):
    result = rack.fail("install", environment={"CARRACK_RACK": "docker", "CARRACK_CONFIG": str(rack.folder / "other")})
    assert "/run/docker belongs to something else" in result.err


def test_the_api_answers_with_tls_on_its_host_name_and_plainly_on_loopback(rack):
    token = base64.b64encode(f"convox:{rack.password}".encode()).decode()
    tls = rack.request("rack.localhost", "/system", tls=True, headers={"Authorization": f"Basic {token}"})
    plain = rack.call("GET", "/system")
    assert (tls.status, plain.status) == (200, 200)
    assert f'"name": "{rack.name}"' in tls.text
    assert rack.run("rack", environment={"RACK_URL": f"http://convox:{rack.password}@127.0.0.1:{rack.api}"}).out.startswith("Name")


def test_the_command_line_reaches_the_rack_without_its_router(rack):
    assert rack.run("rack", "--json").json()["name"] == rack.name
    assert "router" in rack.run("rack", "ps").out


def test_a_wrong_password_is_refused_everywhere(rack):
    assert rack.call("GET", "/apps", password="wrong").status == 401
    assert rack.call("GET", "/system", password="").status == 401
    assert rack.call("GET", "/check", password="").status == 200
    result = rack.fail("apps", environment={"RACK_URL": f"http://convox:wrong@127.0.0.1:{rack.api}"})
    assert "wrong password" in result.err


def test_an_unknown_app_is_named(rack):
    assert rack.call("GET", "/apps/nope").status == 404
    assert "no such app: nope" in rack.fail("apps", "info", "-a", "nope").err


@pytest.mark.parametrize("name", ["", "Shop", "a_b", "-a", "a-", "9a", "a.b", "x" * 31, "ä", "a/b", "../a"])
def test_a_bad_name_is_refused(rack, name):
    answer = rack.call("POST", "/apps", {"name": name})
    assert answer.status in (400, 403, 409), answer
    assert answer.text.strip()
    assert "%" not in answer.text


def test_a_taken_name_is_a_conflict(rack, app):
    answer = rack.call("POST", "/apps", {"name": app.name})
    assert answer.status == 409
    assert app.name in rack.fail("apps", "create", app.name).err


def test_only_one_of_many_creates_the_app(rack, make_app):
    def create(_):
        return rack.call("POST", "/apps", {"name": "atonce"}).status

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = sorted(pool.map(create, range(10)))
    assert answers == [200] + [409] * 9
    rack.run("apps", "delete", "atonce", "--yes")


def test_a_body_over_the_limit_is_413(rack, app):
    answer = rack.call("POST", f"/apps/{app.name}/releases", body="env=" + "x" * (1024 * 1024 + 1),
                       headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 413
    assert rack.call("GET", "/system").status == 200


def test_an_upload_that_is_cut_off_leaves_no_object(rack, app):
    token = base64.b64encode(f"convox:{rack.password}".encode()).decode()
    with socket.create_connection(("127.0.0.1", rack.api)) as connection:
        connection.sendall(f"POST /apps/{app.name}/objects/cut HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n"
                           "Content-Length: 1000000\r\n\r\n".encode() + b"x" * 5000)
    assert rack.call("GET", f"/apps/{app.name}/objects/cut").status == 404
    assert "cut" not in rack.call("GET", f"/apps/{app.name}/objects").text


def test_objects_are_kept_byte_by_byte(rack, app):
    data = bytes(range(256)) * 4000
    assert rack.call("POST", f"/apps/{app.name}/objects/deep/one.bin", body=data).status == 200
    assert rack.call("GET", f"/apps/{app.name}/objects/deep/one.bin").body == data
    assert rack.call("POST", f"/apps/{app.name}/objects/../../x", body=b"x").status in (400, 404)
    assert rack.call("DELETE", f"/apps/{app.name}/objects/deep/one.bin").status == 200
    assert rack.call("GET", f"/apps/{app.name}/objects/deep/one.bin").status == 404


def test_what_is_not_json_or_no_route_is_told_apart(rack):
    assert rack.call("GET", "/nothing").status == 404
    assert rack.call("PATCH", "/apps").status == 404
    error = rack.call("GET", "/apps/nope", headers={"Accept": "application/json"})
    assert '"not-found"' in error.text
