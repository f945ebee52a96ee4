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

SMALLEST = 16
"""Pixels; smaller parts show nothing."""

CLEAR_LEADS = 8.0
"""Evidence from which on a page's leads are clear."""

READABLE = 0.5
"""Share of the evidence whose names are read, from which on a page surely lies the right way up."""

INPUT = DetectorSettings().size
"""(height, width) by which the gain is judged: the shape of the usual detector's input."""

AROUND = (0.15, 0.3)
"""What is looked at around the boxes then, of their common width and height: further leads may lie there."""

WIDE, NARROWER = 2.0, 1.3
"""Widths over heights of pages: wider ones, on which leads are not clear, are looked at squeezed to the usual shape, as
paper that runs fast or long looks at the usual speed."""


Region = tuple[float, float, float, float]
"""A part of a page: x0, y0, x1, y1, page pixels."""


def detect_closely(
    detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None = None
) -> list[LeadBox]:
    """Detect the leads of a page, and again on the part that holds them where that is much smaller.

    gridded: where a grid is printed; looked at first where little is found on the whole page. A wide page on which
    little is found is looked at squeezed as well. Boxes in page pixels, of the look that gives the best evidence.
    """
    boxes = _detect_closely(detector, page, gridded)
    if evidence(boxes) < CLEAR_LEADS and page.size[1] > WIDE * page.size[0]:
        boxes = max(boxes, _detect_squeezed(detector, page, gridded), key=evidence)
    return boxes


def _detect_squeezed(detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None) -> list[LeadBox]:
    """As `_detect_closely`, on the page squeezed to the usual shape; boxes in the page's own pixels."""
    height, width = page.size
    squeeze = width / (NARROWER * height)
    narrow_to_picture = page.page_to_picture @ np.diag([squeeze, 1.0, 1.0])
    narrow = Page(page.image, (height, round(width / squeeze)), narrow_to_picture, page.outlined)
    there = gridded and (gridded[0] / squeeze, gridded[1], gridded[2] / squeeze, gridded[3])
    found = [(one, one.box) for one in _detect_closely(detector, narrow, there)]
    return [replace(one, box=(squeeze * x0, y0, squeeze * x1, y1)) for one, (x0, y0, x1, y1) in found]


def _detect_closely(detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None) -> list[LeadBox]:
    """Detect on the whole page, where little is found on its grid, and on the part that holds what was found."""
    boxes = detector(page)
    if gridded is not None and evidence(boxes) < CLEAR_LEADS:
        boxes = max(boxes, _look(detector, page, gridded), key=evidence)
    sure = np.array([box.box for box in boxes if box.score >= LEAST_SCORE]).reshape(-1, 4)
    if len(sure) < 2:
        return boxes
    low, high = sure[:, :2].min(axis=0), sure[:, 2:].max(axis=0)
    around = np.array(AROUND) * (high - low)
    return max(boxes, _look(detector, page, (*(low - around), *(high + around))), key=evidence)


def _look(detector: Callable[[Page], list[LeadBox]], page: Page, region: Region) -> list[LeadBox]:
    """Detect on a part of a page, boxes in the page's pixels; nothing where it would be hardly larger to see."""
    height, width = page.size
    x0, y0 = np.floor(np.clip(region[:2], 0, [width - 1, height - 1])).astype(int)
    x1, y1 = np.ceil(np.clip(region[2:], 0, [width - 1, height - 1])).astype(int)
    size = (int(y1 - y0 + 1), int(x1 - x0 + 1))
    if min(size) < SMALLEST or Letterbox.fit(*size, INPUT).scale < GAIN * Letterbox.fit(height, width, INPUT).scale:
        return []
    shift = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    part = Page(page.image, size, page.page_to_picture @ shift, page.outlined)
    return [replace(one, box=_moved(one.box, float(x0), float(y0))) for one in detector(part)]


def _moved(box: tuple[float, float, float, float], x: float, y: float) -> tuple[float, float, float, float]:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def evidence(boxes: Sequence[LeadBox]) -> float:
    """How much boxes look like a page's leads: the sum of the best score of each lead's name."""
    return sum(_best_scores(boxes).values())


def upright_evidence(boxes: Sequence[LeadBox]) -> float:
    """How much boxes look like the leads of a page that lies the right way up: as `evidence`, each score times how
    surely its name is read, for upside down nothing can be read."""
    return sum(_best_scores([replace(box, score=box.score * max(box.reading, default=1.0)) for box in boxes]).values())


def turns_to_try(boxes: Sequence[LeadBox]) -> tuple[int, ...]:
    """By how many quarter turns a page on which these boxes were found should be looked at as well."""
    if evidence(boxes) < CLEAR_LEADS:
        return (1, 2, 3)
    return () if upright_evidence(boxes) >= READABLE * evidence(boxes) else (2,)


def _best_scores(boxes: Sequence[LeadBox]) -> dict[str, float]:
    best: dict[str, float] = {}
    for box in boxes:
        best[box.name] = max(box.score, best.get(box.name, 0.0))
    return best
