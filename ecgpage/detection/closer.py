"""Further looks at a page: at the part that holds its leads, where they would be too small to be read, or squeezed."""

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

WIDE, USUAL_SHAPE = 2.0, 1.3
"""Widths over heights of pages: wider ones, on which leads are not clear, are looked at squeezed to the usual shape, as
paper that runs fast or long looks at the usual speed."""

AGAIN = (((0.01, 0.02), False), ((0.1, 0.2), True))
"""How a page that no arrangement explains well is looked at again: how much of the boxes' common width and height is
seen around them, and whether squeezed, so that the detector's input is filled."""


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
    usual, squeeze = _squeezed(page)
    there = gridded and (
        gridded[0] / squeeze[0],
        gridded[1] / squeeze[1],
        gridded[2] / squeeze[0],
        gridded[3] / squeeze[1],
    )
    return [_scaled(one, squeeze) for one in _detect_closely(detector, usual, there)]


def _detect_closely(detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None) -> list[LeadBox]:
    """Detect on the whole page, where little is found on its grid, and on the part that holds what was found."""
    boxes = detector(page)
    if gridded is not None and evidence(boxes) < CLEAR_LEADS:
        boxes = max(boxes, _look(detector, page, gridded), key=evidence)
    sure = np.array([box.box for box in boxes if box.score >= LEAST_SCORE]).reshape(-1, 4)
    if len(sure) < 2:
        return boxes
    low, high = sure[:, :2].min(axis=0), sure[:, 2:].max(axis=0)
    return max(boxes, _look(detector, page, _widened(low, high, AROUND)), key=evidence)


def look_again(
    detector: Callable[[Page], list[LeadBox]],
    reader: Callable[[Page, Sequence[LeadBox]], list[LeadBox]] | None,
    page: Page,
    boxes: Sequence[LeadBox],
) -> list[list[LeadBox]]:
    """What further looks find where these boxes are: one cut closely around them, and one from further off, squeezed
    to the shape of the detector's input.

    Boxes in page pixels, their names read on what was looked at. None where hardly anything was found.
    """
    sure = np.array([box.box for box in boxes if box.score >= LEAST_SCORE]).reshape(-1, 4)
    if len(sure) < 2:
        return []
    low, high = sure[:, :2].min(axis=0), sure[:, 2:].max(axis=0)
    looks = []
    for around, is_squeezed in AGAIN:
        part, corner = _part(page, _widened(low, high, around))
        if min(part.size) < SMALLEST:
            continue
        seen, squeeze = _squeezed(part) if is_squeezed else (part, (1.0, 1.0))
        found = [_scaled(one, squeeze) for one in detector(seen)]
        looks.append([_moved(one, corner) for one in (found if reader is None else reader(part, found))])
    return looks


def _widened(low: np.ndarray, high: np.ndarray, around: tuple[float, float]) -> Region:
    """A region from its corners (2,), with so many of its widths and heights around it."""
    more = np.array(around) * (high - low)
    (x0, y0), (x1, y1) = low - more, high + more
    return float(x0), float(y0), float(x1), float(y1)


def _look(detector: Callable[[Page], list[LeadBox]], page: Page, region: Region) -> list[LeadBox]:
    """Detect on a part of a page, boxes in the page's pixels; nothing where it would be hardly larger to see."""
    part, corner = _part(page, region)
    larger = GAIN * Letterbox.fit(*page.size, INPUT).scale
    if min(part.size) < SMALLEST or Letterbox.fit(*part.size, INPUT).scale < larger:
        return []
    return [_moved(one, corner) for one in detector(part)]


def _part(page: Page, region: Region) -> tuple[Page, tuple[float, float]]:
    """What of a region lies on the page, as a page of its own, and where on the page its first pixel is, (x, y)."""
    height, width = page.size
    x0, y0 = np.floor(np.clip(region[:2], 0, [width - 1, height - 1])).astype(int)
    x1, y1 = np.ceil(np.clip(region[2:], 0, [width - 1, height - 1])).astype(int)
    shift = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    part = Page(page.image, (int(y1 - y0 + 1), int(x1 - x0 + 1)), page.page_to_picture @ shift, page.outlined)
    return part, (float(x0), float(y0))


def _squeezed(page: Page) -> tuple[Page, tuple[float, float]]:
    """A page squeezed to the usual shape along its longer side, and how many of its pixels (x, y) one takes then."""
    height, width = page.size
    across, down = max(1.0, width / (USUAL_SHAPE * height)), max(1.0, USUAL_SHAPE * height / width)
    matrix = page.page_to_picture @ np.diag([across, down, 1.0])
    return Page(page.image, (round(height / down), round(width / across)), matrix, page.outlined), (across, down)


def _moved(box: LeadBox, corner: tuple[float, float]) -> LeadBox:
    x0, y0, x1, y1 = box.box
    return replace(box, box=(x0 + corner[0], y0 + corner[1], x1 + corner[0], y1 + corner[1]))


def _scaled(box: LeadBox, scale: tuple[float, float]) -> LeadBox:
    x0, y0, x1, y1 = box.box
    return replace(box, box=(scale[0] * x0, scale[1] * y0, scale[0] * x1, scale[1] * y1))


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
