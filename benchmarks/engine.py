"""Measure the qwen engine: `python -m benchmarks.engine [--write] [--shape qwen2.5-0.5b] [--threads 1]`.

Weights are random and of the true shape: speed does not depend on the values. On the CPU, beside plain `generate` of
transformers: prompt lookup on a forced answer that copies 60 % of its tokens in spans of a sentence; the time to the
first token of a second question that shares instructions or passages with the first, for prompts of chosen sizes and
for the product's own; and the queue. Times are seconds of processor time of one thread (`cpu_s`), so that other work on
the machine disturbs them little; those of the queue are of the clock. Where there is a CUDA device,
`benchmarks.engine_gpu` adds its part. What is found is written as it goes.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation.streamers import BaseStreamer

from benchmarks.engine_results import RESULTS, Results
from benchmarks.product_prompt import Encode, product_prompts, real_encoder, stand_in_encoder
from benchmarks.random_qwen import ForcedModel, Forcing, Script, make_model, make_script
from kb.engines.base import GenerationOptions
from kb.engines.qwen.local_model import LocalModel
from kb.engines.qwen.queue import OneAtATime
from kb.engines.qwen.requests import Request

_SPAN = 24
_COPIED = 0.6
# Passages that are shown to the engine by default (retrieval.top_k).
_PASSAGES = 8


class Clock(BaseStreamer):  # type: ignore[misc]  # transformers is not followed by mypy
    """Notes when tokens came; also for `generate` of transformers, whose first tokens are the prompt."""

    def __init__(self, skip_first: bool = False) -> None:
        self._skip = skip_first
        self.begin = time.process_time()
        self.came: list[tuple[float, int]] = []

    def put(self, value: Any) -> None:
        """Note tokens."""
        if self._skip:
            self._skip = False
            return
        self.came.append((time.process_time(), len(value) if isinstance(value, list) else value.numel()))

    def end(self) -> None:
        """Nothing is held back."""

    @property
    def first(self) -> float:
        """Seconds to the first token."""
        return self.came[0][0] - self.begin

    @property
    def per_second(self) -> float:
        """Tokens a second after the first step."""
        return sum(count for _, count in self.came[1:]) / (self.came[-1][0] - self.came[0][0])


def plain(model: Any, script: Script, lookup: int | None) -> Clock:
    """Run `generate` of transformers, with its own prompt lookup where `lookup` is a number of tokens."""
    ids = torch.tensor([script.prompt])
    clock = Clock(skip_first=True)
    extra = {} if lookup is None else {"prompt_lookup_num_tokens": lookup}
    with torch.inference_mode():
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=len(script.answer), do_sample=False,
            logits_processor=LogitsProcessorList([Forcing(script)]), streamer=clock, **extra,
        )  # fmt: skip
    assert made[0, len(script.prompt) :].tolist() == script.answer
    return clock


def ours(model: Any, script: Script) -> Clock:
    """Run our own loop on a fresh cache."""
    forced = ForcedModel(model, slots=1)
    forced.script = script
    clock, said = Clock(), []

    def emit(tokens: list[int]) -> None:
        clock.put(tokens)
        said.extend(tokens)

    options = GenerationOptions(len(script.answer), temperature=0.0, repetition_penalty=1.0)
    forced.generate(script.prompt, options, emit, lambda: False)
    assert said == script.answer
    return clock


def lookup_table(model: Any, prompt_tokens: int, answer_tokens: int) -> dict[str, float]:
    """Return tokens a second of one stream: plain, with the lookup of transformers, with ours; and our gain."""
    script = make_script(model.config.vocab_size, prompt_tokens, answer_tokens, _COPIED, _SPAN)
    base = plain(model, script, None).per_second
    theirs, own = plain(model, script, 10).per_second, ours(model, script).per_second
    return {
        "copied_share": _COPIED, "span_tokens": _SPAN, "generate_per_cpu_s": round(base, 2),
        "generate_lookup_per_cpu_s": round(theirs, 2), "ours_per_cpu_s": round(own, 2), "gain": round(own / base, 2),
    }  # fmt: skip


def reuse_table(model: Any, instructions: int, passages: int, question: int) -> dict[str, dict[str, float]]:
    """Return the rows of `reuse_rows` for prompts of random tokens, so many in each part."""
    chance = random.Random(1)

    def tokens(count: int) -> list[int]:
        return chance.choices(range(10, model.config.vocab_size - 10), k=count)

    fixed, found = tokens(instructions), tokens(passages)
    return reuse_rows(model, {
        "instructions and a short question": (fixed + tokens(question), fixed + tokens(question)),
        "instructions, other passages": (fixed + found + tokens(question), fixed + tokens(passages) + tokens(question)),
        "a follow-up on the same passages": (fixed + found + tokens(question), fixed + found + tokens(question)),
    })  # fmt: skip


def reuse_rows(model: Any, cases: dict[str, tuple[list[int], list[int]]]) -> dict[str, dict[str, float]]:
    """Return the time to the first token of a first question and of a second one, and the gain, for each case."""

    def first_token(local: LocalModel, prompt: list[int]) -> float:
        clock = Clock()
        local.generate(prompt, GenerationOptions(1, temperature=0.0, repetition_penalty=1.0), clock.put, lambda: False)
        return clock.first

    rows = {}
    for name, (before, after) in cases.items():
        local = LocalModel(model, slots=2)
        first, second = first_token(local, before), first_token(local, after)
        pairs = zip(before, after, strict=False)
        shared = next((place for place, (left, right) in enumerate(pairs) if left != right), len(after))
        rows[name] = {
            "prompt_tokens": len(after), "shared_tokens": shared, "first_cpu_s": round(first, 2),
            "second_cpu_s": round(second, 2), "gain": round(first / second, 2),
        }  # fmt: skip
    return rows


def queue_table(model: Any, requests: int, prompt_tokens: int, answer_tokens: int) -> dict[str, Any]:
    """Return when each of several requests, asked at once, got its first and its last token (clock seconds)."""
    chance = random.Random(2)
    runner = OneAtATime(LocalModel(model, slots=2), most_waiting=requests)
    options = GenerationOptions(answer_tokens, temperature=0.0, repetition_penalty=1.0)
    begin = time.monotonic()
    asked = []
    for _ in range(requests):
        prompt = chance.choices(range(10, model.config.vocab_size - 10), k=prompt_tokens)
        asked.append(Request(prompt, options, threading.Event()))
        runner.start(asked[-1])
    came: dict[int, list[float]] = {}

    def read(number: int) -> None:
        came[number] = [time.monotonic() - begin for _ in asked[number].tokens()]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = [round(came[number][0], 2) for number in range(requests)]
    return {
        "first_s": first,
        "last_s": [round(came[number][-1], 2) for number in range(requests)],
        "in_order": first == sorted(first),
    }


def measure(
    shape: str, dtype: torch.dtype, keep: Callable[[dict[str, Any]], None], scale: float, encode: Encode | None
) -> None:
    """Run the part for the CPU and `keep` what is found; `scale` shrinks prompts and answers.

    `encode` makes tokens of the product's prompt; without one a stand-in does.
    """

    def size(tokens: int) -> int:
        return max(_SPAN + 8, round(tokens * scale))

    model = make_model(shape, torch.device("cpu"), dtype)
    prompts = product_prompts(encode or stand_in_encoder(model.config.vocab_size), max(1, round(_PASSAGES * scale)))
    found: dict[str, Any] = {"shape": shape, "dtype": str(dtype).removeprefix("torch.")}
    tables: dict[str, Callable[[], dict[str, Any]]] = {
        "prompt_lookup": lambda: lookup_table(model, size(400), size(160)),
        "prefix_reuse": lambda: reuse_table(model, size(400), size(600), size(40)),
        "prefix_reuse_product_prompt": lambda: {
            "tokens": "the model's" if encode else "a stand-in's, about as many as Qwen's",
            **reuse_rows(model, prompts),
        },
        "queue": lambda: queue_table(model, 4, size(64), 8),
    }
    for name, table in tables.items():
        found[name] = table()
        keep(found)


def say(line: str) -> None:
    """Write a line for a person; results go to standard output."""
    sys.stderr.write(line + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="qwen2.5-0.5b")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full prompts and answers")
    parser.add_argument("--tokenizer", type=Path, help="directory of a Qwen model whose tokens prompts are counted in")
    parser.add_argument("--skip-cpu", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"replace this part of {RESULTS.name}")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    results = Results(RESULTS if chosen.write else None)
    try:
        if not chosen.skip_cpu:
            encode = real_encoder(chosen.tokenizer) if chosen.tokenizer else None
            measure(chosen.shape, torch.float32, lambda found: results.keep("cpu", found), chosen.scale, encode)
        if torch.cuda.is_available():
            from benchmarks.engine_gpu import measure_gpu

            measure_gpu(lambda found: results.keep("gpu", found))
        else:
            say("no CUDA device here: the GPU part is skipped")
    finally:
        sys.stdout.write(results.text())


if __name__ == "__main__":
    main()
