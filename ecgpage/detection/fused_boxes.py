"""What several looks at a page found, as one set of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.detection.lead_boxes import iou
from ecgpage.recording import LeadBox

SAME = 0.6
"""IoU from which on boxes of one name that two looks found are of the same lead."""


def fused(looks: Sequence[Sequence[LeadBox]]) -> list[LeadBox]:
    """Boxes, in page pixels, of all looks together, best first.

    At most one box of each look is the same lead's: their edges and readings are the means weighted by score, and the
    score is the sum over the looks divided by their number, so that what one look alone has seen counts less (weighted
    boxes fusion: Solovyev, Wang and Gabruseva 2021). Merging within one look (``yolov7.postprocess``) leaves scores as
    they are and knows no readings.
    """
    leads: list[dict[int, LeadBox]] = []  # by look, the first one the best
    found = [(box, index) for index, boxes in enumerate(looks) for box in boxes]
    for box, index in sorted(found, key=lambda one: -one[0].score):
        same = next((lead for lead in leads if index not in lead and _is_same(next(iter(lead.values())), box)), None)
        if same is None:
            leads.append({index: box})
        else:
            same[index] = box
    together = [_mean(list(lead.values()), len(looks)) for lead in leads]
    return sorted(together, key=lambda box: -box.score)


def with_mean_ends(leads: Sequence[LeadBox], before: Sequence[LeadBox]) -> tuple[LeadBox, ...]:
    """Leads whose left and right edges lie halfway to those that the same leads had in a look before, which tells no
    heights. Boxes are in the same pixels or millimetres; a lead is the same by name, row and column."""
    known = {(lead.name, lead.row, lead.column): lead.box for lead in before}
    seen = []
    for lead in leads:
        x0, y0, x1, y1 = lead.box
        left, _, right, _ = known.get((lead.name, lead.row, lead.column), lead.box)
        seen.append(replace(lead, box=((x0 + left) / 2, y0, (x1 + right) / 2, y1)))
    return tuple(seen)


def _is_same(best: LeadBox, other: LeadBox) -> bool:
    return best.name == other.name and iou(best.box, other.box) > SAME


def _mean(boxes: Sequence[LeadBox], looks: int) -> LeadBox:
    """One lead's boxes, the best first, as one."""
    scores = np.array([box.score for box in boxes])
    x0, y0, x1, y1 = (float(edge) for edge in np.average([box.box for box in boxes], axis=0, weights=scores))
    readings = [box.reading for box in boxes]
    reading = tuple(map(float, np.average(readings, axis=0, weights=scores))) if all(readings) else boxes[0].reading
    return replace(boxes[0], box=(x0, y0, x1, y1), score=float(scores.sum()) / looks, reading=reading)
