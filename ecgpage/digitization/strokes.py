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
from ecgpage.ink_scale import InkScale
from ecgpage.recording import LeadTrace

PIXELS_PER_MM = 8

MOST_PIXELS = 16_000_000
"""Of paper that is looked at: 500 mm by 500; no page is so large, but one of a wrong scale may seem so."""

REACH = 25.0
"""Millimetres above and below all leads within which strokes may end."""

BESIDE, CONTRAST = 0.6, 0.3
"""Millimetres to either side of a stroke's middle where it is lighter by this share of a trace's ink."""

DARK, CLEAR = 0.5, 0.9
"""Ink of a stroke, and share of its length that must be so dark and stand out so: print may cross it."""

BRIDGED = 1.5
"""Millimetres of a stroke that print may hide."""

WIDTHS = (0.3, 0.8)
"""Millimetres that a stroke is wide: narrower are grid lines and scratches, wider are waves and letters."""

SHORTEST, LEFT_OUT = 4.0, 3.0
"""Millimetres that a stroke leads away from its trace, and of these that the trace was not read to go, at least."""

AT_TRACE = 1.5
"""Millimetres beside a trace within which a stroke begins that is its own."""

FREE = 3.5
"""Millimetres from a stroke's end to any other trace at least: else it may be either's."""

TIP = 0.25
"""Millimetres of a stroke's end that may be rounded."""

BEYOND = (0.7, 2.7)
"""Millimetres past an end between which there is nearly no ink: a line that goes on is none of the trace's."""

PAST_END, PAST_TRACE = 0.2, 0.35
"""Mean ink at most past a stroke's own end, and past its trace on the trace's other side."""

COVERED = 0.1
"""Share of a stroke that other traces run along at most."""

LEAD_ENDS = 1.5
"""Millimetres beside a lead's ends, where separators stand."""

AROUND, APART = 0.9, 0.25
"""Millimetres to either side of a stroke between which a trace's points tell the height that it leaves from."""

GRID, ON_LINE = 5.0, 0.4
"""Millimetres between a grid's strong lines, and from one within which a stroke is part of it."""

FEWEST, EVEN, FILLED = 20, 0.4, 0.6
"""Of a grid that is as dark as the traces: strokes at least; how alike their places between two lines are, from 0 for
any to 1 for the same; and share of its lines on which there are strokes. Spikes of a steady pace stand on fewer."""

LEVEL, SEEN = 0.1, 50
"""Slope up to which a trace runs level, and every how many of its points the pen is measured at."""

FINE = 8
"""Points to a pixel at which widths are told."""

SAMPLE = 0.05
"""Millimetres of half a spike's foot at least: a sample of 500 Hz at 25 mm/s."""

SURE = 0.9
"""Presence of a trace on a stroke at least."""


@dataclass(frozen=True)
class Stroke:
    """An upright stroke of ink: its middle, x, its upper and its lower end, paper millimetres."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Ink:
    """Ink, 0 to 1, of a rectangle of paper: (rows, columns) float32 of ``PIXELS_PER_MM``, the first pixel's middle at
    ``corner``, (x, y) mm."""

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
        """The darkest ink of each row within a quarter of a millimetre of an x, mm."""
        column, reach = self.column(x), round(TIP * PIXELS_PER_MM)
        return self.share[rows, max(0, column - reach) : column + reach + 1].max(axis=1)


@dataclass(frozen=True)
class _Beside:
    """Heights of a trace about a stroke, (least, greatest) mm: beside it, from which it may leave, and on it too, as
    far as it was read."""

    band: tuple[float, float]
    read: tuple[float, float]

    @staticmethod
    def of(trace: LeadTrace, x: float) -> _Beside | None:
        """Of a stroke at an x, mm; None where the trace is not printed on both sides of it."""
        near = slice(*np.searchsorted(trace.x, (x - AROUND, x + AROUND)))
        away, printed, heights = trace.x[near] - x, trace.printed[near], trace.y[near]
        sides = [heights[printed & (sign * away > APART)] for sign in (-1, 1)]
        if not all(map(len, sides)):
            return None
        band, read = np.concatenate(sides), heights[printed & (np.abs(away) < BESIDE)]
        read = np.concatenate([band, read])
        return _Beside((float(band.min()), float(band.max())), (float(read.min()), float(read.max())))


def follow_strokes(
    image: np.ndarray, paper_to_picture: np.ndarray, traces: Sequence[LeadTrace], bend: Bend | None = None
) -> list[LeadTrace]:
    """The traces of a page, in their order, each led to the end of the strokes that it leaves out.

    image: (H, W, 3) uint8 RGB; paper_to_picture: homography, millimetres to picture pixels; bend: of paper that is not
    flat. A trace's box grows to hold its strokes. Strokes that may be another trace's are left out still.
    """
    scale = InkScale.of(image, paper_to_picture, traces, bend)
    if scale is None:
        return list(traces)
    boxes = np.array([trace.lead.box for trace in traces])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0) - (0, REACH), boxes[:, 2:].max(axis=0) + (0, REACH)
    size = round((y1 - y0) * PIXELS_PER_MM), round((x1 - x0) * PIXELS_PER_MM)
    if size[1] < 2 * LEAD_ENDS * PIXELS_PER_MM or size[0] * size[1] > MOST_PIXELS:
        return list(traces)
    ink = Ink(scale.patch((x0, y0), size, PIXELS_PER_MM), (float(x0), float(y0)))
    pen = _pen(ink, traces)
    followed = list(traces)
    for stroke in off_grid(find_strokes(ink)):
        beside = [_Beside.of(trace, stroke.x) for trace in traces]
        claims = [
            (k, upward)
            for k, own in enumerate(beside)
            for upward in (True, False)
            if own is not None
            and _may_leave(traces[k], stroke.x)
            and _is_left_out(stroke, upward, own, [other for other in beside[:k] + beside[k + 1 :] if other], ink)
        ]
        if len(claims) == 1:
            k, upward = claims[0]
            followed[k] = _led_along(followed[k], stroke, upward, pen, ink)
    return followed


def find_strokes(ink: Ink) -> list[Stroke]:
    """Upright strokes about as wide as ``WIDTHS`` and about as long as ``SHORTEST`` at least."""
    side = round(BESIDE * PIXELS_PER_MM)
    beside = np.maximum(np.roll(ink.share, side, axis=1), np.roll(ink.share, -side, axis=1))
    thin = (ink.share - beside > CONTRAST).astype(np.uint8)
    thin[:, :side] = thin[:, -side:] = 0
    thin = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, _upright(BRIDGED))
    thin = cv2.dilate(thin, np.ones((1, 2), np.uint8))  # a stroke that leans goes from column to column
    long = cv2.morphologyEx(thin, cv2.MORPH_OPEN, _upright(0.9 * SHORTEST))
    _, _, found, _ = cv2.connectedComponentsWithStats(long, connectivity=8)
    strokes = []
    for left, top, width, height, _ in found[1:]:
        if width <= WIDTHS[1] * PIXELS_PER_MM + 2:
            x, first, last = left + width / 2 - 1, top - 0.5, top + height - 0.5  # it was made wider to the right
            (x, first), last = ink.corner + np.array([x, first]) / PIXELS_PER_MM, ink.corner[1] + last / PIXELS_PER_MM
            strokes.append(Stroke(float(x), float(first), float(last)))
    return strokes


def _upright(length: float) -> np.ndarray:
    """A line of a length, mm, to close or to open with; an odd number of pixels, else what is left moves."""
    return np.ones((round(length * PIXELS_PER_MM) // 2 * 2 + 1, 1), np.uint8)


def off_grid(strokes: Sequence[Stroke]) -> list[Stroke]:
    """The strokes without those on the lines of a grid as dark as traces: most strokes then stand on even lines, and
    most of these lines have some."""
    if len(strokes) < FEWEST:
        return list(strokes)
    lengths = np.array([stroke.bottom - stroke.top for stroke in strokes])
    turns = np.array([stroke.x for stroke in strokes]) / GRID
    mean = (lengths * np.exp(2j * np.pi * turns)).sum() / lengths.sum()
    turns -= np.angle(mean) / (2 * np.pi)
    on_line = np.abs(turns - turns.round()) * GRID <= ON_LINE
    lines = np.unique(turns[on_line].round())
    if abs(mean) < EVEN or len(lines) < FILLED * (np.ptp(lines) + 1):
        return list(strokes)
    return [stroke for stroke, on in zip(strokes, on_line, strict=True) if not on]


def _pen(ink: Ink, traces: Sequence[LeadTrace]) -> float:
    """How wide the traces are drawn, mm: the ink across them where they run level."""
    widths = []
    for trace in traces:
        level = np.abs(np.gradient(trace.y)) < LEVEL * np.gradient(trace.x)
        for k in np.flatnonzero(level & trace.printed)[::SEEN]:
            rows, column = ink.rows(trace.y[k] - 1.0, trace.y[k] + 1.0), ink.column(trace.x[k])
            if 0 <= column < ink.share.shape[1] and len(ink.share[rows]) > 1:
                widths.append(_width(ink.share[rows, column]))
    return float(np.median(widths)) if widths else WIDTHS[0]


def _width(profile: np.ndarray) -> float:
    """Width, mm, of a profile of ink, (n,), at half of its height."""
    fine = np.interp(np.arange(0, len(profile), 1 / FINE), np.arange(len(profile)), profile)
    low, high = float(fine.min()), float(fine.max())
    return np.count_nonzero(fine > (low + high) / 2) / (FINE * PIXELS_PER_MM)


def _may_leave(trace: LeadTrace, x: float) -> bool:
    """Whether an x, mm, lies well between a trace's ends."""
    x0, _, x1, _ = trace.lead.box
    return x0 + LEAD_ENDS < x < x1 - LEAD_ENDS


def _is_left_out(stroke: Stroke, upward: bool, own: _Beside, others: Sequence[_Beside], ink: Ink) -> bool:
    """Whether a stroke leads up or down from a trace, is not in its reading, and can be no other trace's.

    own: the trace beside it; others: the other traces there.
    """
    away = -1.0 if upward else 1.0
    if upward:
        base, end, begin, back, reached = own.band[0], stroke.top, stroke.bottom, own.band[1], own.read[0]
    else:
        base, end, begin, back, reached = own.band[1], stroke.bottom, stroke.top, own.band[0], own.read[1]
    if (end - base) * away < SHORTEST or not own.band[0] - AT_TRACE <= begin <= own.band[1] + AT_TRACE:
        return False
    if (end - reached) * away < LEFT_OUT:
        return False
    low, high = sorted((base, end))
    for other in others:
        top, bottom = other.band
        if bottom > end - FREE and top < end + FREE:
            return False
        top, bottom = other.read
        if min(bottom, high) - max(top, low) > COVERED * (high - low):
            return False
    return (
        _is_a_line(stroke.x, base + away * BESIDE, end - away * TIP, ink)
        and _is_empty(stroke.x, end, away, PAST_END, ink)
        and _is_empty(stroke.x, back, -away, PAST_TRACE, ink)
    )


def _is_a_line(x: float, first: float, last: float, ink: Ink) -> bool:
    """Whether the ink about x is a clear line, as wide as a pen, between two heights, mm."""
    rows, column, side = ink.rows(first, last), ink.column(x), round(BESIDE * PIXELS_PER_MM)
    seen = ink.share[rows, max(0, column - 2 * side) : column + 2 * side + 1]
    if not side <= column < ink.share.shape[1] - side or len(seen) < SHORTEST / 2 * PIXELS_PER_MM:
        return False
    dark = ink.along(rows, x)
    beside = np.maximum(ink.share[rows, column - side], ink.share[rows, column + side])
    clear = np.mean((dark > DARK) & (dark - beside > CONTRAST))
    width = np.median(np.count_nonzero(seen > DARK * np.median(dark), axis=1)) / PIXELS_PER_MM
    return bool(clear >= CLEAR and WIDTHS[0] <= width <= WIDTHS[1])


def _is_empty(x: float, end: float, away: float, most: float, ink: Ink) -> bool:
    """Whether there is nearly no ink past an end, mm, at x."""
    beyond = ink.along(ink.rows(end + away * BEYOND[0], end + away * BEYOND[1]), x)
    return bool(len(beyond) and beyond.mean() < most)


def _led_along(trace: LeadTrace, stroke: Stroke, upward: bool, pen: float, ink: Ink) -> LeadTrace:
    """The trace up or down to the stroke's end, where the pen's middle turned."""
    end = stroke.top + pen / 2 if upward else stroke.bottom - pen / 2
    middle = (stroke.top + stroke.bottom) / 2  # between which and the end nothing else is beside it
    column, side = ink.column(stroke.x), round(BESIDE * PIXELS_PER_MM)
    around = np.arange(column - side, column + side + 1)
    profile = ink.share[ink.rows(end, middle)][:, around].mean(axis=0)
    above = np.clip(profile - (profile.min() + profile.max()) / 2, 0, None)
    x = ink.corner[0] + float((above * around).sum() / above.sum()) / PIXELS_PER_MM
    foot = max(SAMPLE, _width(profile) - pen)
    away = np.abs(trace.x - trace.x[np.argmin(np.abs(trace.x - x))])
    near = away < foot
    y, presence, spread = trace.y.copy(), trace.presence.copy(), trace.spread.copy()
    y[near] += (1 - away[near] / foot) * (end - y[near])
    presence[near] = np.maximum(presence[near], SURE)
    spread[near] = np.fmin(spread[near], pen / 2)
    x0, y0, x1, y1 = trace.lead.box
    lead = replace(trace.lead, box=(x0, min(y0, end), x1, max(y1, end)))
    return replace(trace, lead=lead, y=y, presence=presence, spread=spread)
