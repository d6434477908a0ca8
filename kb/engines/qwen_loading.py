"""Loading a model and its tokenizer from a directory onto a device. Needs the `local` extra."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from indexes.errors import ConfigurationError, EngineUnavailableError
from kb.engines.chat_template import first_line
from kb.engines.model_folder import ModelFolder
from kb.engines.qwen_adapter import Adapter
from kb.engines.qwen_free_memory import free_memory
from kb.engines.qwen_memory import MemoryPlan, plan_memory, require_memory
from kb.engines.qwen_options import RunOptions
from kb.engines.qwen_quantised import converted_bytes, quantisation, require_loadable

_LOG = logging.getLogger(__name__)
_DTYPES: Final = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Prompts whose cache is kept where one request is answered at a time; requests that are answered together.
_KEPT: Final = 2
_TOGETHER: Final = 32
# Tokens that continuous batching reads in one step. Attention with masks needs this times the whole cache.
_STEP_TOKENS: Final = 2048
_STEP_TOKENS_WITH_MASKS: Final = 512


def load_tokenizer(path: Path) -> Any:
    """Return the tokenizer in `path`."""
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files end in errors of many libraries
        raise EngineUnavailableError(f"the tokenizer in {path} cannot be loaded: {first_line(error)}") from error


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a model goes, as what, and what it will take."""

    device: torch.device
    dtype: Any
    plan: MemoryPlan
    adapter: Adapter | None = None
    step_tokens: int = 0

    @property
    def batched(self) -> bool:
        """Whether requests are answered together."""
        return self.step_tokens > 0

    def require_memory(self, folder: ModelFolder) -> None:
        """Raise EngineUnavailableError where the model does not fit; the message says what would."""
        require_memory(self.plan, folder, can_shrink_cache=False)


def place(folder: ModelFolder, options: RunOptions, window: int) -> Placing:
    """Work out where `folder` goes and what it takes; raise ConfigurationError for a device that is not there."""
    device = _device(options.device)
    dtype = _dtype(options.dtype, device)
    on_gpu = device.type != "cpu"
    require_loadable(folder, on_gpu)
    adapter = Adapter(options.adapter) if options.adapter is not None else None
    if adapter is not None and quantisation(folder) is not None:
        raise ConfigurationError(
            f"engine.adapter cannot be merged into the quantised weights of {folder.path.name}: merge it into the "
            "full weights, or serve both with vLLM (--enable-lora)"
        )
    batched = options.batching == "on" or (options.batching == "auto" and on_gpu)
    step_tokens = _STEP_TOKENS_WITH_MASKS if batched else 0
    plan = plan_memory(
        folder,
        device=str(device),
        free=free_memory(device),
        window=window,
        slots=options.slots,
        most_slots=_TOGETHER if batched else _KEPT,
        reserve=options.reserve,
        element_bytes=None if dtype == "auto" else dtype.itemsize,
        step_tokens=step_tokens,
        masks=batched,
        small_float_bytes=converted_bytes(folder, on_gpu),
    )
    return Placing(device, dtype, plan, adapter, step_tokens)


def load_model(folder: ModelFolder, placing: Placing, tokenizer: Any) -> Any:
    """Load the weights; raise EngineUnavailableError where they do not fit or cannot be read."""
    begin = time.perf_counter()
    _LOG.info("%s: %s", folder.path.name, placing.plan.line())
    placing.require_memory(folder)
    disable_progress_bar()
    device = placing.device
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder.path,
            dtype=placing.dtype,
            device_map={"": device} if device.type != "cpu" else None,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except torch.OutOfMemoryError as error:
        raise EngineUnavailableError(f"{folder.path} does not fit into the memory of {device}") from error
    except Exception as error:  # damaged files and missing kernels end in errors of many libraries
        raise EngineUnavailableError(f"the model in {folder.path} cannot be loaded: {first_line(error)}") from error
    if placing.adapter is not None:
        model = placing.adapter.merged_into(model)
    ends = _end_tokens(model.generation_config, tokenizer)
    # Sampling values that the model ships would leak into every request and warn in greedy ones.
    model.generation_config = GenerationConfig(
        eos_token_id=ends, pad_token_id=_pad_token(tokenizer, ends), bos_token_id=None
    )
    seconds = time.perf_counter() - begin
    name = folder.path.name + (f" with the adapter {placing.adapter.name}" if placing.adapter else "")
    _LOG.info("loaded %s on %s as %s in %.1f s", name, device, model.dtype, seconds)
    return model.eval()


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
