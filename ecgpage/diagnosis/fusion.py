"""From the networks' logits to one calibrated probability per class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

PULL = 2.0
"""How strongly weights are drawn to equal shares, in records: matters for classes of few examples only."""


@dataclass(frozen=True)
class Fusion:
    """Logistic regression on logits (Platt 1999 for one network, stacking for more).

    weights: (classes + 1, members); bias: (classes + 1,).
    """

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Logits (records, members, classes + 1) -> probabilities (records, classes + 1)."""
        return expit(np.einsum("rmc,cm->rc", logits, self.weights) + self.bias)


def equal_fusion(members: int, outputs: int) -> Fusion:
    """The mean of the members' logits, as they are."""
    return Fusion(np.full((outputs, members), 1 / members), np.zeros(outputs))


def fit_fusion(logits: np.ndarray, targets: np.ndarray) -> Fusion:
    """Fit on records that the networks have not seen: logits (records, members, classes + 1), targets (records,
    classes + 1) of 0, 1 and NaN for unknown. A class without positive or without negative records keeps equal weights.
    """
    fusion = equal_fusion(logits.shape[1], logits.shape[2])
    weights, bias = fusion.weights.copy(), fusion.bias.copy()
    for k in range(logits.shape[2]):
        known = np.isfinite(targets[:, k])
        positive = targets[known, k] > 0.5
        if positive.any() and not positive.all():
            weights[k], bias[k] = _fit(logits[known, :, k].astype(np.float64), positive)
    return Fusion(weights, bias)


def _fit(logits: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """(records, members) -> weights (members,), not below zero, and bias."""
    members = logits.shape[1]
    signs = np.where(positive, 1.0, -1.0)

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (logits @ values[:-1] + values[-1])
        pull = values[:-1] - 1 / members
        slope = -signs * expit(-margins)
        gradient = np.append(logits.T @ slope + 2 * PULL * pull, slope.sum())
        return float(np.logaddexp(0, -margins).sum() + PULL * (pull**2).sum()), gradient

    start = np.append(np.full(members, 1 / members), 0.0)
    bounds = [(0.0, None)] * members + [(None, None)]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1])
