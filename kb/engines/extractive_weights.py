"""Weights of the extractive engine. Written by `python -m benchmarks.fit_extractive --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BIAS: Final = -15.3529
WEIGHTS: Final[Mapping[str, float]] = {
    "cover": 1.0406,
    "bigram_cover": -1.6460,
    "window_cover": 2.8664,
    "relative_cover": 2.3399,
    "is_best": 0.2780,
    "is_best_of_passage": 1.2230,
    "previous_cover": -1.6651,
    "next_cover": -2.0279,
    "first_passage": 1.4696,
    "relative_score": 9.2212,
    "log_length": 0.2031,
    "cue": 0.3292,
    "missing_cue": -1.3791,
    "definition_cue": -0.5141,
    "focus": 0.6584,
}
