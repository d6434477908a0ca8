"""The part of `benchmarks.engine` for a GPU: continuous batching behind our queue beside plain `generate`.

Qwen2.5-7B's shape, BF16, random weights: one stream at 2,048 tokens of context, also with the static cache and compiled
decoding of transformers; 32 requests at once with prompts of 2,048 tokens and answers of 200; and the time to the first
token with 8 at once. All prompts differ, so that nothing is gained by shared prefixes. Times are of the clock.
"""

from __future__ import annotations

import importlib.util
import random
import statistics
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import torch

from benchmarks.random_qwen import make_model
from kb.engines.base import GenerationOptions
from kb.engines.qwen.batching import Batching
from kb.engines.qwen.paged import PagedLoop
from kb.engines.qwen.requests import Request, Runner

# Bytes a second that a card can read: batch 1 cannot be faster than this over the bytes of the weights.
_BANDWIDTH: Final = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.04e12}


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


def run_together(runner: Runner, load: Load, seed: int) -> Timing:
    """Ask as many questions at once as `load` says; raise AssertionError where an answer is short."""
    chance = random.Random(seed)
    options = GenerationOptions(load.answer_tokens, temperature=0.0, repetition_penalty=1.0)
    requests = [
        Request(chance.choices(range(10, runner.vocabulary - 10), k=load.prompt_tokens), options, threading.Event())
        for _ in range(load.requests)
    ]
    first: list[float] = [0.0] * load.requests
    made: list[int] = [0] * load.requests

    def read(number: int) -> None:
        for tokens in requests[number].tokens():
            first[number] = first[number] or time.perf_counter() - begin
            made[number] += len(tokens)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(load.requests)]
    begin = time.perf_counter()
    for request, reader in zip(requests, readers, strict=True):
        reader.start()
        runner.start(request)
    for reader in readers:
        reader.join()
    seconds = time.perf_counter() - begin
    assert made == [load.answer_tokens] * load.requests, "an answer was cut short"
    return Timing(first, sum(made) / seconds)


def generate_per_second(model: Any, prompt_tokens: int, answer_tokens: int, static: bool) -> float:
    """Return the tokens a second of `generate` of transformers, one stream, prompt included; after a first run."""
    ids = torch.randint(10, model.config.vocab_size - 10, (1, prompt_tokens), device=model.device)
    extra = {"cache_implementation": "static"} if static else {}
    seconds = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        with torch.inference_mode():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=answer_tokens, **extra
            )
        assert made.shape[1] == prompt_tokens + answer_tokens
        seconds = time.perf_counter() - begin
    return answer_tokens / seconds


def measure_model(model: Any, one: Load, many: Load, some: Load, step_tokens: int) -> dict[str, Any]:
    """Measure a loaded model; plain `generate` first, since continuous batching switches its attention."""
    plain = generate_per_second(model, one.prompt_tokens, one.answer_tokens, static=False)
    compiled: float | str
    try:
        compiled = round(generate_per_second(model, one.prompt_tokens, one.answer_tokens, static=True), 1)
    except Exception as error:  # compilers fail in many ways, and the rest is still worth measuring
        compiled = f"{type(error).__name__}: {error}"[:200]
    window = max(load.prompt_tokens + load.answer_tokens for load in (one, many, some)) + 16
    batching = Batching(
        lambda: PagedLoop(model, slots=many.requests, window=window, step_tokens=step_tokens),
        vocabulary=model.config.vocab_size,
        slots=many.requests,
        most_waiting=many.requests,
    )
    run_together(batching, one, seed=0)
    single, together, first = (run_together(batching, load, seed) for seed, load in ((1, one), (2, many), (3, some)))
    batching.close()
    return {
        "prompt_tokens": one.prompt_tokens,
        "answer_tokens": one.answer_tokens,
        "generate_one_stream_per_s": round(plain, 1),
        "generate_static_compiled_per_s": compiled,
        "ours_one_stream_per_s": round(single.per_second, 1),
        "together": many.requests,
        "ours_together_per_s": round(together.per_second, 1),
        "together_over_generate": round(together.per_second / plain, 2),
        "first_token_requests": some.requests,
        "first_token_p50_ms": round(1e3 * statistics.median(first.first), 1),
    }


def measure_gpu() -> dict[str, Any]:
    """Run the part for the GPU with the numbers that are aimed at beside it."""
    name = torch.cuda.get_device_name()
    flash = importlib.util.find_spec("flash_attn") is not None
    attention = "flash_attention_2" if flash else "sdpa"
    model = make_model("qwen2.5-7b", torch.device("cuda"), torch.bfloat16, attention)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    read = weights - model.get_input_embeddings().weight.numel() * 2
    bandwidth = next((speed for card, speed in _BANDWIDTH.items() if card in name), None)
    found = measure_model(
        model, Load(1, 2048, 200), Load(32, 2048, 200), Load(8, 2048, 32), step_tokens=2048 if flash else 512
    )
    return {
        "device": name,
        "cuda": torch.version.cuda,
        "attention": attention,
        "memory_limit_one_stream_per_s": round(bandwidth / read) if bandwidth else None,
        "aims": {"one_stream_per_s": 100, "together_over_generate": 12, "first_token_p50_ms": 250},
        **found,
    }
