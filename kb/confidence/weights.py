"""Weights of `kb/confidence/estimate.py`. Written by `python -m benchmarks.fit_confidence --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Weights = tuple[Mapping[str, float], float]

# Of embedders without a fit of their own only what the words show is looked at.
DEFAULT: Final[Weights] = (
    {
        "keyword": 4.4619,
        "bm25": 3.6087,
        "passage": 3.1060,
        "seen": 1.7396,
        "margin": 5.4153,
        "length": 3.5478,
    },
    -8.3710,
)
CONFIDENCE_WEIGHTS: Final[Mapping[str, Weights]] = {
    "hash": (
        {
            "keyword": 4.4431,
            "bm25": 1.4429,
            "passage": 3.2482,
            "seen": 1.5648,
            "margin": 6.0288,
            "length": 3.0552,
            "dense": 0.2645,
            "trust": 0.6696,
        },
        -8.0578,
    )
}
