"""What the fits of this folder share: the regression, and weights as Python source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kb.confidence.logistic import fit_logistic

__all__ = ["fit_logistic", "literal"]


def literal(names: Sequence[str], weights: NDArray[np.float64]) -> str:
    """Return a dictionary of names and rounded weights as Python source."""
    lines = "".join(f'    "{name}": {weight:.4f},\n' for name, weight in zip(names, weights, strict=True))
    return "{\n" + lines + "}"
