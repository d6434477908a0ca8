"""Weights of `kb/confidence/estimate.py`. Written by `python -m benchmarks.fit_confidence --write`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Weights = tuple[Mapping[str, float], float]

# Of embedders without a fit of their own only what the words show is looked at.
DEFAULT: Final[Weights] = (
    {
        "keyword": 4.5524,
        "bm25": 3.5186,
        "passage": 3.0136,
        "seen": 1.6972,
        "margin": 5.5518,
        "length": 3.5952,
    },
    -8.4114,
)
CONFIDENCE_WEIGHTS: Final[Mapping[str, Weights]] = {
    "hash": (
        {
            "keyword": 4.4721,
            "bm25": 1.5900,
            "passage": 3.1493,
            "seen": 1.5340,
            "margin": 6.1405,
            "length": 3.1898,
            "trust": 0.6609,
        },
        -8.0147,
    )
}
