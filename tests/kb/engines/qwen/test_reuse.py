"""What is kept between requests and what is guessed ahead saves time and changes no answer."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kb.engines.base import GenerationOptions
from kb.engines.qwen.lookup import PromptLookup
from tests.tiny_qwen import make_tiny_qwen

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.models

GREEDY = GenerationOptions(max_new_tokens=40, temperature=0.0, repetition_penalty=1.0)


def make(folder: Path, slots: int) -> Any:
    from kb.engines.qwen.local_model import LocalModel

    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model.generation_config.eos_token_id = [2]
    return LocalModel(model.eval(), slots)


@pytest.fixture(scope="module", params=["qwen2", "qwen3"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen(tmp_path_factory.mktemp("model") / request.param, architecture=request.param)


def answer(model: Any, prompt: list[int], options: GenerationOptions = GREEDY) -> list[int]:
    made: list[int] = []
    assert model.generate(prompt, options, made.extend, lambda: False) == len(made)
    return made


def plain(folder: Path, prompt: list[int], options: GenerationOptions = GREEDY) -> list[int]:
    """What transformers itself answers from a fresh cache."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([prompt])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=options.max_new_tokens, do_sample=False,
        repetition_penalty=options.repetition_penalty, eos_token_id=2,
    )  # fmt: skip
    return [int(token) for token in made[0, len(prompt) :]]


def tokens(seed: int, count: int) -> list[int]:
    return random.Random(seed).choices(range(10, 250), k=count)


class Reads:
    """Counts the tokens that a model is made to read."""

    def __init__(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        forward = model._forward

        def counted(ids: list[int], cache: Any, kept: int) -> Any:
            self.count += len(ids)
            return forward(ids, cache, kept)

        monkeypatch.setattr(model, "_forward", counted)


@pytest.mark.parametrize("slots", [1, 2])
def test_answers_are_those_of_a_fresh_model(folder: Path, slots: int) -> None:
    """Questions that share instructions, or passages too, or nothing, are answered as if each were the first."""
    model = make(folder, slots)
    instructions, passages = tokens(1, 100), tokens(2, 100)
    prompts = [
        instructions + passages + tokens(3, 20),
        instructions + passages + tokens(4, 20),
        instructions + tokens(5, 100),
        tokens(6, 50),
        instructions + passages + tokens(3, 20),
        (instructions + passages + tokens(3, 20))[:-5],
        instructions,
        [17],
    ]
    for prompt in prompts:
        assert answer(model, prompt) == plain(folder, prompt), len(prompt)
        assert len(model._caches._kept) <= slots


def test_only_what_is_new_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follow-up reads its own end only; other instructions do not drive the first ones out while there is room."""
    model = make(folder, 2)
    reads = Reads(model, monkeypatch)
    first, second = tokens(1, 600), tokens(2, 600)
    short = replace(GREEDY, max_new_tokens=1)
    for prompt, most in ((first, 600), (first + tokens(3, 30), 30), (second, 600), (first + tokens(4, 30), 31)):
        reads.count = 0
        answer(model, prompt, short)
        assert reads.count <= most
        assert reads.count >= most - 1


def test_a_conversation_goes_on_from_its_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens of the last answer need not be read again when the next question quotes them as history."""
    model = make(folder, 1)
    prompt = tokens(1, 200)
    said = answer(model, prompt)
    reads = Reads(model, monkeypatch)
    again = [*prompt, *said, *tokens(2, 10)]
    assert answer(model, again, replace(GREEDY, max_new_tokens=1)) == plain(folder, again)[:1]
    assert reads.count <= 11


def test_a_failed_step_leaves_nothing_wrong_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that was in use when a step failed, or when the reader left, never answers wrongly later."""
    model = make(folder, 2)
    prompt = tokens(1, 900)
    answer(model, prompt)
    forward, calls = model._forward, []

    def failing(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("device-side assert")
        return forward(*arguments)

    monkeypatch.setattr(model, "_forward", failing)
    with pytest.raises(RuntimeError):
        answer(model, prompt[:700] + tokens(2, 900))
    monkeypatch.setattr(model, "_forward", forward)
    for count in (0, 1, 2, 5):
        asked = iter(range(count))
        other = prompt[:700] + tokens(3, 900)
        model.generate(other, GREEDY, lambda made: None, lambda asked=asked: next(asked, None) is None)
        assert answer(model, prompt) == plain(folder, prompt)


def test_sliding_windows_are_not_shared(tmp_path: Path) -> None:
    """A model with sliding windows, which forget, is answered without sharing and equally right."""
    folder = make_tiny_qwen(tmp_path / "sliding")
    config = json.loads((folder / "config.json").read_text())
    config |= {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 1}
    config["layer_types"] = ["full_attention", "sliding_attention"]
    (folder / "config.json").write_text(json.dumps(config))
    model = make(folder, 2)
    assert not model._caches.can_rewind
    for prompt in (tokens(1, 300), tokens(1, 280) + tokens(2, 30)):
        assert answer(model, prompt) == plain(folder, prompt)


@pytest.mark.parametrize("penalty", [1.0, 1.1])
def test_guesses_change_nothing(folder: Path, penalty: float) -> None:
    """Prompts full of repetitions, where guesses are many, are answered as without guessing."""
    model = make(folder, 1)
    options = replace(GREEDY, repetition_penalty=penalty, max_new_tokens=80)
    prompt = tokens(1, 20) * 10
    assert answer(model, prompt, options) == plain(folder, prompt, options)


def test_right_guesses_save_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that copies passages of its prompt comes in far fewer steps than it has tokens, and unchanged."""
    model = make(folder, 1)
    prompt = tokens(1, 200)
    script = prompt[50:90] + tokens(2, 10) + prompt[120:160] + [2]
    steps: list[int] = []
    forward = model._forward

    def scripted(ids: list[int], cache: Any, kept: int) -> Any:
        scores = forward(ids, cache, kept).zero_()
        begin = cache.get_seq_length() - kept + 1 - len(prompt)
        for place in range(kept):
            if begin + place >= 0:
                scores[place, (script + [3] * 99)[begin + place]] = 9.0
        steps.append(kept)
        return scores

    monkeypatch.setattr(model, "_forward", scripted)
    assert answer(model, prompt, replace(GREEDY, max_new_tokens=200)) == script
    assert len(steps) < len(script) / 2


def test_lookup_guesses_what_followed() -> None:
    """The guess is what followed the last three, else two, tokens where they stood last; it adapts its length."""
    lookup = PromptLookup([*range(1, 30), 1, 2, 3])
    assert lookup.guess(30) == list(range(4, 12))
    assert lookup.guess(2) == [4, 5]
    assert lookup.guess(0) == []
    lookup.learn(8, 8)
    assert lookup.guess(30) == list(range(4, 20))
    lookup.learn(16, 16)
    assert lookup.guess(30) == list(range(4, 20))
    lookup.learn(16, 1)
    assert lookup.guess(30) == [4, 5]
    lookup.add([40])
    assert lookup.guess(30) == []
    assert PromptLookup([1]).guess(5) == []
    later = PromptLookup([1, 2, 3, 1, 2, 4, 1, 2])
    assert later.guess(1) == [4]


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "penalty"),
    [(0.7, 20, 0.8, 1.05), (1.5, 0, 1.0, 1.0), (0.3, 5, 0.5, 1.3), (1.0, 1, 0.9, 1.0), (1.0, 50, 0.05, 0.8)],
)
def test_sampling_is_that_of_transformers(temperature: float, top_k: int, top_p: float, penalty: float) -> None:
    """The tokens that may be chosen and their probabilities are those of the processors of transformers."""
    from kb.engines.qwen.sampling import Chooser

    generator = torch.Generator().manual_seed(3)
    seen = [3, 7, 7, 100]
    processors: list[Any] = [transformers.RepetitionPenaltyLogitsProcessor(penalty)] if penalty != 1 else []
    processors.append(transformers.TemperatureLogitsWarper(temperature))
    processors += [transformers.TopKLogitsWarper(top_k)] if top_k else []
    processors += [transformers.TopPLogitsWarper(top_p)]
    options = GenerationOptions(1, temperature, top_p, top_k, penalty, seed=1)
    for _ in range(5):
        scores = 4 * torch.randn(300, generator=generator)
        expected = scores[None].clone()
        for processor in processors:
            expected = processor(torch.tensor([seen]), expected)
        shares = torch.softmax(expected[0], -1)
        found, probabilities = Chooser(options, seen, torch.device("cpu")).probabilities(scores)
        ours = torch.zeros(300).scatter(0, found, probabilities)
        assert torch.allclose(ours, shares, atol=1e-5)


def test_accepting_keeps_the_right_beginning() -> None:
    """Of a guess the beginning that the model would have chosen holds, then its own choice; an end ends it."""
    from kb.engines.qwen.sampling import Chooser

    def chosen(guess: Sequence[int], wanted: Sequence[int], ends: Sequence[int] = ()) -> list[int]:
        logits = torch.zeros(len(guess) + 1, 20)
        for place, token in enumerate(wanted):
            logits[place, token] = 5.0
        return Chooser(GREEDY, [1], torch.device("cpu")).accept(logits, guess, ends)

    assert chosen([], [4]) == [4]
    assert chosen([4, 5], [4, 5, 6]) == [4, 5, 6]
    assert chosen([4, 5], [4, 7, 6]) == [4, 7]
    assert chosen([4, 5], [9, 5, 6]) == [9]
    assert chosen([4, 5], [4, 5, 6], ends=[4]) == [4]


def test_requests_on_many_threads_do_not_share_chance(folder: Path) -> None:
    """A seeded answer stays the same while others are sampled: no request draws from another's chance."""
    from kb.engines.qwen.sampling import Chooser

    options = GenerationOptions(1, 1.5, 1.0, 0, 1.0, seed=5)
    scores = torch.zeros(50)

    def draw() -> list[int]:
        chooser = Chooser(options, [1], torch.device("cpu"))
        return [chooser.accept(scores[None], [], ())[0] for _ in range(30)]

    expected, results = draw(), []
    threads = [threading.Thread(target=lambda: results.append(draw())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [expected] * 4
