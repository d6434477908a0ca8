"""The continuous batching of transformers as a `Loop`: paged key-value cache, shared prefixes, sampling by request."""

from __future__ import annotations

import gc
import queue
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Final

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.qwen.attention import FLASH, page_tokens
from kb.engines.qwen.batching import Progress
from kb.engines.qwen.greedy import BatchedGreedy
from kb.engines.qwen.penalty import BatchedPenalty
from kb.engines.qwen.scheduler import NAME as SCHEDULER

_STOP_SECONDS: Final = 10.0


class PagedLoop:
    """One manager of transformers over a loaded model. It runs on a thread that must be stopped."""

    def __init__(
        self, model: Any, *, slots: int, window: int, step_tokens: int, graph_padding: int | None = None
    ) -> None:
        """Start the loop with room for `slots` requests of `window` tokens; `step_tokens` are read at once at most.

        With `graph_padding` its steps are CUDA graphs with any attention, over as much of the cache as they read,
        rounded up to so many tokens; without, they are with flash attention alone. Raises MemoryError where the pool
        does not fit.
        """
        vocabulary = model.config.get_text_config().vocab_size
        self._vocabulary = vocabulary
        self._manager = model.init_continuous_batching(
            # Values that differ from the defaults: only then can a request bring its own.
            generation_config=GenerationConfig(
                eos_token_id=model.generation_config.eos_token_id,
                pad_token_id=model.generation_config.pad_token_id,
                do_sample=True,
                temperature=0.7,
                top_p=0.8,
                top_k=20,
            ),
            continuous_batching_config=batching_settings(
                model.config._attn_implementation, slots, window, step_tokens, graph_padding
            ),
        )
        self._add_processors(BatchedPenalty(2 * slots, vocabulary, model.device), BatchedGreedy())
        self._warm_up(model.device)
        self._manager.start()

    def _add_processors(self, penalty: BatchedPenalty, greedy: BatchedGreedy) -> None:
        """Put processors of ours around those of transformers, before its thread starts."""
        processors = self._manager.logit_processor
        processors.logits_processor[:] = [penalty, penalty.newest, *processors.logits_processor, greedy]
        for processor in (penalty, greedy):
            processors.supported_keys.update(processor.supported_kwargs)
            processors.tensors_required += 1

    def _warm_up(self, device: torch.device) -> None:
        """Make the pool, and on a GPU the graphs that steps are played from, so that no question waits for them."""
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            self._manager.warmup()

    def add(self, name: str, prompt: list[int], options: GenerationOptions) -> None:
        """Take a request in.

        Raises EngineUnavailableError where the loop is dead, ConfigurationError for a seed: all requests share one
        source of chance.
        """
        greedy = options.temperature <= 0
        if options.seed is not None and not greedy:
            raise ConfigurationError('engine.seed needs engine.batching = "off", or engine.temperature = 0')
        taken = self._manager.add_request(
            prompt,
            request_id=name,
            max_new_tokens=options.max_new_tokens,
            streaming=True,
            temperature=1.0 if greedy else float(options.temperature),
            top_k=1 if greedy else min(options.top_k, self._vocabulary) or self._vocabulary,
            top_p=1.0 if greedy else float(options.top_p),
            greedy=greedy,
            repetition_penalty=float(options.repetition_penalty),
        )
        if taken is None:
            raise EngineUnavailableError(f"the generation loop takes no requests: {self.failure() or 'it is stopping'}")

    def cancel(self, name: str) -> None:
        """Give a request up before the next step."""
        self._manager.cancel_request(name)

    def progress(self, seconds: float) -> Iterator[Progress]:
        """Yield what has happened, waiting for it at most so long."""
        said = self._manager.output_router.output_queue
        try:
            yield _progress(said.get(timeout=seconds))
            while True:
                yield _progress(said.get_nowait())
        except queue.Empty:
            return

    def steps(self) -> int:
        """Return how many steps were made; none while the cache is made."""
        return int(getattr(self._manager, "current_batch", 0))

    def failure(self) -> str | None:
        """Return why the loop is dead, None while it lives."""
        error = self._manager.background_thread_status.fatal_error
        if error is not None:
            return f"{type(error).__name__}: {error}"
        return None if self._manager.is_running() else "its thread is gone"

    def stop(self) -> None:
        """End the loop and free its cache; raise EngineUnavailableError where a step hangs."""
        self._manager.stop(block=True, timeout=_STOP_SECONDS, hard_stop=True)
        if self._manager.is_running():
            raise EngineUnavailableError("the generation loop hangs: restart the program")
        _clear_frames(self._manager.background_thread_status.fatal_error)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def batching_settings(
    attention: str, slots: int, window: int, step_tokens: int, graph_padding: int | None = None
) -> ContinuousBatchingConfig:
    """Return how transformers is to answer together; the parameters are those of `PagedLoop`."""
    page = page_tokens(attention)
    pages = -(-window // page)
    return ContinuousBatchingConfig(
        page_size=page,
        num_blocks=slots * pages,
        # Flash attention writes answers through a table of pages; requests longer than the table go the slow way.
        max_blocks_per_request=pages if attention in FLASH else None,
        use_cuda_graph=None if graph_padding is None else True,
        kv_padding_interval_size=graph_padding or 0,
        max_batch_tokens=step_tokens,
        max_requests_per_batch=slots,
        scheduler_type=SCHEDULER,
        allow_block_sharing=True,
        per_request_processors=True,
        auto_switch_to_flash=False,
        # What is kept back was counted before the model was loaded; a share of what is free would be counted twice.
        max_memory_percent=1.0,
    )


def _clear_frames(error: BaseException | None) -> None:
    """Empty the frames that an error came through: they hold the cache, and the manager and logs hold the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _progress(output: Any) -> Progress:
    return Progress(output.request_id, output.generated_tokens, output.is_finished(), output.error)
