"""Weights of `kb/confidence.py`. Written by `python -m benchmarks.fit_confidence --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Weights = tuple[Mapping[str, float], float]

# Of embedders without a fit of their own only what the words show is looked at.
DEFAULT: Final[Weights] = (
    {
        "keyword": 3.0198,
        "bm25": 6.6910,
        "passage": 3.6660,
        "seen": 1.0874,
        "margin": 6.2275,
        "length": 4.5656,
    },
    -8.7064,
)
CONFIDENCE_WEIGHTS: Final[Mapping[str, Weights]] = {
    "hash": (
        {
            "keyword": 4.3317,
            "bm25": 2.3282,
            "passage": 3.4324,
            "seen": 1.2545,
            "margin": 6.1562,
            "length": 3.1084,
            "dense": 3.3697,
            "trust": 0.5978,
        },
        -8.8535,
    )
}
