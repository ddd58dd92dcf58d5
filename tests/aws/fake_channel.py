"""The other end of an ECS Exec session: a data channel as AWS publishes it, in front of `docker exec -t`.

Like the agent it numbers, acknowledges and sends again, and its output is clean for UTF-8 only. Faults come from the file
that EXEC_FAULTS names, a JSON object that is read when a session opens: shuffle, duplicate and forget (every nth message
goes out after the next, twice, or only when it is sent again), deaf (input messages that are not acknowledged the first
time), cut (bytes of output after which the connection breaks), close (the same with channel_closed), kms (the handshake
asks for encryption), corrupt (the nth message has another digest).
"""
import base64
import codecs
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shlex
import signal
import socket
import struct
import threading
import time
import uuid

import docker

HEAD = struct.Struct(">I32sIQqQ16s32sII")
RESEND_SECONDS = 0.3
PIECE = 1024
# Docker takes a sequence of keys out of a terminal's input; this one is not met by chance.
DETACH_KEYS = ",".join("ctrl-" + key for key in "]^_]]^^__]^_")
OUTPUT, SIZE, REQUEST, RESPONSE, COMPLETE, FLAG = 1, 3, 5, 6, 7, 10


def packed(kind: str, sequence: int, data: int, payload: bytes, flags: int = 0) -> bytes:
    name = uuid.uuid4().bytes
    return HEAD.pack(116, kind.encode().ljust(32), 1, int(time.time() * 1000), sequence, flags, name[8:] + name[:8],
                     hashlib.sha256(payload).digest(), data, len(payload)) + payload


@dataclasses.dataclass
class Message:
    kind: str
    sequence: int
    name: str
    data: int
    payload: bytes

    @classmethod
    def of(cls, raw: bytes) -> "Message":
        length, kind, schema, _created, sequence, _flags, name, digest, data, size = HEAD.unpack_from(raw)
        payload = raw[HEAD.size:]
        assert (length, schema, size) == (116, 1, len(payload)), raw[:HEAD.size]
        assert hashlib.sha256(payload).digest() == digest
        assert size <= PIECE or data == RESPONSE, size
        return cls(kind.decode().rstrip(), sequence, str(uuid.UUID(bytes=name[8:] + name[:8])), data, payload)


class Socket:
    """A server's WebSocket, as much as is needed."""

    def __init__(self, plain: socket.socket):
        self.plain, self.file, self.lock = plain, plain.makefile("rb"), threading.Lock()

    def shake(self) -> str:
        path = self.file.readline().split()[1].decode()
        headers = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.plain.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        return path

    def exactly(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            raise ConnectionError("the client has gone")
        return data

    def receive(self) -> tuple[int, bytes]:
        first, second = self.exactly(2)
        length = second & 127
        if length > 125:
            length = int.from_bytes(self.exactly(2 if length == 126 else 8), "big")
        mask = self.exactly(4)
        data = self.exactly(length)
        key = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        if first & 15 == 8:
            raise ConnectionError("the client has closed")
        return first & 15, (int.from_bytes(data, "big") ^ key).to_bytes(length, "big")

    def send(self, opcode: int, data: bytes) -> None:
        length = len(data)
        size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big") if length < 65536 else \
            b"\x7f" + length.to_bytes(8, "big")
        with self.lock:
            self.plain.sendall(bytes([0x80 | opcode]) + size + data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.plain.shutdown(socket.SHUT_RDWR)


@dataclasses.dataclass
class Session:
    container: str
    command: str
    token: str
    faults: dict


class Agent:
    """One session."""

    def __init__(self, session: Session, wire: Socket):
        self.session, self.wire, self.api = session, wire, docker.APIClient(timeout=600)
        self.lock = threading.Lock()
        self.unacknowledged: dict[int, list] = {}
        self.sequence = self.expected = self.written = 0
        self.early: dict[int, Message] = {}
        self.deaf = session.faults.get("deaf", 0)
        self.held: list[bytes] = []
        self.shaken, self.over = threading.Event(), threading.Event()
        self.terminal = self.exec_id = None

    # Out

    def put(self, data: int, payload: bytes) -> None:
        with self.lock:
            number, self.sequence = self.sequence, self.sequence + 1
            raw = packed("output_stream_data", number, data, payload)
            self.unacknowledged[number] = [raw, time.monotonic()]
        for one in self.disturbed(number, raw):
            self.wire.send(2, one)

    def disturbed(self, number: int, raw: bytes) -> list[bytes]:
        """What of a message goes out now, and of those before it."""
        faults = self.session.faults

        def is_hit(name: str) -> bool:
            return number > 1 and name in faults and number % faults[name] == 0

        if is_hit("corrupt"):
            return [raw[:-1] + bytes([raw[-1] ^ 1])]
        if is_hit("forget"):
            return []
        held, self.held = self.held, []
        if is_hit("shuffle"):
            self.held = [raw]
            return held
        return [raw, *held, *([raw] if is_hit("duplicate") else [])]

    def send_again(self) -> None:
        while not self.over.wait(0.1):
            now = time.monotonic()
            with self.lock:
                due = [entry for entry in list(self.unacknowledged.values())[:100] if entry[1] + RESEND_SECONDS < now]
                for entry in due:
                    entry[1] = now
            for raw, _ in due:
                with contextlib.suppress(OSError):
                    self.wire.send(2, raw)

    def closed(self, text: str = "") -> None:
        content = {"MessageId": str(uuid.uuid4()), "DestinationId": "", "SessionId": "", "MessageType": "channel_closed",
                   "SchemaVersion": 1, "CreatedDate": "", "Output": text}
        self.wire.send(2, packed("channel_closed", 0, 0, json.dumps(content).encode(), 3))

    def read_terminal(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        faults = self.session.faults
        with contextlib.suppress(OSError):
            while chunk := self.terminal.recv(PIECE):
                self.put(OUTPUT, decoder.decode(chunk).encode())
                self.written += len(chunk)
                if self.written > faults.get("cut", 1 << 60):
                    return self.wire.close()
                if self.written > faults.get("close", 1 << 60):
                    break
            deadline = time.monotonic() + 20
            while self.unacknowledged and time.monotonic() < deadline:
                time.sleep(0.01)
            self.closed("the session was closed by the test" if "close" in faults else "")
        self.over.set()
        return None

    # In

    def acknowledge(self, message: Message) -> None:
        if self.deaf > 0 and message.sequence > 0:
            self.deaf -= 1
            return
        content = {"AcknowledgedMessageType": message.kind, "AcknowledgedMessageId": message.name,
                   "AcknowledgedMessageSequenceNumber": message.sequence, "IsSequentialMessage": True}
        self.wire.send(2, packed("acknowledge", 0, 0, json.dumps(content).encode(), 3))

    def take(self, message: Message) -> None:
        if message.kind == "acknowledge":
            content = json.loads(message.payload)
            assert content["AcknowledgedMessageType"] == "output_stream_data", content
            with self.lock:
                self.unacknowledged.pop(content["AcknowledgedMessageSequenceNumber"], None)
            return
        assert message.kind == "input_stream_data", message.kind
        self.acknowledge(message)
        if message.sequence >= self.expected:
            self.early[message.sequence] = message
        while (ready := self.early.pop(self.expected, None)) is not None:
            self.expected += 1
            self.act(ready)

    def act(self, message: Message) -> None:
        if message.data == RESPONSE:
            self.response = json.loads(message.payload)
            self.shaken.set()
        elif message.data == OUTPUT:
            with contextlib.suppress(OSError):
                self.terminal.sendall(message.payload)
        elif message.data == SIZE:
            size = json.loads(message.payload)
            with contextlib.suppress(docker.errors.APIError):
                self.api.exec_resize(self.exec_id, height=size["rows"], width=size["cols"])
        elif message.data == FLAG and int.from_bytes(message.payload, "big") == 2:
            self.hang_up()
        else:
            raise AssertionError(message)

    def hang_up(self) -> None:
        """What becomes of processes whose terminal goes: all of the session hear of it, the first ends."""
        leader = self.api.exec_inspect(self.exec_id)["Pid"] if self.exec_id else 0
        for folder in pathlib.Path("/proc").glob("[0-9]*") if leader else ():
            with contextlib.suppress(OSError):
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                if session == leader:
                    os.kill(int(folder.name), signal.SIGHUP)
        with contextlib.suppress(OSError):
            if leader:
                os.kill(leader, signal.SIGKILL)

    def listen(self) -> None:
        try:
            while True:
                opcode, raw = self.wire.receive()
                if opcode == 2:
                    self.take(Message.of(raw))
        except (ConnectionError, OSError, ValueError):
            pass
        finally:
            self.over.set()
            self.shaken.set()
            self.hang_up()
            self.wire.close()

    def run(self) -> None:
        opcode, opening = self.wire.receive()
        opening = json.loads(opening)
        if opcode != 1 or opening["TokenValue"] != self.session.token or opening["MessageSchemaVersion"] != "1.0":
            return self.wire.close()
        listener = threading.Thread(target=self.listen, daemon=True)
        listener.start()
        threading.Thread(target=self.send_again, daemon=True).start()
        self.wire.send(2, packed("start_publication", 0, 0, b"", 3))
        actions = [{"ActionType": "SessionType", "ActionParameters": {"SessionType": "InteractiveCommands"}}]
        if "kms" in self.session.faults:
            actions.insert(0, {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "key"}})
        self.put(REQUEST, json.dumps({"AgentVersion": "3.1.0.0", "RequestedClientActions": actions}).encode())
        if not self.shaken.wait(30) or self.over.is_set():
            return self.wire.close()
        assert len(self.response["ProcessedClientActions"]) == len(actions), self.response
        self.put(COMPLETE, json.dumps({"HandshakeTimeToComplete": 1000, "CustomerMessage": ""}).encode())
        self.exec_id = self.api.exec_create(self.session.container, shlex.split(self.session.command), stdin=True,
                                            tty=True, detach_keys=DETACH_KEYS)["Id"]
        self.terminal = self.api.exec_start(self.exec_id, tty=True, socket=True)._sock
        self.terminal.settimeout(None)
        self.read_terminal()
        listener.join(timeout=10)
        return None


class FakeChannel:
    """The server; one thread a session."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.sessions: dict[str, Session] = {}
        threading.Thread(target=self.accept, daemon=True).start()

    def open_session(self, container: str, command: str) -> dict[str, str]:
        path = os.environ.get("EXEC_FAULTS")
        faults = json.loads(pathlib.Path(path).read_text()) if path and pathlib.Path(path).exists() else {}
        name, token = uuid.uuid4().hex, uuid.uuid4().hex
        self.sessions[f"/v1/data-channel/{name}?role=publish_subscribe"] = Session(container, command, token, faults)
        return {"sessionId": f"ecs-execute-command-{name}", "tokenValue": token,
                "streamUrl": f"ws://127.0.0.1:{self.server.getsockname()[1]}/v1/data-channel/{name}?role=publish_subscribe"}

    def accept(self) -> None:
        while True:
            plain, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain: socket.socket) -> None:
        with plain:
            wire = Socket(plain)
            session = self.sessions.pop(wire.shake())
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                Agent(session, wire).run()
