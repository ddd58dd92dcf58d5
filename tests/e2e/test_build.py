"""Builds: their logs, what they may not leak, several at once, and archives that mean harm."""
import io
import json
import os
import pathlib
import subprocess
import tarfile
import threading
import time

import pytest
from helpers import MANIFEST, docker, wait_for

CANARY = "S3CRET-canary-91"


def test_a_failing_step_is_shown_with_its_last_words(live):
    """BLD-03"""
    live.write(dockerfile="FROM debian:bookworm-slim\nRUN i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; "
                          f"echo to-stderr-{live.name} >&2; printf LAST-LINE-NO-NEWLINE; exit 42\n")
    release = live.release()
    for verb in ("build", "deploy"):
        result = live.run(verb, str(live.folder), code=1)
        assert "LAST-LINE-NO-NEWLINE" in result.out
        assert f"to-stderr-{live.name}" in result.out
        assert "line 2999" in result.out
        assert "exit status 42" in result.out
        assert "42" in result.err
    build = live.run("builds", "--json").json()[0]
    assert (build["status"], build["release"]) == ("failed", "")
    log = live.run("builds", "logs", build["id"]).out
    assert log.strip() and log.strip() in result.out
    assert (live.release(), live.version()) == (release, "v1")


def test_secrets_are_in_no_log_image_or_process_list(live, rack):
    """BLD-04"""
    live.write(MANIFEST.replace("['*']", "[API_SECRET]"), "FROM debian:bookworm-slim\nRUN env | sort\nCOPY fail* app.pl /\nRUN test ! -e /fail\n"
               'CMD ["perl", "/app.pl"]\n')
    found, stop = [], threading.Event()

    def sample():
        while not stop.wait(0.05):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    arguments = path.read_bytes()
                except OSError:
                    continue
                if CANARY.encode() in arguments and b"env\0set" not in arguments:
                    found.append(arguments)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        good = live.deploy(API_SECRET=CANARY)
        (live.folder / "fail").write_text("")
        bad = live.deploy(code=1)
    finally:
        stop.set()
        sampler.join()
    assert live.get("/env?name=API_SECRET").text == CANARY
    assert found == []
    assert CANARY not in good.out + good.err + bad.out + bad.err
    for build in live.run("builds", "--json").json():
        assert CANARY not in live.run("builds", "logs", build["id"]).out
        assert CANARY not in rack.call("GET", f"/apps/{live.name}/builds/{build['id']}").text
    assert CANARY not in rack.call("GET", f"/apps/{live.name}/releases").text
    image = docker("inspect", "-f", "{{.Image}}", live.containers()[0])
    assert CANARY not in docker("history", "--no-trunc", image) + docker("inspect", image)
    assert CANARY not in rack.logs.text()
    assert CANARY not in rack.run("rack", "logs", "--no-follow", "--since", "10m").out


def test_builds_at_once_do_not_share(live):
    """BLD-08"""
    folders = []
    for number in range(4):
        folder = live.folder.parent / f"stamp-{number}"
        folder.mkdir()
        (folder / "stamp").write_text(f"stamp-{number}\n")
        (folder / "Dockerfile").write_text('FROM debian:bookworm-slim\nCOPY stamp /stamp\nRUN sleep 1; cp /stamp /copy\nCMD ["cat", "/copy"]\n')
        (folder / "convox.yml").write_text("services:\n  web: {build: .}\n")
        folders.append(folder)
    running = [live.start("build", str(folder), "--id") for folder in folders]
    releases = [process.communicate(timeout=120)[0].decode().strip() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert len(set(releases)) == 4
    for number, release in enumerate(releases):
        build = next(b for b in live.run("builds", "--json").json() if b["release"] == release)["id"]
        image = f"127.0.0.1:{live.rack.registry}/{live.name}:web.{build}"
        assert docker("run", "--rm", image) == f"stamp-{number}"


def archive(members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, kind, value in [("Dockerfile", "f", b"FROM scratch\nCOPY . /c/\n"), *members]:
            member = tarfile.TarInfo(name)
            if kind == "f":
                member.size = len(value)
                tar.addfile(member, io.BytesIO(value))
                continue
            member.type = {"s": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "d": tarfile.DIRTYPE, "c": tarfile.CHRTYPE, "p": tarfile.FIFOTYPE}[kind]
            if kind == "c":
                member.devmajor, member.devminor = value
            elif kind != "p":
                member.linkname = value
            tar.addfile(member)
    return data.getvalue()


HOSTILE = {
    "dotdot": [("../../../../tmp/ESCAPED1", "f", b"x")],
    "absolute": [("/tmp/ESCAPED2", "f", b"x")],
    "through a link": [("bin", "s", "/tmp"), ("bin/ESCAPED3", "f", b"x")],
    "through a chain": [("a", "d", ""), ("a/b", "s", ".."), ("a/b/c", "s", "../.."), ("a/b/c/tmp", "s", "../tmp"), ("a/b/c/ESCAPED4", "f", b"x")],
    "over a link": [("f", "s", "/tmp/ESCAPED5"), ("f", "f", b"x")],
    "hard link out": [("p", "h", "/etc/passwd"), ("p", "f", b"ESCAPED6")],
    "device": [("null", "c", (1, 3))],
    "inner dotdot": [("x/../../ESCAPED7", "f", b"x")],
    "no archive": None,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_that_means_harm_writes_nothing_outside(live, rack, kind):
    """CTX-14"""
    body = b"this is no archive\n" * 100 if HOSTILE[kind] is None else archive(HOSTILE[kind])
    before = pathlib.Path("/etc/passwd").read_bytes()
    url = rack.call("POST", f"/apps/{live.name}/objects/tmp/harm.tgz", body=body)
    assert url.status == 200
    build = rack.call("POST", f"/apps/{live.name}/builds", {"url": f"object://{live.name}/tmp/harm.tgz"})
    if build.status == 200:
        name = json.loads(build.text)["id"]
        running = ("created", "running")
        state = wait_for(lambda: (b := live.run("builds", "info", name, "--json").json())["status"] not in running and b, 60, "the end")
        if HOSTILE[kind] is None:
            assert state["status"] == "failed"
    container, process = rack.daemon()
    for root in ("/", f"/proc/{process}/root"):
        for folder in ("tmp", "", "etc", "var/lib/carrack"):
            place = os.path.join(root, folder)
            assert not [name for name in (os.listdir(place) if os.path.isdir(place) else []) if name.startswith("ESCAPED")]
    assert pathlib.Path("/etc/passwd").read_bytes() == before
    assert b"ESCAPED" not in subprocess.run(["docker", "exec", container, "cat", "/etc/passwd"], capture_output=True, check=True).stdout
    assert rack.daemon()[0] == container
    assert live.version() == "v1"


def test_a_folder_with_odd_files_is_sent(app):
    """CTX-12"""
    app.write(MANIFEST, 'FROM debian:bookworm-slim\nCOPY . /c/\nCMD ["perl", "/c/app.pl"]\n')
    os.mkfifo(app.folder / "fifo")
    (app.folder / "café.txt").write_text("x")
    (app.folder / "empty").mkdir()
    os.symlink("app.pl", app.folder / "link")
    began = time.monotonic()
    app.deploy()
    assert time.monotonic() - began < 20
    listed = docker("exec", app.containers()[0], "ls", "-A", "/c").split("\n")
    assert {"app.pl", "café.txt", "empty", "link"} <= set(listed)
