"""How a local model is run: where, in which types, and for how much at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexes.errors import ConfigurationError
from kb.engines.qwen.quantised_cache import CacheType

_SMALLEST_WINDOW = 64
_LARGEST_YARN = 32.0
# The device that stands for all GPUs together.
SPREAD = "all"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The choices of `[engine]` that concern a model in this process.

    `device` is "auto" (CUDA where there is one), "cpu", "cuda", "cuda:N" or "all" (the
    layers spread over all GPUs); `dtype` is "auto", "float32", "float16" or
    "bfloat16". `window` narrows the model's own window, in tokens. `slots` is how many requests, each of a whole
    window, the key-value cache has room for; None takes as many as fit. On a CPU, where one request is answered at a
    time, that many prompts stay in it, so that the next need not read again what it begins with alike. `reserve` are
    bytes that stay free. `waiting` is how many requests may wait for their turn. `adapter` is
    the directory of a LoRA adapter that is merged into the weights. `batching` answers
    many requests together; "auto" does on a GPU.
    `cache_dtype` quantises the key-value cache, which then serves one request and is not kept. `attention` is how it is
    computed; "auto" takes flash attention where it is installed. `yarn_factor` stretches the window by YaRN.
    """

    device: str = "auto"
    dtype: str = "auto"
    window: int | None = None
    slots: int | None = None
    reserve: int = 1 << 30
    waiting: int = 64
    adapter: Path | None = None
    batching: Literal["auto", "on", "off"] = "auto"
    cache_dtype: CacheType = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    yarn_factor: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no model could be run with; raises ConfigurationError."""
        if self.window is not None and self.window < _SMALLEST_WINDOW:
            raise ConfigurationError(f"engine.window must be {_SMALLEST_WINDOW} tokens or more, not {self.window}")
        if self.slots is not None and self.slots < 1:
            raise ConfigurationError(f"engine.slots must be 1 or more, not {self.slots}")
        if self.waiting < 1:
            raise ConfigurationError(f"engine.waiting must be 1 or more, not {self.waiting}")
        if self.yarn_factor is not None and not 1 < self.yarn_factor <= _LARGEST_YARN:
            raise ConfigurationError(f"engine.yarn_factor must be above 1, {_LARGEST_YARN:g} at most")
        if self.reserve < 0:
            raise ConfigurationError("engine.reserve_mb must be 0 or more")
