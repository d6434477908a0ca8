"""Weights of `kb/confidence.py`. Written by `python -m benchmarks.fit_confidence --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Weights = tuple[Mapping[str, float], float]

# Of embedders without a fit of their own only what the words show is looked at.
DEFAULT: Final[Weights] = (
    {
        "keyword": 3.6479,
        "bm25": 6.4502,
        "passage": 2.6472,
        "seen": 2.3506,
        "margin": 6.8070,
        "length": 4.4359,
    },
    -9.7792,
)
CONFIDENCE_WEIGHTS: Final[Mapping[str, Weights]] = {
    "hash": (
        {
            "keyword": 4.7109,
            "bm25": 2.6093,
            "passage": 2.6806,
            "seen": 2.4032,
            "margin": 6.5326,
            "length": 3.2423,
            "dense": 2.2879,
            "trust": 0.6167,
        },
        -9.6528,
    )
}
