"""Boxes of leads put around their traces: a detector sees them coarser than they are read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.assembly import part_trusted, time_origin
from ecgpage.calibration.column_gap import without_gap
from ecgpage.geometry import bent_box, bent_points, flat_box
from ecgpage.recording import LEAST_BOX_HEIGHT, Calibration, LeadBox, LeadTrace

NEAR = (3.0, 7.0)
"""Millimetres, x and y, by which an edge is moved at most: a trace that goes further is not surely this lead's."""

FLATTENED, VAGUE = 0.4, 1.0
"""Spreads by which a trace goes further up and down than it is read, for it is read as a mean, which flattens peaks and
noise; and millimetres of spread that count at most, for a vague point tells no extent."""

SURE = 0.8
"""Presence from which on a point of a trace counts for its extent: one stray point would move an edge."""

BEYOND = 0.5
"""Millimetres before its lead's first and behind its last sample up to which a trace counts."""

UNCLEAR, BY_UNCLEAR = 2.0, 2.0
"""Millimetres of spread from which on a point lies between two heights rather than at one, and by which such points
may lie beyond all others: where they lie further, the edge stays where the lead was seen."""

FEWEST = 8
"""Points that tell a trace's extent."""

MOVED = 0.5
"""Millimetres by which the box that a lead was traced in differs from its own if it was another."""


def traced_boxes(
    leads: Sequence[LeadBox], traces: Sequence[LeadTrace], calibration: Calibration, gap: float = 0.0
) -> tuple[LeadBox, ...]:
    """The leads named as their traces, with their boxes' edges moved to where the traces are, as far as that is near.

    leads: boxes in page pixels; traces: of the same leads, in the same order, in paper millimetres; gap: mm of blank
    between columns. The box of a lead that was not found in its own is first the one that it was traced in. Left and
    right edges are those of the lead's time, upper and lower ones the trace's extent, at least ``LEAST_BOX_HEIGHT``
    high; an edge that points between two heights tell alone, by ``BY_UNCLEAR`` and more, is not moved. Scores are
    multiplied by h / (h + s), h the box's height and s the trace's spread at its highest and at its lowest point: by
    how much of the box overlaps one that is off by as much. Without traces the leads are as they were.
    """
    if not traces:
        return tuple(leads)
    origin = time_origin(without_gap(part_trusted(traces)[0] or traces, gap), calibration.speed)
    return tuple(
        replace(
            _traced(lead, trace, calibration, origin + (0.0 if lead.strip else gap * lead.column)),
            name=trace.lead.name,
            inverted=trace.lead.inverted,
        )
        for lead, trace in zip(leads, traces, strict=True)
    )


def _traced(lead: LeadBox, trace: LeadTrace, calibration: Calibration, origin: float) -> LeadBox:
    """The lead in the box around its trace; origin: x, mm, at which its column would have the time 0."""
    box = _box_traced_in(lead, trace, calibration)
    ends = origin + calibration.speed * np.array([lead.start, lead.start + lead.duration])
    sure = (trace.presence >= SURE) & (trace.x >= ends[0] - BEYOND) & (trace.x <= ends[1] + BEYOND)
    if sure.sum() < FEWEST:
        return replace(lead, box=box)
    heights, spread = trace.y[sure], np.nan_to_num(trace.spread[sure])
    further = FLATTENED * np.minimum(spread, VAGUE)
    unsure = spread[np.argmin(heights - further)] + spread[np.argmax(heights + further)]
    around = np.concatenate([np.column_stack([trace.x[sure], heights + side]) for side in (-further, further)])
    around = bent_points(calibration.paper_to_page, around, calibration.bend)[:, 1]
    upper, lower = around.min(), around.max()
    last = np.column_stack([ends, heights[[0, -1]]])
    left, right = bent_points(calibration.paper_to_page, last, calibration.bend)[:, 0]
    least = LEAST_BOX_HEIGHT * calibration.pixels_per_mm[1]
    missing = max(0.0, least - (lower - upper))
    traced = np.array([left, upper - missing / 2, right, lower + missing / 2])
    near = np.abs(traced - box) < np.tile(np.multiply(NEAR, calibration.pixels_per_mm), 2)
    clear, beyond = np.tile(spread <= UNCLEAR, 2), np.full(2, np.inf)
    if clear.sum() >= 2 * FEWEST:
        beyond = np.array([around[clear].min() - upper, lower - around[clear].max()])
    near[1::2] &= beyond < BY_UNCLEAR * calibration.pixels_per_mm[1]
    _, top, _, bottom = np.where(near, traced, box)
    near[1::2] &= bottom - top > 0.99 * min(least, box[3] - box[1])  # else one edge met the other
    x0, y0, x1, y1 = (float(edge) for edge in np.where(near, traced, box))
    height = (y1 - y0) / calibration.pixels_per_mm[1]
    return replace(lead, box=(x0, y0, x1, y1), score=lead.score * height / (height + float(unsure)))


def _box_traced_in(lead: LeadBox, trace: LeadTrace, calibration: Calibration) -> tuple[float, float, float, float]:
    """The box, page pixels, that a lead was traced in: its own, or the one that `trace_rows` found it in."""
    own = flat_box(calibration.paper_to_page, lead.box, calibration.bend)
    _, y0, _, y1 = trace.lead.box
    if max(abs(own[1] - y0), abs(own[3] - y1)) < MOVED:
        return lead.box
    _, upper, _, lower = bent_box(calibration.paper_to_page, trace.lead.box, calibration.bend)
    return lead.box[0], upper, lead.box[2], lower
