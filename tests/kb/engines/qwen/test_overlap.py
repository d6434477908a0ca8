"""Overlapping steps: a step is prepared before the results of the last are known, as on a GPU with flash attention."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from kb.engines.base import GenerationOptions
from kb.engines.qwen.engine import QwenEngine
from kb.engines.qwen.options import RunOptions
from kb.records import Message, Prompt, Usage
from tests.kb.engines.qwen.overlapping import overlap_steps, pad_steps
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.models

GREEDY = GenerationOptions(max_new_tokens=40, temperature=0.0, repetition_penalty=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / "Tiny", window=512)


def make(folder: Path, batching: Literal["on", "off"]) -> QwenEngine:
    return QwenEngine(str(folder), RunOptions(device="cpu", batching=batching, slots=4))


def prompt(text: str) -> Prompt:
    return Prompt((Message("user", text),), (), text, "zh", "test")


def ask(engine: QwenEngine, text: str, options: GenerationOptions = GREEDY) -> str:
    items = engine.stream(prompt(text), options, threading.Event())
    return "".join(item for item in items if isinstance(item, str))


def test_steps_overlap_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are those alone, and the steps of the loop do overlap, without which these tests would prove nothing."""
    overlap_steps(monkeypatch)
    engine = make(folder, "on")
    assert ask(engine, "问题一") == ask(make(folder, "off"), "问题一")
    assert engine._runner._loop._manager.batch_processor.use_async_batching  # type: ignore[union-attr]  # of PagedLoop
    engine.close()


@pytest.mark.parametrize("penalty", [0.5, 1.05, 1.5])
def test_the_newest_token_is_penalised_too(folder: Path, monkeypatch: pytest.MonkeyPatch, penalty: float) -> None:
    """The token of a step is penalised in the next, which is prepared before it is known."""
    overlap_steps(monkeypatch)
    engine, options = make(folder, "on"), replace(GREEDY, repetition_penalty=penalty)
    assert ask(engine, "问题一", options) == ask(make(folder, "off"), "问题一", options)
    engine.close()


def test_filled_up_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps with empty places beside their requests, and a warm-up before the first, leave all answers as they are."""
    from transformers.generation.continuous_batching.model_runner import ModelRunner

    overlap_steps(monkeypatch)
    pad_steps(monkeypatch)
    warmed: list[int] = []
    warm = ModelRunner.run_one_warmup

    def counted(runner: ModelRunner, model: object, num_q_tokens: int, max_kv_read: int | None) -> float:
        warmed.append(num_q_tokens)
        return float(warm(runner, model, num_q_tokens, max_kv_read))

    monkeypatch.setattr(ModelRunner, "run_one_warmup", counted)
    engine, alone = make(folder, "on"), make(folder, "off")
    asked = [("甲", GREEDY), ("乙", replace(GREEDY, repetition_penalty=0.5)), ("丙" * 30, GREEDY)] * 2
    found: dict[int, str] = {}

    def run(number: int) -> None:
        found[number] = ask(engine, *asked[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [found[number] for number in range(len(asked))] == [ask(alone, *question) for question in asked]
    assert warmed == [512, 512]
    engine.close()


class _OnCard(torch.Tensor):  # type: ignore[name-defined, misc]  # importorskip tells no types
    is_cuda = True


def test_the_table_is_written_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a card the writing is waited for: the step that reads it runs on another stream."""
    from kb.engines.qwen.penalty import BatchedPenalty

    penalty = BatchedPenalty(2, 8, torch.device("cpu"))
    penalty._factors = penalty._factors.as_subclass(_OnCard)
    written: list[list[float]] = []

    def wait() -> None:
        written.append(penalty._factors[1].tolist())

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(synchronize=wait))
    choices = {"repetition_penalty": 2.0}
    state = SimpleNamespace(request_id="a", logit_processor_kwargs=choices, initial_tokens=[1, 3], generated_tokens=[5])
    rows = penalty.prepare_tensor_args([SimpleNamespace(state=state)])
    assert rows.tolist() == [1]
    assert written == [[1, 2, 1, 2, 1, 2, 1, 1]]


@pytest.mark.parametrize("leave", ["cancelled", "abandoned", "stop string"])
def test_who_leaves_takes_nobody_along(folder: Path, monkeypatch: pytest.MonkeyPatch, leave: str) -> None:
    """Questions are given up while steps with them are on their way; the one beside them is answered to the end."""
    overlap_steps(monkeypatch)
    monkeypatch.setattr("kb.engines.qwen.attention._PAGE", 4)
    engine, long = make(folder, "on"), replace(GREEDY, max_new_tokens=250)
    expected = ask(make(folder, "off"), "留下", long)
    # Of four lengths, so that some are given up while a page of theirs is being filled.
    texts = ["离开" + "a" * number for number in range(4)]
    wholes = [ask(engine, text, replace(GREEDY, max_new_tokens=16)) for text in texts]
    found: list[str] = []
    stays = threading.Thread(target=lambda: found.append(ask(engine, "留下", long)))
    stays.start()
    left = 0
    while stays.is_alive():
        left += 1
        cancel = threading.Event()
        stops = (wholes[left % 4][5:8],) if leave == "stop string" else ()
        leaves = engine.stream(prompt(texts[left % 4]), replace(long, stop=stops), cancel)
        next(leaves)
        if leave == "cancelled":
            cancel.set()
            assert not [item for item in leaves if isinstance(item, Usage)]
        elif leave == "abandoned":
            leaves.close()  # type: ignore[attr-defined]  # it is a generator
        else:
            list(leaves)
    assert found == [expected]
    assert left
    engine.close()


@pytest.mark.parametrize("tokens", [100, 47])
def test_given_up_within_a_step(folder: Path, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    """The pages of a cancelled request are gone when the results of its last step come: they are passed over.

    A prompt of 100 tokens is cancelled while it is still read in parts of 64, one of 47 with its first page of answer.
    """
    from transformers import AutoModelForCausalLM
    from transformers.generation.continuous_batching import ContinuousBatchingManager

    from kb.engines.qwen.paged import PagedLoop

    overlap_steps(monkeypatch)
    monkeypatch.setattr(ContinuousBatchingManager, "start", lambda manager: None)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    model.generation_config.eos_token_id = [2]
    loop = PagedLoop(model, slots=2, window=256, step_tokens=64)
    manager = loop._manager
    steps = manager.batch_processor = manager._create_batch_processor()
    loop.add("leaves", list(range(10, 10 + tokens)), GREEDY)
    loop.add("stays", list(range(20, 28)), GREEDY)

    def turn() -> None:
        assert steps.prepare_next_batch()
        manager._generation_step()

    turn()
    if tokens < 64:
        turn()
        steps.update_batch()
    loop.cancel("leaves")
    for _ in range(30):
        turn()
        steps.update_batch()
    said = [item.name for item in loop.progress(0.0)]
    assert "stays" in said
    assert said.count("leaves") <= 1
