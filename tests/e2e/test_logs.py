"""Logs: every line once, as it was written, also of processes that are gone."""
import json
import subprocess
import threading
import time

import pytest
from helpers import wait_for

WORKER = "services:\n  w:\n    build: .\n"


def emitter(app, script, deploy=True):
    app.write(WORKER, 'FROM debian:bookworm-slim\nCOPY emit /emit\nCMD ["/bin/sh", "/emit"]\n', emit=script)
    return app.deploy() if deploy else None


def texts(app, *arguments):
    """The lines without their prefix."""
    return [line.split(b" ", 2)[2] for line in app.run("logs", "--no-follow", "-s", "w", *arguments).bytes.split(b"\n") if line]


def wait_for_line(app, text, service="w"):
    wait_for(lambda: text in app.logs("-s", service, "--since", "10m"), 20, f"the line {text}")


def test_lines_stay_when_their_container_is_gone(live):
    live.get("/say?text=before-it-goes")
    first = live.processes()[0]
    live.promote(VERSION="v2")
    wait_for(lambda: len(live.containers("-a")) <= 2 and first not in live.processes(), 30, "the end of the old process")
    out = live.logs("--since", "10m")
    assert "before-it-goes" in out
    assert f"service/web/{first} " in out


def test_since_filter_tail_and_service_choose_lines(live):
    live.get("/say?text=apple&n=3")
    live.get("/say?text=pear&n=3")
    wait_for(lambda: live.logs("--filter", "pear").count("pear") == 3, what="the lines")
    assert live.logs("--filter", "apple").count("\n") == 3
    assert live.logs("--tail", "2").count("\n") == 2
    time.sleep(2)
    assert "apple" not in live.logs("--since", "1s")
    assert "apple" in live.logs("--since", "1h")
    for bad in ("5", "yesterday"):
        assert live.fail("logs", "--no-follow", "--since", bad).err


def test_following_shows_a_new_line_within_two_seconds(live):
    follower = live.start("logs", "--since", "1s")
    seen = []
    thread = threading.Thread(target=lambda: [seen.append((time.monotonic(), line)) for line in follower.stdout], daemon=True)
    thread.start()
    time.sleep(1)
    asked = time.monotonic()
    live.get("/say?text=fresh-line")
    wait_for(lambda: any(b"fresh-line" in line for _, line in seen), 5, "the line")
    assert next(at for at, line in seen if b"fresh-line" in line) - asked < 2
    follower.terminate()
    follower.wait(10)


def test_long_lines_are_whole(app):
    """LOG-01"""
    emitter(app, 'perl -e \'print "A" x 16383, "B\\n", "C" x 16384, "D\\n", "{\\"k\\":\\"" . "x" x 100000 . "\\"}\\n", "end\\n"\'; sleep 600\n')
    wait_for_line(app, " end")
    lines = texts(app)
    assert [len(line) for line in lines] == [16384, 16385, 100008, 3]
    assert json.loads(lines[2])["k"] == "x" * 100000


def test_binary_bytes_pass_unchanged(app):
    """LOG-03"""
    emitter(app, 'printf "nul \\000 mid\\n"; printf "bad \\377\\376\\n"; printf "cr only\\rover\\n"; printf "esc[\\033[2J\\n"; '
                 'perl -e \'print pack("C*", 0..9, 11..255) x 3\'; printf "\\nAFTER\\n"; sleep 600\n')
    wait_for_line(app, "AFTER")
    lines = texts(app)
    assert lines[0] == b"nul \0 mid"
    assert lines[1] == b"bad \xff\xfe"
    assert lines[2] == b"cr only\rover"
    assert lines[4] == bytes([*range(10), *range(11, 256)]) * 3
    for line in app.run("logs", "--no-follow", "--json").out.splitlines():
        json.loads(line)


def test_the_last_words_without_a_newline_are_kept_and_shown(app):
    """LOG-05"""
    emitter(app, 'printf "no newline at end"; exit 7\n', deploy=False)
    result = app.deploy(code=1)
    assert "no newline at end" in result.out + result.err
    assert "exited 7" in result.err
    wait_for_line(app, "no newline at end")


def test_lines_of_several_processes_are_in_the_order_of_time(app):
    """LOG-06"""
    emitter(app, 'i=0; while [ $i -lt 50 ]; do echo "$(hostname) $i $(date +%s.%N)"; i=$((i+1)); sleep 0.05; done; sleep 600\n')
    app.run("scale", "w", "--count", "4")
    wait_for(lambda: len(texts(app, "--since", "10m")) >= 200, 40, "200 lines")
    lines = [line.decode().split() for line in texts(app, "--since", "10m")]
    assert len(lines) == 200
    assert len({(host, number) for host, number, _ in lines}) == 200
    newest = {}
    last = 0.0
    for host, number, stamp in lines:
        assert int(number) == newest.get(host, -1) + 1
        assert float(stamp) > last - 0.05
        newest[host], last = int(number), max(last, float(stamp))


def test_tail_counts_over_all_processes(app):
    """LOG-08"""
    emitter(app, 'i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; sleep 600\n')
    app.run("scale", "w", "--count", "3")
    wait_for(lambda: len(texts(app, "--since", "10m")) >= 900, 30, "900 lines")
    assert len(texts(app, "--since", "10m", "--tail", "10")) == 10


def test_json_lines_are_not_touched(app):
    """LOG-10"""
    written = ['{"msg":"a\\u00e9 \\"q\\"","n":12345678901234567890,"f":1.0,"t":"2024-01-01T00:00:00Z"}',
               '{"log":"nested {\\"a\\":1}\\n","stream":"stdout"}', '{"unfinished":']
    emitter(app, "cat <<'END'\n" + "\n".join(written) + "\nEND\nsleep 600\n")
    wait_for_line(app, "unfinished")
    assert [line.decode() for line in texts(app)] == written


def test_a_new_app_has_no_lines_and_an_unknown_one_is_named(app, rack):
    """LOG-13"""
    assert app.logs() == ""
    assert "no such app: nope" in rack.fail("logs", "-a", "nope", "--no-follow").err
    app.write()
    app.deploy(code=1, EXIT_AT_BOOT="3", VERSION="short-lived")
    wait_for(lambda: "starting short-lived" in app.logs("--since", "10m"), what="the dead process's line")


def test_a_follower_of_a_new_app_sees_its_first_deploy(app):
    follower = app.start("logs")
    time.sleep(0.5)
    app.write().deploy()
    lines = []
    thread = threading.Thread(target=lambda: lines.extend(follower.stdout), daemon=True)
    thread.start()
    time.sleep(1.5)
    follower.terminate()
    follower.wait(10)
    thread.join(5)
    assert any(b"listening on 3000" in line for line in lines)


@pytest.mark.parametrize("words", [["logs", "--since", "1h", "--no-follow"], ["apps"], ["env"], ["releases"]])
def test_a_reader_that_goes_away_is_no_error(live, words):
    """CLI-01"""
    live.get("/say?text=many&n=10000")
    arguments = [live.rack.binary, *words, *([] if words == ["apps"] else ["-a", live.name])]
    began = time.monotonic()
    writer = subprocess.Popen(arguments, env=live.rack.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer.stdout.readline()
    writer.stdout.close()
    errors = writer.stderr.read()
    assert writer.wait(10) in (0, -13, 141)
    assert errors == b""
    assert time.monotonic() - began < 3
