"""Objects on MiniStack, which checks each signature: odd keys, streams, listings, URLs."""
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import AWS_CALL

KEYS = ["a b", "a+b", "a%2Fb", "ü/☃", "~tilde", "a//b", "a/./b", "a/../b", "(paren)*'!", "=eq&amp;", "x" * 900, "$&',:;@?#[]",
        "%", "trailing/", "a\\b", '"<quoted>"', "日本 語"]
PART = 8 * 1024 * 1024


def test_every_key_is_stored_read_and_listed(user, bucket):
    for number, key in enumerate(KEYS):
        assert user.bytes("put", bucket, key, stdin=f"value {number}".encode()) == f"{len(f'value {number}')}\n".encode()
    for number, key in enumerate(KEYS):
        assert user.bytes("get", bucket, key) == f"value {number}".encode()
        assert user.bytes("head", bucket, key) == f"{len(f'value {number}')}\n".encode()

    listed = user.json("objects", bucket, "")
    assert [entry["key"] for entry in listed] == sorted(KEYS, key=lambda key: key.encode())
    assert {entry["size"] for entry in listed} == {7, 8}
    assert [entry["key"] for entry in user.json("objects", bucket, "a/")] == ["a/../b", "a/./b", "a//b"]

    user.bytes("delete", bucket, "a/../b")
    user.bytes("delete", bucket, "a/../b")
    assert user.error("get", bucket, "a/../b")[1] == "NoSuchKey"
    assert user.bytes("get", bucket, "a//b")


def test_an_object_of_no_bytes_and_one_that_is_not_there(user, bucket):
    user.bytes("put", bucket, "empty")
    assert user.bytes("get", bucket, "empty") == b""
    assert user.bytes("head", bucket, "empty") == b"0\n"
    assert user.run("head", bucket, "none").stderr.decode().splitlines()[1:] == ["NotFound", "404"]
    assert user.run("get", "no-such-bucket-here", "none").stderr.decode().splitlines()[1:] == ["NoSuchBucket", "404"]


@pytest.mark.parametrize("length", [PART - 1, PART, PART + 1, 3 * PART + 12345])
def test_streams_of_any_length_come_back_as_they_went(user, bucket, length):
    content = bytes(number * 31 % 251 for number in range(65536)) * (length // 65536 + 1)
    content = content[:length]
    assert user.bytes("put", bucket, "a large/one", stdin=content) == f"{length}\n".encode()
    assert user.bytes("get", bucket, "a large/one") == content


def test_an_upload_takes_little_memory(user, bucket):
    process = subprocess.Popen([AWS_CALL, "put", bucket, "large"], env=user.environment, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    peak = 0

    def watch():
        nonlocal peak
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                    peak = max([peak, *(int(line.split()[1]) for line in status if line.startswith("VmHWM"))])
            except (OSError, ValueError):
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(64):
        process.stdin.write(bytes(1024 * 1024))
    process.stdin.close()
    assert process.wait(timeout=120) == 0
    watcher.join()
    assert process.stdout.read() == b"67108864\n"
    if "ASAN_OPTIONS" not in user.environment:
        assert peak < 48 * 1024


def test_a_key_that_is_taken_is_a_conflict(user, bucket):
    user.bytes("put", bucket, "once", "only-if-new", stdin=b"first")
    result = user.run("put", bucket, "once", "only-if-new", stdin=b"second")
    assert result.stderr.decode().splitlines()[1:] == ["PreconditionFailed", "409"]
    assert user.bytes("get", bucket, "once") == b"first"


def test_a_bucket_is_emptied_with_all_versions(user, bucket):
    user.bytes("rest", json.dumps({"service": "s3", "method": "PUT", "bucket": bucket, "path": "/",
                                   "query": {"versioning": None}}), stdin=(
        b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status>'
        b"</VersioningConfiguration>"))
    for text in (b"one", b"two"):
        user.bytes("put", bucket, "a b+c", stdin=text)
    user.bytes("put", bucket, "other")
    user.bytes("delete", bucket, "other")
    user.bytes("empty", bucket, "")
    user.bytes("rest", json.dumps({"service": "s3", "method": "DELETE", "bucket": bucket, "path": "/"}))
    assert user.run("get", bucket, "a b+c").stderr.decode().splitlines()[1] == "NoSuchBucket"


def fetch(url: str, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=data, method="PUT" if data is not None else "GET")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@pytest.mark.parametrize("key", ["plain", "a b+ü/☃", "a//b"])
def test_presigned_urls_work_for_what_they_were_made(user, bucket, key):
    upload = user.bytes("presign", "PUT", bucket, key).decode().strip()
    fetch(upload, b"by url")
    download = user.bytes("presign", "GET", bucket, key).decode().strip()
    assert fetch(download) == b"by url"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(download.replace("X-Amz-Expires=600", "X-Amz-Expires=601"))


def test_a_list_of_many_pages_is_whole(user, bucket):
    for number in range(12):
        user.bytes("put", bucket, f"key {number:02}")
    listed = user.json("objects", bucket, "key ")
    assert [entry["key"] for entry in listed] == [f"key {number:02}" for number in range(12)]
