"""Mean average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from yolov7.boxes import pairwise_iou
from yolov7.postprocess import Detections

THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Precision:
    """Mean average precision over the classes present in the truth, at IoU 0.5 and averaged over 0.5 to 0.95; NaN where
    there is no truth at all."""

    map50: float
    map50_95: float


def mean_average_precision(
    detections: Sequence[Detections], truths: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Precision:
    """Judge the detections of images against their truths, (boxes (N, 4) corner form, classes (N,)) for each image."""
    classes = np.unique(np.concatenate([np.zeros(0, int), *(np.asarray(labels, int) for _, labels in truths)]))
    if not len(classes):
        return Precision(float("nan"), float("nan"))
    table = np.stack([_class_precision(detections, truths, int(label)) for label in classes])  # (classes, 10)
    return Precision(float(table[:, 0].mean()), float(table.mean()))


def _class_precision(
    detections: Sequence[Detections], truths: Sequence[tuple[np.ndarray, np.ndarray]], label: int
) -> np.ndarray:
    scores, hits, wanted = [np.zeros(0)], [np.zeros((0, len(THRESHOLDS)), bool)], 0
    for found, (boxes, labels) in zip(detections, truths, strict=True):
        truth = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)[np.asarray(labels, int) == label]
        mine = found.classes == label
        order = np.argsort(-found.scores[mine], kind="stable")
        scores.append(found.scores[mine][order])
        hits.append(_hits(found.boxes[mine][order], truth))
        wanted += len(truth)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right = np.concatenate(hits)[order]
    return np.array([average_precision(right[:, k], wanted) for k in range(len(THRESHOLDS))])


def _hits(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether each detection (N, best first) meets a truth not yet met, at each threshold: (N, 10)."""
    hits = np.zeros((len(found), len(THRESHOLDS)), bool)
    if not len(found) or not len(truth):
        return hits
    overlap = pairwise_iou(torch.as_tensor(found, dtype=torch.float64), torch.as_tensor(truth)).numpy()
    for k, threshold in enumerate(THRESHOLDS):
        free = overlap.copy()
        for n in range(len(found)):
            best = int(free[n].argmax())
            if free[n, best] >= threshold:
                hits[n, k] = True
                free[:, best] = -1
    return hits


def average_precision(right: np.ndarray, wanted: int) -> float:
    """Area under precision over recall, read at 101 recalls; ``right``: (N,) whether each detection, best first, is
    right; ``wanted``: how many objects there are."""
    if not wanted or not len(right):
        return 0.0
    found = np.cumsum(right)
    recall, precision = found / wanted, found / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-12)
    return float(np.where(index < len(recall), envelope[np.minimum(index, len(recall) - 1)], 0.0).mean())
