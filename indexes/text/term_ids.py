"""64-bit ids of terms: the same on every machine and in every version of Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint64]

# Odd multipliers of SplitMix64 (Steele, Lea and Flood, 2014); the base only has to be odd.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_BASE = 0xD1342543DE82EF95
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)


def bigram_ids(first: Ids, second: Ids) -> Ids:
    """Return the term ids of the bigrams of the CJK characters with these unit ids."""
    return _finish(first * _MIX_1 + (second ^ _GAMMA) * _MIX_2)


def segment_ids(points: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Ids:
    """Return an id of `points[start:end]` for each segment: a polynomial hash modulo 2**64, mixed at the end.

    One prefix sum serves all segments, and dividing by the base's power (it is odd, so it has an inverse) makes the
    id independent of where the segment stands.
    """
    powers, inverses = _power_tables(points.size)
    prefix = np.zeros(points.size + 1, dtype=np.uint64)
    np.cumsum(_finish(points.astype(np.uint64) + np.uint64(1)) * powers[: points.size], out=prefix[1:])
    return _finish((prefix[ends] - prefix[starts]) * inverses[starts])


def _finish(values: Ids) -> Ids:
    """Mix the bits of each value (the finaliser of SplitMix64)."""
    values = values * _GAMMA
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))


_tables: tuple[Ids, Ids] = (np.ones(1, dtype=np.uint64), np.ones(1, dtype=np.uint64))


def _power_tables(size: int) -> tuple[Ids, Ids]:
    """Return powers of the base and of its inverse, at least `size` of each; kept and doubled as asked for."""
    global _tables
    tables = _tables
    if tables[0].size < size:
        length = max(1 << 14, 1 << (size - 1).bit_length())
        tables = (_powers(_BASE, length), _powers(_BASE_INVERSE, length))
        _tables = tables  # one reference is swapped: threads see the old pair or the new one
    return tables


def _powers(base: int, length: int) -> Ids:
    factors = np.full(length, base, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
