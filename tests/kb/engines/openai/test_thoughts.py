"""What a model thinks behind a server is never the answer, whichever way the server tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import pytest

from indexes.errors import EngineUnavailableError
from kb.engines.base import Restart
from kb.engines.openai.deadlines import Limits
from kb.engines.openai.endpoints import ServerAddress
from kb.engines.openai.engine import OpenAIEngine
from tests.kb.engines.openai.scripted_server import Connection, ScriptedServer, delta, replying
from tests.kb.engines.openai.test_engine import GOOD, OPTIONS, ask, engine_for, prompt

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


UNOPENED = [delta(piece) for piece in ("秘密推理，", "是吗？\n</th", "ink>\n\n", "十五", "天。")]


def kept(items: Iterable[object]) -> str:
    """The text that a reader has in the end."""
    text = ""
    for item in items:
        if isinstance(item, Restart):
            text = ""
        elif isinstance(item, str):
            text += item
    return text


def test_a_thought_that_the_template_opened(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A thought without its opening tag is taken back, the user is told how to mend it, and the next is held back."""
    server = serve(replying(*UNOPENED, "data: [DONE]\n\n"))
    engine = engine_for(server, "vllm")
    first = list(engine.stream(prompt(), OPTIONS, threading.Event()))
    assert kept(first) == "十五天。"
    assert Restart() in first
    assert "--reasoning-parser" in caplog.text
    second = list(engine.stream(prompt(), OPTIONS, threading.Event()))
    assert "".join(item for item in second if isinstance(item, str)) == "十五天。"
    assert Restart() not in second


def test_a_server_that_stops_showing_thoughts(serve: Serve) -> None:
    """Once such a server answers without a thought, or tells it apart, its answers come as they are written again."""
    apart = 'data: {"choices": [{"delta": {"reasoning_content": "秘密"}}]}\n\n'
    end = "data: [DONE]\n\n"
    for mended in ("", apart):
        server = serve(replying(*UNOPENED, end), replying(mended, delta("十"), delta("天"), end))
        engine = engine_for(server, "vllm")
        assert [kept(engine.stream(prompt(), OPTIONS, threading.Event())) for _ in range(2)] == ["十五天。", "十天"]
        assert list(engine.stream(prompt(), OPTIONS, threading.Event())) == ["十", "天"]


def test_a_thought_that_is_cut_off(serve: Serve) -> None:
    """A server that was seen to show thoughts, and now is cut off before the end of one, has given no answer."""
    bound = 'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
    server = serve(replying(*UNOPENED, "data: [DONE]\n\n"), replying(delta("秘密推理，"), bound))
    engine = engine_for(server, "vllm")
    assert kept(engine.stream(prompt(), OPTIONS, threading.Event())) == "十五天。"
    for _ in range(2):
        with pytest.raises(EngineUnavailableError, match="thought, and came to no answer"):
            assert kept(engine.stream(prompt(), OPTIONS, threading.Event())) is None


@pytest.mark.parametrize("model", ["Qwen/Qwen3-4B-Thinking-2507", "qwq:32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"])
def test_models_that_always_think(serve: Serve, model: str) -> None:
    """Behind such a name no thought is ever shown; where the server tells them apart answers are streamed."""
    apart = 'data: {"choices": [{"delta": {"reasoning_content": "秘密"}}]}\n\n'
    end = "data: [DONE]\n\n"
    server = serve(replying(*UNOPENED, end), replying(apart, delta("十"), delta("天"), end))
    for expected in (["十五", "天。"], ["十", "天"]):
        engine = OpenAIEngine([ServerAddress(server.url, model, "vllm")])
        assert list(engine.stream(prompt(), OPTIONS, threading.Event())) == expected


THOUGHTS = {
    "block": [delta("<think>我想一想"), delta("，员工……")],
    "field": ['data: {"choices": [{"delta": {"reasoning_content": "秘密"}}]}\n\n'] * 2,
    "unopened": [delta("我想一想</think>\n")],
}


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS.keys())
@pytest.mark.parametrize("reason", ["length", "stop"])
def test_nothing_but_a_thought(serve: Serve, thought: list[str], reason: str) -> None:
    """A model that spends all its tokens on thinking has not answered: that is an error, or the next server's turn."""
    end = f'data: {{"choices": [{{"delta": {{}}, "finish_reason": "{reason}"}}]}}\n\ndata: [DONE]\n\n'
    server, sound = serve(replying(*thought, end)), serve(GOOD)
    with pytest.raises(EngineUnavailableError, match=r"engine\.max_new_tokens"):
        ask(engine_for(server, "vllm"))
    assert len(server.asked) == 1
    both = OpenAIEngine([ServerAddress(server.url, "m"), ServerAddress(sound.url, "m")], limits=Limits())
    assert kept(both.stream(prompt(), OPTIONS, threading.Event())) == "答案"
