"""What runs a bge model: token ids in, unit vectors out, in small batches of like lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from indexes.embedding import Vectors
from indexes.errors import EngineUnavailableError

RuntimeName = Literal["torch", "onnx-fp32", "onnx-int8"]
RuntimeSetting = Literal["auto", "torch", "onnx"]
TokenIds = Sequence[Sequence[int]]


class Runtime(Protocol):
    """A loaded model. `encode` may be called by one thread at a time."""

    @property
    def name(self) -> RuntimeName:
        """Which path it is."""
        ...

    @property
    def batch_size(self) -> int:
        """The number of texts in one forward pass that suits it."""
        ...

    def encode(self, token_ids: TokenIds) -> Vectors:
        """Return the sentence vectors (len(token_ids), dimension) of one batch, of any length."""
        ...


def embed_tokens(runtime: Runtime, token_ids: TokenIds) -> Vectors:
    """Return the unit vectors (len(token_ids), dimension) of tokenised texts, in their order; at least one text.

    Sorted by length, so that little is padded. Raises EngineUnavailableError where a vector has no direction.
    """
    order = sorted(range(len(token_ids)), key=lambda number: len(token_ids[number]))
    rows: list[Vectors] = []
    for begin in range(0, len(order), runtime.batch_size):
        rows.append(runtime.encode([token_ids[number] for number in order[begin : begin + runtime.batch_size]]))
    vectors = np.empty((len(order), rows[0].shape[1]), dtype=np.float32)
    vectors[order] = np.concatenate(rows)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not norms.all():
        raise EngineUnavailableError("the model gives vectors that are not finite: its weights are damaged")
    unit: Vectors = vectors / norms
    return unit


def padded(token_ids: TokenIds, pad_token: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids and the attention mask of a batch, both (texts, longest), filled up with `pad_token` and 0."""
    shape = (len(token_ids), max(map(len, token_ids)))
    ids, mask = np.full(shape, pad_token, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, tokens in enumerate(token_ids):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def missing_extra() -> EngineUnavailableError:
    """Return the error for packages of the `local` extra that are not installed."""
    return EngineUnavailableError("bge needs more packages: pip install 'qwen-kb[local]'")
