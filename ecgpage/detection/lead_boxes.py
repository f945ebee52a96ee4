"""Measures of lead boxes, and what each says of its lead before the page's arrangement is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox

STRIP_WIDTH = 1.6
"""A box this many times as wide as a short lead is a rhythm strip."""

PART, LEVEL = 0.5, 0.8
"""Share of a rhythm strip's score up to which a box within its width is taken for a part of it, and share of the height
of both together that both have."""

OTHERWISE, WITHIN = 0.3, 0.8
"""Share of a lead's score that another box of it must have, and share of width and height that both have in common."""

LEAST_SCORE = 0.25
"""A box below this score counts only where a recognised arrangement expects one."""

FLOOR = 0.02
"""What a detector's score adds to every name: it may always be wrong."""

MISREAD = 0.03
"""How often a printed name is read as any other."""

DETECTOR_WEIGHT, READER_WEIGHT = 0.6, 1.0
"""How far the two witnesses of a name are believed; the detector's is also a guess from the place on the page."""


@dataclass(frozen=True)
class Candidate:
    """One place where a lead was detected, under one name or several.

    box: the best-scored box, renamed to the likeliest name. odds: (12,) for each of LEADS, log of how much likelier the
    evidence is under this name than under an unknown one. weight: in [0, 1], how surely this is a lead at all.
    inverted: whether, should it be aVR, the print says "-aVR". presence: in [0, 1], how surely this is a lead of some
    name, a detector's score being shared by the names that it may have.
    """

    box: LeadBox
    odds: np.ndarray
    weight: float
    inverted: bool
    presence: float

    def named(self, name: str) -> LeadBox:
        """The box under a name, aVR upside down where the print says so."""
        return replace(self.box, name=name, inverted=self.inverted and name == "aVR")


def candidates(boxes: Sequence[LeadBox], overlap: float = 0.72) -> list[Candidate]:
    """The distinct places among detected boxes, best-scored first.

    Boxes that overlap a better one by more than ``overlap`` (IoU), whatever their names, are the same place. Parts of a
    rhythm strip, see ``PART``, are left out.
    """
    groups: list[list[LeadBox]] = []
    for box in sorted(boxes, key=lambda candidate: -candidate.score):
        group = next((group for group in groups if iou(group[0].box, box.box) > overlap), None)
        if group is None:
            groups.append([box])
        else:
            group.append(box)
    best = [group[0] for group in groups]
    parts = {id(part) for strip in best for part in _parts(strip, best)}
    return [_candidate(group) for group in groups if id(group[0]) not in parts]


def seen_otherwise(lead: LeadBox, found: Sequence[Candidate]) -> LeadBox:
    """A lead of an arrangement with the other boxes of its name that were found where it is, higher or lower ones."""
    same = (one.box for one in found if one.box.name == lead.name and one.box.score >= OTHERWISE * lead.score)
    return replace(lead, others=tuple(box.box for box in same if _are_of_one(lead, box)) if lead.score > 0 else ())


def _are_of_one(lead: LeadBox, box: LeadBox) -> bool:
    """Whether a box spans a lead's time alone, and one of both lies within the other's height; not for the same box."""
    across = min(lead.box[2], box.box[2]) - max(lead.box[0], box.box[0])
    down = min(lead.box[3], box.box[3]) - max(lead.box[1], box.box[1])
    level = down > WITHIN * min(height(lead), height(box)) and lead.box[1::2] != box.box[1::2]
    return level and across > WITHIN * width(lead) and width(box) < width(lead) / WITHIN


def _parts(strip: LeadBox, boxes: Sequence[LeadBox]) -> list[LeadBox]:
    """Those of the boxes that show no lead of their own but a part of a rhythm strip; none where all of them together
    are as sure as it is, and it may be a row's leads taken for one."""
    parts = [box for box in boxes if STRIP_WIDTH * width(box) <= width(strip) and _lies_in(box, strip)]
    if sum(part.score for part in parts) >= strip.score:
        return []
    return [part for part in parts if part.score <= PART * strip.score]


def _lies_in(box: LeadBox, strip: LeadBox) -> bool:
    """Whether a box lies level with a strip and within its width."""
    both = min(box.box[3], strip.box[3]) - max(box.box[1], strip.box[1])
    either = max(box.box[3], strip.box[3]) - min(box.box[1], strip.box[1])
    return strip.box[0] <= (box.box[0] + box.box[2]) / 2 <= strip.box[2] and both >= LEVEL * either


def _candidate(group: Sequence[LeadBox]) -> Candidate:
    """What the boxes of one place, best first, say together."""
    scores = np.full(len(LEADS), FLOOR)
    for box in group:
        index = LEADS.index(box.name)
        scores[index] = max(scores[index], box.score + FLOOR)
    odds = np.log(len(LEADS) * scores / scores.sum())
    best, inverted = group[0], False
    if best.reading:
        reading = np.array(best.reading[: len(LEADS)])
        upside_down = sum(best.reading[len(LEADS) :])
        inverted = bool(upside_down > reading[LEADS.index("aVR")])
        reading[LEADS.index("aVR")] += upside_down
        odds = DETECTOR_WEIGHT * odds + READER_WEIGHT * np.log(len(LEADS) * (1 - MISREAD) * reading + MISREAD)
    name = LEADS[int(odds.argmax())] if best.reading else best.name
    presence = 1.0 - float(np.prod(1.0 - np.clip(scores - FLOOR, 0.0, 1.0)))
    one = Candidate(best, odds, min(1.0, best.score / (2 * LEAST_SCORE)), inverted, presence)
    return replace(one, box=one.named(name))


def most_odds(read: bool) -> float:
    """The odds of its own name for a box that is surely detected and, if ``read``, surely read; see `Candidate`."""
    detected = float(np.log(len(LEADS) * (1 + FLOOR) / (1 + len(LEADS) * FLOOR)))
    reading = float(np.log(len(LEADS) * (1 - MISREAD) + MISREAD))
    return DETECTOR_WEIGHT * detected + READER_WEIGHT * reading if read else detected


def short_ones(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that are no rhythm strips, by width."""
    sure = [width(one.box) for one in found if one.box.score >= LEAST_SCORE] or [width(one.box) for one in found]
    usual = float(np.quantile(sure, 0.4, method="lower")) if sure else 0.0
    return [one for one in found if 0.4 * usual <= width(one.box) <= STRIP_WIDTH * usual]


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
