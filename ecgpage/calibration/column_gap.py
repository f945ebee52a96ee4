"""Blanks between the columns of a page: time stands still in them.

Most electrocardiographs print each column where the one before ended; some leave a blank of millimetres. Where each
lead begins and where it ends tells it: without the blanks, all of them put the page's time 0 at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.calibration.assembly import biweight, lead_origins, time_origin
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import ColumnLines, LeadTrace

WIDEST, STEP = 25.0, 0.1
"""Widest blank looked for, mm, and the steps between those tried."""

NARROWEST = 0.7
"""Narrower ones, mm, are not told from leads whose ends are read too early or too late."""

AGREEMENT = 0.6
"""How far apart, mm, origins may be that agree."""

NEAR, FARTHEST = 0.45, 0.9
"""Millimetres beside a line of their own grids at which columns begin by their ends, the usual one and each at most, if
they begin on these lines."""

ROUNDS = 4
"""Rounds in which the blank is fitted to the ends that agree."""

SHARP = 1.0
"""Standard deviation, mm, from which on down ends count alike: one column's sharp ones must not decide alone."""

LEAST_AGREEING, LEAST_GAIN = 0.52, 0.14
"""Share of the ends, by weight, that must agree for a blank to be believed, and how much more than without one."""


def column_gap(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> float:
    """Width of the blank between columns, mm, 0 where none is told.

    traces: of one page, in flat paper's millimetres, with the times of columns that follow each other; speed: mm/s.
    """
    shorts = [trace for trace in traces if not trace.lead.strip]
    if len({trace.lead.column for trace in shorts}) < 2:
        return 0.0
    origins, deviations = (part.reshape(-1, 2) for part in lead_origins(shorts, speed))  # (N, 2): beginnings, ends
    weights = 1 / (SHARP**2 + np.square(deviations))
    weights /= weights.sum()
    columns = np.array([trace.lead.column for trace in shorts])
    tried = np.arange(0, WIDEST + STEP / 2, STEP)
    moved = origins - tried[:, None, None] * columns[:, None]  # (tried, N, 2)
    # with each end, what share agrees: beginnings and ends by themselves, as a lead may be read too long at both
    apart = moved[:, :, None] - moved[:, None]  # (tried, N, N, 2)
    agreeing = (biweight(apart, AGREEMENT) * weights).sum(axis=2)  # (tried, N, 2)
    total = agreeing.max(axis=1).sum(axis=1)
    best = int(total.argmax())
    if tried[best] < NARROWEST or total[best] < max(LEAST_AGREEING, total[0] + LEAST_GAIN):
        return 0.0
    places = np.take_along_axis(moved[best], agreeing[best].argmax(axis=0)[None], axis=0)[0]  # of either side
    solution = np.array([tried[best], *places])
    design = np.column_stack([np.repeat(columns, 2), np.tile(np.eye(2), (len(columns), 1))])
    for _ in range(ROUNDS):
        root = np.sqrt(weights.ravel() * biweight(origins.ravel() - design @ solution, AGREEMENT))
        solution = np.linalg.lstsq(design * root[:, None], origins.ravel() * root, rcond=None)[0]
    return float(solution[0])


def without_gap(traces: Sequence[LeadTrace], gap: float) -> list[LeadTrace]:
    """The traces, paper millimetres, as they would stand without a blank of ``gap`` mm between columns."""
    return [trace.moved(-gap * trace.lead.column) if gap and not trace.lead.strip else trace for trace in traces]


def begin_on_lines(traces: Sequence[LeadTrace], gap: float, lines: ColumnLines, speed: float) -> list[LeadTrace]:
    """The traces, each column of them moved so that it begins on a line of its own grid where its ends come near one.

    traces: paper millimetres, without the blanks of ``gap`` mm; speed: mm/s. Unmoved where a column begins elsewhere.
    """
    shorts = [trace for trace in traces if not trace.lead.strip]
    columns = sorted({trace.lead.column for trace in shorts})
    if not columns or not lines.places.keys() >= set(columns):
        return list(traces)
    begins = [time_origin([trace for trace in shorts if trace.lead.column == column], speed) for column in columns]
    later = [next(speed * trace.lead.start for trace in shorts if trace.lead.column == column) for column in columns]
    on_line = np.array([lines.places[column] - gap * column for column in columns]) - later
    half = lines.spacing / 2
    off = (on_line - begins + half) % lines.spacing - half
    if not (np.median(np.abs(off)) <= NEAR and np.abs(off).max() <= FARTHEST):  # nor where times are not known
        return list(traces)
    right = np.array(begins) + off
    moves = dict(zip(columns, right[0] - right, strict=True))
    return [trace if trace.lead.strip else trace.moved(float(moves[trace.lead.column])) for trace in traces]
