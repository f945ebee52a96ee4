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

LEAST_SCORE = 0.55
"""Share of a pulse's outline that must be inked, at its weakest side."""

LEAST_LEAD = 0.2
"""By how much a pulse must fit better than one of any other height or width."""

_MARGIN = 2.0  # mm kept around what is looked at
_SLACK = 0.7  # mm that a pulse's foot may lie off its row's zero line
_ABOVE, _BELOW = 2.0, 1.3  # mm above and below a pulse that are looked at for ink
_STROKE = 0.35  # mm, half of the width within which a stroke's ink is looked for


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
    Pulses stand above one another, left or right of the rows, with their feet on the zero lines.
    """
    zeros = sorted({trace.lead.row: trace.zero for trace in traces if np.isfinite(trace.zero)}.values())
    ink = InkScale.of(image, paper_to_picture, traces, bend) if zeros else None
    if ink is None:
        return None
    left = min(trace.lead.box[0] for trace in traces)
    right = max(trace.lead.box[2] for trace in traces)
    sides = [[_patch(ink, start, zero) for zero in zeros] for start in (left - REACH, right - _MARGIN)]
    apart = np.diff(zeros)
    free = list(zip([np.inf, *apart], [*apart, np.inf], strict=True))
    table = np.array(
        [
            [max(_shared_score(patches, free, height, width) for patches in sides) for width in WIDTHS]
            for height in HEIGHTS
        ]
    )
    height = _clear_best(table.max(axis=1))
    if height is None:
        return None
    width = _clear_best(table[height])
    return Pulse(HEIGHTS[height], None if width is None else WIDTHS[width])


def _shared_score(
    patches: Sequence[np.ndarray], free: Sequence[tuple[float, float]], height: float, width: float
) -> float:
    """How well a pulse stands at one column of most of the rows' patches; free: mm up to the row above and down to the
    row below, their zero lines, on which those rows' own pulses stand."""
    scores = [
        _scores(patch, height, width, (height + _ABOVE < up, height + _BELOW < down))
        for patch, (up, down) in zip(patches, free, strict=True)
    ]
    return float(np.median(scores, axis=0).max())


def _clear_best(scores: np.ndarray) -> int | None:
    """Index of a score that is high enough and clearly the highest; None without one."""
    second, first = np.sort(scores)[-2:]
    return int(np.argmax(scores)) if first >= LEAST_SCORE and first - second >= LEAST_LEAD else None


def _patch(ink: InkScale, left: float, zero: float) -> np.ndarray:
    """Ink of the paper from ``left`` on, as high above ``zero`` as the highest pulse, and a margin: (rows, columns)."""
    width, height = REACH + 2 * _MARGIN, max(HEIGHTS) + 2 * _MARGIN
    size = int(height * PIXELS_PER_MM), int(width * PIXELS_PER_MM)
    return ink.patch((left, zero - max(HEIGHTS) - _MARGIN), size, PIXELS_PER_MM)


def _scores(patch: np.ndarray, height: float, width: float, free: tuple[bool, bool]) -> np.ndarray:
    """How well a pulse of this size stands at each column of a patch, the best foot within the slack: (columns,).

    The least inked of its two flanks and its top, less the ink inside, and less that above the flanks, where a taller
    one or a lead's trace would go on, or below both, where one does that does not stand on the zero line. free: whether
    none is expected above and below; another row's pulse may stand there.
    """
    near = round(_STROKE * PIXELS_PER_MM)
    wide = cv2.dilate(patch, np.ones((1, 2 * near + 1), np.uint8))  # for upright strokes
    tall = cv2.dilate(patch, np.ones((2 * near + 1, 1), np.uint8))  # for level ones
    across, up = round(width * PIXELS_PER_MM), round(height * PIXELS_PER_MM)
    foot = round((max(HEIGHTS) + _MARGIN) * PIXELS_PER_MM)
    slack = round(_SLACK * PIXELS_PER_MM)
    clear, reach = round(PIXELS_PER_MM * 1.0), round(PIXELS_PER_MM * _ABOVE)
    inner = max(1, round(0.6 * PIXELS_PER_MM))
    columns = patch.shape[1] - across
    best = np.full(patch.shape[1], -1.0)
    for bottom in range(foot - slack, foot + slack + 1):
        top = bottom - up
        flank = wide[top + near : bottom - near].mean(axis=0)
        below = wide[bottom + near + 1 : bottom + round(PIXELS_PER_MM * _BELOW)].mean(axis=0)
        above = wide[max(0, top - reach) : max(1, top - near - 1)].mean(axis=0)
        level = cv2.blur(tall[top : top + 1], (2 * (across // 2) + 1, 1))[0]
        hollow = patch[top + clear : bottom - clear].mean(axis=0)
        hollow = cv2.blur(hollow[None], (max(1, 2 * ((across - 2 * inner) // 2) + 1), 1))[0]
        sides = np.minimum(flank[:columns], flank[across : across + columns])
        middle = np.arange(columns) + across // 2
        taller = np.maximum(above[:columns], above[across : across + columns]) if free[0] else 0.0
        lower = np.minimum(below[:columns], below[across : across + columns]) if free[1] else 0.0
        score = np.minimum(sides, level[middle]) - np.maximum(np.maximum(taller, lower), hollow[middle])
        best[:columns] = np.maximum(best[:columns], score)
    return best
