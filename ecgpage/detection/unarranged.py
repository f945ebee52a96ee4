"""Pages whose arrangement is not known: leads in reading order, with a warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.detection.lead_boxes import STRIP_WIDTH, height, middle, width
from ecgpage.recording import LeadBox


def in_reading_order(boxes: Sequence[LeadBox], seconds: float) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    """Boxes of no known arrangement: each lead once, the best; columns by equal left edges, top to bottom."""
    if not boxes:
        return (), ("No lead was found on the page.",)
    best: dict[str, LeadBox] = {}
    for box in sorted(boxes, key=lambda candidate: -candidate.score):
        best.setdefault(box.name, box)
    kept = list(best.values())
    usual = float(np.quantile([width(box) for box in kept], 0.4, method="lower"))
    left, right = min(box.box[0] for box in kept), max(box.box[2] for box in kept)
    columns = max(1, round((right - left) / usual))
    leads = []
    for box in kept:
        strip = width(box) > STRIP_WIDTH * usual
        column = 0 if strip else min(columns - 1, max(0, round((box.box[0] - left) / usual)))
        duration = seconds if strip else seconds / columns
        leads.append(replace(box, strip=strip, column=column, start=column * seconds / columns, duration=duration))
    ordered = _number_rows(leads)
    return ordered, (
        f"The layout is not certain: {len(kept)} leads were found, in no known arrangement; "
        f"times assume {columns} columns of {seconds / columns:g} s.",
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
