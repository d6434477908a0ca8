"""The continuous batching of transformers behind our queue, for real, on a tiny model on the CPU."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.options import RunOptions
from kb.records import Message, Prompt, Usage
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.models

GREEDY = GenerationOptions(max_new_tokens=20, temperature=0.0, repetition_penalty=1.0)
INSTRUCTIONS = "知识库问答系统只依据资料回答问题。" * 4


@pytest.fixture(scope="module", params=["qwen2", "qwen3"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / request.param, architecture=request.param, window=512)


def make(folder: Path, **choices: Any) -> QwenEngine:
    return QwenEngine(str(folder), RunOptions(device="cpu", **{"batching": "on", "slots": 4, **choices}))


@pytest.fixture(scope="module")
def together(folder: Path) -> Iterator[QwenEngine]:
    engine = make(folder)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def alone(folder: Path) -> QwenEngine:
    return make(folder, batching="off")


def prompt(text: str) -> Prompt:
    return Prompt((Message("system", INSTRUCTIONS), Message("user", text)), (), text, "zh", "test")


def ask(engine: QwenEngine, text: str, options: GenerationOptions = GREEDY) -> tuple[str, Usage]:
    items = list(engine.stream(prompt(text), options, threading.Event()))
    usage = items[-1]
    assert isinstance(usage, Usage)
    return "".join(item for item in items if isinstance(item, str)), usage


def ask_at_once(engine: QwenEngine, asked: list[tuple[str, GenerationOptions]]) -> list[tuple[str, Usage]]:
    found: dict[int, tuple[str, Usage]] = {}

    def run(number: int) -> None:
        found[number] = ask(engine, *asked[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[number] for number in range(len(asked))]


def test_answers_together_are_those_alone(together: QwenEngine, alone: QwenEngine) -> None:
    """Twelve questions at once, more than there are slots, get the answers and counts that each gets alone."""
    asked = [(f"问题{number}" * (1 + number % 5), replace(GREEDY, max_new_tokens=5 + number)) for number in range(12)]
    assert ask_at_once(together, asked) == [ask(alone, text, options) for text, options in asked]


def test_greedy_answers_of_equal_scores(folder: Path) -> None:
    """In BF16 several tokens often have the highest score: temperature 0 still gives the same answer each time.

    The first time the prompt is read, after that its pages are there, which rounds otherwise: it is not compared.
    """
    engine = make(folder, dtype="bfloat16")
    for penalty in (1.0, 1.05):
        options = replace(GREEDY, max_new_tokens=60, repetition_penalty=penalty)
        ask(engine, "年休假有多少天", options)
        assert len({ask(engine, "年休假有多少天", options)[0] for _ in range(4)}) == 1
    engine.close()


def test_of_equal_scores_the_first_is_left() -> None:
    """Of greedy requests one token is left, as argmax would choose it; the others keep all their scores."""
    from types import SimpleNamespace

    from kb.engines.qwen.greedy import BatchedGreedy

    scores = torch.tensor([[1.0, 3.0, 3.0, 2.0]] * 3)
    asked = [{"greedy": True}, {"greedy": False}, {}]
    futures = [SimpleNamespace(state=SimpleNamespace(logit_processor_kwargs=choices)) for choices in asked]
    greedy = BatchedGreedy()
    found = greedy(scores, greedy.prepare_tensor_args(futures))
    assert found.softmax(-1)[0].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert found[1:].tolist() == scores[1:].tolist()


def test_sampling_is_each_requests_own(together: QwenEngine, alone: QwenEngine) -> None:
    """Greedy, penalised and sampled requests share a batch; all but the sampled are exactly as alone."""
    penalised = replace(GREEDY, repetition_penalty=0.5)
    sampled = GenerationOptions(max_new_tokens=20, temperature=1.8, top_p=1.0, top_k=0, repetition_penalty=1.0)
    asked = [("甲", GREEDY), ("甲", penalised), ("甲", sampled), ("甲", sampled), ("乙", penalised)]
    found = ask_at_once(together, asked)
    exact = [0, 1, 4]
    assert [found[place] for place in exact] == [ask(alone, *asked[place]) for place in exact]
    assert found[0] != found[1]
    assert len({found[place][0] for place in (0, 2, 3)}) == 3


def test_the_penalty_outlives_its_rows(together: QwenEngine, alone: QwenEngine) -> None:
    """More requests in turn than the table has rows are penalised as alone: rows are reused, not mixed up."""
    options = replace(GREEDY, repetition_penalty=1.2, max_new_tokens=8)
    for number in range(11):
        assert ask(together, f"第{number}问", options) == ask(alone, f"第{number}问", options)


def test_instructions_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of what prompts begin with alike are shared: the second question finds them filled."""
    from transformers.generation.continuous_batching.cache import PagedAttentionCache

    found: list[int] = []
    search = PagedAttentionCache.search_prefix_match

    def counted(self: Any, *arguments: Any) -> int:
        found.append(search(self, *arguments))
        return found[-1]

    monkeypatch.setattr(PagedAttentionCache, "search_prefix_match", counted)
    engine = make(folder)
    ask(engine, "一")
    ask(engine, "二")
    shared = engine.count_tokens((Message("system", INSTRUCTIONS),)) // 2
    assert found[0] == 0
    assert found[1] > shared // 2
    engine.close()


def test_a_crash_in_a_step_fails_what_was_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward pass that fails kills the loop of transformers; those it held are told, the next is answered."""
    engine = make(folder)
    expected = ask(engine, "好")
    model = engine._runner._loop._manager.model  # type: ignore[union-attr]  # of Batching and PagedLoop
    forward = type(model).forward

    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("device-side assert triggered")

    with monkeypatch.context() as patched:
        patched.setattr(type(model), "forward", broken)
        with pytest.raises(EngineUnavailableError, match="device-side assert"):
            ask(engine, "好")
    assert type(model).forward is forward
    assert ask(engine, "好") == expected
    engine.close()


def test_a_dead_loop_leaves_no_cache_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that died gives its cache back before the next one makes its own: two would not fit."""
    from transformers.generation.continuous_batching.cache import PagedAttentionCache

    made: list[weakref.ref[Any]] = []
    alive: list[int] = []
    make_cache = PagedAttentionCache.__init__

    def counted(self: Any, *arguments: Any, **named: Any) -> None:
        alive.append(sum(cache() is not None for cache in made))
        made.append(weakref.ref(self))
        make_cache(self, *arguments, **named)

    def broken(*arguments: Any, **named: Any) -> Any:
        try:
            raise ValueError("out of range")
        except ValueError as error:
            raise RuntimeError("device-side assert triggered") from error

    monkeypatch.setattr(PagedAttentionCache, "__init__", counted)
    engine = make(folder)
    ask(engine, "好")
    model = engine._runner._loop._manager.model  # type: ignore[union-attr]  # of Batching and PagedLoop
    with monkeypatch.context() as patched:
        patched.setattr(type(model), "forward", broken)
        with pytest.raises(EngineUnavailableError, match="device-side assert"):
            ask(engine, "好")
    ask(engine, "好")
    engine.close()
    assert alive == [0, 0]


def test_cancel_and_leave(together: QwenEngine, alone: QwenEngine) -> None:
    """Cancelled and abandoned streams end without an error and leave the others right."""
    long = replace(GREEDY, max_new_tokens=350)
    cancel = threading.Event()
    cancelled = together.stream(prompt("一"), long, cancel)
    abandoned = together.stream(prompt("二"), long, threading.Event())
    assert isinstance(next(cancelled), str)
    assert isinstance(next(abandoned), str)
    cancel.set()
    assert not [item for item in cancelled if isinstance(item, Usage)]
    abandoned.close()  # type: ignore[attr-defined]  # it is a generator
    assert ask(together, "三") == ask(alone, "三")


def test_stop_strings(together: QwenEngine) -> None:
    """A stop string ends the answer before it, though the loop of transformers knows none."""
    whole, usage = ask(together, "停", replace(GREEDY, max_new_tokens=200))
    cut, fewer = ask(together, "停", replace(GREEDY, max_new_tokens=200, stop=(whole[5:8],)))
    assert cut == whole[: whole.index(whole[5:8])]
    assert fewer.completion_tokens < usage.completion_tokens


def test_whole_windows_fit(folder: Path) -> None:
    """As many requests as there are slots may each fill their window at the same time."""
    engine = make(folder, slots=2, window=256)
    options = replace(GREEDY, max_new_tokens=10_000)
    found = ask_at_once(engine, [("长", options), ("短", options), ("中", options)])
    assert all(usage.prompt_tokens + usage.completion_tokens <= 256 for _, usage in found)
    assert found == [ask(engine, text, options) for text in ("长", "短", "中")]
    engine.close()


def test_seeds_are_refused(together: QwenEngine) -> None:
    """A seed for sampled answers cannot be kept in a batch, which is said, not ignored."""
    with pytest.raises(ConfigurationError, match=r"engine\.seed"):
        ask(together, "一", replace(GREEDY, temperature=1.0, seed=3))
    ask(together, "一", replace(GREEDY, seed=3))


@pytest.mark.long
def test_a_program_that_forgets_to_close_ends(tmp_path: Path) -> None:
    """The loop's thread does not keep a program alive that ends without closing the engine."""
    folder = make_tiny_qwen(tmp_path / "tiny", window=512)
    program = f"""
import threading
from pathlib import Path
from tests.kb.engines.qwen.test_paged import ask, make
print(ask(make(Path({str(folder)!r})), "你好")[1].completion_tokens)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=True,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert 0 < int(ended.stdout) <= 20
