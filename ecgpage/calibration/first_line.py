"""Where time begins, to a fraction of a sample: on a line of the grid, as on most pages.

Recorders and plotting programs begin the traces on a line of their grid, mostly a strong one. Traces' ends tell the
place within some hundredths of a millimetre, more than a sample of 500 Hz; lines tell it many times as well.

A program that draws a page as pixels puts grid lines on whole ones, and traces where they belong. Lines of an odd width
then lie half a pixel to the right in the mean: Matplotlib's renderer rounds their place to an edge between pixels, and
adds half a pixel to reach the middle of the line's own (``PathSnapper`` in its ``path_converters.h``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.calibration.assembly import time_origin
from ecgpage.calibration.scale import NESTED_SQUARE
from ecgpage.geometry import apply_homography
from ecgpage.recording import Calibration, LeadTrace, Page

NEAR, NEAR_FINE, NEAR_PIXELS, FARTHEST = 0.12, 0.1, 0.75, 0.2
"""How near to a line traces must begin to begin there, millimetres: to a strong line, and to one of those that stand a
millimetre apart; or pixels where that is more, up to the last, millimetres."""

LEVEL = 0.002
"""Largest slope of time in a picture whose columns are those that the program drew."""

ALIKE = 0.2
"""Pixels by which the widths of half of the lines may differ where the program put all of them on whole pixels; those
of lines anywhere differ by 0.5 and more."""

BLURRED = 2.7
"""Pixels from which on lines are so wide that they may be blurred."""

THIN, POINT = 0.5, 25.4 / 72
"""Usual width of a drawn grid's lines, points, and millimetres of a point."""

_ROWS = 400  # of the picture, in which lines' widths are measured at most
_FEWEST = 8  # lines
_LEAST_INK = 4.0  # grey levels


def time_begins(traces: Sequence[LeadTrace], page: Page, calibration: Calibration) -> float:
    """Where time 0 lies, x in paper millimetres: see ``assembly.time_origin`` and ``begin_on_line``.

    traces: placed in time, on the calibration's paper. Raises ValueError for no traces.
    """
    origin = time_origin(traces, calibration.speed)
    return begin_on_line(origin, page, calibration, float(np.mean([trace.lead.box[1::2] for trace in traces])))


def begin_on_line(origin: float, page: Page, calibration: Calibration, height: float) -> float:
    """The place x, mm, of the grid's line on which time begins; ``origin`` itself where no line is near.

    origin: where the traces' ends put it, on flat paper; height: of the traces' middle, mm.
    """
    spacing = calibration.line_spacing
    if not np.isfinite(spacing):
        return origin
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    right, pixels_per_mm = _rightwards(paper_to_picture, (origin, height))
    near = NEAR if spacing >= NESTED_SQUARE else NEAR_FINE
    near = min(FARTHEST, max(near, NEAR_PIXELS / pixels_per_mm))
    left = _left_of_lines(page.image, paper_to_picture, spacing, right, pixels_per_mm)
    if left is None:  # on a line, if the traces do not begin left of it
        thin = round(THIN * POINT * pixels_per_mm) <= 1
        left = 0.5 if thin and origin < spacing * round(origin / spacing) else 0.0
    offset = -left / pixels_per_mm
    line = spacing * round((origin - offset) / spacing) + offset
    return line if abs(line - origin) <= near else origin


def _rightwards(paper_to_picture: np.ndarray, place: tuple[float, float]) -> tuple[np.ndarray, float]:
    """The direction of time in the picture at a place of the paper, a (2,) unit vector, and pixels per mm along it."""
    ends = apply_homography(paper_to_picture, np.array([place, (place[0] + 1.0, place[1])]))
    along = ends[1] - ends[0]
    length = float(np.hypot(*along))
    return along / max(length, 1e-9), length


def _left_of_lines(
    image: np.ndarray, paper_to_picture: np.ndarray, spacing: float, right: np.ndarray, pixels_per_mm: float
) -> float | None:
    """By how many pixels what begins on a line begins left of where the line is seen: half a one where a program put
    the lines on whole pixels, an odd number of them wide. None where the picture does not show the program's own
    pixels sharply; then half a one is to be expected of usual lines, ``THIN``, that take one."""
    if abs(right[1]) > LEVEL or right[0] < 0:
        return None
    widths = line_widths(image, paper_to_picture, spacing)
    if len(widths) < _FEWEST:
        return None
    low, middle, high = np.quantile(widths, (0.25, 0.5, 0.75))
    if high - low <= ALIKE:
        return 0.5 * (round(middle) % 2)
    return None if middle > BLURRED else 0.0


def line_widths(image: np.ndarray, paper_to_picture: np.ndarray, spacing: float) -> np.ndarray:
    """How wide upright lines are in a picture in which they run along its columns, (n,) pixels: the ink of each over
    that of its darkest column. Lines on whole pixels that cover one fully have their own width, those that cover two
    alike are 2 wide; others' widths depend on where they lie.

    image: (H, W, 3) uint8; paper_to_picture: (3, 3) homography from millimetres; spacing: mm between lines.
    """
    height, width = image.shape[:2]
    rows = image[:: max(1, height // _ROWS)]
    light = np.median(rows, axis=0).astype(np.float64).min(axis=1)  # (W,): of most rows, so without traces
    ends = np.array([[0, height / 2], [width - 1, height / 2]])
    (first, y), (last, _) = apply_homography(np.linalg.inv(paper_to_picture), ends)
    places = spacing * np.arange(np.ceil(first / spacing), np.floor(last / spacing) + 1)
    columns = apply_homography(paper_to_picture, np.stack([places, np.full(len(places), y)], axis=1))[:, 0]
    reach = min(3, int(0.45 * (width - 1) / (last - first)))  # so that lines 1 mm apart stay out
    widths = []
    for column in np.round(columns).astype(int) if reach else ():
        around = light[max(0, column - reach) : column + reach + 1]
        ink = around.max(initial=0.0) - around
        if len(around) == 2 * reach + 1 and ink.max() >= _LEAST_INK:
            widths.append(ink.sum() / ink.max())
    return np.array(widths)
