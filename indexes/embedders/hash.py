"""The embedder that needs no model: terms and character n-grams hashed to a fixed number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexes.embedding import Vectors
from indexes.errors import ConfigurationError, UsageError
from indexes.records import EmbeddingIdentity
from indexes.text.folding import FOLD_VERSION, code_points, fold
from indexes.text.matching import cut_question
from indexes.text.pieces import LETTER, Pieces, cut, kind_table
from indexes.text.term_ids import Ids, segment_ids
from indexes.text.token_count import count_simple_tokens

_VERSION = 1
_MAX_TOKENS = 512
_BATCH_CHARACTERS = 1 << 17  # also the most texts in a batch: a row number has 18 bits
_PASSAGE_MARK = "\ufdd0"
_TERM, _TRIGRAM = 0, 1
# Shares of the kinds of features: trigrams catch variants of spelling. Chosen on the CMRC 2018 trial set and XQuAD,
# where giving single CJK characters less than bigrams and words made it worse. Whole numbers, so that sums and norms
# are exact and the vectors equal to the last bit whatever the processor.
_WEIGHTS = np.array([1000.0, 800.0])
_ROW_SHIFT, _KIND_SHIFT, _HASH_MASK = np.uint64(46), np.uint64(44), np.uint64((1 << 44) - 1)


class HashEmbedder:
    """Signed feature hashing (Weinberger et al., 2009) with sublinear term frequency.

    The same text gives the same vector on every machine and in every version of Python. It sees shared spelling, not
    meaning, so its share of the fused score is small.
    """

    def __init__(self, dimension: int = 512) -> None:
        if not 16 <= dimension <= 65536:
            raise ConfigurationError(f"the hash embedder needs 16 to 65536 dimensions, not {dimension}")
        self._dimension = dimension

    @property
    def identity(self) -> EmbeddingIdentity:
        """What the manifest records."""
        return EmbeddingIdentity(
            name="hash",
            model=f"hash-{self._dimension}",
            revision=f"{_VERSION}.{FOLD_VERSION}",
            dimension=self._dimension,
            pooling="sum",
            query_prefix="",
            max_tokens=_MAX_TOKENS,
        )

    @property
    def fusion_weight(self) -> float:
        """How much of the fused score dense search may have, in [0, 1]: little, for it sees what keywords see."""
        return 0.1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, as `token_count` defines them."""
        return count_simple_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of shape (len(texts), dimension). UsageError for a text of more than 512 tokens."""
        for number, count in enumerate(self.count_tokens(texts)):
            if count > _MAX_TOKENS:
                raise UsageError(f"text {number} has {count} tokens; the hash embedder takes at most {_MAX_TOKENS}")
        vectors = np.empty((len(texts), self._dimension), dtype=np.float32)
        begin = size = 0
        for number, text in enumerate(texts):
            size += len(text) + 1
            if size >= _BATCH_CHARACTERS or number == len(texts) - 1:
                vectors[begin : number + 1] = self._embed([fold(text) for text in texts[begin : number + 1]])
                begin, size = number + 1, 0
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector (dimension,) of a question, its question words left out."""
        question = cut_question(text)
        # The pieces of a question are at hand; a mark between passages would be cut out of it.
        pieces = None if _PASSAGE_MARK in question.folded else question.pieces
        vector: Vectors = self._embed([question.folded], pieces)[0]
        return vector

    def _embed(self, folded: list[str], pieces: Pieces | None = None) -> Vectors:
        """Return the unit vectors of folded texts, all hashed at once; of one text the `pieces` may be given.

        Each feature is one 64-bit key: row, kind and hash. Sorted keys bring repeats together.
        """
        folded = [text.replace(_PASSAGE_MARK, " ") for text in folded]
        places, kinds, ids = _features(_PASSAGE_MARK.join(folded), pieces)
        rows = np.searchsorted(np.cumsum([len(text) + 1 for text in folded]), places, side="right")
        keys = (rows.astype(np.uint64) << _ROW_SHIFT) | (kinds << _KIND_SHIFT) | (ids & _HASH_MASK)
        keys.sort()
        distinct, counts = _counted(keys)
        rows = (distinct >> _ROW_SHIFT).astype(np.int64)
        weights = np.rint(_WEIGHTS[(distinct >> _KIND_SHIFT) & np.uint64(1)] * (1 + np.log(counts)))
        signs = 1.0 - 2.0 * (distinct & np.uint64(1)).astype(np.float64)
        columns = (((distinct & _HASH_MASK) >> np.uint64(1)) % np.uint64(self._dimension)).astype(np.int64)
        shape = (len(folded), self._dimension)
        cells = rows * self._dimension + columns
        sums = np.bincount(cells, weights=weights * signs, minlength=shape[0] * shape[1])
        return _unit(sums.reshape(shape).astype(np.float64, copy=False))


def _features(joined: str, pieces: Pieces | None) -> tuple[NDArray[np.int64], Ids, Ids]:
    """Return offset, kind (index into `_WEIGHTS`) and id of each feature: terms, and the letter trigrams of words."""
    ids, places = (pieces or cut(joined)).terms()
    points = code_points(joined)
    letters = kind_table()[points] == LETTER
    begins = np.flatnonzero(letters[:-2] & letters[1:-1] & letters[2:])
    trigrams = segment_ids(points, begins, begins + 3)
    return (
        np.concatenate((places, begins)),
        np.repeat(np.array([_TERM, _TRIGRAM], dtype=np.uint64), [ids.size, begins.size]),
        np.concatenate((ids, trigrams)),
    )


def _counted(ordered: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Return the distinct values of a sorted array, and how often each occurs."""
    if not ordered.size:
        return ordered, np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[first], np.diff(np.append(first, ordered.size))


def _unit(sums: NDArray[np.float64]) -> Vectors:
    """Scale each row to length 1; a text without any feature points along the first axis."""
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    empty = norms[:, 0] == 0
    sums[empty, 0] = 1.0
    norms[empty] = 1.0
    vectors: Vectors = (sums / norms).astype(np.float32)
    return vectors
