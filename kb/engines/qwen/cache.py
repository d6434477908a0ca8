"""Key-value caches that outlive their request: what two prompts begin with alike is read by the model once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from kb.engines.qwen.quantised_cache import CacheType, quantised_cache

# Room is taken in steps, so that most tokens are written in place; transformers' own layer copies itself at each.
_STEP: Final = 512
# Below this a common beginning is only the chat template's first words.
_WORTH_SHARING: Final = 16
# A prompt that goes on where a kept one ends takes its cache over; one that shares less leaves it to others.
_CONTINUES: Final = 0.8


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not followed by mypy
    """Keys and values of one layer, (1, heads, tokens, numbers), written into room that grows in steps."""

    def update(self, key_states: Any, value_states: Any, *arguments: Any, **named: Any) -> tuple[Any, Any]:
        """Append the states of new tokens; return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._key_room = self._value_room = key_states[..., :0, :]
        length = self.get_seq_length()
        total = length + key_states.shape[-2]
        if total > self._key_room.shape[-2]:
            self._key_room = _grown(self._key_room[..., :length, :], total, key_states)
            self._value_room = _grown(self._value_room[..., :length, :], total, value_states)
        self._key_room[..., length:total, :] = key_states
        self._value_room[..., length:total, :] = value_states
        self.keys, self.values = self._key_room[..., :total, :], self._value_room[..., :total, :]
        return self.keys, self.values


def _grown(old: Any, total: int, like: Any) -> Any:
    room = -(-total // _STEP) * _STEP
    new = torch.empty((*like.shape[:-2], room, like.shape[-1]), dtype=like.dtype, device=like.device)
    if old.shape[-2]:
        new[..., : old.shape[-2], :] = old
    return new


@dataclass(frozen=True, slots=True)
class _Kept:
    tokens: list[int]
    cache: Cache


class PromptCaches:
    """The caches of the last requests, at most `slots` of them with the one in use. For one request at a time."""

    def __init__(self, config: Any, slots: int, cache_type: CacheType = "auto") -> None:
        self._config = config
        self._type = cache_type
        self._slots = slots
        self._kept: list[_Kept] = []
        layers = DynamicCache(config=config).layers
        # Sliding windows and linear attention forget, and quantised caches only grow: they cannot go back to what two
        # prompts begin with alike, nor take a wrong guess back.
        self.can_rewind = cache_type == "auto" and bool(layers) and all(type(layer) is DynamicLayer for layer in layers)

    def take(self, prompt: list[int]) -> tuple[Cache, int]:
        """Return a cache to answer `prompt` with, and how many of its tokens the cache holds already.

        At least the last token of the prompt is left to read: its result chooses the first of the answer.
        """
        if not self.can_rewind:
            if self._type != "auto":
                return quantised_cache(self._config, self._type), 0
            return DynamicCache(config=self._config), 0
        shared, best = 0, None
        for kept in self._kept:
            if (length := _common(kept.tokens, prompt[:-1])) > shared:
                shared, best = length, kept
        if best is None or shared < _WORTH_SHARING:
            cache, shared = Cache(layer_class_to_replicate=GrowingLayer), 0
        elif shared >= _CONTINUES * len(best.tokens) or self._slots == 1:
            self._kept.remove(best)
            cache = best.cache
            cache.crop(shared - len(best.tokens))
        else:
            cache = _copy(best.cache, shared)
        del self._kept[: max(0, len(self._kept) - self._slots + 1)]
        return cache, shared

    def keep(self, tokens: list[int], cache: Cache) -> None:
        """Keep a cache that holds the states of `tokens`, as the last used."""
        if self.can_rewind:
            self._kept.append(_Kept(tokens, cache))


def _copy(cache: Cache, length: int) -> Cache:
    copy = Cache(layer_class_to_replicate=GrowingLayer)
    for index, layer in enumerate(cache.layers):
        copy.update(layer.keys[..., :length, :], layer.values[..., :length, :], index)
    return copy


def _common(left: list[int], right: list[int]) -> int:
    """Return how many tokens two prompts begin with alike."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(i for i in range(length) if left[i] != right[i])
