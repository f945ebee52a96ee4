"""The calibration pulse that recorders print beside each row: 1 mV high, 0.2 s wide, so it tells gain and speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.geometry import Bend
from ecgpage.ink_scale import InkScale
from ecgpage.leads import GAINS
from ecgpage.recording import LeadTrace

HEIGHTS = GAINS[1:]
"""Millimetres of 1 mV at the gains at which a page's pulse is printed: the limb leads'."""

WIDTHS = (2.5, 5.0, 10.0)
"""Millimetres of a pulse: 0.2 s at 25 or 50 mm/s, or half as long."""

REACH = 16.0
"""Millimetres beyond a row's ends within which its pulse is looked for."""

PIXELS_PER_MM = 6

SURE_SCORE, LEAST_SCORE = 0.55, 0.47
"""Share of a pulse's outline that must be inked, at its weakest side; the second where its feet stand on the zero
lines. Of 69 drawn pages without a pulse one had 0.43 there, all others 0.2 at most."""

LEAST_LEAD = 0.2
"""By how much a pulse must fit better than one of any other height or width."""

_MARGIN = 2.0  # mm kept around what is looked at; leads are looked at up to twice as far from their ends
_SLACK = 0.7  # mm that a pulse's foot may lie off its row's zero line
_ASTRAY = 2.5  # mm that it may where traces wander, which tell the zero line
_ABOVE, _BELOW = 2.0, 1.3  # mm above and below a pulse that are looked at for ink
_STROKE = 0.35  # mm, half of the width within which a stroke's ink is looked for
_TOP = 1.0  # mm of a pulse's top that must be in the picture
_ON, _DARKER = 2.0, 0.35  # mm beyond the flank of a cut pulse, and by how much more its top must be inked than there


@dataclass(frozen=True)
class Pulse:
    """A pulse as measured on paper: height, mm, and width, mm, None where it is not sure."""

    height: float
    width: float | None


def find_pulse(
    image: np.ndarray, paper_to_picture: np.ndarray, traces: Sequence[LeadTrace], bend: Bend | None = None
) -> Pulse | None:
    """Find the pulse that the rows of a page share, or None where there is none or its height is not sure.

    image: (H, W, 3) uint8 RGB; paper_to_picture: homography from millimetres; traces: with their zero lines; bend: of
    paper that is not flat.
    Pulses stand above one another, left or right of the rows, with their feet on the zero lines; the leads' boxes may
    end within them. Where the picture's edge cuts them, one flank tells the height.
    """
    zeros = sorted({trace.lead.row: trace.zero for trace in traces if np.isfinite(trace.zero)}.values())
    ink = InkScale.of(image, paper_to_picture, traces, bend) if zeros else None
    if ink is None:
        return None
    left = min(trace.lead.box[0] for trace in traces)
    right = max(trace.lead.box[2] for trace in traces)
    sides = [
        [_patch(ink, start, zero, (left, right)) for zero in zeros] for start in (left - REACH, right - 2 * _MARGIN)
    ]
    apart = np.diff(zeros)
    free = list(zip([np.inf, *apart], [*apart, np.inf], strict=True))
    on_zero = _table(sides, free, wandering=False)
    sure = _told(on_zero, SURE_SCORE)
    if sure is None:
        sure = _told(_table(sides, free, wandering=True), SURE_SCORE)
    return sure or _told(on_zero, LEAST_SCORE)


def _table(sides: Sequence[Sequence[_Patch]], free: Sequence[tuple[float, float]], wandering: bool) -> np.ndarray:
    """How well pulses of each height and width stand on the better of both sides: (heights, widths); else as
    ``_shared_score``."""
    return np.array(
        [
            [max(_shared_score(side, free, height, width, wandering) for side in sides) for width in WIDTHS]
            for height in HEIGHTS
        ]
    )


def _told(table: np.ndarray, least: float) -> Pulse | None:
    """The pulse that a table (heights, widths) of scores tells, of at least so much."""
    height = _clear_best(table.max(axis=1), least)
    if height is None:
        return None
    width = _clear_best(table[height], least)
    return Pulse(HEIGHTS[height], None if width is None else WIDTHS[width])


def _shared_score(
    patches: Sequence[_Patch], free: Sequence[tuple[float, float]], height: float, width: float, wandering: bool
) -> float:
    """How well a pulse stands at one column of most of the rows' patches; free: mm up to the row above and down to the
    row below, their zero lines, on which those rows' own pulses stand. wandering: see ``_scores``."""
    scores = [
        _scores(patch, height, width, (height + _ABOVE < up, height + _BELOW < down), wandering)
        for patch, (up, down) in zip(patches, free, strict=True)
    ]
    return float(np.median(scores, axis=0).max())


def _clear_best(scores: np.ndarray, least: float) -> int | None:
    """Index of a score that is high enough and clearly the highest; None without one."""
    second, first = np.sort(scores)[-2:]
    return int(np.argmax(scores)) if first >= least and first - second >= LEAST_LEAD else None


@dataclass(frozen=True)
class _Patch:
    """The paper beside a row. All (rows, columns) float: ink; wide: ink, grown sideways, for upright strokes; tall:
    grown up and down, for level ones; seen: 1 in the picture, 0 beyond it. beside: (columns,) bool, where no lead is.
    """

    ink: np.ndarray
    wide: np.ndarray
    tall: np.ndarray
    seen: np.ndarray
    beside: np.ndarray


def _patch(ink: InkScale, left: float, zero: float, leads: tuple[float, float]) -> _Patch:
    """The paper from ``left`` on, as high above ``zero`` as the highest pulse, with what may be looked at around it;
    leads: where the first begin and the last end, mm."""
    width, height = REACH + 2 * _MARGIN, max(HEIGHTS) + 2 * _ASTRAY + _ABOVE + _MARGIN
    size = int(height * PIXELS_PER_MM), int(width * PIXELS_PER_MM)
    corner = left, zero - max(HEIGHTS) - _ASTRAY - _ABOVE
    patch, seen = ink.patch(corner, size, PIXELS_PER_MM), ink.seen(corner, size, PIXELS_PER_MM)
    near = 2 * round(_STROKE * PIXELS_PER_MM) + 1
    wide, tall = (cv2.dilate(patch, np.ones(shape, np.uint8)) for shape in ((1, near), (near, 1)))
    x = left + np.arange(size[0]) / PIXELS_PER_MM
    return _Patch(patch * seen, wide * seen, tall * seen, seen, (x < leads[0]) | (x > leads[1]))


def _scores(patch: _Patch, height: float, width: float, free: tuple[bool, bool], wandering: bool) -> np.ndarray:
    """How well a pulse of this size stands at each column of a patch, the best foot within the slack: (columns,).

    The least inked of its two flanks and its top, less the ink inside, and less that above the flanks, where a taller
    one or a lead's trace would go on, or below both, where one does that does not stand on the zero line. free: whether
    none is expected above and below; another row's pulse may stand there. wandering: the foot may lie further off, and
    of a pulse that the picture's edge cuts one flank does, with what is seen of its top, if that does not go on beyond
    the flank as a grid line would; but none is told that reaches up to the row above, where grid lines might be one.
    """
    near = round(_STROKE * PIXELS_PER_MM)
    across, up = round(width * PIXELS_PER_MM), round(height * PIXELS_PER_MM)
    slack = round((_ASTRAY if wandering else _SLACK) * PIXELS_PER_MM)
    clear, reach, under = (round(PIXELS_PER_MM * mm) for mm in (1.0, _ABOVE, _BELOW))
    inner = max(1, round(0.6 * PIXELS_PER_MM))
    best = np.full(patch.ink.shape[1], -1.0)
    if wandering and not free[0]:
        return best
    columns = patch.ink.shape[1] - across
    foot = round((max(HEIGHTS) + _ASTRAY + _ABOVE) * PIXELS_PER_MM)
    bottom = np.arange(foot - slack, foot + slack + 1)
    top = bottom - up
    flank, known = _mean_rows(patch.wide, patch.seen, top + near, bottom - near)
    below, _ = _mean_rows(patch.wide, patch.seen, bottom + near + 1, bottom + under)
    above, _ = _mean_rows(patch.wide, patch.seen, np.maximum(0, top - reach), np.maximum(1, top - near - 1))
    level, showing = _mean_columns(patch.tall[top], patch.seen[top], 2 * (across // 2) + 1)
    within, share = _mean_rows(patch.ink, patch.seen, top + clear, bottom - clear)
    hollow, _ = _mean_columns(within * share, share, max(1, 2 * ((across - 2 * inner) // 2) + 1))
    left, right = np.arange(columns), np.arange(across, across + columns)
    lost = known < 0.5  # a flank that is not in the picture
    sides = np.minimum(flank[:, left] + lost[:, left], flank[:, right] + lost[:, right])
    middle = left + across // 2
    taller = np.maximum(above[:, left], above[:, right]) if free[0] else 0.0
    lower = np.minimum(below[:, left] + lost[:, left], below[:, right] + lost[:, right]) if free[1] else 0.0
    score = np.minimum(sides, level[:, middle]) - np.maximum(np.maximum(taller, lower), hollow[:, middle])
    stands = ~(lost[:, left] | lost[:, right])
    if wandering:
        beyond = near + round(_ON * PIXELS_PER_MM)
        ends = [
            _ends_at(patch, level[:, middle], top, flank + off) for flank, off in ((left, -beyond), (right, beyond))
        ]
        stands |= lost[:, right] & ~lost[:, left] & ends[0] & patch.beside[left]
        stands |= lost[:, left] & ~lost[:, right] & ends[1] & patch.beside[right]
    stands &= showing[:, middle] * (2 * (across // 2) + 1) >= _TOP * PIXELS_PER_MM
    best[:columns] = np.where(stands, score, -1.0).max(axis=0)
    return best


def _ends_at(patch: _Patch, level: np.ndarray, top: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether a pulse's top, inked by ``level`` (N, M) in rows top (N,), is inked less by ``_DARKER`` around columns
    (M,), beyond its flank, those off the patch as at its edge: (N, M) bool."""
    around = cv2.blur(patch.tall[top], (round(_ON * PIXELS_PER_MM), 1))
    return level - around[:, np.clip(columns, 0, around.shape[1] - 1)] >= _DARKER


def _mean_rows(ink: np.ndarray, seen: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ink, 0 beyond the picture, of the rows from first (N,) to before last (N,) that are seen, and how large a
    share is: both (N, columns)."""
    before = np.zeros((1, ink.shape[1]))
    total, count = (np.concatenate([before, np.cumsum(part, axis=0, dtype=float)]) for part in (ink, seen))
    total, count = total[last] - total[first], count[last] - count[first]
    return total / np.maximum(count, 1e-9), count / (last - first)[:, None]


def _mean_columns(ink: np.ndarray, seen: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean ink, 0 beyond the picture, around each column, of ``width`` that are seen, and how large a share is."""
    total, count = (cv2.blur(part, (width, 1)) for part in (ink, seen))
    return total / np.maximum(count, 1e-9), count
