"""Commands in tasks over ECS Exec: aws-exec against the sessions of fake_channel, in real containers of MiniStack's tasks."""
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import botocore.session
import pytest
from conftest import HERE, REGION, ROOT_KEYS, free_port, wait_for_health

AWS_EXEC = os.environ["AWS_EXEC"]
IMAGE = "debian:bookworm-slim"
FAILURE = 250
EVERY_BYTE = bytes(range(256))


@dataclasses.dataclass
class Task:
    environment: dict[str, str]
    arn: str
    faults: pathlib.Path

    def arguments(self, *command: str, size: str | None = None) -> list[str]:
        return [AWS_EXEC, "exec", self.arn, "web", *([size] if size else []), "--", *command]

    def run(self, *command: str, stdin: bytes = b"", **others) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.arguments(*command, **others), input=stdin, capture_output=True,
                              env=self.environment, timeout=170, check=False)

    def start(self, *command: str, **others) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.arguments(*command, **others), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment)

    @contextlib.contextmanager
    def with_faults(self, **faults):
        self.faults.write_text(json.dumps(faults))
        try:
            yield
        finally:
            self.faults.unlink()


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exec")
    log, port, faults = folder / "log", free_port(), folder / "faults"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1",
                   "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "EXEC_FAULTS": str(faults)}
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(HERE / "ministack_rack.py")], env=environment, cwd=folder,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_health(url, process, log)
        ecs = botocore.session.get_session().create_client(
            "ecs", region_name=REGION, endpoint_url=url, aws_access_key_id=ROOT_KEYS[0],
            aws_secret_access_key=ROOT_KEYS[1])
        ecs.create_cluster(clusterName="exec")
        ecs.register_task_definition(family="exec", containerDefinitions=[
            {"name": "web", "image": IMAGE, "memory": 512, "essential": True, "command": ["sleep", "900"]}])
        arn = ecs.run_task(cluster="exec", taskDefinition="exec", enableExecuteCommand=True)["tasks"][0]["taskArn"]
        sanitizers = {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                      if name in os.environ}
        yield Task({"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_REGION": REGION, "AWS_ENDPOINT_URL": url,
                    "AWS_ACCESS_KEY_ID": ROOT_KEYS[0], "AWS_SECRET_ACCESS_KEY": ROOT_KEYS[1],
                    "AWS_EC2_METADATA_DISABLED": "true", **sanitizers}, arn, faults)
        print(log.read_text(errors="replace")[-3000:])
    finally:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(f"{url}/_ministack/reset", method="POST"), timeout=120).close()
        process.terminate()
        process.wait(timeout=30)


def expect(result: subprocess.CompletedProcess[bytes], output: bytes, errors: bytes = b"", code: int = 0) -> None:
    assert (result.returncode, result.stderr, result.stdout) == (code, errors, output)


def test_every_byte_comes_back(task):
    expect(task.run("cat", stdin=EVERY_BYTE * 9), EVERY_BYTE * 9)


def test_stdout_and_stderr_stay_apart(task):
    expect(task.run("sh", "-c", "cat >&2; printf out", stdin=EVERY_BYTE), b"out", EVERY_BYTE)


def test_words_are_the_commands(task):
    words = ["", "a b", "it's", '"', "$HOME", "`id`", "\\", "{{x}}", "ä\n", "*", "#c", "-n"]
    expect(task.run("printf", "<%s>", *words), "".join(f"<{word}>" for word in words).encode())


def test_words_mean_no_builtin(task):
    result = task.run("exit", "0")
    assert result.returncode == 127 and b"not found" in result.stderr and result.stdout == b"", result


@pytest.mark.parametrize(("command", "code"), [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["/etc/passwd"], 126), (["/no/such"], 127),
    (["sh", "-c", "kill -TERM $$"], 143), (["sh", "-c", "kill -KILL $$"], 137), (["sh", "-c", "exit 255"], 255)])
def test_the_exit_code_comes(task, command, code):
    assert task.run(*command).returncode == code


def test_the_end_of_input_leaves_the_command_running(task):
    expect(task.run("sh", "-c", "cat; sleep 1; echo after; exit 3", stdin=b"in\n"), b"in\nafter\n", code=3)


def test_an_open_input_does_not_keep_an_ended_command(task):
    process = task.start("sh", "-c", "echo done; exit 5")
    assert process.stdout.read() == b"done\n"
    assert process.wait(timeout=20) == 5
    process.communicate()


def test_input_that_nobody_reads_does_no_harm(task):
    expect(task.run("sh", "-c", "sleep 1; echo out", stdin=bytes(1_000_000)), b"out\n")


def test_a_line_is_answered_at_once(task):
    process = task.start("cat")
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
    process.stderr.close()


def test_much_goes_both_ways_in_little_memory(task):
    # Docker keeps the first of its detach keys back when nothing follows it.
    data = os.urandom(20 * 1024 * 1024).replace(b"\x1d", b"\x1e")
    # What a sanitizer keeps of freed memory would hide ours.
    options = os.environ.get("ASAN_OPTIONS", "")
    quiet = {**task.environment, "ASAN_OPTIONS": ":".join(filter(None, [options, "quarantine_size_mb=4"]))}
    process = dataclasses.replace(task, environment=quiet).start("cat")
    peak = []

    def feed():
        process.stdin.write(data)
        process.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    digest = hashlib.sha256()
    while chunk := process.stdout.read(65536):
        digest.update(chunk)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        peak += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    feeder.join()
    assert (process.wait(timeout=20), process.stderr.read()) == (0, b"")
    process.stderr.close()
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()
    grown = max(peak) - peak[len(peak) // 4]
    assert max(peak) < 150_000 and grown < 10_000, (max(peak), grown)


@pytest.mark.parametrize("faults", [
    {"shuffle": 3}, {"duplicate": 2}, {"forget": 40}, {"deaf": 5}, {"shuffle": 3, "duplicate": 4, "forget": 50, "deaf": 3}],
    ids="-".join)
def test_a_bad_connection_changes_nothing(task, faults):
    data = EVERY_BYTE * 800
    with task.with_faults(**faults):
        expect(task.run("sh", "-c", "cat; exit 9", stdin=data), data, code=9)


@pytest.mark.parametrize("faults", [{"cut": 30_000}, {"close": 30_000}, {"corrupt": 20}], ids="-".join)
def test_a_session_that_breaks_is_a_failure(task, faults):
    with task.with_faults(**faults):
        result = task.run("head", "-c", "200000", "/dev/zero")
    assert result.returncode == FAILURE and b"aws-exec: " in result.stderr, result


def test_a_session_with_a_key_is_refused(task):
    with task.with_faults(kms=1):
        result = task.run("true")
    assert result.returncode == FAILURE and b"KMSEncryption" in result.stderr, result


def test_a_terminal_has_its_size_and_a_code(task):
    result = task.run("sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size; exit 4", size="33x77")
    expect(result, b"33 77\r\n", code=4)


def test_a_terminal_is_resized(task):
    process = task.start("sh", "-c", "echo ready; read -r line; stty size", size="33x77")
    assert process.stdout.readline() == b"ready\r\n"
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 20
    probe = b""
    while b"50 120" not in probe and time.monotonic() < deadline:
        probe = task.run("sh", "-c", "for t in /dev/pts/[0-9]*; do stty size < $t; done").stdout
    process.stdin.write(b"\n")
    process.stdin.close()
    output = process.stdout.read()
    assert process.wait(timeout=20) == 0 and b"50 120" in output, (output, probe)
    process.stdout.close()
    process.stderr.close()


def test_keys_reach_the_command_of_a_terminal(task):
    process = task.start("sh", "-c", "trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 0.1; done", size="24x80")
    assert process.stdout.readline() == b"ready\r\n"
    process.stdin.write(b"\x03")
    process.stdin.flush()
    assert b"caught" in process.stdout.read()
    assert process.wait(timeout=20) == 6
    process.communicate()


def test_a_killed_command_is_gone(task):
    process = task.start("sh", "-c", "echo ready; exec sleep 777")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR2)
    errors = process.stderr.read()
    assert process.wait(timeout=20) == FAILURE and b"killed" in errors, errors
    process.communicate()
    deadline, left = time.monotonic() + 3, b"sleep"
    look = "for c in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $c; done 2>/dev/null | grep -c '^sleep 777' ; true"
    while left.strip() != b"0" and time.monotonic() < deadline:
        left = task.run("sh", "-c", look).stdout
    assert left.strip() == b"0"


def test_twenty_at_once(task):
    processes = [task.start("sh", "-c", f"cat; exit {number}") for number in range(20)]
    for number, process in enumerate(processes):
        output, errors = process.communicate(EVERY_BYTE * (number + 1), timeout=120)
        assert (process.returncode, output, errors) == (number, EVERY_BYTE * (number + 1), b"")
