"""The openai engine against servers that mean harm: what they send ends in a clear error, within bounds."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from indexes.errors import EngineUnavailableError
from kb.cli import probes
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.openai.inquiry import Inquiry
from kb.engines.qwen.model_folder import read_json
from kb.engines.qwen.sizes import tensor_shapes
from tests.kb.engines.openai.scripted_server import Connection, ScriptedServer, delta, failing, head, replying
from tests.kb.engines.openai.test_engine import GOOD, OPTIONS, ask, engine_for, prompt

# Long enough to show that nothing ends by itself, on a machine that is busy with other work too.
FOREVER = 120.0
BOUND = 30.0
DEEP = "[" * 100_000
LONG = "知识库问答系统只依据资料回答问题。" * 120

Serve = Callable[..., "HostileServer"]


class HostileServer(ScriptedServer):
    """Answers GET by a script of its own where `looks` is set."""

    looks: Connection | None = None

    def _tell(self, connection: socket.socket, path: str) -> None:
        if self.looks is None:
            super()._tell(connection, path)
            return
        self.looked.append(path)
        self.looks(connection)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HostileServer] = []

    def make(*scripts: Connection, looks: Connection | None = None) -> HostileServer:
        server = HostileServer(scripts)
        server.looks = looks
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (replying(f"data: {DEEP}\n\n"), "not JSON"),
        (replying(DEEP, first=head(kind="application/json")), "not JSON"),
        (replying(f"error: {DEEP[:50_000]}\n\n"), "the server reported"),
        (failing("500 Oh", DEEP[:60_000]), "answered 500"),
    ],
    ids=["event", "whole", "field", "status"],
)
def test_json_nested_deep(serve: Serve, script: Connection, said: str) -> None:
    """JSON nested deeper than it can be read is the server's failure, after which the next server is asked."""
    server, sound = serve(script), serve(GOOD)
    with pytest.raises(EngineUnavailableError, match=said):
        ask(engine_for(server))
    both = OpenAIEngine([ServerAddress(server.url, "m"), ServerAddress(sound.url, "m")], limits=Limits())
    assert ask(both)[0] == "答案"


def test_json_nested_deep_about_the_server(serve: Serve) -> None:
    """Such JSON in what a server tells of itself is nothing told: neither questions nor the doctor break on it."""
    server = serve(GOOD, looks=replying(DEEP, first=head(kind="application/json")))
    assert ask(engine_for(server, "vllm"), text=LONG)[0] == "答案"
    assert server.looked == ["/v1/models"]
    assert probes.find_servers({server.port: "vllm"}) == []


def test_model_folders_nested_deep(tmp_path: Path) -> None:
    """A model's directory with such JSON, or weights with such a header, cannot be used, and that is said."""
    (tmp_path / "config.json").write_text(DEEP, encoding="ascii")
    with pytest.raises(EngineUnavailableError, match=r"config\.json cannot be read"):
        read_json(tmp_path / "config.json")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(len(DEEP).to_bytes(8, "little") + DEEP.encode())
    with pytest.raises(EngineUnavailableError, match="is no safetensors file"):
        tensor_shapes(weights)


def dripping(start: bytes, drop: bytes, pause: float = 0.05) -> Connection:
    """A script that sends `start`, and then one drop after another without an end."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        ends = time.monotonic() + FOREVER
        while time.monotonic() < ends:
            connection.sendall(drop)
            time.sleep(pause)

    return send


DRIPS = {
    "status line": dripping(b"", b"H"),
    "headers": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "body": dripping(head(kind="application/json"), b" "),
    "error": dripping(head("404 Not Found"), b"x"),
}


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS.keys())
def test_a_dripping_server_is_left(serve: Serve, drip: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no sign of life: a question about the server ends after its seconds, however it drips."""
    monkeypatch.setattr(probes, "_READ_SECONDS", 0.3)
    server = serve(GOOD, looks=drip)
    inquiry = Inquiry(server.url, None, False, 5.0, 0.3)
    begin = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        inquiry.get("/v1/models")
    assert probes.find_servers({server.port: "vllm"}) == []
    assert time.monotonic() - begin < BOUND


def test_the_whole_time_counts(serve: Serve) -> None:
    """Questions about a server count among the seconds of the whole answer, and leave one that drips in peace."""
    server = serve(GOOD, looks=DRIPS["body"])
    engine = OpenAIEngine([ServerAddress(server.url, "m", "vllm")], limits=Limits(total=0.5))
    begin = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"within 0\.5 s \(engine\.total_seconds\)"):
        ask(engine, text=LONG)
    assert time.monotonic() - begin < BOUND
    assert server.asked == []


def test_a_dripping_server_still_answers(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server does not tell in time is not known; it is asked all the same, and later without that delay."""
    monkeypatch.setattr("kb.engines.openai.engine._INQUIRY_SECONDS", 0.2)
    server = serve(GOOD, looks=DRIPS["headers"])
    engine = engine_for(server, "vllm")
    assert ask(engine, text=LONG)[0] == ask(engine, text=LONG)[0] == "答案"
    assert len(server.looked) == 1


def test_cancel_is_seen_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions that wait for what a server tells of itself, or for their turn to ask, end once cancelled."""
    monkeypatch.setattr("kb.engines.openai.engine._INQUIRY_SECONDS", FOREVER)
    server = serve(GOOD, looks=DRIPS["body"])
    engine = engine_for(server, "vllm")
    cancel = threading.Event()
    ended: list[list[object]] = []

    def read() -> None:
        ended.append(list(engine.stream(prompt(LONG), OPTIONS, cancel)))

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for reader in readers:
        reader.start()
    wait_for(lambda: bool(server.looked))
    cancel.set()
    for reader in readers:
        reader.join(BOUND)
    assert ended == [[], [], []]
    assert server.asked == []


@pytest.mark.parametrize("status", ["200 OK", "500 Oh"])
def test_a_packed_answer_is_refused(serve: Serve, status: str) -> None:
    """What was sent packed without being asked for is not unpacked: a little of it can fill all memory."""
    packed = gzip.compress(b'{"error": {"message": "ha"}}' + b" " * 1000)
    server = serve(replying(packed, first=head(status, more="Content-Encoding: gzip\r\n")), GOOD)
    with pytest.raises(EngineUnavailableError, match=r"packed|answered 500") as raised:
        ask(engine_for(server))
    assert "ha" not in str(raised.value).split()
    looked = serve(GOOD, looks=replying(packed, first=head(kind="application/json", more="Content-Encoding: gzip\r\n")))
    assert Inquiry(looked.url, None, False, 5.0, BOUND).get("/v1/models") is None


@pytest.mark.parametrize(
    "piece", [delta("年假" * 200), ": " + "a" * 2000 + "\n", 'data: {"x": "' + "a" * 2000 + '"}\n\n']
)
def test_a_flood_ends(serve: Serve, piece: str) -> None:
    """A server that never ends is left once it has sent far more than was asked for, be it text or signs of life."""
    server = serve(dripping(head(), piece.encode() * 20, pause=0))
    with pytest.raises(EngineUnavailableError, match="far more than the answer"):
        ask(engine_for(server))


def test_a_fast_server_has_to_wait(serve: Serve) -> None:
    """A reader that takes its time does not let the answer pile up in memory: the server is held up instead."""
    sent, blocked = 0, threading.Event()

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.settimeout(2)
        connection.sendall(head() + delta("头").encode())
        piece = (": " + "a" * 65_000 + "\n").encode()
        try:
            while sent < 256 << 20:
                connection.sendall(piece)
                sent += len(piece)
        except TimeoutError:
            blocked.set()

    stream = engine_for(serve(flood)).stream(prompt(), OPTIONS, threading.Event())
    assert next(stream) == "头"
    wait_for(lambda: blocked.is_set() or sent >= 256 << 20)
    assert blocked.is_set()
    stream.close()  # type: ignore[attr-defined]  # it is a generator


def test_halves_of_characters(serve: Serve) -> None:
    """A character cut into surrogates is joined across pieces; a half without its other half is replaced."""
    for pieces, text in (
        (("好\ud83d", "\ude00！"), "好😀！"),
        (("\ud83d", "", "\ude00"), "😀"),
        (("\ud83d", "好", "\ude00"), "\ufffd好\ufffd"),
        (("\ud83d\ud83d", "\ude00\ude00"), "\ufffd😀\ufffd"),
        (("好", "\ud83d"), "好\ufffd"),
    ):
        assert ask(engine_for(serve(replying(*map(delta, pieces), "data: [DONE]\n\n"))))[0] == text


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait for something that happens soon; fail where it does not."""
    ends = time.monotonic() + BOUND
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize("dialect", ["auto", "vllm"])
def test_words_of_a_server_are_only_words(serve: Serve, dialect: str) -> None:
    """What a server says in its errors neither moves the cursor nor turns the reading order around."""
    said = json.dumps({"error": {"message": "bad \x1b[31m\u202e\u2066 年假 \ud800 " + "x" * 5000}})
    for script in (failing("400 Bad", said), replying(f"data: {said}\n\n"), replying(delta("半"), f"data: {said}\n\n")):
        with pytest.raises(EngineUnavailableError, match="年假") as raised:
            ask(engine_for(serve(script), dialect))
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 600


ANSWER_FORMS = {
    "byte order mark": ("\ufeff" + delta("你") + delta("好") + "data: [DONE]\n\n", "text/event-stream"),
    "events as JSON": (delta("你") + delta("好") + "data: [DONE]\n\n", "application/json"),
}


@pytest.mark.parametrize(("script", "kind"), ANSWER_FORMS.values(), ids=ANSWER_FORMS.keys())
def test_nothing_is_lost_at_the_beginning(serve: Serve, script: str, kind: str) -> None:
    """A byte order mark costs no text, nor does a wrong type of content."""
    assert ask(engine_for(serve(replying(script, first=head(kind=kind)))))[0] == "你好"


def test_an_empty_answer_is_called_empty(serve: Serve) -> None:
    """A server that ends in order without a word is not told to have too small a context."""
    script = 'data: {"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    with pytest.raises(EngineUnavailableError, match="empty answer") as raised:
        ask(engine_for(serve(replying(script))))
    assert "context" not in str(raised.value)


def test_a_broken_off_answer_is_not_whole(serve: Serve) -> None:
    """A server that has a reason for the end in each message, and then leaves without one, broke its answer off."""
    piece = 'data: {"choices": [{"delta": {"content": "十五"}, "finish_reason": null}]}\n\n'
    with pytest.raises(EngineUnavailableError, match="broke off"):
        ask(engine_for(serve(replying(piece, piece))))
