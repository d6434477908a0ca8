"""Several servers behind one engine: the least busy is asked, failed ones are left alone, nothing comes twice."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import Endpoint, EndpointPool, ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.openai.failures import Failure
from kb.records import Message, Prompt
from tests.kb.engines.openai.scripted_server import Connection, ScriptedServer, delta, failing, head, replying

OPTIONS = GenerationOptions(max_new_tokens=20)
PROMPT = Prompt((Message("user", "问题"),), (), "问题", "zh", "test")
DONE = "data: [DONE]\n\n"

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ScriptedServer] = []

    def make(*scripts: Connection) -> ScriptedServer:
        servers.append(ScriptedServer(scripts))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.engines.openai.engine._BACK_OFF_SECONDS", (0.02, 0.05))


def saying(word: str) -> Connection:
    return replying(delta(word), DONE)


def engine_of(servers: Sequence[ScriptedServer | str], limits: Limits = Limits()) -> OpenAIEngine:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    return OpenAIEngine([ServerAddress(url, "m") for url in urls], limits=limits)


def ask(engine: OpenAIEngine) -> str:
    return "".join(item for item in engine.stream(PROMPT, OPTIONS, threading.Event()) if isinstance(item, str))


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def drop(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "broken",
    [
        failing("500 Oh", '{"error": "died"}'),
        failing("503 Busy", "", "Retry-After: 1\r\n"),
        failing("429 Full", ""),
        failing("401 No", ""),
        failing("404 None", ""),
        replying("<html>", first=head(kind="text/html")),
        replying("data: nonsense\n\n"),
        replying('data: {"error": "out of memory"}\n\n'),
        replying('data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n'),
        replying(),
        drop,
    ],
)
def test_the_next_server_answers(serve: Serve, broken: Connection) -> None:
    """Whatever a server does wrong before its answer begins, the next one answers, once and at once."""
    first, second = serve(broken), serve(saying("好"))
    assert ask(engine_of([first, second])) == "好"
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_a_dead_address_is_passed_over(serve: Serve) -> None:
    """A server that is not running costs nothing but the attempt, and is not tried again for the next question."""
    second = serve(saying("好"))
    engine = engine_of([closed_port(), second])
    assert [ask(engine) for _ in range(3)] == ["好"] * 3
    assert engine._pool.endpoints[0].failures == 1


@pytest.mark.parametrize("first_piece", [delta("半"), delta("<think>想"), delta("", reasoning_content="想")])
def test_nothing_is_asked_again_once_an_answer_has_begun(serve: Serve, first_piece: str) -> None:
    """A break within an answer, also within its hidden thinking, is an error: another server would tell it twice."""
    if "reasoning" in first_piece:
        first_piece = 'data: {"choices": [{"delta": {"reasoning_content": "想"}}]}\n\n'
    piece = first_piece.encode()
    torn = replying(f"{len(piece):x}\r\n".encode() + piece + b"\r\n", first=head(more="Transfer-Encoding: chunked\r\n"))
    first, second = serve(torn), serve(saying("好"))
    with pytest.raises(EngineUnavailableError, match="broke off"):
        ask(engine_of([first, second]))
    assert second.asked == []


def test_a_silent_server_is_left_for_the_next(serve: Serve) -> None:
    """Where no token comes in time the connection is closed before another server is asked."""
    server: ScriptedServer

    def silent(connection: socket.socket) -> None:
        server.wait_until_left(connection, 30)

    server = serve(silent)
    second = serve(saying("好"))
    assert ask(engine_of([server, second], Limits(first_token=2))) == "好"
    server.wait_until_asked()
    assert server.left.wait(30)


def test_signs_of_life_do_not_count_as_a_first_token(serve: Serve) -> None:
    """Comments keep a connection alive, but an answer that never begins still ends."""

    def pinging(connection: socket.socket) -> None:
        connection.sendall(head())
        for _ in range(600):
            connection.sendall(b": ping\n\n")
            time.sleep(0.05)

    with pytest.raises(EngineUnavailableError, match=r"before its first token \(engine.first_token_seconds\)"):
        ask(engine_of([serve(pinging)], Limits(first_token=0.4)))


def test_a_slow_reader_is_not_taken_for_a_silent_server(serve: Serve) -> None:
    """What has come already is read however long the reader takes over each piece."""
    pieces = [delta(str(number)) for number in range(5)]
    engine = engine_of([serve(replying(*pieces, DONE, pause=0.02))], Limits(first_token=30, idle=1.5))
    stream = engine.stream(PROMPT, OPTIONS, threading.Event())
    shown = str(next(stream))
    # By then all else has come, and nothing came for longer than the server may be silent.
    time.sleep(3)
    assert shown + "".join(map(str, stream)) == "01234"


def test_a_cancelled_question_says_nothing_about_a_server(serve: Serve) -> None:
    """A server that failed is not taken for sound again because a question to it was cancelled."""
    cancel = threading.Event()

    def cancelling(connection: socket.socket) -> None:
        cancel.set()
        server.wait_until_left(connection, 20)

    server = serve(cancelling)
    engine = engine_of([server])
    engine._pool.failed(engine._pool.endpoints[0], down())
    assert list(engine.stream(PROMPT, OPTIONS, cancel)) == []
    assert engine._pool.endpoints[0].failures >= 1


def test_an_endless_answer_ends(serve: Serve) -> None:
    """A server that dribbles without end is cut off after the whole time."""

    def dribbling(connection: socket.socket) -> None:
        connection.sendall(head())
        for _ in range(600):
            connection.sendall(delta("啊").encode())
            time.sleep(0.05)

    with pytest.raises(EngineUnavailableError, match=r"within 0.5 s \(engine.total_seconds\)"):
        ask(engine_of([serve(dribbling)], Limits(total=0.5)))


def test_a_wait_that_would_outlast_the_question_is_not_begun(serve: Serve) -> None:
    """A server that asks for a longer pause than there is time is told as it is, at once."""
    server = serve(failing("503 Busy", '{"error": "full"}', "Retry-After: 10\r\n"))
    begin = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="full"):
        ask(engine_of([server], Limits(total=9)))
    assert time.monotonic() - begin < 9
    assert len(server.asked) == 1


def test_all_servers_are_told(serve: Serve) -> None:
    """Where none answers the error says what each said; only those that may recover are asked three times."""
    busy, wrong = serve(failing("503 Busy", '{"error": "full"}')), serve(failing("401 No", ""))
    with pytest.raises(EngineUnavailableError, match=r"none of 2 servers answered: .*full.*401") as raised:
        ask(engine_of([busy, wrong]))
    assert "\n" not in str(raised.value)
    assert (len(busy.asked), len(wrong.asked)) == (3, 1)


def test_keys_and_models_go_to_their_own_server(serve: Serve) -> None:
    """Each server gets its own key and model name, and no other's, also on failover."""
    first, second = serve(failing("500 Oh", '{"error": "bad key-one"}')), serve(failing("500 Oh", ""))
    engine = OpenAIEngine(
        [ServerAddress(first.url, "one", api_key="key-one"), ServerAddress(second.url, "two", api_key="key-two")]
    )
    with pytest.raises(EngineUnavailableError) as raised:
        ask(engine)
    assert "key-" not in str(raised.value)
    for server, name in ((first, "one"), (second, "two")):
        assert server.asked[0].headers["authorization"] == f"Bearer key-{name}"
        assert server.asked[0].body["model"] == name
        assert json.dumps(server.asked[0].body).find("key-") < 0


def test_the_least_busy_server_is_asked(serve: Serve) -> None:
    """While one answer runs the next question goes to the other server."""
    release = threading.Event()

    def waiting(connection: socket.socket) -> None:
        connection.sendall(head() + delta("一").encode())
        release.wait(60)
        connection.sendall(DONE.encode())

    first, second = serve(waiting), serve(saying("二"))
    engine = engine_of([first, second])
    running = engine.stream(PROMPT, OPTIONS, threading.Event())
    assert next(running) == "一"
    assert [ask(engine), ask(engine)] == ["二", "二"]
    release.set()
    assert list(running) == []
    assert (len(first.asked), len(second.asked)) == (1, 2)
    assert [endpoint.running for endpoint in engine._pool.endpoints] == [0, 0]


def test_fewest_fields_are_remembered(serve: Serve) -> None:
    """A server that refused a field once is not asked with it again."""
    server = serve(failing("422 No", '{"detail": "unknown field"}'), saying("好"))
    engine = engine_of([server])
    assert [ask(engine), ask(engine)] == ["好", "好"]
    assert ["top_p" in asked.body for asked in server.asked] == [True, False, False]


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def pool_of(count: int) -> tuple[EndpointPool, Clock, tuple[Endpoint, ...]]:
    clock = Clock()
    pool = EndpointPool([ServerAddress(f"http://host{number}") for number in range(count)], clock)
    return pool, clock, pool.endpoints


def down(after: float | None = None, blames: bool = True) -> Failure:
    return Failure(EngineUnavailableError("down"), repeat=True, after=after, blames=blames)


def test_pauses_grow_and_end() -> None:
    """A server is left alone 1, 2, 4 ... seconds after failures in a row, at most a minute, and is forgiven at once."""
    pool, clock, (first, second) = pool_of(2)
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        pool.failed(first, down())
        assert first.sound_from == clock.now + pause
        assert pool.take({first, second}) is second
        pool.give_back(second)
        clock.now += pause
    assert pool.take({first, second}) is first
    pool.succeeded(first)
    pool.give_back(first)
    assert first.sound_from == 0


def test_one_question_tries_a_server_after_its_pause() -> None:
    """When the pause is over one question tries the server; others stay away until that is answered."""
    pool, clock, (first, second) = pool_of(2)
    pool.failed(first, down())
    clock.now += 1
    assert pool.take({first, second}) is first
    assert pool.take({first, second}) is second
    assert pool.take({first, second}) is second


def test_a_server_is_left_alone_as_long_as_it_asks() -> None:
    """`Retry-After` is kept, up to a minute; a request at fault counts against nobody."""
    pool, clock, (first, second) = pool_of(2)
    pool.failed(first, down(after=20))
    assert first.sound_from == clock.now + 20
    pool.failed(second, down(after=9999, blames=False))
    assert second.sound_from == 0
    pool.failed(second, down(after=9999))
    assert second.sound_from == clock.now + 60
    assert pool.take({first, second}) is first  # none is sound: the one whose pause ends first


def test_no_servers() -> None:
    """An engine without a server is a configuration error."""
    with pytest.raises(ConfigurationError, match=r"engine\.endpoints"):
        OpenAIEngine([])
