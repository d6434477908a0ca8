"""Logistic regression by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 30


def fit_logistic(
    features: NDArray[np.float64], labels: NDArray[np.float64], *, penalty: float
) -> tuple[NDArray[np.float64], float]:
    """Return weights (f,) and bias of the model of `labels` (n,) in {0, 1} on `features` (n, f).

    `penalty` is the weight of the squared coefficients of the standardised features; a constant feature gets weight 0.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0)
    varies = spread > 1e-9
    spread = np.where(varies, spread, 1.0)
    design = np.column_stack([(features - middle) / spread, np.ones(len(features))])
    weights = np.zeros(design.shape[1])
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 0.0
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-design @ weights))
        gradient = design.T @ (chance - labels) + ridge * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    slopes = np.where(varies, weights[:-1] / spread, 0.0)
    return slopes, float(weights[-1] - slopes @ middle)
