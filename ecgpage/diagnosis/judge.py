"""From logits of records that no network was trained on to fusion, thresholds and the choice of what to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ecgpage.diagnosis.fusion import Fusion, equal_fusion, fit_fusion
from ecgpage.diagnosis.labels import decide
from ecgpage.diagnosis.metrics import (
    binary_f_measure,
    choose_binary_threshold,
    choose_thresholds,
    macro_f_measure,
    refine_thresholds,
)


@dataclass(frozen=True)
class OutOfFold:
    """What networks said of records that they were not trained on.

    names: of the records; classes; targets: (records, classes + 1), see ``labels.targets_of``; logits: (records,
    classes + 1) of each member; folds: (records,).
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    targets: np.ndarray
    logits: Mapping[str, np.ndarray]
    folds: np.ndarray

    def chosen(self, keep: np.ndarray) -> OutOfFold:
        """Those of a mask (records,)."""
        names = tuple(np.array(self.names)[keep].tolist())
        logits = {member: part[keep] for member, part in self.logits.items()}
        return OutOfFold(names, self.classes, self.targets[keep], logits, self.folds[keep])

    def stacked(self, members: Sequence[str]) -> np.ndarray:
        """(records, members, classes + 1)."""
        return np.stack([self.logits[member] for member in members], axis=1)


@dataclass(frozen=True)
class Judge:
    """How logits become labels: a fusion of ``members``, and thresholds (classes + 1,), that of "abnormal" last."""

    members: tuple[str, ...]
    fusion: Fusion
    thresholds: np.ndarray


def choose_judge(unseen: OutOfFold, report: Callable[[str], None]) -> Judge:
    """The members, alone or together, that do best on unseen records, with fusion and thresholds fitted to those.

    Best is the sum of the macro F-measures over the classes and over normal and abnormal, each fold judged with what
    was fitted to the others.
    """
    candidates = combinations(unseen)
    worth = {}
    for members in candidates:
        decided, abnormal, _ = judge_unseen(unseen, members)
        classes_f = macro_f_measure(unseen.targets[:, :-1], decided)
        binary_f = binary_f_measure(unseen.targets[:, -1], abnormal)
        report(f"{' and '.join(members)}: macro F {classes_f:.3f}, binary F {binary_f:.3f} on unseen records")
        worth[members] = float(np.nansum([classes_f, binary_f]))
    return fit_judge(unseen, max(candidates, key=lambda members: worth[members]))


def combinations(unseen: OutOfFold) -> list[tuple[str, ...]]:
    """Each member by itself, and all together."""
    members = tuple(unseen.logits)
    return [(member,) for member in members] + ([members] if len(members) > 1 else [])


def fit_judge(unseen: OutOfFold, members: tuple[str, ...], keep: np.ndarray | None = None) -> Judge:
    """Fit fusion and thresholds to the unseen records (those of ``keep``, (records,) bool)."""
    chosen = slice(None) if keep is None else keep
    logits, targets = unseen.stacked(members)[chosen], unseen.targets[chosen]
    if not len(targets):
        outputs = targets.shape[1]
        return Judge(members, equal_fusion(len(members), outputs), np.full(outputs, 0.5))
    fusion = fit_fusion(logits, targets)
    probabilities = fusion(logits)
    rule = partial(decide, classes=unseen.classes)
    thresholds = choose_thresholds(targets[:, :-1], probabilities[:, :-1])
    thresholds = refine_thresholds(targets[:, :-1], probabilities[:, :-1], thresholds, rule)
    abnormal = choose_binary_threshold(targets[:, -1], probabilities[:, -1])
    return Judge(members, fusion, np.append(thresholds, abnormal))


def judge_unseen(unseen: OutOfFold, members: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judge each fold with fusion and thresholds fitted to the other folds.

    Returns (classes given (records, classes) bool, judged abnormal (records,) bool, probabilities (records,
    classes + 1)).
    """
    logits = unseen.stacked(members)
    decided = np.zeros((len(logits), len(unseen.classes)), bool)
    abnormal = np.zeros(len(logits), bool)
    probabilities = np.zeros(unseen.targets.shape)
    for fold in set(unseen.folds.tolist()):
        there = unseen.folds == fold
        judge = fit_judge(unseen, members, ~there)
        probabilities[there] = judge.fusion(logits[there])
        decided[there] = decide(probabilities[there, :-1], judge.thresholds[:-1], unseen.classes)
        abnormal[there] = probabilities[there, -1] >= judge.thresholds[-1]
    return decided, abnormal, probabilities
