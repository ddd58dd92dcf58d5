"""The command line's manners: exit status, streams, names taken from folders."""
import subprocess

import pytest


@pytest.mark.parametrize("words", [
    ["nosuch"], ["apps", "info", "-a", "nope"], ["env", "get", "NOPE", "-a", "APP"], ["scale", "nope", "--count", "1", "-a", "APP"],
    ["releases", "promote", "RNOPE", "-a", "APP"], ["deploy", "-a", "nope"], ["logs", "-a", "nope"], ["exec", "NOPE", "-a", "APP", "--", "true"],
    ["--badflag"], ["scale", "web", "--count", "x", "-a", "APP"], ["builds", "info", "BNOPE", "-a", "APP"], ["apps", "delete", "nope", "--yes"],
    ["releases", "rollback", "RNOPE", "-a", "APP"], ["ps", "stop", "nope", "-a", "APP"], ["rack", "-r", "nowhere"],
], ids=" ".join)
def test_what_fails_says_so_on_stderr_alone(live, words):
    """CLI-07"""
    live.write()
    result = live.rack.run(*[live.name if word == "APP" else word for word in words], code=None, cwd=live.folder)
    assert result.code in (1, 2, 125)  # 125: exec itself, not what it runs
    assert result.out == ""
    assert result.err.splitlines()[-1].startswith("ERROR: ") or result.err.startswith("ERROR: ")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::bad", "ftp://127.0.0.1", "https://nowhere.invalid"])
def test_a_rack_that_is_not_there_is_told(rack, url):
    result = rack.fail("apps", environment={"RACK_URL": url})
    assert result.out == ""
    assert result.seconds < 15


def test_a_full_disk_behind_stdout_is_an_error(rack, app):
    """CLI-01"""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([rack.binary, "apps"], env=rack.environment, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"ERROR: ")


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
def test_a_wrong_clock_is_no_obstacle(live, offset):
    """CLI-05"""
    environment = {**live.rack.environment, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(["faketime", "-f", offset, live.rack.binary, "ps", "-a", live.name], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "running" in done.stdout
    assert " -" not in done.stdout


def test_requests_that_do_nothing_are_not_200(rack, live):
    """CLI-09"""
    answers = [
        rack.call("POST", f"/apps/{live.name}/releases/RNOPE/promote"), rack.call("POST", f"/apps/{live.name}/builds", {"url": "object://x/y"}),
        rack.call("POST", f"/apps/{live.name}/builds", {}), rack.call("POST", f"/apps/{live.name}/cancel"),
        rack.call("PUT", f"/apps/{live.name}/services/nope", {"count": "1"}), rack.call("PUT", f"/apps/{live.name}/services/web", {"count": "-5"}),
        rack.call("DELETE", f"/apps/{live.name}/processes/nope"), rack.call("DELETE", "/apps/nope"),
    ]
    assert [answer.status for answer in answers if not 400 <= answer.status < 500] == []
    assert all(answer.text.strip() for answer in answers)


def test_an_app_is_never_created_from_a_folders_name(rack):
    """CLI-11"""
    folder = rack.folder / "My App_2"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    result = rack.fail("deploy", cwd=folder)
    assert "my-app-2" in result.err
    assert "my-app-2" not in rack.run("apps").out
    rack.fail("deploy", cwd="/")


def test_the_app_is_the_flag_then_the_variable_then_the_file_then_the_folder(rack, make_app, tmp_path):
    for name in ("one", "two", "three", "four"):
        make_app(name)
    folder = tmp_path / "four"
    folder.mkdir()

    def shown(*words, **environment):
        return rack.run("apps", "info", "--json", *words, cwd=folder, environment=environment).json()["name"]

    assert shown() == "four"
    (folder / ".carrack").mkdir()
    (folder / ".carrack/app").write_text("three\n")
    assert shown() == "three"
    assert shown(CARRACK_APP="two") == "two"
    assert shown("-a", "one", CARRACK_APP="two") == "one"


def test_lists_and_objects_are_json_on_demand(rack, live):
    for words in (["apps"], ["racks"], ["rack"], ["rack", "ps"], ["version"]):
        assert rack.run(*words, "--json").json()
    for words in (["ps"], ["releases"], ["builds"], ["services"], ["scale"], ["apps", "info"]):
        assert live.run(*words, "--json").json()
    assert live.run("env", "--json").json() == {}
