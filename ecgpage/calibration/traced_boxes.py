"""Boxes of leads put around their traces: a detector sees them coarser than they are read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.assembly import part_trusted, time_origin
from ecgpage.calibration.column_gap import column_gap, without_gap
from ecgpage.geometry import bent_box, bent_points, flat_box, in_picture
from ecgpage.recording import LEAST_BOX_HEIGHT, Calibration, LeadBox, LeadTrace, Page

NEAR = (10.0, 7.0)
"""Millimetres, x and y, by which an edge is moved without more ado: one that goes further may not be this lead's. Where
it begins and ends is told by all leads together, and so further."""

SHORT = 4.0
"""Millimetres by which a box ends inside its lead's time from which on the lead is looked for up to the end of it."""

CLEAR, ALONE = 2.5, 1.5
"""Millimetres of spread up to which a trace's outermost point may move an edge further, and from which on no other
trace may be to what goes that far out: it would be the other's."""

NEARER = 1.0
"""Millimetres by which another box of a lead must agree better with its trace, both edges together."""

UNSURE_BOX = 0.75
"""Score below which a box may end further inside than the detector saw it: above, it is the trace that misses waves."""

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

MOVED, LONGER = 0.5, 2.0
"""Millimetres, up and down and along, by which the box that a lead was traced in differs from its own if it was
another."""


def ends_in_time(traces: Sequence[LeadTrace], speed: float, gap: float = 0.0) -> np.ndarray:
    """Where time has each lead begin and end, x in paper millimetres: (N, 2).

    traces: in paper millimetres, with the times of columns that follow each other; speed: mm/s; gap: mm of blank
    between columns. Raises ValueError for no traces.
    """
    origin = time_origin(without_gap(part_trusted(traces)[0] or traces, gap), speed)
    leads = [trace.lead for trace in traces]
    begins = [origin + speed * lead.start + (0.0 if lead.strip else gap * lead.column) for lead in leads]
    return np.column_stack([begins, np.add(begins, [speed * lead.duration for lead in leads])])


def boxes_of_all_their_time(
    traces: Sequence[LeadTrace], page: Page, calibration: Calibration
) -> tuple[LeadBox, ...] | None:
    """The traces' leads, boxes in paper millimetres, with those that end ``SHORT`` and more inside their time, see
    ``ends_in_time``, made as long as it is, as far as the picture shows the paper there. None where none ends so, and
    where most edges lie as far off, so that times are not sure."""
    if not traces:
        return None
    gap = column_gap(part_trusted(traces)[0], calibration.speed)
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    times, leads = ends_in_time(traces, calibration.speed, gap), [trace.lead for trace in traces]
    if np.median(np.abs(times - [(lead.box[0], lead.box[2]) for lead in leads])) >= SHORT:
        return None
    longer = []
    for lead, ends in zip(leads, times, strict=True):
        edges = np.array([lead.box[0], lead.box[2]])
        if max(edges[0] - ends[0], ends[1] - edges[1]) >= SHORT:
            between = np.linspace(min(edges[0], ends[0]), max(edges[1], ends[1]), round(np.ptp(ends)) + 2)
            points = np.column_stack([between, np.full(len(between), (lead.box[1] + lead.box[3]) / 2)])
            seen = between[in_picture(points, page.image.shape, paper_to_picture, calibration.bend)]
            edges = np.array([min([edges[0], *seen[:1]]), max([edges[1], *seen[-1:]])])
        longer.append(replace(lead, box=(float(edges[0]), lead.box[1], float(edges[1]), lead.box[3])))
    return None if longer == leads else tuple(longer)


def traced_boxes(
    leads: Sequence[LeadBox], traces: Sequence[LeadTrace], calibration: Calibration, gap: float = 0.0
) -> tuple[LeadBox, ...]:
    """The leads named and timed as their traces, with their boxes' edges moved to where the traces are.

    leads: boxes in page pixels; traces: of the same leads, in the same order, in paper millimetres; gap: mm of blank
    between columns. The box of a lead that was not found in its own is first the one that it was traced in. Left and
    right edges are those of the lead's time, upper and lower ones the trace's extent, at least ``LEAST_BOX_HEIGHT``
    high; an edge that points between two heights tell alone, by ``BY_UNCLEAR`` and more, is not moved, nor one further
    than ``NEAR``, but for clear points: outwards where no other trace is, inwards of a box that is not sure. Scores are
    multiplied by h / (h + s), h the box's height and s the trace's spread at its highest and at its lowest point: by
    how much of the box overlaps one that is off by as much. Without traces the leads are as they were.
    """
    if not traces:
        return tuple(leads)
    ends = ends_in_time(traces, calibration.speed, gap)
    courses = [_course(trace, calibration) for trace in traces]
    return tuple(
        _traced(_as_traced(lead, trace), trace, courses[:k] + courses[k + 1 :], calibration, ends[k])
        for k, (lead, trace) in enumerate(zip(leads, traces, strict=True))
    )


def _as_traced(lead: LeadBox, trace: LeadTrace) -> LeadBox:
    """A lead with its trace's name and time, which were told since it was detected."""
    told = trace.lead
    return replace(lead, name=told.name, inverted=told.inverted, start=told.start, duration=told.duration)


def _course(trace: LeadTrace, calibration: Calibration) -> np.ndarray:
    """A trace's points (N, 2): x in paper millimetres, y in page pixels."""
    points = np.column_stack([trace.x, trace.y])
    return np.column_stack([trace.x, bent_points(calibration.paper_to_page, points, calibration.bend)[:, 1]])


def _traced(
    lead: LeadBox, trace: LeadTrace, others: Sequence[np.ndarray], calibration: Calibration, ends: np.ndarray
) -> LeadBox:
    """The lead in the box around its trace.

    others: courses of the page's other traces; ends: (2,), see ``ends_in_time``.
    """
    box = _box_traced_in(lead, trace, calibration)
    sure = (trace.presence >= SURE) & (trace.x >= ends[0] - BEYOND) & (trace.x <= ends[1] + BEYOND)
    if sure.sum() < FEWEST:
        return replace(lead, box=box)
    heights, spread = trace.y[sure], np.nan_to_num(trace.spread[sure])
    further = FLATTENED * np.minimum(spread, VAGUE)
    unsure = spread[[np.argmin(heights - further), np.argmax(heights + further)]]
    around = np.concatenate([np.column_stack([trace.x[sure], heights + side]) for side in (-further, further)])
    around = bent_points(calibration.paper_to_page, around, calibration.bend)[:, 1]
    upper, lower = around.min(), around.max()
    box = _likeliest(box, lead, upper, lower, calibration.pixels_per_mm[1])
    last = np.column_stack([ends, heights[[0, -1]]])
    left, right = bent_points(calibration.paper_to_page, last, calibration.bend)[:, 0]
    pixels = calibration.pixels_per_mm
    least = LEAST_BOX_HEIGHT * pixels[1]
    missing = max(0.0, least - (lower - upper))
    traced = np.array([left, upper - missing / 2, right, lower + missing / 2])
    near = np.abs(traced - box) < np.tile(np.multiply(NEAR, pixels), 2)
    course = np.column_stack([np.tile(trace.x[sure], 2), around])
    for side, downwards in ((1, -1), (3, 1)):
        if not near[side] and unsure[side // 2] <= CLEAR:
            beyond_edge = course[(course[:, 1] - box[side]) * downwards > 0]
            far = beyond_edge[np.abs(beyond_edge[:, 1] - box[side]) >= NEAR[1] * pixels[1]]
            outwards = len(beyond_edge) > 0
            near[side] = _is_alone(far, others, ALONE * pixels[1]) if outwards else lead.score < UNSURE_BOX
    clear, beyond = np.tile(spread <= UNCLEAR, 2), np.full(2, np.inf)
    if clear.sum() >= 2 * FEWEST:
        beyond = np.array([around[clear].min() - upper, lower - around[clear].max()])
    near[1::2] &= beyond < BY_UNCLEAR * pixels[1]
    _, top, _, bottom = np.where(near, traced, box)
    near[1::2] &= bottom - top > 0.99 * min(least, box[3] - box[1])  # else one edge met the other
    x0, y0, x1, y1 = (float(edge) for edge in np.where(near, traced, box))
    height = (y1 - y0) / pixels[1]
    return replace(lead, box=(x0, y0, x1, y1), score=lead.score * height / (height + float(unsure.sum())))


def _likeliest(
    box: tuple[float, float, float, float], lead: LeadBox, upper: float, lower: float, per_mm: float
) -> tuple[float, float, float, float]:
    """A lead's box, or of those in which it was seen as well the one whose edges are nearer, by ``NEARER``, to where
    its trace ends above and below."""
    if box != lead.box:
        return box

    def off(other: tuple[float, float, float, float]) -> float:
        return (abs(other[1] - upper) + abs(other[3] - lower)) / per_mm

    best = min(lead.others, key=off, default=box)
    return (box[0], best[1], box[2], best[3]) if off(best) < off(box) - NEARER else box


def _is_alone(points: np.ndarray, others: Sequence[np.ndarray], distance: float) -> bool:
    """Whether no other course (N, 2) is within a distance, page pixels, above or below of points (M, 2)."""
    heights = [np.interp(points[:, 0], *other.T, left=np.inf, right=np.inf) for other in others]
    return all((np.abs(height - points[:, 1]) >= distance).all() for height in heights)


def _box_traced_in(lead: LeadBox, trace: LeadTrace, calibration: Calibration) -> tuple[float, float, float, float]:
    """The box, page pixels, that a lead was traced in: its own, the one that `trace_rows` found it in, or one as long
    as its time (``boxes_of_all_their_time``)."""
    own = flat_box(calibration.paper_to_page, lead.box, calibration.bend)
    left, upper, right, lower = np.abs(np.subtract(own, trace.lead.box))
    across, along = max(upper, lower) >= MOVED, max(left, right) >= LONGER
    traced = bent_box(calibration.paper_to_page, trace.lead.box, calibration.bend)
    x0, y0, x1, y1 = np.where([along, across] * 2, traced, lead.box)
    return float(x0), float(y0), float(x1), float(y1)
