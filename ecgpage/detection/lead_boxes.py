"""Measures of lead boxes, and what can be said of them before their arrangement is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.recording import LeadBox

STRIP_WIDTH = 2.2
"""A box this many times as wide as a short lead is a rhythm strip."""

LEAST_SCORE = 0.25
"""A box below this score counts only where a recognised arrangement expects one."""


def remove_duplicates(boxes: Sequence[LeadBox], overlap: float = 0.6) -> list[LeadBox]:
    """Best-scored boxes first, each overlapping the ones before it by at most ``overlap`` (IoU), whatever its name."""
    kept: list[LeadBox] = []
    for box in sorted(boxes, key=lambda candidate: -candidate.score):
        if all(iou(box.box, other.box) <= overlap for other in kept):
            kept.append(box)
    return kept


def split_strips(boxes: Sequence[LeadBox]) -> tuple[list[LeadBox], list[LeadBox]]:
    """Separate short leads from rhythm strips, by width."""
    sure = [width(box) for box in boxes if box.score >= LEAST_SCORE] or [width(box) for box in boxes]
    if not sure:
        return [], []
    usual = float(np.quantile(sure, 0.4, method="lower"))
    short = [box for box in boxes if 0.4 * usual <= width(box) <= STRIP_WIDTH * usual]
    return short, [box for box in boxes if width(box) > STRIP_WIDTH * usual]


def centers(boxes: Sequence[LeadBox]) -> np.ndarray:
    """Middles (N, 2) of boxes, (x, y) page pixels."""
    values = np.array([box.box for box in boxes], dtype=np.float64).reshape(-1, 4)
    return (values[:, :2] + values[:, 2:]) / 2  # (N, 2)


def width(box: LeadBox) -> float:
    """A box's extent in x."""
    return box.box[2] - box.box[0]


def height(box: LeadBox) -> float:
    """A box's extent in y."""
    return box.box[3] - box.box[1]


def middle(box: LeadBox) -> float:
    """The y of a box's middle."""
    return (box.box[1] + box.box[3]) / 2


def iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two corner-form boxes."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0
