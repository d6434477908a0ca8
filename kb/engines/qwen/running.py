"""From a directory and choices to a running model: loaded, and behind the queue that fits it. Needs torch."""

from __future__ import annotations

from typing import Any

from kb.engines.qwen.batching import Batching
from kb.engines.qwen.loading import load_model
from kb.engines.qwen.local_model import LocalModel
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.options import RunOptions
from kb.engines.qwen.paged import PagedLoop
from kb.engines.qwen.placing import place
from kb.engines.qwen.queue import OneAtATime
from kb.engines.qwen.requests import Runner


def start_runner(folder: ModelFolder, options: RunOptions, window: int, tokenizer: Any) -> Runner:
    """Load the model and return what answers requests with it; raise EngineUnavailableError where that fails."""
    placing = place(folder, options, window)
    model = load_model(folder, placing, tokenizer)
    slots = placing.plan.slots
    if not placing.batched:
        return OneAtATime(LocalModel(model, slots, placing.cache_type), options.waiting)
    return Batching(
        lambda: PagedLoop(model, slots=slots, window=window, step_tokens=placing.step_tokens),
        vocabulary=model.config.get_text_config().vocab_size,
        slots=slots,
        most_waiting=options.waiting,
    )
