"""F-measures of multi-label classification, as the Challenge counts them, and the thresholds that they favour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CANDIDATES = 24
"""Thresholds tried per class when thresholds are chosen together."""

AS_GOOD = 0.005
"""F-measures closer than this to the best are as good, over a thousand records or so."""

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


def confusion_counts(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Return each class's (true positives, false positives, false negatives, true negatives): (classes, 4) int."""
    targets, predictions = targets.astype(bool), predictions.astype(bool)
    parts = (targets & predictions, ~targets & predictions, targets & ~predictions, ~targets & ~predictions)
    return np.stack([part.sum(axis=0) for part in parts], axis=1)


def macro_f_measure(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean F-measure over the classes present in ``targets``, (records, classes); NaN if there are none."""
    measures = class_f_measures(targets, predictions)
    present = np.isfinite(measures)
    return float(measures[present].mean()) if present.any() else float("nan")


def binary_f_measure(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean F-measure of abnormal and of normal; NaN where no record is known to be either.

    targets: (records,) 1 abnormal, 0 normal, NaN unknown, which does not count; predictions: (records,) bool.
    """
    known = np.isfinite(targets)
    abnormal, said = targets[known] > 0.5, predictions[known].astype(bool)
    return macro_f_measure(np.stack([abnormal, ~abnormal], axis=1), np.stack([said, ~said], axis=1))


def choose_binary_threshold(targets: np.ndarray, probabilities: np.ndarray, default: float = 0.5) -> float:
    """Return the probability of "abnormal" from which on it is said: the mean of those of about the best
    ``binary_f_measure`` (within ``AS_GOOD``), as which of them is the very best is chance.

    targets, probabilities: (records,). Without known records of both kinds ``default``.
    """
    known = np.isfinite(targets)
    if len(set(targets[known].tolist())) < 2:
        return default
    candidates = np.unique(np.quantile(probabilities[known], np.linspace(0.02, 0.98, 97)))
    measures = [binary_f_measure(targets, probabilities >= candidate) for candidate in candidates]
    best = np.flatnonzero(np.array(measures) >= max(measures) - AS_GOOD)
    return float(np.clip(candidates[best].mean(), LOWEST, 1 - LOWEST))


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


def reliability(targets: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Compare what was said with what was true, in ``bins`` equal stretches of probability, empty ones left out.

    targets: (records,) of 0 and 1; probabilities: (records,). Each entry holds its stretch (from, to), its number of
    records, their mean probability (said) and their share of positives (true).
    """
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        {
            "from": k / bins,
            "to": (k + 1) / bins,
            "records": int(there.sum()),
            "said": float(probabilities[there].mean()),
            "true": float(targets[there].mean()),
        }
        for k in range(bins)
        if (there := place == k).any()
    ]


def calibration_error(targets: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: the mean over records of how far apart ``reliability``'s said and true
    are; NaN without records."""
    parts = reliability(targets, probabilities, bins)
    total = sum(part["records"] for part in parts)
    return sum(part["records"] * abs(part["said"] - part["true"]) for part in parts) / total if total else float("nan")


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
