"""Measure the qwen engine on a GPU: `python -m benchmarks.engine_gpu [--write]`; `benchmarks.engine` runs it too.

Qwen2.5-7B's shape, BF16, random weights: plain `generate` of transformers, one stream at 2,048 tokens of context, also
with its static cache and compiled decoding; then continuous batching behind our queue, without repetition penalty and
with the default one: one stream; 32 requests at once with prompts of 2,048 tokens and answers of 200; the time to the
first token with 8 at once. Without flash attention all of it twice, with its steps as CUDA graphs too. All prompts
differ, so that nothing is gained by shared prefixes. Each load is run once before it is measured. Times are of the
clock. What is found is written as it goes.

It needs torch, transformers (5.23 or later) and numpy, not the rest of the project: on a machine with another torch and
an older transformers put the pinned one beside it (`pip install --no-deps --target site transformers==5.23.0`, then
`PYTHONPATH=site`).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch._dynamo

from benchmarks.engine_results import RESULTS, Results
from benchmarks.random_qwen import make_model
from kb.engines.base import GenerationOptions
from kb.engines.qwen.attention import FLASH, tokens_at_once, usable_attention
from kb.engines.qwen.batching import Batching
from kb.engines.qwen.paged import PagedLoop
from kb.engines.qwen.requests import Request, Runner

# Bytes a second that a card can read, and operations a second on BF16 matrices: from the makers' data sheets. One
# stream cannot be faster than the first over the bytes of the weights, reading prompts not faster than the second over
# two operations for each weight and token.
_SPEEDS: Final = {"H200": (4.8e12, 989e12), "H100": (3.35e12, 989e12), "A100": (2.04e12, 312e12)}
_PENALTIES: Final = (1.0, 1.05)
# Tokens that the cache read by a step is rounded up to, where its steps are CUDA graphs and attention has masks.
_GRAPH_PADDING: Final = 2048
_CLOSE_SECONDS: Final = 120.0
Keep = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked at once."""

    requests: int
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds to the first token of each request, and tokens a second of all together."""

    first: list[float]
    per_second: float


@dataclass(frozen=True, slots=True)
class Loads:
    """One stream, many at once, and some at once whose first tokens are waited for."""

    one: Load
    many: Load
    some: Load

    @property
    def window(self) -> int:
        """Tokens that the longest of them takes."""
        return max(load.prompt_tokens + load.answer_tokens for load in (self.one, self.many, self.some)) + 16


def run_together(runner: Runner, load: Load, seed: int, penalty: float = 1.0) -> Timing:
    """Ask as many questions at once as `load` says; raise what failed, AssertionError where an answer is short."""
    chance = random.Random(seed)
    options = GenerationOptions(load.answer_tokens, temperature=0.0, repetition_penalty=penalty)
    requests = [
        Request(chance.choices(range(10, runner.vocabulary - 10), k=load.prompt_tokens), options, threading.Event())
        for _ in range(load.requests)
    ]
    first: list[float] = [0.0] * load.requests
    made: list[int] = [0] * load.requests
    failed: list[BaseException] = []

    def read(number: int) -> None:
        try:
            for tokens in requests[number].tokens():
                first[number] = first[number] or time.perf_counter() - begin
                made[number] += len(tokens)
        except BaseException as error:  # raised again where it is heard of
            failed.append(error)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(load.requests)]
    begin = time.perf_counter()
    for request, reader in zip(requests, readers, strict=True):
        reader.start()
        runner.start(request)
    for reader in readers:
        reader.join()
    seconds = time.perf_counter() - begin
    if failed:
        raise failed[0]
    assert made == [load.answer_tokens] * load.requests, "an answer was cut short"
    return Timing(first, sum(made) / seconds)


def generate_per_second(model: Any, load: Load, static: bool) -> float:
    """Return the tokens a second of `generate` of transformers, one stream, prompt included; after a first run."""
    ids = torch.randint(10, model.config.vocab_size - 10, (1, load.prompt_tokens), device=model.device)
    extra = {"cache_implementation": "static"} if static else {}
    seconds = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        with torch.inference_mode():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=load.answer_tokens, **extra
            )
        assert made.shape[1] == load.prompt_tokens + load.answer_tokens
        seconds = time.perf_counter() - begin
    return load.answer_tokens / seconds


def static_row(model: Any, load: Load) -> dict[str, Any]:
    """Return the row of the static cache with compiled decoding; how it was compiled, or why it failed, is in it."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    try:
        row: dict[str, Any] = {"one_stream_per_s": round(generate_per_second(model, load, static=True), 1)}
    except Exception as error:  # compilers fail in many ways, and the rest is still worth measuring
        return {"failed": f"{type(error).__name__}: {error}"[:300]}
    counters = torch._dynamo.utils.counters
    graphs, breaks = counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())
    state = "not compiled at all" if not graphs else "compiled with graph breaks" if breaks else "compiled whole"
    return {**row, "compiled": state, "graphs": graphs, "graph_breaks": breaks}


def our_row(batching: Batching, loads: Loads, penalty: float) -> dict[str, Any]:
    """Return the row of one penalty; each load is run twice and measured the second time."""
    timings = []
    for number, load in enumerate((loads.one, loads.many, loads.some)):
        run_together(batching, load, 2 * number, penalty)
        timings.append(run_together(batching, load, 2 * number + 1, penalty))
    single, together, first = timings
    return {
        "repetition_penalty": penalty,
        "one_stream_per_s": round(single.per_second, 1),
        "together": loads.many.requests,
        "together_per_s": round(together.per_second, 1),
        "first_token_requests": loads.some.requests,
        "first_token_p50_ms": round(1e3 * statistics.median(first.first), 1),
    }


def make_batching(model: Any, loads: Loads, padding: int | None) -> Batching:
    """Return the queue over continuous batching, with room for all that is asked at once."""
    step_tokens = tokens_at_once(model.config._attn_implementation)

    def make_loop() -> PagedLoop:
        return PagedLoop(
            model, slots=loads.many.requests, window=loads.window, step_tokens=step_tokens, graph_padding=padding
        )

    slots = loads.many.requests
    return Batching(make_loop, vocabulary=model.config.vocab_size, slots=slots, most_waiting=slots)


def measure_model(model: Any, loads: Loads, found: dict[str, Any], keep: Keep) -> None:
    """Measure a loaded model into `found`, and `keep` that after every row."""
    # Random weights end an answer at random; each is to be as long as it was asked for.
    model.generation_config.eos_token_id = None
    plain = generate_per_second(model, loads.one, static=False)
    found["generate"] = {"one_stream_per_s": round(plain, 1)}
    found["ours"] = []
    keep(found)
    for padding in (None,) if model.config._attn_implementation in FLASH else (None, _GRAPH_PADDING):
        batching = make_batching(model, loads, padding)
        steps = "as by default" if padding is None else f"CUDA graphs, {padding} tokens of cache at a time"
        try:
            for penalty in _PENALTIES:
                row = our_row(batching, loads, penalty)
                over = round(row["together_per_s"] / plain, 2)
                found["ours"].append({"steps": steps, **row, "together_over_generate": over})
                keep(found)
        finally:
            batching.close(_CLOSE_SECONDS)
    # Last, since it leaves compiled code and its memory behind.
    found["generate_static"] = static_row(model, loads.one)
    keep(found)


def measure_gpu(keep: Keep, shape: str = "qwen2.5-7b", device: str = "cuda", scale: float = 1.0) -> None:
    """Run the part for a GPU and `keep` what is found, the limits of the card and the numbers aimed at beside it.

    `scale` shrinks prompts and answers; with that and `device` "cpu" it only shows that it runs.
    """
    place = torch.device(device)
    attention = usable_attention("auto", [place] if place.type == "cuda" else [])
    model = make_model(shape, place, torch.bfloat16, attention)

    def load(requests: int, prompt: int, answer: int) -> Load:
        return Load(requests, max(8, round(prompt * scale)), max(2, round(answer * scale)))

    loads = Loads(load(1, 2048, 200), load(32, 2048, 200), load(8, 2048, 32))
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    found: dict[str, Any] = {
        "shape": shape,
        "device": name,
        "cuda": torch.version.cuda,
        "attention": attention,
        "prompt_tokens": loads.one.prompt_tokens,
        "answer_tokens": loads.one.answer_tokens,
        "limits_of_the_card": limits(model, name, loads),
        "aims": {"one_stream_per_s": 100, "together_over_generate": 12, "first_token_p50_ms": 250},
    }
    keep(found)
    measure_model(model, loads, found, keep)


def limits(model: Any, name: str, loads: Loads) -> dict[str, float] | None:
    """Return what the card's memory and arithmetic allow at best; None for a card that is not in the table."""
    speeds = next((speeds for card, speeds in _SPEEDS.items() if card in name), None)
    if speeds is None:
        return None
    read = sum(weights.numel() for weights in model.parameters()) - model.get_input_embeddings().weight.numel()
    bandwidth, operations = speeds
    half = -(-loads.some.requests // 2)
    return {
        "one_stream_per_s": round(bandwidth / (2 * read)),
        "first_token_p50_ms": round(1e3 * half * loads.some.prompt_tokens * 2 * read / operations),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="qwen2.5-7b")
    parser.add_argument("--device", default="cuda", help='"cpu" only shows that it runs')
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full prompts and answers")
    parser.add_argument("--write", action="store_true", help=f"replace this part of {RESULTS.name}")
    chosen = parser.parse_args(arguments)
    if chosen.device != "cpu" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here")
    results = Results(RESULTS if chosen.write else None)
    try:
        measure_gpu(lambda found: results.keep("gpu", found), chosen.shape, chosen.device, chosen.scale)
    finally:
        sys.stdout.write(results.text())


if __name__ == "__main__":
    main()
