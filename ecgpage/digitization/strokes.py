"""Upright strokes that a trace runs up or down and that its reading leaves out: pacing spikes, steep narrow peaks.

A network that reads a height as a mean passes over what is a column or two wide; the ink shows it all the same. Such a
stroke begins on the trace, is as wide as the pen, darker than the paper on both sides, and ends where nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ecgpage.geometry import Bend
from ecgpage.page.ink_scale import InkScale
from ecgpage.recording import LeadTrace

PIXELS_PER_MM = 8

LARGEST = 6000
"""Pixels a side at most of the paper that is looked at: no page is 750 mm long, one of a wrong scale may seem so."""

REACH = 25.0
"""Millimetres above and below all leads within which strokes may end."""

BESIDE, CONTRAST = 0.6, 0.3
"""Millimetres to either side of a stroke's middle where it is lighter by this share of a trace's ink."""

DARK, CLEAR = 0.5, 0.9
"""Ink of a stroke, and share of its length that must be so dark and stand out so."""

WIDTHS = (0.3, 0.8)
"""Millimetres that a stroke is wide: narrower are grid lines and scratches, wider are waves and letters."""

SHORTEST, LEFT_OUT = 4.0, 3.0
"""Millimetres that a stroke leads away from its trace, and of these that the trace was not read to go, at least."""

AT_TRACE = 1.2
"""Millimetres beside a trace within which a stroke begins that is its own."""

FREE = 3.5
"""Millimetres from a stroke's end to any other trace at least: else it may be either's."""

TIP = 0.25
"""Millimetres of a stroke's end that may be rounded."""

BEYOND, EMPTY = (0.7, 2.7), (0.2, 0.35)
"""Millimetres past a stroke's end, and past the trace on its other side, between which there is nearly no ink: a line
that goes on is none of the trace's; and mean ink there at most."""

COVERED = 0.1
"""Share of a stroke that other traces run along at most."""

LEAD_ENDS = 1.5
"""Millimetres beside a lead's ends, where separators stand."""

AROUND, APART = 0.9, 0.25
"""Millimetres to either side of a stroke between which a trace's points tell the height that it leaves from."""

GRID, EVEN, ON_LINE = 5.0, 0.4, 0.4
"""Millimetres between a grid's strong lines; how alike the places of strokes between two lines must be, from 0 for any
to 1 for the same, to be such lines; and millimetres from them within which a stroke is one."""

FEWEST = 20
"""Strokes that tell such a grid."""

FINE = 8
"""Points to a pixel at which widths are told."""

SAMPLE = 0.05
"""Millimetres of half a spike's foot at least: a sample of 500 Hz at 25 mm/s."""


@dataclass(frozen=True)
class Stroke:
    """An upright stroke of ink: its middle, x, its upper and its lower end, paper millimetres."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True)
class _Ink:
    """Ink, 0 to 1, of a rectangle of paper, (rows, columns) float32, whose first pixel lies at ``corner``, mm."""

    share: np.ndarray
    corner: tuple[float, float]

    def column(self, x: float) -> int:
        """The column of an x, mm."""
        return round((x - self.corner[0]) * PIXELS_PER_MM)

    def rows(self, first: float, last: float) -> slice:
        """The rows between two y, mm, in any order."""
        low, high = sorted((first, last))
        low, high = (round((y - self.corner[1]) * PIXELS_PER_MM) for y in (low, high))
        return slice(max(0, low), max(0, high))

    def along(self, rows: slice, x: float) -> np.ndarray:
        """The darkest ink of each row a quarter of a millimetre about an x, mm."""
        column = self.column(x)
        return self.share[rows, max(0, column - 2) : column + 3].max(axis=1)


def follow_strokes(
    image: np.ndarray, paper_to_picture: np.ndarray, traces: Sequence[LeadTrace], bend: Bend | None = None
) -> list[LeadTrace]:
    """The traces of a page, in their order, each led to the end of the strokes that it leaves out.

    image: (H, W, 3) uint8 RGB; paper_to_picture: homography, millimetres to picture pixels; bend: of paper that is not
    flat. A trace's box grows to hold its strokes. Strokes that may be another trace's are left out still.
    """
    scale = InkScale.of(image, paper_to_picture, traces, bend) if traces else None
    if scale is None:
        return list(traces)
    boxes = np.array([trace.lead.box for trace in traces])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0) - (0, REACH), boxes[:, 2:].max(axis=0) + (0, REACH)
    size = round((y1 - y0) * PIXELS_PER_MM), round((x1 - x0) * PIXELS_PER_MM)
    if max(size) > LARGEST:
        return list(traces)
    ink = _Ink(scale.patch((x0, y0), size, PIXELS_PER_MM), (float(x0), float(y0)))
    pen = _pen(ink, traces)
    followed = list(traces)
    for stroke in off_grid(find_strokes(ink.share, ink.corner)):
        bands = [_band(trace, stroke.x) for trace in traces]
        for k, trace in enumerate(traces):
            others = [band for j, band in enumerate(bands) if j != k and band is not None]
            if bands[k] is None or not _may_leave(trace, stroke.x):
                continue
            for upward in (True, False):
                if _is_left_out(stroke, upward, trace, bands[k], others, ink):
                    followed[k] = _led(followed[k], stroke, upward, pen, ink)
    return followed


def find_strokes(ink: np.ndarray, corner: tuple[float, float]) -> list[Stroke]:
    """Upright strokes, no wider than ``WIDTHS`` about, in a picture of ink, (rows, columns) from 0 to 1.

    corner: x and y of its first pixel, mm; it has ``PIXELS_PER_MM``.
    """
    side = round(BESIDE * PIXELS_PER_MM)
    beside = np.maximum(np.roll(ink, side, axis=1), np.roll(ink, -side, axis=1))
    thin = (ink - beside > CONTRAST).astype(np.uint8)
    thin[:, :side] = thin[:, -side:] = 0
    thin = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((round(1.5 * PIXELS_PER_MM), 1), np.uint8))
    thin = cv2.dilate(thin, np.ones((1, 2), np.uint8))
    long = cv2.morphologyEx(thin, cv2.MORPH_OPEN, np.ones((round(0.9 * SHORTEST * PIXELS_PER_MM), 1), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(long, connectivity=8)
    strokes = []
    for left, top, width, height, _ in found[1:]:
        if width <= (WIDTHS[1] + 0.2) * PIXELS_PER_MM:
            x, y = corner[0] + (left + width / 2 - 0.5) / PIXELS_PER_MM, corner[1] + top / PIXELS_PER_MM
            strokes.append(Stroke(float(x), float(y), float(y + height / PIXELS_PER_MM)))
    return strokes


def off_grid(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes without those on the lines of a grid as dark as traces: most of all ink then stands evenly apart."""
    lengths = np.array([stroke.bottom - stroke.top for stroke in strokes])
    turns = np.array([stroke.x for stroke in strokes]) / GRID
    mean = (lengths * np.exp(2j * np.pi * turns)).sum() / max(float(lengths.sum()), 1e-9)
    if len(strokes) < FEWEST or abs(mean) < EVEN:
        return list(strokes)
    off = GRID * np.abs((turns - np.angle(mean) / (2 * np.pi) + 0.5) % 1 - 0.5)
    return [stroke for stroke, away in zip(strokes, off, strict=True) if away > ON_LINE]


def _pen(ink: _Ink, traces: Sequence[LeadTrace]) -> float:
    """How wide the traces are drawn, mm: the ink across them where they run level."""
    widths = []
    for trace in traces:
        level = np.abs(np.gradient(trace.y)) < 0.1 * np.gradient(trace.x)
        for k in np.flatnonzero(level & trace.printed)[::50]:
            rows, column = ink.rows(trace.y[k] - 1.0, trace.y[k] + 1.0), ink.column(trace.x[k])
            if 0 <= column < ink.share.shape[1]:
                widths.append(_half_width(ink.share[rows, column]))
    return float(np.median(widths)) if widths else WIDTHS[0]


def _half_width(profile: np.ndarray) -> float:
    """Width, mm, of a profile of ink, (n,), at half of its height."""
    fine = np.interp(np.arange(0, len(profile), 1 / FINE), np.arange(len(profile)), profile)
    low, high = float(fine.min()), float(fine.max())
    return np.count_nonzero(fine > (low + high) / 2) / (FINE * PIXELS_PER_MM)


def _band(trace: LeadTrace, x: float) -> tuple[float, float] | None:
    """The least and the greatest height of a trace beside an x, mm; None where it is not printed on both sides."""
    near = slice(*np.searchsorted(trace.x, (x - AROUND, x + AROUND)))
    beside = (np.abs(trace.x[near] - x) > APART) & (trace.presence[near] > 0.5)
    heights = trace.y[near][beside]
    return (float(heights.min()), float(heights.max())) if len(heights) > 4 else None


def _may_leave(trace: LeadTrace, x: float) -> bool:
    x0, _, x1, _ = trace.lead.box
    return x0 + LEAD_ENDS < x < x1 - LEAD_ENDS


def _is_left_out(
    stroke: Stroke,
    upward: bool,
    trace: LeadTrace,
    band: tuple[float, float],
    others: Sequence[tuple[float, float]],
    ink: _Ink,
) -> bool:
    """Whether a stroke leads up or down from a trace, is surely that trace's, and is not in its reading.

    band: heights of the trace beside the stroke; others: of the other traces there.
    """
    away = -1.0 if upward else 1.0
    base, end, begin, back = (
        (band[0], stroke.top, stroke.bottom, band[1]) if upward else (band[1], stroke.bottom, stroke.top, band[0])
    )
    if (end - base) * away < SHORTEST or not band[0] - AT_TRACE <= begin <= band[1] + AT_TRACE:
        return False
    near = slice(*np.searchsorted(trace.x, (stroke.x - BESIDE, stroke.x + BESIDE)))
    read = trace.y[near][trace.presence[near] > 0.3]
    reached = base if not len(read) else float(read.min() if upward else read.max())
    if (end - reached) * away < LEFT_OUT:
        return False
    low, high = sorted((base, end))
    if any(bottom > end - FREE and top < end + FREE for top, bottom in others):
        return False
    if any(min(bottom, high) - max(top, low) > COVERED * (high - low) for top, bottom in others):
        return False
    return _is_a_line(stroke.x, base + away * BESIDE, end - away * TIP, ink) and (
        _is_empty(stroke.x, end, away, EMPTY[0], ink) and _is_empty(stroke.x, back, -away, EMPTY[1], ink)
    )


def _is_a_line(x: float, first: float, last: float, ink: _Ink) -> bool:
    """Whether the ink about x is a clear line, as wide as a pen, between two heights, mm."""
    rows, column, side = ink.rows(first, last), ink.column(x), round(BESIDE * PIXELS_PER_MM)
    seen = ink.share[rows, max(0, column - 2 * side) : column + 2 * side + 1]
    if not side <= column < ink.share.shape[1] - side or len(seen) < 2 * PIXELS_PER_MM:
        return False
    dark = ink.along(rows, x)
    beside = np.maximum(ink.share[rows, column - side], ink.share[rows, column + side])
    clear = np.mean((dark > DARK) & (dark - beside > CONTRAST))
    width = np.median(np.count_nonzero(seen > DARK * np.median(dark), axis=1)) / PIXELS_PER_MM
    return bool(clear >= CLEAR and WIDTHS[0] <= width <= WIDTHS[1])


def _is_empty(x: float, end: float, away: float, most: float, ink: _Ink) -> bool:
    """Whether there is nearly no ink past an end, mm, at x."""
    beyond = ink.along(ink.rows(end + away * BEYOND[0], end + away * BEYOND[1]), x)
    return bool(len(beyond) and beyond.mean() < most)


def _led(trace: LeadTrace, stroke: Stroke, upward: bool, pen: float, ink: _Ink) -> LeadTrace:
    """The trace up or down to the stroke's end, where the pen's middle turned."""
    half = pen / 2
    end = stroke.top + half if upward else stroke.bottom - half
    middle = (stroke.top + stroke.bottom) / 2  # between which and the end nothing else is beside it
    rows, column = ink.rows(end, middle), ink.column(stroke.x)
    around = np.arange(column - round(BESIDE * PIXELS_PER_MM), column + round(BESIDE * PIXELS_PER_MM) + 1)
    profile = ink.share[rows][:, around].mean(axis=0)
    above = np.clip(profile - (profile.min() + profile.max()) / 2, 0, None)
    x = ink.corner[0] + float((above * around).sum() / above.sum()) / PIXELS_PER_MM
    foot = max(SAMPLE, _half_width(profile) - pen)
    away = np.abs(trace.x - trace.x[np.argmin(np.abs(trace.x - x))])
    near = away < foot
    share = 1 - away[near] / foot
    y, presence, spread = trace.y.copy(), trace.presence.copy(), trace.spread.copy()
    y[near] += share * (end - y[near])
    presence[near] = np.maximum(presence[near], 0.9)
    spread[near] = np.minimum(np.nan_to_num(spread[near], nan=half), half)
    x0, y0, x1, y1 = trace.lead.box
    lead = replace(trace.lead, box=(x0, min(y0, end), x1, max(y1, end)))
    return replace(trace, lead=lead, y=y, presence=presence, spread=spread)
