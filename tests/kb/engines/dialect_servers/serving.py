"""What all recorded dialects share: HTTP on loopback, faults on demand, and a count of tokens.

What a server says and how lies in its own file; here is only how bytes travel. Nothing here decides what an answer,
an error or a list of models looks like.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Fault = Literal["", "waiting", "busy", "failing", "error within", "malformed", "dead", "dead at once"]
ANSWER = ("年假", "为", "十天。", "[1]", "𠮷野家", "以外", "无。")
# What a Qwen3 thinks before its answer unless it is told not to: more pieces than the answer has.
THOUGHT = tuple("用户想知道年假有几天，先看资料。")
# The word that a server is told to stop before.
STOP = "以外"


@dataclass
class Request:
    """What a client sent; `body` is its JSON, None for GET."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None


@dataclass
class Reply:
    """What is sent back: `pieces` are bytes as the server would write them, cut anew where the test asks for it."""

    status: int = 200
    kind: str = "application/json"
    pieces: Iterable[bytes] = ()
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, "application/json", [json.dumps(value, ensure_ascii=False).encode()], headers or {})


def event(value: object, ending: str = "\n") -> bytes:
    """One server-sent event with JSON in it."""
    return f"data: {json.dumps(value, ensure_ascii=False)}{ending}{ending}".encode()


def token_count(texts: Sequence[str]) -> int:
    """Return the tokens of a prompt, as a tokenizer that knows Chinese would roughly count: two to three characters."""
    text = "".join(texts)
    words = len(re.findall(r"[A-Za-z]+", text))
    return 8 * len(texts) + round(0.66 * len(re.sub(r"[A-Za-z\s]+", "", text)) + 1.3 * words)


class DialectServer:
    """A server on a free port of loopback. Subclasses say what it answers."""

    dialect: ClassVar[str]
    # What the engine can expect of this kind of server.
    tells_usage: ClassVar[bool] = True
    checks_model: ClassVar[bool] = True
    checks_key: ClassVar[bool] = True
    # "refuses": an error before the answer; "cuts": an answer from a part of the prompt, told by the usage;
    # "hides": the same, told by nothing.
    long_prompt: ClassVar[Literal["refuses", "cuts", "hides"]] = "refuses"
    # How often a prompt that does not fit is sent until that is clear; more than once where nothing says why.
    questions_refused: ClassVar[int] = 1
    # Whether the dialect lets a client know the size of the context before it asks.
    tells_context: ClassVar[bool] = False
    # Whether thinking can be switched off in a request; such a server serves Qwen3, which thinks unless it is.
    switches_thinking: ClassVar[bool] = False
    model = "Qwen2.5-7B-Instruct"

    def __init__(
        self,
        *,
        fault: Fault = "",
        key: str = "",
        context: int = 4096,
        piece_bytes: int = 0,
        thinking: str = "",
        answer: Sequence[str] = ANSWER,
    ) -> None:
        self.fault = fault
        self.key = key
        self.context = context
        self.thinking = thinking
        self.answer = tuple(answer)
        self.asked: list[Request] = []
        self.left = threading.Event()
        self._piece_bytes = piece_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    # What a subclass says.

    def respond(self, request: Request) -> Reply:
        """Answer a request."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Reply:
        """An error in this server's shape."""
        raise NotImplementedError

    def error_within(self, message: str) -> bytes:
        """What this server writes where generating fails half-way."""
        raise NotImplementedError

    def told_not_to_think(self, body: dict[str, Any]) -> bool:
        """Whether the request switches thinking off in this server's way."""
        return False

    # What subclasses are helped with.

    @property
    def questions(self) -> list[Request]:
        """The requests for an answer, without those that look around."""
        return [request for request in self.asked if request.method == "POST" and self.is_question(request)]

    def is_question(self, request: Request) -> bool:
        return request.path == "/v1/chat/completions"

    def authorised(self, request: Request) -> bool:
        return not self.key or request.headers.get("authorization") == f"Bearer {self.key}"

    def thoughts(self, body: dict[str, Any]) -> Sequence[str]:
        """Return what the model thinks before it answers: what the test says, or as Qwen3 does unless it is told."""
        if self.thinking:
            return (self.thinking,)
        return THOUGHT if self.switches_thinking and not self.told_not_to_think(body) else ()

    def words(self, stops: Sequence[str], most: int) -> tuple[list[str], str]:
        """Return the pieces of the answer and why it ends: at a stop string, at its bound, or by itself."""
        text = "".join(self.answer)
        ends = [text.index(stop) for stop in stops if stop in text]
        if ends:
            text = text[: min(ends)]
        pieces = []
        for piece in self.answer:
            if not text:
                break
            pieces.append(text[: len(piece)])
            text = text[len(piece) :]
        return (pieces[:most], "length") if most < len(pieces) else (pieces, "stop")

    def with_fault(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the pieces of a stream, with the fault that was asked for after the third: the answer has begun."""
        for place, piece in enumerate(pieces):
            if place == 3 and self.fault == "error within":
                yield self.error_within("CUDA out of memory")
                return
            if place == 3 and self.fault == "malformed":
                yield piece.replace(b"{", b"<", 1)
                return
            yield piece
            if place == 2 and self.fault in ("dead", "waiting"):
                yield b""
                return

    # How bytes travel.

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _received(connection)
            if request is None:
                return
            self.asked.append(request)
            is_question = request.method == "POST" and self.is_question(request)
            if is_question and self.fault == "dead at once":
                return
            if is_question and self.fault in ("busy", "failing"):
                reply = self.error(429 if self.fault == "busy" else 500, "the server has trouble")
                if self.fault == "busy":
                    reply.headers["Retry-After"] = "1"
            else:
                reply = self.respond(request)
            self._send(connection, reply)

    def _send(self, connection: socket.socket, reply: Reply) -> None:
        try:
            self._write(connection, reply)
        except OSError:
            # Writing to a client that has left.
            self.left.set()

    def _write(self, connection: socket.socket, reply: Reply) -> None:
        headers = {"Content-Type": reply.kind, "Transfer-Encoding": "chunked", "Connection": "close", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Reply", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        for piece in reply.pieces:
            if not piece:
                # The stream stands still, and breaks or waits for the client to leave.
                if self.fault == "waiting" and _closed(connection):
                    self.left.set()
                return
            for part in _cut(piece, self._piece_bytes):
                connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        connection.sendall(b"0\r\n\r\n")


def _closed(connection: socket.socket) -> bool:
    """Wait until the client closes its side; a reset, where it had not read all, is one too."""
    connection.settimeout(60)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _received(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *others = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in others)}
    while len(rest) < int(headers.get("content-length", 0)):
        rest += connection.recv(65536)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, json.loads(rest) if rest else None)


def _cut(piece: bytes, size: int) -> Iterator[bytes]:
    """Cut into parts of `size` bytes, in the middle of characters too; 0 leaves the piece whole."""
    return (piece[i : i + size] for i in range(0, len(piece), size)) if size else iter((piece,))
