"""What passes through the router: hosts, protocol versions, large and slow bodies, streams."""
import socket
import ssl
import time

import pytest


@pytest.fixture(scope="module")
def web(module_app):
    """One app for all of these: none of them changes it."""
    module_app.write().deploy()
    return module_app


def lines(data):
    head, _, body = data.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], head.lower(), body


def ask(web, text, **options):
    return lines(web.rack.raw(text.replace("HOST", web.host).encode(), **options))


def test_an_unknown_host_is_404_and_no_app(web):
    for host in ("nope.localhost", "web.localhost", f"x{web.host}", f"{web.host}.evil.test", "127.0.0.1", "_"):
        answer = web.get(headers={"Host": host})
        assert (answer.status, "v1" in answer.text) == (404, False), host


def test_a_host_name_may_have_a_port_capitals_and_a_dot_at_the_end(web):
    for host in (f"{web.host}:{web.rack.http}", web.host.upper(), f"{web.host}."):
        assert web.get(headers={"Host": host}).text == "v1\n", host


@pytest.mark.parametrize("head", [
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: HOST\r\nHost: other.localhost\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : HOST\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello",
    "GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +5\r\nConnection: close\r\n\r\nhello",
    "GET / HTTP/1.1\r\nHost: HOST\r\n folded: x\r\nConnection: close\r\n\r\n",
    "GET / HTTP/3.7\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    "CONNECT other.localhost:80 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
], ids=["no host", "two hosts", "blank before the colon", "two lengths", "signed length", "folded", "version", "connect"])
def test_a_dishonest_head_reaches_no_app(web, head):
    status, _, body = ask(web, head)
    assert status.split()[1] in (b"400", b"404", b"405", b"505"), status
    assert b"v1" not in body


def test_http_1_0_without_a_host_gets_no_app(web):
    status, _, body = ask(web, "GET / HTTP/1.0\r\n\r\n")
    assert status.split()[1] in (b"400", b"404")
    assert b"v1" not in body


def test_an_answer_to_http_1_0_ends_by_closing(web):
    status, head, body = ask(web, "GET / HTTP/1.0\r\nHost: HOST\r\n\r\n")
    assert (status.split()[1], body) == (b"200", b"v1\n")
    assert b"transfer-encoding" not in head


def test_an_absolute_target_decides_the_host(web):
    _, _, body = ask(web, "GET http://HOST/ HTTP/1.1\r\nHost: other.localhost\r\nConnection: close\r\n\r\n")
    assert body == b"v1\n"
    status, _, _ = ask(web, "GET http://other.localhost/ HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")
    assert status.split()[1] == b"404"


def test_head_has_no_body(web):
    status, head, body = ask(web, "HEAD / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n")
    assert (status.split()[1], body) == (b"200", b"")
    assert b"content-length: 3" in head


def test_pipelined_requests_are_answered_in_order(web):
    data = web.rack.raw(f"GET / HTTP/1.1\r\nHost: {web.host}\r\n\r\nGET /pid HTTP/1.1\r\nHost: {web.host}\r\nConnection: close\r\n\r\n".encode())
    assert data.count(b"HTTP/1.1 200") == 2
    assert data.index(b"v1\n") < data.rindex(b"HTTP/1.1 200")
    assert data.strip().split(b"\n")[-1].isdigit()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_forwarded_headers_are_the_routers_own(web, tls):
    forged = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "gopher", "X-Forwarded-Port": "1", "X-Real-IP": "1.2.3.4",
              "Forwarded": "for=1.2.3.4"}
    seen = web.get("/headers", headers=forged, tls=tls).text.lower()
    head = dict(line.split(": ", 1) for line in seen.replace("\r", "").strip().split("\n")[1:])
    assert head["x-forwarded-for"].split(",")[-1].strip() == "127.0.0.1"
    assert head["x-forwarded-proto"] == ("https" if tls else "http")
    assert head["x-forwarded-port"] == str(web.rack.https if tls else web.rack.http)
    assert head["host"] == web.host
    assert "1.2.3.4" not in head.get("x-real-ip", "") + head.get("forwarded", "")


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_a_large_upload_arrives_whole(web, chunked):
    piece = bytes(range(256)) * 4096  # 1 MiB
    count = 64
    answer = raw_chunks(web, [piece] * count) if chunked else web.get("/echo", method="POST", body=piece * count).text
    assert answer == f"{count << 20} {sum(piece) * count % 2**32}\n"


def raw_chunks(web, pieces):
    with socket.create_connection(("127.0.0.1", web.rack.http), timeout=60) as connection:
        connection.sendall(f"POST /echo HTTP/1.1\r\nHost: {web.host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")
        data = b""
        while more := connection.recv(65536):
            data += more
    return data.partition(b"\r\n\r\n")[2].decode()


def test_a_slow_upload_is_not_cut(web):
    with socket.create_connection(("127.0.0.1", web.rack.http), timeout=60) as connection:
        connection.sendall(f"POST /echo HTTP/1.1\r\nHost: {web.host}\r\nContent-Length: 8\r\nConnection: close\r\n\r\n".encode())
        for _ in range(8):
            connection.sendall(b"x")
            time.sleep(0.7)
        assert b"\r\n\r\n8 960\n" in connection.recv(65536)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", ["", "text/event-stream;charset=utf-8"])
def test_a_streamed_answer_arrives_as_it_is_written(web, tls, kind):
    connection = socket.create_connection(("127.0.0.1", web.rack.https if tls else web.rack.http), timeout=20)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=web.host)
    with connection:
        began = time.monotonic()
        connection.sendall(f"GET /stream?n=3&type={kind} HTTP/1.1\r\nHost: {web.host}\r\nConnection: close\r\n\r\n".encode())
        data, times = b"", {}
        while more := connection.recv(65536):
            data += more
            for part in (1, 2, 3):
                if f"part {part}".encode() in data:
                    times.setdefault(part, time.monotonic() - began)
    assert times[1] < 0.8
    assert 0.7 < times[2] < 1.8
    assert 1.7 < times[3] < 2.8
    assert b"transfer-encoding: chunked" in data.lower()
    assert b"content-length" not in data.lower()


def test_expect_continue_is_answered(web):
    with socket.create_connection(("127.0.0.1", web.rack.http), timeout=20) as connection:
        head = f"POST /echo HTTP/1.1\r\nHost: {web.host}\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert b"3 294" in connection.recv(65536)
