"""Comparing ways to run a bge model on the user's own weights and processor: closeness and speed."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from indexes.embedders.bge_directory import BgeDirectory
from indexes.embedders.bge_runtime import Runtime, embed_tokens
from indexes.embedders.probe_texts import PASSAGES, SENTENCES
from indexes.embedding import Vectors

_ROUNDS, _ENOUGH_SECONDS = 3, 3.0


def trial_tokens(directory: BgeDirectory, tokenizer: Tokenizer) -> list[list[int]]:
    """Return the token ids of the fixed texts, as passages and as questions, each within the model's length."""
    texts = [
        *SENTENCES,
        *PASSAGES,
        *(directory.query_prefix + text for text in SENTENCES[:8] if directory.query_prefix),
    ]
    limit = directory.max_tokens
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    return [ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]] for ids in encoded]


def least_cosine(vectors: Vectors, truth: Vectors) -> float:
    """Return the smallest cosine between two sets of unit vectors, row by row."""
    return float(np.sum(vectors.astype(np.float64) * truth, axis=1).min())


def tokens_per_second(runtimes: Sequence[Runtime], token_ids: list[list[int]]) -> list[float]:
    """Return how many tokens each runtime embeds in a second.

    The best of three rounds, or of as many as fit into three seconds each: rounds in turn, so that whatever else runs
    on the machine slows all of them alike. Passages alone, since those are what takes time.
    """
    passages = sorted(token_ids, key=len)[-len(PASSAGES) :]
    tokens = sum(map(len, passages))
    best, spent = [float("inf")] * len(runtimes), 0.0
    for _ in range(_ROUNDS):
        for number, runtime in enumerate(runtimes):
            begin = time.perf_counter()
            embed_tokens(runtime, passages)
            seconds = time.perf_counter() - begin
            best[number] = min(best[number], seconds)
            spent += seconds
        if spent > _ENOUGH_SECONDS * len(runtimes):
            break
    return [tokens / seconds for seconds in best]
