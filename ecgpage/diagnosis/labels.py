"""The classes: their order, their targets for training, and the labels that probabilities amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

CHALLENGE_CLASSES = (
    "NORM",
    "Acute MI",
    "Old MI",
    "STTC",
    "CD",
    "HYP",
    "PAC",
    "PVC",
    "AFIB/AFL",
    "TACHY",
    "BRADY",
)
RHYTHMS = frozenset({"PAC", "PVC", "AFIB/AFL", "TACHY", "BRADY"})
"""Classes that say nothing on whether the record is normal; all others but NORM make it abnormal."""

NORMAL = "NORM"
ABNORMAL = "abnormal"


def read_classes(labels: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return every class that occurs: those of the Challenge in its order, then others alphabetically."""
    found = {name for record in labels for name in record}
    return tuple(name for name in CHALLENGE_CLASSES if name in found) + tuple(sorted(found - set(CHALLENGE_CLASSES)))


def targets_of(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return (classes + 1,) float32: 1 for each class named, then 1 abnormal, 0 normal, NaN where labels do not say."""
    diagnoses = set(labels) - RHYTHMS
    abnormal = float(bool(diagnoses - {NORMAL})) if diagnoses else float("nan")
    return np.array([float(name in labels) for name in classes] + [abnormal], np.float32)


def decide(probabilities: np.ndarray, thresholds: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return which classes each record is given: (records, classes) bool, at least one per record.

    probabilities: (records, classes); thresholds: (classes,). A class is given from its threshold on; where none is
    reached, the class that comes nearest in proportion. NORM and a diagnosis exclude each other: the one further above
    its threshold, in proportion, stays.
    """
    ratios = probabilities / thresholds
    chosen = ratios >= 1
    nearest = np.argmax(ratios, axis=1)
    chosen[np.arange(len(chosen)), nearest] |= ~chosen.any(axis=1)
    diagnoses = np.array([name not in RHYTHMS and name != NORMAL for name in classes])
    if NORMAL in classes and diagnoses.any():
        normal = list(classes).index(NORMAL)
        strongest = np.where(chosen & diagnoses, ratios, -np.inf).max(axis=1)
        ill = strongest >= ratios[:, normal]
        healthy = chosen[:, normal] & ~ill
        chosen[:, normal] &= ~ill
        chosen &= ~(healthy[:, None] & diagnoses)
    return chosen


def decide_labels(probabilities: np.ndarray, thresholds: np.ndarray, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of one record, in the order of ``classes``; probabilities: (classes,), see ``decide``."""
    chosen = decide(probabilities[None], thresholds, classes)[0]
    return tuple(name for name, taken in zip(classes, chosen, strict=True) if taken)
