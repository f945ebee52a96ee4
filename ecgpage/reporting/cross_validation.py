"""A cross-validation's figures as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgpage.diagnosis.judge import OutOfFold, combinations, judge_unseen
from ecgpage.diagnosis.labels import ABNORMAL
from ecgpage.diagnosis.metrics import (
    binary_f_measure,
    calibration_error,
    class_f_measures,
    confusion_counts,
    macro_f_measure,
    reliability,
)
from ecgpage.reporting.tables import Value, markdown_table

QUALITIES = ((-np.inf, "below 5 dB"), (5.0, "5 to 10 dB"), (10.0, "10 to 15 dB"), (15.0, "15 dB and more"))
"""How well a page was read: the least SNR, dB, and its name, for the table that tells what good reading is worth."""

PUBLISHED_BINARY = 0.8721
"""F-measure over normal and abnormal of the published system, 5-fold cross-validation on 21,799 records of PTB-XL
(Inventec AIC, Computing in Cardiology 2024)."""


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    names, folds: of all records; profiles: the kind of page that was read, "" where none was; snr: (records,) dB, mean
    over the leads of what was read from the page, NaN where nothing was; unseen: of the labelled records, None where
    there are none.
    """

    names: tuple[str, ...]
    folds: np.ndarray
    profiles: tuple[str, ...]
    snr: np.ndarray
    unseen: OutOfFold | None


def figures(found: CrossValidation) -> dict[str, Any]:
    """Return all figures, JSON-like, None for what cannot be told: of folds, members, classes, kinds of pages."""
    folds = [
        {"fold": int(fold), "records": int((found.folds == fold).sum()), **_snr(found.snr[found.folds == fold])}
        for fold in np.unique(found.folds)
    ]
    result: dict[str, Any] = {"records": len(found.names), "folds": folds, "snr": _snr(found.snr)}
    result["spread"] = {name: _spread([fold[name] for fold in folds]) for name in ("snr_mean", "snr_median")}
    if found.unseen is None:
        return result
    unseen = found.unseen
    place = {name: k for k, name in enumerate(found.names)}
    rows = [place[name] for name in unseen.names]
    groups = {
        "profiles": {
            name or "not read": np.array([found.profiles[k] == name for k in rows])
            for name in sorted(set(found.profiles))
        },
        "qualities": {name: np.array([_quality(found.snr[k]) == name for k in rows]) for _, name in QUALITIES},
    }
    return result | {
        "judged": len(unseen.names),
        "classes": list(unseen.classes),
        "members": {" + ".join(members): _judged(unseen, members, groups) for members in combinations(unseen)},
    }


def _snr(values: np.ndarray) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    mean, median = (float(known.mean()), float(np.median(known))) if known.size else (None, None)
    return {"read": int(known.size), "snr_mean": mean, "snr_median": median}


def _quality(snr: float) -> str:
    """Which of ``QUALITIES`` an SNR, dB, belongs to; "" for NaN."""
    return next((name for least, name in reversed(QUALITIES) if snr >= least), "")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and standard deviation of what is known over folds."""
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    return {"mean": mean, "deviation": float(np.std(known, ddof=1)) if len(known) > 1 else None}


def _judged(
    unseen: OutOfFold, members: tuple[str, ...], groups: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, Any]:
    """Figures of one way of judging; groups: masks (records,) by name, of which each has its own figures."""
    decided, abnormal, probabilities = judge_unseen(unseen, members)

    def measures(keep: np.ndarray) -> dict[str, Any]:
        targets = unseen.targets[keep]
        macro, binary = (
            macro_f_measure(targets[:, :-1], decided[keep]),
            binary_f_measure(targets[:, -1], abnormal[keep]),
        )
        return {"records": int(keep.sum()), "macro_f": _finite(macro), "binary_f": _finite(binary)}

    folds = [{"fold": int(fold), **measures(unseen.folds == fold)} for fold in np.unique(unseen.folds)]
    known = np.isfinite(unseen.targets[:, -1])
    sides = np.stack([unseen.targets[known, -1] > 0.5, unseen.targets[known, -1] < 0.5], axis=1)
    said = np.stack([abnormal[known], ~abnormal[known]], axis=1)
    return {
        "all": measures(np.ones(len(abnormal), bool)),
        "spread": {name: _spread([fold[name] for fold in folds]) for name in ("binary_f", "macro_f")},
        "folds": folds,
        "classes": _classes(unseen.classes, unseen.targets[:, :-1] > 0.5, decided),
        "normal_or_abnormal": _classes((ABNORMAL, "normal"), sides, said),
        **{
            what: {name: measures(keep) for name, keep in kinds.items() if keep.any()} for what, kinds in groups.items()
        },
        "reliability": reliability(unseen.targets[known, -1], probabilities[known, -1]),
        "calibration_error": {
            name: _finite(calibration_error(unseen.targets[rows, k], probabilities[rows, k]))
            for k, name in enumerate((*unseen.classes, ABNORMAL))
            for rows in [np.isfinite(unseen.targets[:, k])]
        },
    }


def _classes(names: Sequence[str], targets: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    counts, measures = confusion_counts(targets, said), class_f_measures(targets, said)
    parts = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    return {
        name: {"f": _finite(measure), **dict(zip(parts, map(int, count), strict=True))}
        for name, measure, count in zip(names, measures, counts, strict=True)
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Return the figures as a Markdown page."""
    members = result.get("members", {})
    lines = ["# Cross-validation", "", _fold_table(result["folds"], result["spread"], members), ""]
    lines += [
        f"{result['records']} records, {result['snr']['read']} pages read."
        " SNR: of the pages read against what they print, corrected alignment. Binary F: mean of the F-measures of"
        f" normal and abnormal; the published system's is {PUBLISHED_BINARY} on 21,799 records. Macro F: over the"
        " classes below. Fusion and thresholds of each fold are those fitted to the other folds.",
    ]
    for name, judged in members.items():
        lines += ["", f"## {name}"]
        for table in (_class_table, _profile_table, _quality_table, _reliability_table):
            lines += ["", table(judged)]
    return "\n".join(lines) + "\n"


def _fold_table(
    folds: Sequence[Mapping[str, Any]], spread: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]]
) -> str:
    header = ["fold", "records", "pages read", "SNR mean (dB)", "SNR median (dB)"]
    header += [f"{what}, {name}" for name in members for what in ("binary F", "macro F")]
    rows: list[list[Value]] = []
    for fold in folds:
        row = [str(fold["fold"]), fold["records"], fold["read"], fold["snr_mean"], fold["snr_median"]]
        judged = [{one["fold"]: one for one in part["folds"]}.get(fold["fold"], {}) for part in members.values()]
        rows.append(row + [one.get(part) for one in judged for part in ("binary_f", "macro_f")])
    spreads = [*spread.values(), *(part for judged in members.values() for part in judged["spread"].values())]
    for what in ("mean", "deviation"):
        rows.append([what, None, None, *(part[what] for part in spreads)])
    return markdown_table(header, rows, 3)


def _class_table(judged: Mapping[str, Any]) -> str:
    rows = [
        [name, *(one[part] for part in ("true_positives", "false_positives", "false_negatives", "true_negatives", "f"))]
        + [judged["calibration_error"].get(name)]
        for name, one in (*judged["classes"].items(), *judged["normal_or_abnormal"].items())
    ]
    header = ["class", "true +", "false +", "false -", "true -", "F", "calibration error"]
    return markdown_table(header, rows, 3)


def _profile_table(judged: Mapping[str, Any]) -> str:
    return _group_table("pages", judged["profiles"])


def _quality_table(judged: Mapping[str, Any]) -> str:
    return _group_table("SNR of what was read", judged["qualities"])


def _group_table(what: str, groups: Mapping[str, Any]) -> str:
    rows = [[name, one["records"], one["binary_f"], one["macro_f"]] for name, one in groups.items()]
    return markdown_table([what, "records", "binary F", "macro F"], rows, 3)


def _reliability_table(judged: Mapping[str, Any]) -> str:
    rows = [[f"{b['from']:.1f} to {b['to']:.1f}", b["records"], b["said"], b["true"]] for b in judged["reliability"]]
    return markdown_table(["probability of abnormal", "records", "mean probability", "abnormal in fact"], rows, 3)
