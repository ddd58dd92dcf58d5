"""The environment: from the command line to the first process of a container, byte by byte."""
import hashlib
import time

import pytest
from helpers import MANIFEST, docker

VALUES = {
    "OPTS": "-Dfile.encoding=UTF-8 -Da=b=c",
    "QUOTE_END": "bar'", "QUOTE_BEGIN": "'bar", "QUOTE_IN": "ba'r", "QUOTED": '"x"', "SINGLE": "'x'",
    "LINES": "one\ntwo=2\nthree", "BACKSLASH": "a\\nb\\\\c", "BLANKS": "  a   b\tcd  xx  ",
    "T1": "{{ .Extension }}", "T2": "host={{.Service.Name}}", "T3": "{{/* gone */}}kept", "T4": "{{test}}", "T5": "a }} b {{ c",
    "T6": '{{`x`}}{{"y"}}', "T7": "{{", "T8": "{{.Node.ID}}", "T9": "${HOME} $HOME $$ `id` $(id)",
    "UNICODE": "naïve — 日本語 🚀", "EMPTY": "", "CONTROL": "\x01\x1b[2J\x7f", "CR": "a\r\nb", "JSON": '{"a": ["b", 1]}', "HASH": "a # b",
}


def inside(app):
    """The environment of the first process of the app's container."""
    container = app.containers()[0]
    data = docker("exec", container, "perl", "-e", 'open F, "/proc/1/environ"; undef $/; print unpack "H*", <F>')
    return dict(entry.split(b"=", 1) for entry in bytes.fromhex(data).rstrip(b"\0").split(b"\0"))


def expect(app, values):
    environment = inside(app)
    assert {name: environment.get(name.encode()) for name in values} == {name: value.encode() for name, value in values.items()}


def test_values_reach_the_process_byte_by_byte(live):
    live.promote(**VALUES)
    expect(live, VALUES)
    for name in ("OPTS", "LINES", "BACKSLASH", "BLANKS", "T2", "UNICODE", "QUOTED"):
        assert live.run("env", "get", name).bytes == VALUES[name].encode() + b"\n"

    second = live.release()
    live.promote(OTHER="1")
    live.run("scale", "web", "--count", "2")
    expect(live, VALUES)
    live.run("releases", "rollback", second)
    expect(live, VALUES)
    assert b"OTHER" not in inside(live)


def test_the_listing_and_set_replace_are_inverses(app):
    app.env(**VALUES)
    listing = app.run("env").bytes
    before = app.run("env", "--json").json()
    app.run("env", "set", "FORGED=1")
    app.run("env", "set", "--replace", stdin=listing)
    assert app.run("env", "--json").json() == before
    assert app.run("env").bytes == listing


def test_a_value_of_the_kernels_limit_arrives_and_one_byte_more_is_refused(live):
    value = "x" * (131071 - len("BIG="))
    live.run("env", "set", "--promote", stdin=f"BIG={value}\n".encode())
    arrived = inside(live)[b"BIG"]
    assert (len(arrived), hashlib.sha256(arrived).digest()) == (len(value), hashlib.sha256(value.encode()).digest())
    releases = len(live.releases())
    result = live.fail("env", "set", stdin=f"BIG={value}x\n".encode())
    assert "BIG" in result.err
    assert "131071" in result.err
    assert len(live.releases()) == releases


def test_a_hundred_kilobytes_of_many_values_arrive(live):
    values = {f"NAME_{i}": f"{i}-" + "y" * 1000 for i in range(100)}
    live.run("env", "set", "--promote", stdin="".join(f"{n}={v}\n" for n, v in values.items()).encode())
    expect(live, values)


def test_an_environment_over_the_limit_is_refused(app):
    text = "".join(f"N{i}={'z' * 100000}\n" for i in range(9))
    assert app.fail("env", "set", stdin=text.encode()).err.count("\n") == 1
    assert app.releases() == []


@pytest.mark.parametrize("name", ["", "a b", "naïve", "tab\t", "a\nb"])
def test_an_odd_name_is_refused_and_nothing_is_set(app, name):
    app.env(GOOD="1")
    result = app.fail("env", "set", f"{name}=v")
    assert "ERROR" in result.err
    assert len(app.releases()) == 1
    assert app.run("env").out == "GOOD=1\n"


def test_names_with_dots_and_dashes_are_delivered(live):
    values = {"a-b": "1", "cluster.name": "2", "_X": "3", "x1": "4", "lower": "5"}
    live.run("env", "set", "--promote", *[f"{n}={v}" for n, v in values.items()])
    expect(live, values)


def test_files_have_quotes_escapes_and_comments(app):
    text = '# a comment\nA="one\ntwo\nthree"\nB="x\\ny"\nC=\'x\\ny\'\nD=x\\ny\nE="say \\"hi\\""\n\nF=plain value\r\n'
    app.run("env", "set", stdin=b"\xef\xbb\xbf" + text.encode())
    wanted = {"A": "one\ntwo\nthree", "B": "x\ny", "C": "x\\ny", "D": "x\\ny", "E": 'say "hi"', "F": "plain value"}
    assert app.run("env", "--json").json() == wanted


def test_a_quote_that_does_not_close_is_named_with_its_line(app):
    result = app.fail("env", "set", stdin=b'A=1\n\n\nK="never closed\nB=2\n')
    assert "4" in result.err
    assert app.releases() == []


def test_stdin_is_not_read_when_there_are_arguments(app):
    process = app.start("env", "set", "A=1", stdin=-1)  # a pipe that nobody closes
    assert process.wait(10) == 0
    process.stdin.close()
    assert app.run("env").out == "A=1\n"
    app.fail("env", "set")


def test_unset_takes_a_value_away(live):
    live.promote(A="1", B="2")
    live.run("env", "unset", "A", "--promote")
    environment = inside(live)
    assert b"A" not in environment
    assert environment[b"B"] == b"2"


REQUIRED = """environment:
  - DB_URL
  - LEVEL=info
services:
  web:
    build: .
    port: 3000
    health: /health
    environment:
      - API_KEY
      - LEVEL=debug
  worker:
    build: .
    command: sleep 1000
    environment: ["*"]
"""


def test_missing_variables_are_all_named_before_the_upload(live):
    live.write(REQUIRED)
    began = time.monotonic()
    result = live.deploy(code=1, LEVEL="", OTHER="1")
    assert "API_KEY, DB_URL" in result.err
    assert "Uploading" not in result.out + result.err
    assert time.monotonic() - began < 10
    assert live.version() == "v1"

    live.deploy(API_KEY="k", DB_URL="d")
    assert live.get("/env?name=LEVEL").body == b""
    assert live.get("/env?name=OTHER").status == 404
    assert live.get("/env?name=API_KEY").text == "k"


def test_a_service_gets_only_what_it_declares(app):
    manifest = MANIFEST.replace("['*']", "[SHOWN, LEVEL=info]")
    app.write(manifest).deploy(SHOWN="yes", HIDDEN="no")
    assert app.get("/env?name=SHOWN").text == "yes"
    assert app.get("/env?name=LEVEL").text == "info"
    assert app.get("/env?name=HIDDEN").status == 404
