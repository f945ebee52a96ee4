"""The rows in which leads are printed: a trace that strays from its row is traced again with the row's line shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.digitization.crop import ROWS_PER_MM, CropPadding, crop_geometry
from ecgpage.digitization.digitizer import Digitizer
from ecgpage.digitization.explaining import explain_away
from ecgpage.geometry import Bend
from ecgpage.recording import PRINTED, RULED, LeadBox, LeadTrace

STRAY = 4.0
"""Millimetres off its row's line from which on a trace is doubtful: an ECG spends most of its time near 0 mV."""

VAGUE_SPREAD = 1.0
"""Mean spread, millimetres, from which on a trace is doubtful."""

TWICE = 0.5
"""Share of its points that a trace has in common with another row's from which on it follows that row."""

EVEN = 0.3
"""Pitches that a row may be off where evenly spaced rows would have it."""

CUT, FREE = 0.8, 3.0
"""Millimetres from its crop's edge within which a trace is cut off, and from which on it runs free; between them it is
cut off where it is lost next to there."""

BESIDE = 6
"""Points of a trace, a quarter of a millimetre, next to where it is lost."""

AROUND = 48
"""Points of a trace, two millimetres, around where it is cut off that are taken from the taller crop as well."""

TALLER = 18.0
"""Millimetres that a box grows at the side where its crop cuts the trace."""

SAME, MOST = 0.5, 0.9
"""Millimetres within which two readings of a trace are the same, and the share of their points that must be."""

FEWEST_EVEN = 5
"""Rows from which on they are expected to be evenly spaced."""


def trace_rows(
    digitizer: Digitizer,
    image: np.ndarray,
    paper_to_picture: np.ndarray,
    leads: Sequence[LeadBox],
    bend: Bend | None = None,
) -> list[LeadTrace]:
    """Trace each lead, in the order given, and set each trace's ``zero``: the median height of its row.

    Arguments as of ``Digitizer.trace``; ``row`` tells which leads stand beside each other. Where several traces cross a
    lead's box, the box alone does not tell which is meant: a trace far from its row's line, or vague, is traced again
    with that line shown to the network, and the one nearer to the line is kept. One that is far off even then, and
    vague, a ruled line or another row's trace, lies in a wrong box, as does one whose box is far off: what is read in
    one of the other leads' usual height about the line is kept if it is neither far off nor vague.
    Heights that are vague then are told anew: ink that another trace explains is not this one's. A trace that runs into
    its crop's upper or lower edge, as under a box that is too short, is traced again in a taller one. Where nothing is
    printed, nothing is looked for again.
    """
    traces = digitizer.trace(image, paper_to_picture, leads, None, bend)
    lines = row_lines(traces)
    doubtful = [k for k, trace in enumerate(traces) if trace.printed.any() and _is_doubtful(trace, lines[k])]
    again = digitizer.trace(image, paper_to_picture, [leads[k] for k in doubtful], [lines[k] for k in doubtful], bend)
    for k, other in zip(doubtful, again, strict=True):
        if _off(other, lines[k]) < _off(traces[k], lines[k]):
            traces[k] = other
    lost = [
        k
        for k, trace in enumerate(traces)
        if trace.printed.any() and _lies_in_a_wrong_box(trace, lines[k], traces, lines)
    ]
    usual = [trace.lead.box[3] - trace.lead.box[1] for k, trace in enumerate(traces) if k not in lost]
    if lost and usual:
        lower = [_at_height(leads[k], lines[k], float(np.median(usual))) for k in lost]
        again = digitizer.trace(image, paper_to_picture, lower, [lines[k] for k in lost], bend)
        for k, other in zip(lost, again, strict=True):
            if not _is_doubtful(other, lines[k]):
                traces[k] = other
    traces = explain_away(traces)
    cut = {k: box for k, trace in enumerate(traces) if (box := _taller_box(trace)) is not None}
    grown = [replace(leads[k], box=box) for k, box in cut.items()]
    again = digitizer.trace(image, paper_to_picture, grown, [lines[k] for k in cut], bend) if cut else []
    for k, other in zip(cut, again, strict=True):
        traces[k] = _completed(traces[k], other)
    heights: dict[int, list[np.ndarray]] = {}
    for trace in traces:
        heights.setdefault(trace.lead.row, []).append(_heights(trace))
    zero = {row: _median(np.concatenate(parts)) for row, parts in heights.items()}
    return [replace(trace, zero=zero[trace.lead.row]) for trace in traces]


def row_lines(traces: Sequence[LeadTrace]) -> list[float]:
    """Where each trace's row has its zero line, paper y in mm, NaN where no trace of the row is printed.

    The median over the row's leads of their medians: one that follows another row's trace does not move it. Of five or
    more rows, leads that are not where the others' even spacing has their row do not count beside those that are, and a
    row of a single lead that is not is put there.
    """
    middles: dict[int, list[float]] = {}
    for trace in traces:
        if np.isfinite(middle := _middle(trace)):
            middles.setdefault(trace.lead.row, []).append(middle)
    lines = {row: float(np.median(values)) for row, values in middles.items()}
    rows = np.array(sorted(lines))
    if len(rows) >= FEWEST_EVEN:
        heights = np.array([lines[row] for row in rows])
        before, after = np.triu_indices(len(rows), 1)
        pitch = float(np.median((heights[after] - heights[before]) / (rows[after] - rows[before])))
        even = pitch * rows + np.median(heights - pitch * rows)
        for row, y in zip(rows, even, strict=True):
            near = [value for value in middles[row] if abs(value - y) <= EVEN * abs(pitch)]
            if near or len(middles[row]) == 1:
                lines[row] = float(np.median(near or y))
    return [float(lines.get(trace.lead.row, np.nan)) for trace in traces]


def _at_height(lead: LeadBox, line: float, height: float) -> LeadBox:
    """A lead with a box of a height, mm, about its row's line."""
    x0, _, x1, _ = lead.box
    return replace(lead, box=(x0, line - height / 2, x1, line + height / 2))


def _crop_edges(trace: LeadTrace) -> tuple[float, float]:
    """Paper y, mm, of the first and the last row of the crop that a trace was read from."""
    (_, top), (height, _) = crop_geometry(trace.lead.box, CropPadding())
    return top, top + (height - 1) / ROWS_PER_MM


def _taller_box(trace: LeadTrace) -> tuple[float, float, float, float] | None:
    """The lead's box, taller at the side where the trace meets the edge of its crop; None where it meets none."""
    top, bottom = _crop_edges(trace)
    x0, y0, x1, y1 = trace.lead.box
    lost = ~trace.printed & (trace.x > x0 + FREE) & (trace.x < x1 - FREE)
    reach = np.where(_near(lost, BESIDE), FREE, CUT)
    above, below = ((trace.printed & side).any() for side in (trace.y < top + reach, trace.y > bottom - reach))
    if not above and not below:
        return None
    return x0, y0 - (TALLER if above else 0.0), x1, y1 + (TALLER if below else 0.0)


def _completed(trace: LeadTrace, other: LeadTrace) -> LeadTrace:
    """A trace that its crop cuts off, with what another reading in a taller crop has there.

    Unchanged where the other is not the same course: where the first ran free, both must agree.
    """
    top, bottom = _crop_edges(trace)
    free = trace.printed & (trace.y > top + FREE) & (trace.y < bottom - FREE)
    if not free.any() or not other.printed.any() or _taller_box(other) is not None:
        return trace
    y, presence, spread = (np.interp(trace.x, other.x, part) for part in (other.y, other.presence, other.spread))
    if np.mean(np.abs(y - trace.y)[free] < SAME) < MOST:
        return trace
    first, _, last, _ = trace.lead.box
    taken = _near(~free & (trace.x > first) & (trace.x < last), AROUND)
    ends = (trace.x < first + FREE) | (trace.x > last - FREE)  # from which time is told
    y, spread = np.where(taken, y, trace.y), np.where(taken, spread, trace.spread)
    presence = np.where(taken & ~ends, np.maximum(trace.presence, presence), trace.presence)
    return replace(trace, y=y, presence=presence, spread=spread)


def _near(points: np.ndarray, reach: int) -> np.ndarray:
    """Which points of a trace, (N,) bool, are or stand within ``reach`` points of those of a mask."""
    return np.convolve(points, np.ones(2 * reach + 1), mode="same") > 0


def _is_doubtful(trace: LeadTrace, line: float) -> bool:
    return _off(trace, line) > STRAY or _is_vague(trace)


def _lies_in_a_wrong_box(trace: LeadTrace, line: float, traces: Sequence[LeadTrace], lines: Sequence[float]) -> bool:
    """Whether a trace's box is far from its row's line, or the trace is and is none of its lead's."""
    _, top, _, bottom = trace.lead.box
    if not top - STRAY <= line <= bottom + STRAY:
        return True
    astray = _off(trace, line) > STRAY
    return astray and (_is_vague(trace) or trace.sway < RULED or _follows_another(trace, traces, lines))


def _follows_another(trace: LeadTrace, traces: Sequence[LeadTrace], lines: Sequence[float]) -> bool:
    """Whether a trace is mostly that of a lead of another row, which lies where its own row's line is."""
    for other, line in zip(traces, lines, strict=True):
        if other.lead.row == trace.lead.row or not _off(other, line) <= STRAY:
            continue
        y, presence = (np.interp(trace.x, other.x, part, 0.0, 0.0) for part in (other.y, other.presence))
        common = trace.printed & (presence >= PRINTED) & (np.abs(y - trace.y) < SAME)
        if common.sum() > TWICE * trace.printed.sum() > 0:
            return True
    return False


def _off(trace: LeadTrace, line: float) -> float:
    """Millimetres from a row's line to the middle of a trace, infinite where nothing is printed."""
    return abs(_middle(trace) - line) if trace.printed.any() else np.inf


def _is_vague(trace: LeadTrace) -> bool:
    return not trace.printed.any() or float(trace.spread[trace.printed].mean()) > VAGUE_SPREAD


def _heights(trace: LeadTrace) -> np.ndarray:
    return trace.y[trace.printed]


def _middle(trace: LeadTrace) -> float:
    return _median(_heights(trace))


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else float("nan")
