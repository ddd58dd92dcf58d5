"""A large source folder: how fast it goes up, and how little memory that takes on both sides."""
import os
import pathlib
import subprocess
import time

from .common import Failure, Kit, memory_mb

APP = "bench-upload"
FILE_MB = 4


def make_folder(kit: Kit, megabytes: int) -> pathlib.Path:
    """Half of every file is random, half text that packs well."""
    folder = kit.folder / "large"
    subprocess.run(["cp", "-r", str(kit.source), str(folder)], check=True)
    line = b"all work and no play makes a rack a dull place; line %08d\n"
    text = b"".join(line % number for number in range(16384))
    text = (text * 3)[:FILE_MB * 2**19]
    for number in range(megabytes // FILE_MB):
        part = folder / "data" / f"{number % 16:02}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number}.bin").write_bytes(os.urandom(FILE_MB * 2**20 - len(text)) + text)
    return folder


def tar_speed(folder: pathlib.Path) -> float:
    """Seconds of tar and gzip -1, the pages being in memory as for ours."""
    begun = time.monotonic()
    tar = subprocess.Popen(["tar", "c", "-C", str(folder), "."], stdout=subprocess.PIPE)
    subprocess.run(["gzip", "-1"], stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
    tar.wait()
    return time.monotonic() - begun


def build(folder: pathlib.Path) -> tuple[float, float, float]:
    """Seconds of the upload and of the whole, and the CLI's largest resident size in MB."""
    reader, writer = os.pipe()
    argv = ["carrack", "build", str(folder), "-a", APP, "--id"]  # so that what it tells goes to stderr
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_DUP2, writer, 2), (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    os.close(writer)
    begun = uploading = time.monotonic()
    uploaded, text = 0.0, b""
    while part := os.read(reader, 65536):
        text += part
        if b"Building app" in part:
            uploading = time.monotonic()
        if b"Uploading source" in text and not uploaded:
            uploaded = time.monotonic()
    _, status, usage = os.wait4(pid, 0)
    if status or not uploaded:
        raise Failure(f"carrack build: {text[-400:].decode(errors='replace')}")
    return uploaded - uploading, time.monotonic() - begun, usage.ru_maxrss / 1024


def measure(kit: Kit, options) -> dict:
    megabytes = options.megabytes
    folder = make_folder(kit, megabytes)
    kit.app(APP, stability=1, deploy=False)
    tar_speed(folder)
    by_tar = tar_speed(folder)
    pid = kit.carrackd()
    before = memory_mb(pid)
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    sent, whole, client = build(folder)
    server = memory_mb(pid, "VmHWM")
    by_tar = (by_tar + tar_speed(folder)) / 2
    print(f"a source folder of {megabytes} MB: sent in {sent:.1f} s ({megabytes / sent:.0f} MB/s), with its build "
          f"{whole:.1f} s")
    print(f"  tar c | gzip -1 > /dev/null: {by_tar:.1f} s ({megabytes / by_tar:.0f} MB/s); ours takes "
          f"{sent / by_tar:.2f} x that")
    print(f"  most memory: CLI {client:.1f} MB, carrackd {server:.1f} MB ({before:.1f} MB before), target under 64 MB each")
    kit.drop_app(APP)
    subprocess.run(["rm", "-rf", str(folder)], check=False)
    return {"seconds": round(sent, 2), "whole": round(whole, 2), "tar": round(by_tar, 2), "cli_mb": round(client, 1),
            "carrackd_mb": round(server, 1), "carrackd_before_mb": round(before, 1)}
