"""Weights of the extractive engine. Written by `python -m benchmarks.fit_extractive --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BIAS: Final = -15.6577
WEIGHTS: Final[Mapping[str, float]] = {
    "cover": 1.1733,
    "bigram_cover": -1.7128,
    "window_cover": 2.8896,
    "relative_cover": 2.3439,
    "is_best": 0.2678,
    "is_best_of_passage": 1.1674,
    "previous_cover": -1.7214,
    "next_cover": -2.1082,
    "first_passage": 1.4047,
    "relative_score": 9.6569,
    "log_length": 0.1935,
    "cue": 0.3380,
    "missing_cue": -1.2997,
    "definition_cue": -0.5427,
    "focus": 0.6274,
    "unit": 0.4666,
    "missing_unit": -1.2792,
}
