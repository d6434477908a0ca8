"""The openai engine against a real server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError, UsageError
from kb.engines.base import GenerationOptions
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.dialects import DIALECTS
from kb.engines.openai.endpoints import Endpoint, ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from kb.engines.openai.sse import events, lines
from kb.engines.openai.token_estimate import estimate_tokens, least_tokens
from kb.records import Message, Prompt, Usage
from tests.kb.engines.openai.scripted_server import (
    Connection,
    ScriptedServer,
    chunks_of,
    delta,
    failing,
    head,
    replying,
)

OPTIONS = GenerationOptions(max_new_tokens=50, temperature=0.5, top_p=0.9, top_k=30, repetition_penalty=1.1, seed=3)
STANDARD = {"model", "messages", "stream", "max_tokens", "temperature", "top_p", "seed", "stream_options"}
KEY = "sk-very-secret-0123456789"
GOOD = replying(delta("答"), delta("案"), "data: [DONE]\n\n")

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


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.engines.openai.engine._BACK_OFF_SECONDS", (0.02, 0.05))


def test_retry_after_is_kept(serve: Serve) -> None:
    """A server that says how long to wait is given that time."""
    server = serve(failing("503 Busy", "", "Retry-After: 1\r\n"), GOOD)
    begin = time.monotonic()
    assert ask(engine_for(server))[0] == "答案"
    assert time.monotonic() - begin >= 1


@pytest.mark.usefixtures("short_pauses")
def test_retry_after_may_be_a_date(serve: Serve) -> None:
    """A date is a time to wait too; what is neither date nor number is passed over."""
    for stated in ("Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5"):
        server = serve(failing("503 Busy", "", f"Retry-After: {stated}\r\n"), GOOD)
        assert ask(engine_for(server))[0] == "答案"
    ends, asked_again = datetime.now(UTC), datetime.now(UTC)

    def busy(connection: socket.socket) -> None:
        nonlocal ends
        # A date has no fractions of a second.
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        failing("503 Busy", "", f"Retry-After: {format_datetime(ends, usegmt=True)}\r\n")(connection)

    def good(connection: socket.socket) -> None:
        nonlocal asked_again
        asked_again = datetime.now(UTC)
        GOOD(connection)

    assert ask(engine_for(serve(busy, good)))[0] == "答案"
    assert asked_again >= ends - timedelta(seconds=0.1)


def prompt(text: str = "问题") -> Prompt:
    return Prompt((Message("system", "规则"), Message("user", text)), (), text, "zh", "test")


def engine_for(
    server: ScriptedServer, dialect: str = "auto", *, window: int = 8192, api_key: str | None = None, idle: float = 120
) -> OpenAIEngine:
    return OpenAIEngine([ServerAddress(server.url, "m", dialect, api_key)], window=window, limits=Limits(idle=idle))


def ask(engine: OpenAIEngine, options: GenerationOptions = OPTIONS, text: str = "问题") -> tuple[str, Usage | None]:
    items = list(engine.stream(prompt(text), options, threading.Event()))
    usages = [item for item in items if isinstance(item, Usage)]
    assert not usages or items[-1] is usages[0]
    return "".join(item for item in items if isinstance(item, str)), usages[0] if usages else None


USAGE = {"prompt_tokens": 30, "completion_tokens": 4}
TOLERATED = {
    "the usual end": delta("你好") + "data: [DONE]\n\n",
    "no [DONE]": delta("你") + delta("好"),
    "no last blank line": delta("你") + delta("好").rstrip(),
    "empty choices": 'data: {"choices": []}\n\n' + delta("你好") + 'data: {"choices": []}\n\ndata: [DONE]\n\n',
    "no choices at all": 'data: {"object": "ping"}\n\n' + delta("你好"),
    "null content": 'data: {"choices": [{"delta": {"role": "assistant", "content": null}}]}\n\n' + delta("你好"),
    "null delta": 'data: {"choices": [{"delta": null}]}\n\n' + delta("你好"),
    "comments": ": keep-alive\n\n: x\n" + delta("你好") + ": ping\n\n",
    "other fields": "event: message\nid: 1\nretry: 10\n" + delta("你好"),
    "CR LF": (delta("你") + delta("好")).replace("\n", "\r\n"),
    "CR": (delta("你") + delta("好")).replace("\n", "\r"),
    "no space": delta("你好").replace("data: ", "data:"),
    "several data lines": 'data: {"choices":\ndata: [{"delta":\ndata: {"content": "你好"}}]}\n\n',
    "thinking": delta("<thi") + delta("nk>秘密</th") + delta("ink>\n\n你") + delta("好"),
    "reasoning field": 'data: {"choices": [{"delta": {"reasoning_content": "秘密"}}]}\n\n' + delta("你好"),
    "after [DONE]": delta("你好") + "data: [DONE]\n\n" + delta("坏"),
}


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("script", TOLERATED.values(), ids=TOLERATED.keys())
def test_tolerated_streams(serve: Serve, script: str, size: int) -> None:
    """Each habit of a server gives the same answer, however the bytes are cut into pieces."""
    server = serve(replying(*chunks_of(script.encode(), size)))
    assert ask(engine_for(server)) == ("你好", None)
    assert len(server.asked) == 1


@pytest.mark.parametrize("place", ["own chunk", "last delta"])
def test_usage(serve: Serve, place: str) -> None:
    """Usage is found in a chunk of its own and beside the last delta, and comes last."""
    own = "data: " + json.dumps({"choices": [], "usage": USAGE}) + "\n\n"
    script = delta("好") + own if place == "own chunk" else delta("好", usage=USAGE)
    assert ask(engine_for(serve(replying(script)))) == ("好", Usage(30, 4))


def test_answer_without_streaming(serve: Serve) -> None:
    """A server that ignores `stream` and sends one JSON body is understood."""
    body = json.dumps({"choices": [{"message": {"content": "<think>x</think>整个"}}], "usage": USAGE})
    assert ask(engine_for(serve(replying(body, first=head(kind="application/json"))))) == ("整个", Usage(30, 4))


def test_streams_as_it_comes(serve: Serve) -> None:
    """The first piece is there before the server has written the second."""
    seen = threading.Event()

    def stepwise(connection: socket.socket) -> None:
        connection.sendall(head() + delta("0").encode())
        assert seen.wait(60)
        connection.sendall(delta("1").encode())

    stream = engine_for(serve(stepwise)).stream(prompt(), OPTIONS, threading.Event())
    assert next(stream) == "0"
    seen.set()
    assert list(stream) == ["1"]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_dialects(serve: Serve, name: str) -> None:
    """Each dialect posts to its own address; only those that know more fields get more than the standard ones."""
    ollama = name == "ollama"
    good = {
        "ollama": replying('{"message": {"content": "好"}}\n', '{"done": true, "prompt_eval_count": 9}\n'),
        "tgi-native": replying('data:{"token": {"text": "好"}, "generated_text": "好"}\n\n'),
    }
    server = serve(good.get(name, replying(delta("好"), "data: [DONE]\n\n")))
    assert ask(engine_for(server, name, window=4000))[0] == "好"
    asked = server.asked[0]
    paths = {"ollama": "/api/chat", "tgi-native": "/generate_stream"}
    assert asked.path == paths.get(name, "/v1/chat/completions")
    if name == "tgi-native":
        assert asked.body["inputs"].endswith("<|im_start|>user\n问题<|im_end|>\n<|im_start|>assistant\n")
        assert asked.body["parameters"]["max_new_tokens"] == 50
        assert "truncate" not in asked.body["parameters"]
        return
    assert asked.body["messages"][1] == {"role": "user", "content": "问题"}
    extra = set(asked.body) - STANDARD
    if name == "openai" or name == "tgi":
        assert extra == set()
    elif ollama:
        assert asked.body["options"]["num_ctx"] == 4000
        assert asked.body["options"]["num_predict"] == 50
        assert asked.body["options"]["repeat_penalty"] == 1.1
    elif name in ("vllm", "sglang"):
        assert extra == {"top_k", "repetition_penalty", "chat_template_kwargs"}
    elif name == "qwen-openai-api":
        assert extra == {"top_k"}
        assert "stream_options" not in asked.body
    elif name in ("llama.cpp", "llamafile"):
        assert extra == {"top_k", "repeat_penalty", "chat_template_kwargs"}
    elif name == "text-generation-webui":
        assert extra == {"top_k", "repetition_penalty", "enable_thinking"}
    elif name == "transformers":
        assert extra == {"chat_template_kwargs"}
        assert "stream_options" not in asked.body
    else:
        assert extra == {"top_k", "repeat_penalty"}


@pytest.mark.parametrize(
    ("served", "configured", "thought"),
    [
        ({"model_id": "Qwen/Qwen3-8B"}, "", True),
        ({"model_id": "/data/Qwen3.5-9B-AWQ/"}, "Qwen2.5", True),
        ({}, "Qwen/Qwen3-0.6B", True),
        (None, "Qwen/Qwen3-0.6B", True),
        ({"model_id": "Qwen/Qwen2.5-7B-Instruct"}, "Qwen3-8B", False),
        ({"model_id": "Qwen/Qwen3-4B-Instruct-2507"}, "", False),
        ({"model_id": "Qwen/Qwen3-4B-Thinking-2507"}, "", False),
        ({"model_id": "/data/qwen3-8b-database"}, "", True),
        ({"model_id": "/models/qwen3/Qwen2.5-7B"}, "", False),
        ({"model_id": ["Qwen3-8B"]}, "", False),
    ],
)
def test_an_empty_thought_for_qwen3(serve: Serve, served: object, configured: str, thought: bool) -> None:
    """On TGI's own route a Qwen3 that can do without thinking gets an empty thought; what TGI tells goes first."""
    server = serve(replying('data:{"token": {"text": "好"}, "generated_text": "好"}\n\n'))
    if served is not None:
        server.told["/info"] = served
    engine = OpenAIEngine([ServerAddress(server.url, configured, "tgi-native")])
    assert ask(engine)[0] == ask(engine)[0] == "好"
    end = "<|im_start|>assistant\n" + ("<think>\n\n</think>\n\n" if thought else "")
    assert all(asked.body["inputs"].endswith(end) for asked in server.asked)
    assert server.looked == ["/info"]


def test_ollama_stream(serve: Serve) -> None:
    """Ollama's own stream of JSON lines gives text and counts; an error line is an error."""
    rows = ['{"message": {"content": "你"}}\n', '{"message": {"content": "好"}}\r\n']
    done = '{"message": {"content": ""}, "done": true, "prompt_eval_count": 30, "eval_count": 4}'
    server = serve(replying(*rows, done, first=head(kind="application/x-ndjson")))
    assert ask(engine_for(server, "ollama")) == ("你好", Usage(30, 4))
    broken = serve(replying(*rows, '{"error": "out of memory"}\n'))
    with pytest.raises(EngineUnavailableError, match="out of memory"):
        ask(engine_for(broken, "ollama"))


def test_ollama_is_known_by_its_port() -> None:
    """The automatic dialect takes Ollama's port for Ollama, with or without /v1, and others for standard servers."""
    for base_url, posted in (
        ("http://gpu:11434/v1", "http://gpu:11434/api/chat"),
        ("http://gpu:8000", "http://gpu:8000/v1/chat/completions"),
        ("http://gpu/llm/v1/", "http://gpu/llm/v1/chat/completions"),
    ):
        assert Endpoint(ServerAddress(base_url, "m")).url == posted


def test_greedy_sends_no_top_p(serve: Serve) -> None:
    """A greedy request says so by its temperature alone."""
    server = serve(GOOD)
    ask(engine_for(server), replace(OPTIONS, temperature=0.0, seed=None))
    assert server.asked[0].body["temperature"] == 0
    assert not {"top_p", "seed"} & set(server.asked[0].body)


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable"])
def test_refused_fields(serve: Serve, status: str) -> None:
    """A server that refuses a field is asked once more with the fewest; with a named dialect the refusal is final."""
    server = serve(failing(status, '{"detail": "unknown field stream_options"}'), GOOD)
    assert ask(engine_for(server))[0] == "答案"
    assert set(server.asked[1].body) == {"model", "messages", "stream", "max_tokens", "temperature"}
    refusing = serve(failing(status, '{"detail": "unknown field stream_options"}'))
    for dialect, times in (("auto", 2), ("openai", 3)):
        with pytest.raises(EngineUnavailableError, match="unknown field"):
            ask(engine_for(refusing, dialect))
        assert len(refusing.asked) == times


@pytest.mark.parametrize("status", ["429 Too Many", "502 Bad", "503 Busy", "504 Late"])
@pytest.mark.usefixtures("short_pauses")
def test_busy_servers_are_asked_again(serve: Serve, status: str) -> None:
    """A busy server is asked three times in all, with pauses."""
    server = serve(failing(status, ""), failing(status, "<html>", kind="text/html"), GOOD)
    assert ask(engine_for(server))[0] == "答案"
    always = serve(failing(status, '{"error": {"message": "full"}}'))
    with pytest.raises(EngineUnavailableError, match="full"):
        ask(engine_for(always))
    assert len(always.asked) == 3


@pytest.mark.usefixtures("short_pauses")
def test_dropped_connections(serve: Serve) -> None:
    """A connection that breaks before any text is tried again; after text it is an error, not a short answer."""

    def drop(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    assert ask(engine_for(serve(drop, replying(), GOOD)))[0] == "答案"
    chunked = head(more="Transfer-Encoding: chunked\r\n")
    piece = delta("半").encode()
    torn = serve(replying(f"{len(piece):x}\r\n".encode() + piece + b"\r\n", first=chunked))
    with pytest.raises(EngineUnavailableError, match="broke off"):
        ask(engine_for(torn))
    assert len(torn.asked) == 1


@pytest.mark.parametrize(
    ("script", "message", "times"),
    [
        (failing("401 No", json.dumps({"error": {"message": f"bad key {KEY}"}})), "api_key_env", 1),
        (failing("403 No", json.dumps({"error": f"bad key {KEY}"})), "api_key_env", 1),
        (failing("404 None", '{"error": {"message": "no such model"}}'), "engine.model", 1),
        (failing("404 None", "<html>", kind="text/html"), "engine.base_url", 1),
        (failing("500 Oh", "[]"), "answered 500", 1),
        (failing("500 Oh", "x" * 500_000, kind="text/plain"), "answered 500", 1),
        (failing("302 Found", "", "Location: http://127.0.0.1:1/\r\n"), "redirects", 1),
        (replying("<html>login", first=head(kind="text/html")), "web page", 1),
        (replying("data: nonsense\n\n"), "not JSON", 1),
        (replying("data: [1]\n\n"), "no message of a chat", 1),
        (replying(delta("半"), f'data: {{"error": {{"message": "CUDA {KEY}"}}}}\n\n'), r"CUDA \*\*\*", 1),
        (replying(delta("半"), 'data: {"error": "died"}\n\n'), "died", 1),
        (replying(b"data: " + b"x" * 1_200_000), "1 MiB", 1),
        (replying(), "without an answer", 3),
    ],
)
@pytest.mark.usefixtures("short_pauses")
def test_errors(serve: Serve, script: Connection, message: str, times: int) -> None:
    """Each failure ends in one short line that says what to do, never with the key, and is not repeated in vain."""
    server = serve(script)
    with pytest.raises(EngineUnavailableError, match=message) as raised:
        ask(engine_for(server, "openai", api_key=KEY))
    assert KEY not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600
    assert len(server.asked) == times


def test_key_is_sent(serve: Serve) -> None:
    """The key goes into the header, and no header goes where there is no key; models are never asked for."""
    server = serve(GOOD)
    ask(engine_for(server, api_key=KEY))
    ask(engine_for(server))
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.asked[1].headers
    assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
    assert server.looked == []


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents are not sent through a proxy that happens to be set."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert ask(engine_for(serve(GOOD)))[0] == "答案"


def test_no_server() -> None:
    """A server that is not running is told within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="is the server running"):
        ask(OpenAIEngine([ServerAddress(f"http://127.0.0.1:{port}", "m")]))
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
@pytest.mark.usefixtures("short_pauses")
def test_no_such_host(host: str) -> None:
    """A name that is none is a server that is not there."""
    for dialect in ("auto", "vllm"):
        with pytest.raises(EngineUnavailableError, match="no connection"):
            ask(OpenAIEngine([ServerAddress(f"http://{host}/v1", "m", dialect)]), text="长" * 800)


def test_silent_server(serve: Serve) -> None:
    """Silence before or within an answer ends after the read limit, and is not repeated."""

    over = threading.Event()

    def silent(connection: socket.socket) -> None:
        over.wait(60)

    def silent_within(connection: socket.socket) -> None:
        connection.sendall(head() + delta("半").encode())
        over.wait(60)

    for script in (silent, silent_within):
        server = serve(script)
        begin = time.monotonic()
        with pytest.raises(EngineUnavailableError, match=r"silent for 1 s"):
            ask(engine_for(server, idle=1))
        assert time.monotonic() - begin < 30
        server.wait_until_asked()
        assert len(server.asked) == 1
    over.set()


@pytest.mark.parametrize("headers_first", [True, False])
@pytest.mark.parametrize("way", ["cancel", "leave", "close"])
def test_leaving_closes_the_connection(serve: Serve, headers_first: bool, way: str) -> None:
    """On cancel, when the reader goes or the engine closes, the server sees the connection closed at once."""
    server: ScriptedServer

    def waiting(connection: socket.socket) -> None:
        if headers_first:
            connection.sendall(head() + delta("头").encode())
        server.wait_until_left(connection, 60)

    server = serve(waiting)
    engine, cancel = engine_for(server), threading.Event()
    stream = engine.stream(prompt(), OPTIONS, cancel)
    ended = threading.Event()

    def read() -> None:
        try:
            for _ in stream:
                pass
        except EngineUnavailableError:
            assert way == "close"
        finally:
            ended.set()

    if way == "leave":
        if not headers_first:
            pytest.skip("a reader can only leave after the first piece")
        assert next(stream) == "头"
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    else:
        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + 30
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        cancel.set() if way == "cancel" else engine.close()
        if way == "close":
            cancel.set()  # no second attempt
        assert ended.wait(20)
    assert server.left.wait(20)


def test_cancelled_before(serve: Serve) -> None:
    """A cancelled question asks nobody."""
    server = serve(GOOD)
    cancel = threading.Event()
    cancel.set()
    assert list(engine_for(server).stream(prompt(), OPTIONS, cancel)) == []
    assert server.asked == []


def test_truncation_alarm(serve: Serve) -> None:
    """A server that says it read far fewer tokens than the prompt has is not believed; one that read it all is."""
    text = "知识库问答系统只依据资料回答问题。" * 120
    for dialect, read, alarm in (("openai", 700, True), ("openai", 1300, False), ("ollama", 700, True)):
        if dialect == "ollama":
            script = f'{{"message": {{"content": "好"}}, "done": true, "prompt_eval_count": {read}, "eval_count": 1}}\n'
        else:
            script = delta("好", usage={"prompt_tokens": read, "completion_tokens": 1})
        engine = engine_for(serve(replying(script)), dialect)
        if alarm:
            with pytest.raises(EngineUnavailableError, match="cut the prompt"):
                ask(engine, text=text)
        else:
            assert ask(engine, text=text)[1] == Usage(read, 1)


def test_window(serve: Serve) -> None:
    """A prompt that cannot fit is refused before anything is sent; the answer is bounded by what is left."""
    server = serve(GOOD)
    with pytest.raises(UsageError, match=r"engine\.window is 600"):
        ask(engine_for(server, window=600), text="长" * 700)
    assert server.asked == []
    engine = engine_for(server, window=600)
    ask(engine, replace(OPTIONS, max_new_tokens=5000), "长" * 300)
    assert server.asked[0].body["max_tokens"] == 600 - engine.count_tokens(prompt("长" * 300).messages)


def test_estimates() -> None:
    """For plain prose the estimate lies above, and the least count below, what tokenizers that know Chinese take."""
    # By rule of thumb 1.5 to 1.8 Chinese characters, or about 4 characters of English, a token.
    for sentence, ratios in (
        ("知识库问答系统只依据资料回答问题。", (1.5, 1.8)),
        ("The answer is in the documents. ", (3.5, 4.5)),
    ):
        text = sentence * 50
        messages = [Message("user", text)]
        assert least_tokens(messages) < len(text) / ratios[1] < len(text) / ratios[0] < estimate_tokens(messages)


def test_lone_surrogates_are_sent_as_marks(serve: Serve) -> None:
    """What cannot be encoded does not stop the request."""
    server = serve(GOOD)
    assert ask(engine_for(server), text="坏\ud800字")[0] == "答案"
    assert server.asked[0].body["messages"][1]["content"] == "坏?字"


@pytest.mark.parametrize(
    ("base_url", "changes"),
    [
        ("", {}),
        ("127.0.0.1:8000", {}),
        ("file:///etc/passwd", {}),
        ("http://user:secret@host/v1", {}),
        ("http://host/v1", {"dialect": "klingon"}),
        ("http://host/v1", {"api_key": "键\n"}),
        ("http://host:notaport/v1", {}),
        ("http://ho st/v1", {}),
        ("http://host\t/v1", {}),
    ],
)
def test_wrong_settings(base_url: str, changes: dict[str, Any]) -> None:
    """Addresses, dialects and keys that cannot work are configuration errors, told without the secret."""
    with pytest.raises(ConfigurationError) as raised:
        OpenAIEngine([ServerAddress(base_url, "m", **changes)])
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_lines_and_events(size: int) -> None:
    """Only CR, LF and CR LF end a line; U+2028 inside JSON does not; an empty data line is kept."""
    text = "data: a\u2028b\r\n\r\ndata:\ndata: c\n\n\ndata: d\r\r: x\ndata: 末"
    assert list(events(lines(chunks_of(text.encode(), size)))) == ["a\u2028b", "\nc", "d", "末"]
