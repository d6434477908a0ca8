"""A causal language model in this process: loading it, and one generation at a time. Needs the `local` extra."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)
from transformers.utils.logging import disable_progress_bar

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.base import GenerationOptions
from kb.engines.chat_template import first_line

_LOG = logging.getLogger(__name__)
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Tokens that are proposed at once when the text repeats the prompt, as quoting answers do.
_LOOKUP_TOKENS = 10


def load_tokenizer(path: Path) -> Any:
    """Return the tokenizer in `path`."""
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files end in errors of many libraries
        raise EngineUnavailableError(f"the tokenizer in {path} cannot be loaded: {first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended: tokens made, or the error that ended it."""

    completion_tokens: int
    error: BaseException | None = None


class LocalModel:
    """The weights in `path` on one device."""

    def __init__(self, path: Path, device: str, dtype: str, tokenizer: Any) -> None:
        """Load the weights; raise EngineUnavailableError where that fails."""
        begin = time.perf_counter()
        disable_progress_bar()
        self.device = _device(device)
        self.dtype = _dtype(dtype, self.device)
        try:
            model = AutoModelForCausalLM.from_pretrained(
                path,
                dtype=self.dtype,
                device_map={"": self.device} if self.device.type != "cpu" else None,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
        except torch.OutOfMemoryError as error:
            raise EngineUnavailableError(f"{path} does not fit into the memory of {self.device}") from error
        except Exception as error:  # damaged files and missing kernels end in errors of many libraries
            raise EngineUnavailableError(f"the model in {path} cannot be loaded: {first_line(error)}") from error
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._ends = _end_tokens(model.generation_config, tokenizer)
        # Sampling values that the model ships would leak into every request and warn in greedy ones.
        model.generation_config = GenerationConfig(
            eos_token_id=self._ends, pad_token_id=_pad_token(tokenizer, self._ends), bos_token_id=None
        )
        seconds = time.perf_counter() - begin
        _LOG.info("loaded %s on %s as %s in %.1f s", path.name, self.device, self._model.dtype, seconds)

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


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(f"engine.device {device!r} is no device: use auto, cpu, cuda or cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailableError(f"engine.device is {device!r}, but torch sees no CUDA device here")
    return chosen


def _dtype(dtype: str, device: torch.device) -> Any:
    """Return the data type to load as.

    On a GPU "auto" is what the weights are stored as. On a CPU it is float32: reading a prompt is most of the work
    there, and without bfloat16 matrix units (AMX) it took 2.9 s in bfloat16 against 1.9 s in float32 (400 tokens, a
    model of the width of Qwen2.5-0.5B, two AVX-512 cores), for a tenth more in writing. "bfloat16" halves memory.
    """
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise ConfigurationError(f"engine.dtype {dtype!r} is unknown: use auto, {', '.join(_DTYPES)}")
        return _DTYPES[dtype]
    if device.type != "cpu":
        return "auto"
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32


def _end_tokens(config: Any, tokenizer: Any) -> list[int]:
    """Return the ids that end an answer: the model's, the tokenizer's, and ChatML's where the vocabulary has it."""
    configured = config.eos_token_id
    ends = list(configured) if isinstance(configured, list) else [configured]
    ends += [tokenizer.eos_token_id, tokenizer.get_vocab().get("<|im_end|>")]
    return sorted({int(token) for token in ends if token is not None})


def _pad_token(tokenizer: Any, ends: list[int]) -> int:
    if tokenizer.pad_token_id is not None:
        return int(tokenizer.pad_token_id)
    return ends[0] if ends else 0
