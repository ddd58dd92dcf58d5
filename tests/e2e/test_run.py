"""Commands in the rack: exit statuses, bytes, ends of input, terminals, clients that vanish, one-offs and their ends."""
import contextlib
import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest
from helpers import App, docker, wait_for

STATUSES = [("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143),
            ("kill -11 $$", 139)]
PAIRS = "binmode STDOUT; for $a (0..255) { for $b (0..255) { print chr($a).chr($b) } }"


@pytest.fixture(name="ways", scope="module")
def both_ways(rack, tmp_path_factory):
    """An app with one process, and the two ways of running a command in it."""
    app = App(rack, "commands", tmp_path_factory.mktemp("run") / "commands")
    rack.run("apps", "create", app.name)
    app.run("apps", "params", "set", "StabilitySeconds=0")
    app.write().deploy(X="1")
    yield app, [("run", "web"), ("exec", app.processes()[0])]
    app.delete()


def command(app, way, *words, code=0, **options):
    return line(app, *way, "--", *words, code=code, **options)


def line(app, verb, *words, **options):
    """A command line whose end is a command in the rack, where no flag of ours can stand."""
    return app.rack.run(verb, "-a", app.name, *words, **options)


def one_offs(app):
    return [p for p in app.run("ps", "--json").json() if "one-off" in p["status"]]


def containers(app):
    return docker("ps", "-aq", "--filter", f"label=carrack.rack={app.rack.name}", "--filter", f"label=carrack.app={app.name}",
                  "--filter", "label=carrack.kind=one-off").split()


def runs(app, mark):
    """True while a process with this argument runs on this machine."""
    found = subprocess.run(["pgrep", "-fx", f"sleep {mark}"], capture_output=True, check=False)
    return found.returncode == 0


def test_statuses(ways):
    app, both = ways
    for way in both:
        for text, code in STATUSES:
            result = command(app, way, "sh", "-c", text, code=code)
            assert result.out == "", str(result)
        for word, code in (("/etc/passwd", 126), ("/nope", 127), ("no-such-command", 127)):
            result = command(app, way, word, code=code)
            assert result.out == "" and result.err, str(result)
    assert "no such app" in app.rack.run("run", "web", "-a", "nosuch", "--", "true", code=125).err
    assert "no such service" in line(app, "run", "nosuch", "true", code=125).err
    assert "no such process" in line(app, "exec", "nosuch", "true", code=125).err


def test_bytes(ways, tmp_path):
    app, both = ways
    wanted = b"".join(bytes((a, b)) for a in range(256) for b in range(256))
    for way in both:
        assert hashlib.sha256(command(app, way, "perl", "-e", PAIRS).bytes).digest() == hashlib.sha256(wanted).digest()
        assert command(app, way, "cat", stdin=wanted).bytes == wanted
        with (tmp_path / "got").open("wb") as file:
            app.rack.start(*way, "-a", app.name, "--", "perl", "-e", PAIRS, stdout=file).wait(30)
        assert (tmp_path / "got").read_bytes() == wanted


def test_arguments(ways):
    app, both = ways
    words = ["a b", "", "*", "$HOME", 'it\'s "q"', "--flag", "ü\n"]
    for way in both:
        result = command(app, way, "sh", "-c", 'for x; do printf "[%s]" "$x"; done', "_", *words)
        assert result.out == "".join(f"[{word}]" for word in words)


def test_stderr_is_apart(ways):
    app, both = ways
    for way in both:
        result = command(app, way, "sh", "-c", "echo out; echo err >&2; exit 3", code=3)
        assert (result.out, result.err) == ("out\n", "err\n")


def test_end_of_input(ways):
    app, (run, execute) = ways
    for _ in range(int(os.environ.get("CARRACK_E2E_ROUNDS", "5"))):
        for way in (run, execute):
            began = time.monotonic()
            assert command(app, way, "cat").out == ""
            assert command(app, way, "sh", "-c", "cat; echo end", stdin=b"").out == "end\n"
            assert command(app, way, "echo", "x").out == "x\n"
            with open("/dev/zero", "rb") as zero:
                assert app.rack.start(*way, "-a", app.name, "--", "true", stdin=zero).wait(10) == 0
            assert time.monotonic() - began < 20
    late = command(app, run, "sh", "-c", "cat; sleep 2; echo late", stdin=b"hi")
    assert late.out == "hilate\n"


def test_a_vanished_client_ends_the_command(ways):
    app, both = ways
    for number, way in enumerate(both):
        for kill in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            mark = f"4{number}{int(kill):02d}"
            words = ("sleep", mark) if kill == signal.SIGINT else ("sh", "-c", f"sleep {mark}; true")
            client = app.rack.start(*way, "-a", app.name, "--", *words)
            wait_for(lambda mark=mark: runs(app, mark), 10, "the command's start")
            client.send_signal(kill)
            status = client.wait(5)
            assert status == (-9 if kill == signal.SIGKILL else 128 + kill)
            wait_for(lambda mark=mark: not runs(app, mark), 5, f"the end of {way} after {kill.name}")
    wait_for(lambda: not containers(app), 15, "the one-offs' clearing away")


def test_timeout(ways):
    app, _ = ways
    result = line(app, "run", "web", "--timeout", "3", "sleep", "4444", code=124)
    assert 3 <= result.seconds < 6, str(result)
    assert not runs(app, "4444")


def test_detached(ways):
    app, _ = ways
    result = line(app, "run", "web", "--detach", "--", "sh", "-c", "sleep 3; echo its words; exit 7")
    assert re.fullmatch(r"[0-9a-f]{12}\n", result.out), str(result)
    process = result.out.strip()
    assert [p["id"] for p in one_offs(app)] == [process]
    assert app.run("scale", "web", "--json").json()[0]["running"] == 1

    wait_for(lambda: not containers(app), 20, "the one-off's clearing away")
    info = app.run("ps", "info", process, "--json").json()
    assert (info["status"], info["exit"]) == ("failed (one-off)", 7)
    assert f"service/web/{process} its words" in app.logs("--since", "1m")
    assert not one_offs(app)


def test_detached_outlives_carrackd(ways):
    app, _ = ways
    kept = line(app, "run", "web", "-d", "--", "sh", "-c", "sleep 8; exit 5").out.strip()
    limited = line(app, "run", "web", "-d", "-t", "4", "sleep", "4646").out.strip()
    container, _ = app.rack.daemon()
    docker("kill", "--signal", "KILL", container)
    wait_for(app.rack.answers, 60, "carrackd")
    for process, code in ((kept, 5), (limited, 124)):
        def has_ended(process=process):
            return app.run("ps", "info", process, "--json").json().get("exit")
        assert wait_for(has_ended, 30, "the end of a one-off") == code
    assert not runs(app, "4646")


def test_releases(ways):
    app, (run, _) = ways
    later = app.env("--id", X="2").out.strip()
    assert command(app, run, "printenv", "X").out == "1\n"
    assert line(app, "run", "web", "--release", later, "--", "printenv", "X").out == "2\n"
    assert line(app, "exec", "web", "printenv", "X").out == "1\n"


def test_no_requests(ways):
    app, _ = ways
    line(app, "run", "web", "-d", "-t", "20", "perl", "/app.pl")
    own = app.processes()
    wait_for(lambda: one_offs(app), 10, "the one-off")
    assert {app.get().status for _ in range(20)} == {200}
    app.run("ps", "stop", one_offs(app)[0]["id"])
    assert app.processes() == own
    wait_for(lambda: not containers(app), 15, "the one-off's clearing away")


def test_files(ways, tmp_path):
    app, (_, (_, process)) = ways
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "bytes").write_bytes(bytes(range(256)) * 1000)
    (source / "tool").write_text("#!/bin/sh\necho tool\n", encoding="utf-8")
    (source / "tool").chmod(0o755)
    (source / "link").symlink_to("tool")
    app.run("cp", str(source), f"{process}:/srv/copied")
    assert line(app, "exec", process, "/srv/copied/link").out == "tool\n"
    app.run("cp", f"{process}:/srv/copied", str(tmp_path / "back"))
    assert (tmp_path / "back" / "deep" / "bytes").read_bytes() == (source / "deep" / "bytes").read_bytes()
    assert os.readlink(tmp_path / "back" / "link") == "tool"

    app.run("cp", str(source / "tool"), f"{process}:/srv/other")
    app.run("cp", str(source / "tool"), "web:/srv/")
    assert line(app, "exec", process, "ls", "/srv").out.split() == ["copied", "other", "tool"]
    app.run("cp", f"{process}:/srv/other", str(tmp_path))
    assert (tmp_path / "other").read_text(encoding="utf-8").startswith("#!/bin/sh")
    assert "has no file" in app.fail("cp", f"{process}:/nope", str(tmp_path)).err
    # A file never takes the place of a folder.
    app.fail("cp", str(source / "tool"), f"{process}:/srv/copied")
    assert line(app, "exec", process, "ls", "/srv/copied").out.split() == ["deep", "link", "tool"]


def test_proxy(ways):
    app, _ = ways
    client = app.rack.start("proxy", f"0:web.{app.name}:3000")
    try:
        port = int(re.search(rb"localhost:(\d+) ", client.stdout.readline()).group(1))
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert connection.recv(7) == b"HTTP/1."
    finally:
        client.kill()
        client.wait()
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "metadata", "example.com", "0x7f000001", "2130706433"):
        client = app.rack.start("proxy", f"0:{host}:80")
        port = int(re.search(rb"localhost:(\d+) ", client.stdout.readline()).group(1))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            assert connection.recv(100) == b""
        client.kill()
        assert b"no such host" in client.communicate(timeout=10)[1], host


class Terminal:
    """A session at a terminal of its own."""

    def __init__(self, app, *words):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.text = b""
        self.client = app.rack.start(*words, "-a", app.name, "--", "sh", stdin=slave, stdout=slave, stderr=slave,
                                     start_new_session=True)

    def send(self, text):
        os.write(self.master, text)

    def expect(self, pattern, seconds=15):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f"no {pattern} in {self.text}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.text += os.read(self.master, 4096)
        found = re.search(pattern, self.text)
        self.text = self.text[found.end():]
        return found

    def resize(self, height, width):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.client.send_signal(signal.SIGWINCH)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def end(self):
        status = self.client.wait(15)
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        assert after == self.before
        return status


def test_terminal(ways):
    app, both = ways
    for way in both:
        session = Terminal(app, *way)
        session.send(b"stty size\n")
        session.expect(rb"33 111\r\n")
        assert session.is_raw()
        session.resize(20, 60)

        def has_new_size(session=session):
            session.send(b"stty size\n")
            return session.expect(rb"(20 60|33 111)\r\n").group(1) == b"20 60"

        wait_for(has_new_size, 10, "the new size")
        session.send(b"sleep 100\n")
        time.sleep(1)
        session.send(b"\x03")
        session.send(b"echo status=$?\n")
        session.expect(rb"status=130\r\n")
        session.send(b"exit 4\n")
        assert session.end() == 4


def test_terminal_is_restored(ways):
    app, (run, execute) = ways
    for way in (run, execute):
        for number in (signal.SIGTERM, signal.SIGHUP):
            session = Terminal(app, *way)
            session.send(b"echo here$((1+1))\n")
            session.expect(rb"here2")
            session.client.send_signal(number)
            assert session.end() == 128 + number
    session = Terminal(app, *run)
    session.send(b"echo here$((1+1))\n")
    session.expect(rb"here2")
    session.send(b"\r~.")
    assert session.end() == 129

    session = Terminal(app, *execute)
    session.send(b"echo here$((1+1))\n")
    session.expect(rb"here2")
    container, _ = app.rack.daemon()
    docker("kill", "--signal", "KILL", container)
    session.expect(rb"is lost", 20)
    assert session.end() == 125
    wait_for(app.rack.answers, 60, "carrackd")


def test_a_stalled_reader_stops_the_command(ways):
    app, both = ways
    for way in both:
        client = app.rack.start(*way, "-a", app.name, "--", "cat", "/dev/zero")
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(3)
        _, pid = app.rack.daemon()
        sizes = []
        for _ in range(3):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                sizes.append(int(file.read().split()[1]) * 4096)
            time.sleep(1)
        assert max(sizes) - min(sizes) < 4 << 20, sizes
        client.kill()
        client.wait()
        wait_for(lambda: subprocess.run(["pgrep", "-f", "^cat /dev/zero$"], capture_output=True, check=False).returncode, 5,
                 "the end of a command that nobody reads")
