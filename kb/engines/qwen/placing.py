"""Where a model goes and how it is run there, decided before it is loaded. Needs the `local` extra."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from indexes.errors import ConfigurationError
from indexes.models.devices import require_device, state_fallback
from kb.engines.qwen.adapter import Adapter
from kb.engines.qwen.attention import FLASH, page_tokens, tokens_at_once, usable_attention
from kb.engines.qwen.free_memory import free_memory
from kb.engines.qwen.memory import MemoryPlan, plan_memory, require_memory
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.options import SPREAD, RunOptions
from kb.engines.qwen.quantised import converted_bytes, quantisation, require_loadable
from kb.engines.qwen.quantised_cache import CACHE_BITS, CacheType, require_backend
from kb.engines.qwen.sizes import stored_bytes

_DTYPES: Final = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Prompts whose cache is kept where one request is answered at a time; requests that are answered together.
_KEPT: Final = 2
_TOGETHER: Final = 32
_WITHOUT_FLASH: Final = "without flash attention steps are neither CUDA graphs nor overlap (docs/local-engine.md)"


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a model goes, as what, and what it will take."""

    device: torch.device
    dtype: Any
    attention: str
    plan: MemoryPlan
    adapter: Adapter | None = None
    step_tokens: int = 0
    spread: bool = False
    yarn_factor: float | None = None
    cache_type: CacheType = "auto"

    @property
    def device_map(self) -> Any:
        """What accelerate is told: all to one GPU, spread over all, or nothing on a CPU."""
        if self.spread:
            return "auto"
        return {"": self.device} if self.device.type != "cpu" else None

    @property
    def batched(self) -> bool:
        """Whether requests are answered together."""
        return self.step_tokens > 0

    def require_memory(self, folder: ModelFolder) -> None:
        """Raise EngineUnavailableError where the model does not fit; the message says what would."""
        require_memory(self.plan, folder, can_shrink_cache=not self.batched)


def place(folder: ModelFolder, options: RunOptions, window: int) -> Placing:
    """Work out where `folder` goes, how it is run, and what that takes.

    Raises ConfigurationError for choices that contradict each other or this machine, EngineUnavailableError for
    weights that it cannot load.
    """
    spread = options.device == SPREAD
    device = _device("cuda" if spread else options.device)
    dtype = _dtype(options.dtype, device)
    on_gpu = device.type != "cpu"
    require_loadable(folder, on_gpu)
    adapter = _adapter(folder, options)
    element_bytes = None if dtype == "auto" else dtype.itemsize
    half = (element_bytes or stored_bytes(folder.config)) == 2
    attention = usable_attention(options.attention, (_cards() if spread else [device]) if on_gpu and half else [])
    batched = _batched(options, on_gpu)
    step_tokens = tokens_at_once(attention) if batched else 0
    if options.cache_dtype != "auto":
        require_backend(options.cache_dtype)
    plan = plan_memory(
        folder,
        device="all GPUs together" if spread else str(device),
        free=sum(map(free_memory, _cards())) if spread else free_memory(device),
        window=window,
        slots=options.slots,
        most_slots=_TOGETHER if batched else _KEPT,
        reserve=options.reserve * (len(_cards()) if spread else 1),
        element_bytes=element_bytes,
        cache_bits=CACHE_BITS.get(options.cache_dtype),
        step_tokens=step_tokens,
        masks=attention not in FLASH,
        page=page_tokens(attention) if batched else 1,
        small_float_bytes=converted_bytes(folder, on_gpu),
    )
    if batched and on_gpu and attention not in FLASH:
        plan = replace(plan, note=_WITHOUT_FLASH)
    return Placing(
        device, dtype, attention, plan, adapter, step_tokens, spread, options.yarn_factor, options.cache_dtype
    )


def _adapter(folder: ModelFolder, options: RunOptions) -> Adapter | None:
    if options.adapter is None:
        return None
    if quantisation(folder) is not None:
        raise ConfigurationError(
            f"engine.adapter cannot be merged into the quantised weights of {folder.path.name}: merge it into the "
            "full weights, or serve both with vLLM (--enable-lora)"
        )
    return Adapter(options.adapter)


def _batched(options: RunOptions, on_gpu: bool) -> bool:
    """Return whether requests are answered together; raise ConfigurationError where that is asked for in vain."""
    hinders = [
        f'{name} = "{value}"'
        for name, value, allowed in (
            ("engine.cache_dtype", options.cache_dtype, options.cache_dtype == "auto"),
            ("engine.device", options.device, options.device != SPREAD),
            ("engine.attention", options.attention, options.attention != "eager"),
        )
        if not allowed
    ]
    if options.batching == "on" and hinders:
        raise ConfigurationError(f'engine.batching = "on" does not go with {" and ".join(hinders)}')
    return options.batching == "on" or (options.batching == "auto" and on_gpu and not hinders)


def _cards() -> list[torch.device]:
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]


def _device(device: str) -> torch.device:
    if device != "auto":
        require_device(device, "engine.device")
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    state_fallback()
    return torch.device("cpu")


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
