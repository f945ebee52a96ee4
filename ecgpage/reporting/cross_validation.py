"""A cross-validation's figures as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgpage.diagnosis.labels import ABNORMAL
from ecgpage.diagnosis.metrics import (
    binary_f_measure,
    calibration_error,
    class_f_measures,
    confusion_counts,
    macro_f_measure,
    reliability,
)
from ecgpage.diagnosis.train import OutOfFold, combinations, judge_unseen
from ecgpage.reporting.tables import Value, markdown_table

if TYPE_CHECKING:
    from ecgpage.crossvalidation import CrossValidation

SNR_STEPS = (5, 10, 15)
"""dB; how well a page was read, for the table that tells what good reading is worth."""

PUBLISHED_BINARY = 0.8721
"""F-measure over normal and abnormal of the published system, 5-fold cross-validation on 21,799 records of PTB-XL
(Inventec AIC, Computing in Cardiology 2024)."""


def figures(found: CrossValidation) -> dict[str, Any]:
    """Return all figures, JSON-like: of folds, members, classes, kinds of pages, reliability."""
    result: dict[str, Any] = {
        "records": len(found.names),
        "folds": [
            {"fold": int(fold), "records": int((found.folds == fold).sum()), **_snr(found.snr[found.folds == fold])}
            for fold in np.unique(found.folds)
        ],
        "snr": _snr(found.snr),
    }
    if found.unseen is None:
        return result
    unseen = found.unseen
    place = {name: k for k, name in enumerate(found.names)}
    rows = [place[name] for name in unseen.names]
    profiles = np.array([found.profiles[k] or "not read" for k in rows])
    qualities = np.array([_quality(found.snr[k]) for k in rows])
    return result | {
        "judged": len(unseen.names),
        "classes": list(unseen.classes),
        "members": {
            " + ".join(members): _judged(unseen, members, profiles, qualities) for members in combinations(unseen)
        },
    }


def _snr(values: np.ndarray) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    if not known.size:
        return {"read": 0, "snr_mean": None, "snr_median": None}
    return {"read": int(known.size), "snr_mean": float(known.mean()), "snr_median": float(np.median(known))}


def _quality(snr: float) -> str:
    """Which of ``SNR_STEPS`` a page's reading belongs to."""
    if not np.isfinite(snr):
        return "unknown"
    low = max((step for step in SNR_STEPS if snr >= step), default=None)
    if low is None:
        return f"below {SNR_STEPS[0]} dB"
    return f"{low} to {low + 5} dB" if low < SNR_STEPS[-1] else f"{low} dB and more"


def _judged(unseen: OutOfFold, members: tuple[str, ...], profiles: np.ndarray, qualities: np.ndarray) -> dict[str, Any]:
    decided, abnormal, probabilities = judge_unseen(unseen, members)

    def measures(keep: np.ndarray) -> dict[str, Any]:
        targets = unseen.targets[keep]
        return {
            "records": int(keep.sum()),
            "macro_f": macro_f_measure(targets[:, :-1], decided[keep]),
            "binary_f": binary_f_measure(targets[:, -1], abnormal[keep]),
        }

    folds = np.unique(unseen.folds)
    parts = [measures(unseen.folds == fold) for fold in folds]
    spread = {
        f"{name}_{what}": float(value)
        for name in ("macro_f", "binary_f")
        for what, value in (
            ("mean", np.nanmean([part[name] for part in parts])),
            ("deviation", np.nanstd([part[name] for part in parts], ddof=1) if len(parts) > 1 else np.nan),
        )
    }
    known = np.isfinite(unseen.targets[:, -1])
    sides = np.stack([unseen.targets[known, -1] > 0.5, unseen.targets[known, -1] < 0.5], axis=1)
    said = np.stack([abnormal[known], ~abnormal[known]], axis=1)
    return {
        "all": measures(np.ones(len(abnormal), bool)),
        **spread,
        "folds": [{"fold": int(fold), **part} for fold, part in zip(folds, parts, strict=True)],
        "classes": _classes(unseen.classes, unseen.targets[:, :-1] > 0.5, decided),
        "normal_or_abnormal": _classes((ABNORMAL, "normal"), sides, said),
        "profiles": {str(name): measures(profiles == name) for name in np.unique(profiles)},
        "qualities": {str(name): measures(qualities == name) for name in np.unique(qualities)},
        "reliability": reliability(unseen.targets[known, -1], probabilities[known, -1]),
        "calibration_error": {
            name: calibration_error(unseen.targets[rows, k], probabilities[rows, k])
            for k, name in enumerate((*unseen.classes, ABNORMAL))
            for rows in [np.isfinite(unseen.targets[:, k])]
        },
    }


def _classes(names: Sequence[str], targets: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    counts, measures = confusion_counts(targets, said), class_f_measures(targets, said)
    parts = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    return {
        name: {"f": float(measure), **dict(zip(parts, map(int, count), strict=True))}
        for name, measure, count in zip(names, measures, counts, strict=True)
    }


def markdown(result: Mapping[str, Any], title: str = "Cross-validation") -> str:
    """Return the figures as a Markdown page."""
    folds, members = result["folds"], result.get("members", {})
    header = ["fold", "records", "pages read", "SNR mean (dB)", "SNR median (dB)"]
    header += [f"{what}, {name}" for name in members for what in ("binary F", "macro F")]
    rows: list[list[Value]] = []
    for fold in folds:
        row = [str(fold["fold"]), fold["records"], fold["read"], fold["snr_mean"], fold["snr_median"]]
        judged = [{one["fold"]: one for one in part["folds"]}.get(fold["fold"], {}) for part in members.values()]
        rows.append(row + [one.get(part) for one in judged for part in ("binary_f", "macro_f")])
    snr = result["snr"]
    last: list[Value] = ["mean", result["records"], snr["read"], snr["snr_mean"], snr["snr_median"]]
    spread: list[Value] = ["deviation", None, None, None, None]
    for judged in members.values():
        last += [judged["binary_f_mean"], judged["macro_f_mean"]]
        spread += [judged["binary_f_deviation"], judged["macro_f_deviation"]]
    lines = [f"# {title}", "", markdown_table(header, [*rows, last, spread], 3)]
    lines += [
        "",
        "SNR: of the pages read against what they print, corrected alignment. Binary F: mean of the F-measures of"
        f" normal and abnormal; the published system's is {PUBLISHED_BINARY} on 21,799 records. Macro F: over the"
        " classes below. Fusion and thresholds of each fold are those fitted to the other folds.",
    ]
    for name, judged in members.items():
        lines += ["", f"## {name}"]
        for table in (_class_table, _profile_table, _quality_table, _reliability_table):
            lines += ["", table(judged)]
    return "\n".join(lines) + "\n"


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
