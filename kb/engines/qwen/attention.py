"""How attention is computed, and what continuous batching needs to know of it. Needs the `local` extra."""

from __future__ import annotations

from typing import Final

import torch

from indexes.errors import ConfigurationError

FLASH: Final = ("flash_attention_2",)
# Tokens that continuous batching reads in one step. Attention with masks needs this times the whole cache.
_STEP_TOKENS: Final = 2048
_STEP_TOKENS_WITH_MASKS: Final = 512
# Tokens of a page of the cache. The kernels of flash-attn take multiples of 256; the smaller, the more is shared.
_FLASH_PAGE: Final = 256
_PAGE: Final = 16
# The oldest cards that flash-attn has kernels for (Ampere).
_FLASH_CAPABILITY: Final = (8, 0)


def page_tokens(attention: str) -> int:
    """Return how many tokens a page of the cache holds in batches: whole pages are what requests share."""
    return _FLASH_PAGE if attention in FLASH else _PAGE


def tokens_at_once(attention: str) -> int:
    """Return how many tokens of prompts one step reads in batches, at most."""
    return _STEP_TOKENS if attention in FLASH else _STEP_TOKENS_WITH_MASKS


def usable_attention(attention: str, cards: list[torch.device]) -> str:
    """Return the implementation: flash attention where it is installed and can be used, else that of torch.

    `cards` are those that a model of 16-bit numbers goes to; none where it goes elsewhere or has others. Raises
    ConfigurationError where flash attention is asked for and cannot be.
    """
    usable = bool(cards) and all(_capability(card) >= _FLASH_CAPABILITY for card in cards) and _flash_installed()
    if attention == "auto":
        return FLASH[0] if usable else "sdpa"
    if attention in FLASH and not usable:
        raise ConfigurationError(
            f'engine.attention = "{attention}" needs a GPU of compute capability 8.0 or more (Ampere), 16-bit weights '
            'and the package flash-attn (pip install flash-attn); "sdpa" needs nothing'
        )
    return attention


def _flash_installed() -> bool:
    """Ask transformers, which knows old versions and another package of the same module apart."""
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())


def _capability(card: torch.device) -> tuple[int, int]:
    major, minor = torch.cuda.get_device_capability(card)
    return major, minor
