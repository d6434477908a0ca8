"""Weights of the extractive engine. Written by `python -m benchmarks.fit_extractive --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BIAS: Final = -15.3090
WEIGHTS: Final[Mapping[str, float]] = {
    "cover": 1.0481,
    "bigram_cover": -1.6062,
    "window_cover": 2.8647,
    "relative_cover": 2.3328,
    "is_best": 0.2606,
    "is_best_of_passage": 1.2159,
    "previous_cover": -1.7033,
    "next_cover": -2.0803,
    "first_passage": 1.4660,
    "relative_score": 9.2443,
    "log_length": 0.1930,
    "cue": 0.3276,
    "missing_cue": -1.3680,
    "definition_cue": -0.5255,
    "focus": 0.6666,
}
