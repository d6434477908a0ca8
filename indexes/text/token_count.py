"""A token count that needs no model: close to what BERT-like tokenizers give, for embedders without one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from indexes.text.folding import code_points
from indexes.text.pieces import IDEOGRAPH, SEPARATOR, kind_table

PIECE_LETTERS = 8
"""Letters or digits that a word piece holds at most."""


def count_simple_tokens(texts: Sequence[str]) -> list[int]:
    """Return the number of tokens of each text: one for each CJK character, each piece of up to eight letters or
    digits of a word, and each other visible character; white space and control characters count nothing.
    """  # fmt: skip
    if not texts:
        return []
    points = code_points("\n".join(texts))
    kinds = kind_table()[points]
    tokens = (kinds == IDEOGRAPH) | ((kinds == SEPARATOR) & ~_blank_table()[points])
    in_word = (kinds != IDEOGRAPH) & (kinds != SEPARATOR)
    begins = in_word.copy()
    begins[1:] &= kinds[1:] != kinds[:-1]
    # A piece begins at every eighth character of a run, counted from where the run begins.
    here = np.arange(points.size)
    run_begins = np.maximum.accumulate(np.where(begins, here, 0))
    tokens |= in_word & ((here - run_begins) % PIECE_LETTERS == 0)
    running = np.concatenate(([0], np.cumsum(tokens)))
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    ends = np.cumsum(lengths + 1) - 1
    counts: list[int] = (running[ends] - running[ends - lengths]).tolist()
    return counts


@lru_cache(maxsize=1)
def _blank_table() -> NDArray[np.bool_]:
    table = np.zeros(0x110000, dtype=np.bool_)
    table[:0x3001] = [character.isspace() or not character.isprintable() for character in map(chr, range(0x3001))]
    table[0xD800:0xE000] = True  # surrogates
    table[0xFEFF] = True
    return table
