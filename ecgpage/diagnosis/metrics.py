"""F-measures of multi-label classification, as the Challenge counts them, and the thresholds that they favour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CANDIDATES = 24
"""Thresholds tried per class when thresholds are chosen together."""

LOWEST = 1e-4
"""Thresholds stay in [1e-4, 1 - 1e-4]."""


def class_f_measures(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return each class's F-measure, 2 TP / (2 TP + FP + FN); NaN for a class that ``targets`` never holds.

    targets, predictions: (records, classes) bool.
    """
    targets, predictions = targets.astype(bool), predictions.astype(bool)
    hits = (targets & predictions).sum(axis=0)
    total = targets.sum(axis=0) + predictions.sum(axis=0)  # 2 TP + FP + FN
    present = targets.any(axis=0)
    return np.where(present, 2 * hits / np.maximum(total, 1), np.nan)


def macro_f_measure(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean F-measure over the classes present in ``targets``, (records, classes); NaN if there are none."""
    measures = class_f_measures(targets, predictions)
    present = np.isfinite(measures)
    return float(measures[present].mean()) if present.any() else float("nan")


def choose_thresholds(targets: np.ndarray, probabilities: np.ndarray, default: float = 0.5) -> np.ndarray:
    """Return the threshold of each class that gives its best F-measure, (classes,), in (0, 1).

    targets, probabilities: (records, classes). A class without a positive or without a negative record keeps
    ``default``.
    """
    thresholds = np.full(targets.shape[1], default)
    for index in range(targets.shape[1]):
        positive = targets[:, index].astype(bool)
        if positive.any() and not positive.all():
            thresholds[index] = _best_threshold(positive, probabilities[:, index])
    return thresholds


def refine_thresholds(
    targets: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    decide: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rounds: int = 2,
) -> np.ndarray:
    """Return thresholds (classes,) under which the decisions' macro F-measure is at least what it was.

    decide: (probabilities, thresholds) -> (records, classes) bool. Where classes exclude each other, the best threshold
    of one depends on the others'; so each in turn is moved to the best of its records' quantiles.
    """
    best = macro_f_measure(targets, decide(probabilities, thresholds))
    for _ in range(rounds):
        for index in range(len(thresholds)):
            for candidate in np.quantile(probabilities[:, index], np.linspace(0, 1, CANDIDATES)):
                trial = thresholds.copy()
                trial[index] = np.clip(candidate, LOWEST, 1 - LOWEST)
                measure = macro_f_measure(targets, decide(probabilities, trial))
                if measure > best:
                    best, thresholds = measure, trial
    return thresholds


def _best_threshold(positive: np.ndarray, probabilities: np.ndarray) -> float:
    """Put the threshold half way between the last record taken and the first one left."""
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    hits = np.cumsum(positive[order])
    measures = 2 * hits / (np.arange(1, len(ranked) + 1) + positive.sum())
    following = np.append(ranked[1:], 0.0)
    measures[ranked == following] = -1.0  # equal probabilities cannot be told apart
    best = int(np.argmax(measures))
    return float(np.clip((ranked[best] + following[best]) / 2, LOWEST, 1 - LOWEST))
