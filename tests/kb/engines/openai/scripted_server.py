"""A real HTTP server on loopback that answers as scripted, byte for byte, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Connection = Callable[[socket.socket], None]


@dataclass
class Asked:
    """One request: its path, headers (names in lower case) and JSON body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ScriptedServer:
    """Answers the n-th POST with the n-th script, and further ones with the last; GET is 404 unless `told` has it."""

    scripts: Sequence[Connection]
    told: dict[str, object] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += _received(connection)
            head, _, rest = data.partition(b"\r\n\r\n")
            first, *others = head.decode().split("\r\n")
            if first.startswith("GET "):
                self._tell(connection, first.split(" ")[1])
                return
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in others)}
            while len(rest) < int(headers["content-length"]):
                rest += _received(connection)
            self.asked.append(Asked(first.split(" ")[1], headers, json.loads(rest)))
            self.scripts[min(len(self.asked), len(self.scripts)) - 1](connection)

    def _tell(self, connection: socket.socket, path: str) -> None:
        self.looked.append(path)
        status = "200 OK" if path in self.told else "404 Not Found"
        connection.sendall(head(status, "application/json") + json.dumps(self.told.get(path)).encode())

    def wait_until_asked(self, times: int = 1) -> None:
        """Return once that many requests have been read whole."""
        deadline = time.monotonic() + 60
        while len(self.asked) < times:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def wait_until_left(self, connection: socket.socket, seconds: float) -> None:
        """Set `left` once the client has closed its side."""
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            if not connection.recv(1):
                self.left.set()
                return
        if isinstance(connection, socket.socket) and not self.left.is_set():
            with contextlib.suppress(TimeoutError):
                try:
                    connection.send(b"x")
                    connection.recv(1)
                except (ConnectionResetError, BrokenPipeError):
                    self.left.set()


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("the client left within its request")
    return data


def head(status: str = "200 OK", kind: str = "text/event-stream", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Connection: close\r\n\r\n".encode()


def replying(*pieces: bytes | str, pause: float = 0.0, first: bytes | None = None) -> Connection:
    """A script that sends a head and then the pieces, and closes."""

    def send(connection: socket.socket) -> None:
        connection.sendall(head() if first is None else first)
        for piece in pieces:
            connection.sendall(piece.encode() if isinstance(piece, str) else piece)
            time.sleep(pause)

    return send


def failing(status: str, body: str, more: str = "", kind: str = "application/json") -> Connection:
    """A script that answers with an error."""
    return replying(body, first=head(status, kind, more))


def delta(text: str, **more: object) -> str:
    """One chunk of a chat completion as a server-sent event."""
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}], **more}) + "\n\n"


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))
