"""Whether a model fits, worked out from its directory before a byte of its weights is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from indexes.errors import EngineUnavailableError
from kb.engines.qwen.model_folder import ModelFolder
from kb.engines.qwen.sizes import cache_heads, number, stored_bytes, text_config, weight_bytes
from kb.known_models import KNOWN_MODELS

# Quantised caches keep one scale and one shift in the type of the weights for each group of this many numbers.
CACHE_GROUP: Final = 64
_ROUND_WINDOW: Final = 256
_SMALLEST_WINDOW: Final = 512
_SMALLEST_RESERVE_MB: Final = 256
# The window that a smaller model is proposed for, where a larger one was asked for.
_MODEST_WINDOW: Final = 4096


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a model will take of one kind of memory, in bytes.

    `numbers_per_token` are the keys and values of one token over all layers, `element` the bytes of one number, and
    `cache_bits` 8 or 4 where the cache is quantised. `working_per_token` is what continuous batching reads out of the
    cache at once. Everything a token is counted for every slot, for its window in whole pages of `page` tokens.
    `note` is what else is worth knowing where the sum is shown.
    """

    device: str
    weights: int
    numbers_per_token: int
    element: int
    window: int
    slots: int
    reserve: int
    free: int
    cache_bits: int | None = None
    working_per_token: int = 0
    page: int = 1
    note: str = ""

    @property
    def tokens(self) -> int:
        """Tokens that a slot has room for: the window in whole pages."""
        return -(-self.window // self.page) * self.page

    @property
    def per_token(self) -> int:
        """Bytes of one token in the cache."""
        bits = 8 * self.element if self.cache_bits is None else self.cache_bits + 2 * 8 * self.element / CACHE_GROUP
        return int(self.numbers_per_token * bits / 8) + self.working_per_token

    @property
    def cache(self) -> int:
        """Bytes of the key-value cache with every slot filled to the window."""
        return self.slots * self.tokens * self.per_token

    @property
    def needed(self) -> int:
        """Bytes of weights, cache and reserve together."""
        return self.weights + self.cache + self.reserve

    @property
    def fits(self) -> bool:
        """Whether the free memory holds it all."""
        return self.needed <= self.free

    def line(self) -> str:
        """Return the arithmetic in one line, and the note."""
        note = f"; {self.note}" if self.note else ""
        return (
            f"weights {_size(self.weights)} + {self.slots} slots x {self.tokens} tokens x "
            f"{self.per_token / 1024:.4g} KiB = {_size(self.cache)} + reserve {_size(self.reserve)} = "
            f"{_size(self.needed)}, of {_size(self.free)} free on {self.device}{note}"
        )

    def with_slots_that_fit(self, most: int) -> MemoryPlan:
        """Return this plan with as many slots as fit, at least one and at most `most`."""
        for slots in range(most, 1, -1):
            if (fitting := replace(self, slots=slots)).fits:
                return fitting
        return replace(self, slots=1)

    def remedies(self, can_shrink_cache: bool) -> list[str]:
        """Return the settings that would each make it fit; empty where none does."""
        found = []
        if (fewer := self.with_slots_that_fit(self.slots)).fits:
            found.append(f"engine.slots = {fewer.slots}")
        window = (self.free - self.weights - self.reserve) // self.per_token // self.slots
        if (window := window // _ROUND_WINDOW * _ROUND_WINDOW) >= _SMALLEST_WINDOW:
            found.append(f"engine.window = {window}")
        if can_shrink_cache and self.cache_bits is None and replace(self, cache_bits=8).fits:
            found.append('engine.cache_dtype = "int8"')
        if self.element > 2 and replace(self, element=2, weights=self.weights * 2 // self.element).fits:
            found.append('engine.dtype = "bfloat16"')
        megabytes = (self.free - self.weights - self.cache) >> 20
        if _SMALLEST_RESERVE_MB <= megabytes < self.reserve >> 20:
            found.append(f"engine.reserve_mb = {megabytes}")
        return found


def plan_memory(
    folder: ModelFolder,
    *,
    device: str,
    free: int,
    window: int,
    slots: int | None,
    most_slots: int,
    reserve: int,
    element_bytes: int | None,
    cache_bits: int | None = None,
    step_tokens: int = 0,
    masks: bool = False,
    page: int = 1,
    small_float_bytes: int | None = None,
) -> MemoryPlan:
    """Return what `folder` will take; with `slots` None as many as fit, up to `most_slots`.

    `element_bytes` is the size that floating-point weights are converted to, None as stored. `cache_bits` is 8 or 4
    for a quantised cache, None for one in the type of the weights. `step_tokens` are the tokens that continuous
    batching reads in one step, 0 without it; `masks` says that its attention needs masks and repeated heads (sdpa
    does, flash attention does not), `page` how many tokens its pages hold. `small_float_bytes` is what 8-bit floats
    are converted to.
    """
    text = text_config(folder.config)
    heads, numbers_of_a_head = cache_heads(text)
    element = element_bytes or stored_bytes(folder.config)
    working = 0
    if step_tokens:
        # One layer is read at a time: its keys and values, with sdpa repeated for every head of the queries.
        read = 2 * number(text, "num_attention_heads") + heads if masks else 2 * heads
        working = (read * numbers_of_a_head + (step_tokens if masks else 0)) * element
    plan = MemoryPlan(
        device=device,
        weights=weight_bytes(folder, element_bytes, small_float_bytes),
        numbers_per_token=2 * number(text, "num_hidden_layers") * heads * numbers_of_a_head,
        element=element,
        window=window,
        slots=slots or 1,
        reserve=reserve,
        free=free,
        cache_bits=cache_bits,
        working_per_token=working,
        page=page,
    )
    return plan if slots else plan.with_slots_that_fit(most_slots)


def require_memory(plan: MemoryPlan, folder: ModelFolder, *, can_shrink_cache: bool) -> None:
    """Raise EngineUnavailableError where `plan` does not fit; the message says what would.

    `can_shrink_cache` says that the mode of running allows an 8-bit cache.
    """
    if plan.fits:
        return
    found = plan.remedies(can_shrink_cache)
    if smaller := _smaller_model(plan):
        found.append(f'a smaller model, such as engine.model = "{smaller}"')
    # Four bits a weight, and the scales beside them.
    if "quantization_config" not in folder.config and replace(plan, weights=plan.weights * 5 // 16).fits:
        found.append('a GPTQ or AWQ build served by vLLM, with engine.name = "openai"')
    would = f"What would: {'; or '.join(found)}" if found else "No setting would make it fit: more memory is needed"
    raise EngineUnavailableError(f"{folder.path.name} does not fit: {plan.line()}. {would}")


def _smaller_model(plan: MemoryPlan) -> str | None:
    """Return the largest known model that would fit with one slot."""
    tokens = min(plan.window, _MODEST_WINDOW)
    fitting = [
        model
        for model in KNOWN_MODELS
        if model.kind == "engine"
        and model.suggested
        and (weights := model.gigabytes * 1e9 * plan.element / 2) < plan.weights
        and weights + model.cache_kibibytes * 1024 * tokens * plan.element / 2 + plan.reserve <= plan.free
    ]
    return max(fitting, key=lambda model: model.gigabytes).name if fitting else None


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 10_000_000 else f"{count / 1e6:.2f} MB"
