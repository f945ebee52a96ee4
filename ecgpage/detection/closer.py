"""Further looks at a page: at the part that holds its leads, where they are larger, and squeezed to the usual shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ecgpage.detection.detector import DetectorSettings
from ecgpage.detection.lead_boxes import LEAST_SCORE
from ecgpage.geometry import map_box
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
"""Shares of the boxes' common width and height seen around them at a second look: further leads may lie there."""

USUAL_SHAPE = INPUT[1] / INPUT[0]
"""Width over height of the detector's input, which a squeezed page fills."""

WIDE, TALL = 1.6, 2.0
"""How many times wider or higher than the usual shape a page is from which on, where leads are not clear, it is looked
at squeezed to it: paper that runs fast or long looks so as at the usual speed, a tall figure's rows become larger."""

SQUEEZED = (1.0, 0.5)
"""Shares of the way to the usual shape by which such a page is squeezed: on paper of forty seconds, squeezed all the
way, beats stand too close to be known."""


class Look(NamedTuple):
    """A further look: shares of the boxes' common width and height seen around them, and whether squeezed."""

    around: tuple[float, float]
    squeezed: bool


AGAIN = (Look((0.01, 0.02), False), Look((0.05, 0.05), False), Look((0.1, 0.2), True))
"""How a page that no arrangement explains well is looked at again."""


Region = tuple[float, float, float, float]
"""A part of a page: x0, y0, x1, y1, page pixels."""


def detect_closely(
    detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None = None
) -> list[LeadBox]:
    """Detect the leads of a page, and again on the part that holds them where that is much smaller.

    gridded: where a grid is printed; looked at first where little is found on the whole page. A wide or a tall page on
    which little is found is looked at squeezed as well, more and less. Boxes in page pixels, of the look that gives the
    best evidence.
    """
    boxes = _detect_closely(detector, page, gridded)
    if evidence(boxes) < CLEAR_LEADS and is_unusual(page.size):
        looks = [_detect_squeezed(detector, page, gridded, share) for share in SQUEEZED]
        boxes = max(boxes, *looks, key=evidence)
    return boxes


def _detect_squeezed(
    detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None, share: float
) -> list[LeadBox]:
    """As `_detect_closely`, on the page squeezed towards the usual shape; boxes in the page's own pixels."""
    usual = squeezed(page, share)
    there = gridded and map_box(np.linalg.inv(usual.page_to_picture) @ page.page_to_picture, gridded)
    return _on_page(page, usual, _detect_closely(detector, usual, there))


def _detect_closely(detector: Callable[[Page], list[LeadBox]], page: Page, gridded: Region | None) -> list[LeadBox]:
    """Detect on the whole page, where little is found on its grid, and on the part that holds what was found."""
    boxes = detector(page)
    if gridded is not None and evidence(boxes) < CLEAR_LEADS:
        boxes = max(boxes, _look(detector, page, gridded), key=evidence)
    region = _around(boxes, AROUND)
    return boxes if region is None else max(boxes, _look(detector, page, region), key=evidence)


def look_again(
    detector: Callable[[Page], list[LeadBox]],
    reader: Callable[[Page, Sequence[LeadBox]], list[LeadBox]] | None,
    page: Page,
    boxes: Sequence[LeadBox],
) -> list[list[LeadBox]]:
    """What each of the looks `AGAIN` finds where these boxes are: cut closely, and from further off but squeezed.

    Boxes in page pixels, their names read on what was looked at. No look where hardly anything was found, or what was
    found is too small to show anything.
    """
    looks = []
    for look in AGAIN:
        region = _around(boxes, look.around)
        part = None if region is None else _part(page, region)
        if part is not None:
            seen = squeezed(part) if look.squeezed else part
            found = _on_page(part, seen, detector(seen))
            looks.append(_on_page(page, part, found if reader is None else reader(part, found)))
    return looks


def _around(boxes: Sequence[LeadBox], shares: tuple[float, float]) -> Region | None:
    """What all sure boxes take together, and shares of its width and height around; None of less than two boxes."""
    sure = np.array([box.box for box in boxes if box.score >= LEAST_SCORE]).reshape(-1, 4)
    if len(sure) < 2:
        return None
    low, high = sure[:, :2].min(axis=0), sure[:, 2:].max(axis=0)
    more = np.array(shares) * (high - low)
    (x0, y0), (x1, y1) = low - more, high + more
    return float(x0), float(y0), float(x1), float(y1)


def _look(detector: Callable[[Page], list[LeadBox]], page: Page, region: Region) -> list[LeadBox]:
    """Detect on a part of a page, boxes in the page's pixels; nothing where it would be hardly larger to see."""
    part = _part(page, region)
    if part is None or Letterbox.fit(*part.size, INPUT).scale < GAIN * Letterbox.fit(*page.size, INPUT).scale:
        return []
    return _on_page(page, part, detector(part))


def _part(page: Page, region: Region) -> Page | None:
    """What of a region lies on the page, as a page of its own; None where that is too small to show anything."""
    height, width = page.size
    x0, y0 = np.floor(np.clip(region[:2], 0, [width - 1, height - 1])).astype(int)
    x1, y1 = np.ceil(np.clip(region[2:], 0, [width - 1, height - 1])).astype(int)
    size = (int(y1 - y0 + 1), int(x1 - x0 + 1))
    shift = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    return None if min(size) < SMALLEST else Page(page.image, size, page.page_to_picture @ shift, page.outlined)


def is_unusual(size: tuple[int, int]) -> bool:
    """Whether a page of this (height, width) is so wide or tall that it is also looked at squeezed."""
    shape = size[1] / size[0] / USUAL_SHAPE
    return shape > WIDE or 1 / shape > TALL


def squeezed(page: Page, share: float = 1.0) -> Page:
    """A page squeezed to the usual shape: in width where it is wider, else in height. share: of the way there, by the
    logarithm of its shape."""
    height, width = page.size
    across, down = max(1.0, width / (USUAL_SHAPE * height)) ** share, max(1.0, USUAL_SHAPE * height / width) ** share
    matrix = page.page_to_picture @ np.diag([across, down, 1.0])
    return Page(page.image, (round(height / down), round(width / across)), matrix, page.outlined)


def _on_page(page: Page, seen: Page, boxes: Sequence[LeadBox]) -> list[LeadBox]:
    """Boxes on what was seen of a page as boxes on the page, in its pixels."""
    seen_to_page = np.linalg.inv(page.page_to_picture) @ seen.page_to_picture
    return [replace(one, box=map_box(seen_to_page, one.box)) for one in boxes]


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
