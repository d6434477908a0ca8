"""Fusing dense and keyword scores: how far dense search is to be trusted for one question."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

# A deviation of this many standard deviations above the background counts as a full dense score.
_FULL_DEVIATION = 8.0
# Added to the background's spread, in cosine: with a handful of passages the spread itself is uncertain.
_SPREAD_FLOOR = 0.02
# Dense search agrees with keyword search where the best keyword passage stands out in it too.
_AGREEMENT_FROM, _AGREEMENT_FULL = 1.0, 3.0
# It is peaked where its best passage stands out further than the best of as many random passages would.
_PEAK_FROM, _PEAK_FULL = 0.75, 2.25
# Keyword search is weak where its best passage holds less than this of the question.
_WEAK_UNDER = 0.6
# Keyword scores this close are equal: the last digits are rounding.
_ALIKE = 1e-9


@dataclass(frozen=True, slots=True)
class Background:
    """What cosines this question has with passages at large: `middle` and `spread`, over `count` passages in all."""

    middle: float
    spread: float
    count: int

    @classmethod
    def of(cls, cosines: Scores, count: int) -> Background:
        """Take median and median deviation of a sample's cosines: the few passages that do answer do not shift them."""
        if not cosines.size:
            return cls(0.0, _SPREAD_FLOOR, count)
        values = cosines.round(9)
        middle = _median(values)
        # 1.4826 makes the median deviation of a normal distribution its standard deviation.
        return cls(middle, 1.4826 * _median(np.abs(values - middle)) + _SPREAD_FLOOR, count)

    def deviations(self, cosines: Scores) -> Scores:
        """Return how many spreads each cosine lies above the middle."""
        deviations: Scores = (cosines - self.middle) / self.spread
        return deviations


def trust(keyword: Scores, deviations: Scores, count: int) -> float:
    """Return how far dense search is to be trusted with this question, in [0, 1], among `count` passages.

    Fully where its best passages are those of keyword search, or where keyword search is weak and dense search is
    sharply peaked; not at all where it contradicts strong keyword evidence or shows no peak, as random vectors do.
    """
    if not keyword.size:
        return 0.0
    strength = float(keyword.max())
    if strength <= 0:
        return 1.0
    # Several passages may be best alike: which of them stands first hangs on their segments.
    best = float(deviations[keyword >= strength - _ALIKE].max())
    agreement = _ramp(best, _AGREEMENT_FROM, _AGREEMENT_FULL)
    expected = math.sqrt(2 * math.log(max(count, 2)))
    peak = _ramp(float(deviations.max()) - expected, _PEAK_FROM, _PEAK_FULL)
    return max(agreement, peak * max(0.0, 1 - strength / _WEAK_UNDER))


def fuse(keyword: Scores, deviations: Scores, share: float) -> Scores:
    """Return fused scores in [0, 1], higher is better: `share` of dense evidence, the rest of keyword evidence."""
    fused: Scores = (1 - share) * keyword + share * (deviations / _FULL_DEVIATION).clip(0, 1)
    return fused


def _median(values: Scores) -> float:
    """Return the median, the upper one of two: `numpy.median` takes ten times as long over a few hundred values."""
    return float(np.sort(values)[values.size // 2])


def _ramp(value: float, begin: float, end: float) -> float:
    return min(1.0, max(0.0, (value - begin) / (end - begin)))
