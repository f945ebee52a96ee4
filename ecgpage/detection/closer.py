"""A second look at pages whose leads take up a small part of the picture, where they would be too small to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ecgpage.detection.detector import DetectorSettings
from ecgpage.detection.lead_boxes import LEAST_SCORE
from ecgpage.recording import LeadBox, Page
from yolov7.postprocess import Letterbox

GAIN = 1.2
"""A second look is worth its time where it shows the leads so many times larger."""

INPUT = DetectorSettings().size

AROUND = (0.15, 0.3)
"""What is looked at around the boxes then, of their common width and height: further leads may lie there."""


def detect_closely(detector: Callable[[Page], list[LeadBox]], page: Page) -> list[LeadBox]:
    """Detect the leads of a page, and again on the part that holds them where that is much smaller.

    Boxes in page pixels, of the look that gives the better evidence.
    """
    boxes = detector(page)
    sure = np.array([box.box for box in boxes if box.score >= LEAST_SCORE]).reshape(-1, 4)
    if len(sure) < 2:
        return boxes
    low, high = sure[:, :2].min(axis=0), sure[:, 2:].max(axis=0)
    height, width = page.size
    around = np.array(AROUND) * (high - low)
    x0, y0 = np.floor(np.maximum(low - around, 0)).astype(int)
    x1, y1 = np.ceil(np.minimum(high + around, [width - 1, height - 1])).astype(int)
    size = (int(y1 - y0 + 1), int(x1 - x0 + 1))
    if Letterbox.fit(*size, INPUT).scale < GAIN * Letterbox.fit(height, width, INPUT).scale:
        return boxes
    shift = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    part = Page(page.image, size, page.page_to_picture @ shift, page.outlined)
    again = [replace(one, box=_moved(one.box, float(x0), float(y0))) for one in detector(part)]
    return max(boxes, again, key=evidence)


def _moved(box: tuple[float, float, float, float], x: float, y: float) -> tuple[float, float, float, float]:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def evidence(boxes: Sequence[LeadBox]) -> float:
    """How much boxes look like a page's leads: the sum of the best score of each lead's name."""
    best: dict[str, float] = {}
    for box in boxes:
        best[box.name] = max(box.score, best.get(box.name, 0.0))
    return sum(best.values())
