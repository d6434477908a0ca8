"""A causal language model in this process: one generation at a time. Needs the `local` extra."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from kb.engines.base import GenerationOptions

# Tokens that are proposed at once when the text repeats the prompt, as quoting answers do.
_LOOKUP_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended: tokens made, or the error that ended it."""

    completion_tokens: int
    error: BaseException | None = None


class LocalModel:
    """A loaded model on one device, generating for one request at a time."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.device: torch.device = model.device

    def generate(
        self,
        prompt: list[int],
        options: GenerationOptions,
        pieces: queue.SimpleQueue[str | Outcome],
        stopped: Callable[[], bool],
    ) -> None:
        """Put the pieces of the answer into `pieces`, and at the very end one `Outcome`; never raise.

        `stopped` is asked after each step.
        """
        outcome = Outcome(0, RuntimeError("the generation ended without a result"))
        try:
            if options.seed is not None:
                torch.manual_seed(options.seed)
            ids = torch.tensor([prompt], device=self.device)
            with torch.inference_mode():
                made = self._model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=self._generation_config(options),
                    streamer=_QueueStreamer(self._tokenizer, pieces),
                    stopping_criteria=StoppingCriteriaList([_Stopped(stopped)]),
                )
            outcome = Outcome(int(made.shape[1]) - len(prompt))
        except BaseException as error:  # whatever happens on this thread is raised on the reader's
            outcome = Outcome(0, error)
        finally:
            pieces.put(outcome)

    def _generation_config(self, options: GenerationOptions) -> GenerationConfig:
        base = self._model.generation_config
        common = {
            "max_new_tokens": options.max_new_tokens,
            "repetition_penalty": options.repetition_penalty,
            "eos_token_id": base.eos_token_id,
            "pad_token_id": base.pad_token_id,
        }
        if options.temperature > 0:
            return GenerationConfig(
                **common,
                do_sample=True,
                temperature=options.temperature,
                top_p=options.top_p,
                top_k=max(0, options.top_k),
            )
        if self.device.type == "cpu":
            # Several tokens a step where the answer copies the passages; the result is that of plain greedy search.
            return GenerationConfig(**common, do_sample=False, prompt_lookup_num_tokens=_LOOKUP_TOKENS)
        return GenerationConfig(**common, do_sample=False)


class _QueueStreamer(TextIteratorStreamer):  # type: ignore[misc]  # transformers is not followed by mypy
    """Decodes as `TextIteratorStreamer` does, into a queue that also carries how the generation ended."""

    def __init__(self, tokenizer: Any, pieces: queue.SimpleQueue[str | Outcome]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._pieces = pieces

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self._pieces.put(text)


class _Stopped(StoppingCriteria):  # type: ignore[misc]  # transformers is not followed by mypy
    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped

    def __call__(self, input_ids: Any, scores: Any, **rest: Any) -> Any:
        return torch.full((input_ids.shape[0],), self._stopped(), device=input_ids.device, dtype=torch.bool)


def start(model: LocalModel, run: Callable[[], None]) -> threading.Thread:
    """Run a generation on a thread of its own, which does not keep the process alive."""
    thread = threading.Thread(target=run, name=f"generate-{model.device}", daemon=True)
    thread.start()
    return thread
