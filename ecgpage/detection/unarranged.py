"""Pages whose arrangement is not known: leads in reading order, with a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.detection.lead_boxes import STRIP_WIDTH, height, middle, width
from ecgpage.recording import LeadBox


def in_reading_order(
    boxes: Sequence[LeadBox], seconds: float, pixels_per_second: float | None = None
) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    """Boxes of no known arrangement: columns by equal left edges, top to bottom; of each lead the best short box and
    the best strip. pixels_per_second: where known, it tells how long the columns last.
    """
    if not boxes:
        return (), ("No lead was found on the page.",)
    usual = float(np.quantile([width(box) for box in boxes], 0.4, method="lower"))
    best: dict[tuple[str, bool], LeadBox] = {}
    for box in sorted(boxes, key=lambda candidate: -candidate.score):
        best.setdefault((box.name, width(box) > STRIP_WIDTH * usual), box)
    kept = list(best.values())
    left, right = min(box.box[0] for box in kept), max(box.box[2] for box in kept)
    columns = max(1, round((right - left) / usual))
    lasting = seconds / columns if pixels_per_second is None else min(seconds / columns, usual / pixels_per_second)
    leads = []
    for (_, strip), box in best.items():
        column = 0 if strip else min(columns - 1, max(0, round((box.box[0] - left) / usual)))
        duration = seconds if strip else lasting
        leads.append(replace(box, strip=strip, column=column, start=column * lasting, duration=duration))
    ordered = _number_rows(leads)
    return ordered, (
        f"The layout is not certain: {len(kept)} leads were found, in no known arrangement; "
        f"times assume {columns} columns of {lasting:.3g} s.",
    )


def _number_rows(leads: Sequence[LeadBox]) -> tuple[LeadBox, ...]:
    """Number rows from the top: a row ends where a box lies lower than its first by most of a usual height."""
    usual = float(np.median([height(lead) for lead in leads]))
    rows, numbered, top = -1, [], -np.inf
    for lead in sorted(leads, key=middle):
        if middle(lead) - top > 0.7 * usual:
            rows, top = rows + 1, middle(lead)
        numbered.append(replace(lead, row=rows))
    return tuple(sorted(numbered, key=lambda lead: (lead.row, lead.column)))
