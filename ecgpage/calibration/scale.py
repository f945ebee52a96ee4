"""Millimetres on a page: the printed grid, told apart (1 mm or 5 mm squares) by what the leads' lengths say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.extent import even_paper
from ecgpage.calibration.faint_grid import find_faint_grid
from ecgpage.calibration.grid import GridEstimate, frequencies_at
from ecgpage.calibration.lines import read_lines
from ecgpage.calibration.row_bend import bend_of_rows
from ecgpage.geometry import apply_homography, map_box
from ecgpage.leads import MILLIMETERS_PER_SECOND, SPEEDS
from ecgpage.recording import Calibration, LeadBox, LeadTrace, Page, PageError, PixelsPerSecond

USUAL_SQUARES = (5.0, 1.0)
"""Millimetres between the lines of the patterns that ECG paper shows."""

NESTED_SQUARE = 5.0
"""Millimetres between strong lines with finer ones inside."""

OTHER_SQUARES = {2.0: 2.0, 10.0: 10.0, 2.5: 5.0, 0.5: 1.0}
"""What squares that fit no usual ones at the usual speed are taken for: where lines fall between pixels, or only every
second one is printed, for what they seem; half of usual ones for those, at 50 mm/s."""

LARGE_SQUARE, CLEAR = 10.0, 2.0
"""The largest of those, and strength (see ``GridEstimate``) from which on a pattern is clear, and may be that: most
faint ones of ten millimetres are no grid's."""

EVEN_TILES, EVEN_AGREEMENT, EVEN_BEND = 60, 0.97, 0.05
"""Tiles, their agreement, and the most bend (see ``GridEstimate``) of a faint pattern that is as even all over the page
as noise is not, and clear as well. Of 348 drawn pages with a pattern six showed a faint one that is no grid's: of nine
tiles, or with an agreement of 0.96 at most and a bend of 0.064 and more."""

CLEAR_AGREEMENT = 0.9
"""Agreement (see ``GridEstimate``) of a clear pattern whose squares tell how long a column lasts."""

LARGEST_DISAGREEMENT, LARGEST_IF_DOUBTFUL = 0.12, 0.06
"""Ratio, as a natural logarithm, by which the leads' lengths may differ from the grid's: boxes are not measures; less
from those of a pattern that is not clear, for chance finds one in any picture."""

PAPER_WIDTH = 280.0
"""Millimetres across a usual page: what is assumed when neither grid nor leads tell."""


def calibrate(page: Page, leads: Sequence[LeadBox], grid: GridEstimate, doubted: bool = True) -> Calibration:
    """Find the millimetres on a straightened page from its grid and the leads' known durations.

    leads: boxes in page pixels whose ``duration`` (s) is known; those without one, or of no width, are passed over.
    doubted: whether a pattern that is not clear must agree better with them, and its lines with each other. Without a
    grid, or where it contradicts the leads, the page is taken as evenly scaled by the leads' lengths (source "layout").
    Raises PageError where there is neither a grid nor a lead of known duration.
    """
    square = square_millimeters(leads, grid, doubted) if grid.found else None
    if square is not None:
        by_grid = _by_squares(page, leads, grid, square)
        lines = read_lines(page, grid, by_grid.paper_to_page, square, doubted)
        if lines.stand:
            return replace(by_grid, bend=lines.bend)
    scale = layout_scale(leads)
    if scale is None:
        raise PageError(
            f"no grid and no lead of known duration on the page of {page.size[1]}x{page.size[0]} pixels: its scale is "
            "unknown; is the whole page in view?"
        )
    return _from_lattice(page, np.diag([scale, scale, 1.0]), "layout")


def by_squares_alone(page: Page, leads: Sequence[LeadBox], grid: GridEstimate) -> Calibration | None:
    """The calibration by a grid's squares, whether its lines stand together or not, as those do not that begin anew in
    every panel of a figure. None where no grid tells lines or it does not agree with the leads."""
    if not (grid.found and grid.tells_lines):
        return None
    square = square_millimeters(leads, grid)
    return None if square is None else _by_squares(page, leads, grid, square)


def by_faint_grid(page: Page, leads: Sequence[LeadBox], paper_to_picture: np.ndarray) -> Calibration | None:
    """The calibration by a grid that is looked for where its lines must be on a paper, (3, 3) homography from its
    millimetres, that is about right. None where none is found there that agrees with the leads."""
    picture_to_paper = np.linalg.inv(paper_to_picture)
    boxes = np.array([map_box(picture_to_paper @ page.page_to_picture, lead.box) for lead in leads])
    faint = find_faint_grid(page, paper_to_picture, (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)))
    if not faint.found:
        return None
    # it was looked for where its lines must be: that it is not clear is no doubt
    found = calibrate(page, leads, faint, doubted=False)
    return found if found.source == "grid" else None


def calibrate_again(
    page: Page, leads: Sequence[LeadBox], traces: Sequence[LeadTrace], calibration: Calibration, grid: GridEstimate
) -> Calibration:
    """A better calibration of a page on which no grid's lines were told, from traces made with the first.

    Of a page scaled by its leads (source "layout") it is told by where they begin and end and how their rows lie what
    scale, turn and perspective are. A grid is then looked for where its lines must be, which shows fainter ones than a
    search without a clue; where there is none, what bends all rows alike is the paper's. leads: boxes in page pixels;
    traces: of them, on the calibration's paper; grid: what the calibration was made with. A calibration by a grid whose
    lines are told, and one that traces tell nothing of, is returned itself.
    """
    by_grid = calibration.source == "grid"
    if by_grid and grid.tells_lines:
        return calibration
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    even = paper_to_picture if by_grid else even_paper(traces, paper_to_picture)
    if even is None:
        return calibration
    found = by_faint_grid(page, leads, even)
    if found is not None:
        return found
    paper_to_page = np.linalg.inv(page.page_to_picture) @ even
    bend = bend_of_rows(traces, np.linalg.inv(paper_to_page) @ calibration.paper_to_page)
    if by_grid:
        return calibration if bend is None else replace(calibration, bend=bend)
    return replace(_from_lattice(page, paper_to_page, "layout"), bend=bend)


def _by_squares(page: Page, leads: Sequence[LeadBox], grid: GridEstimate, square: float) -> Calibration:
    """Millimetres by a grid's squares of ``square`` mm on flat paper."""
    calibration = _from_lattice(page, grid.lattice_to_page @ np.diag([1 / square, 1 / square, 1.0]), "grid")
    usual = square in USUAL_SQUARES
    spacing = square if usual and grid.tells_lines else float("nan")
    return replace(calibration, speed=paper_speed(leads, grid, square), usual_squares=usual, line_spacing=spacing)


def pixels_per_second(grid: GridEstimate) -> PixelsPerSecond | None:
    """Page pixels per second by a grid's strong lines, or by all of a clear one without finer ones; else None."""
    clear = _is_clear(grid) and grid.agreement >= CLEAR_AGREEMENT
    if grid.pitch is None or not (grid.nested or clear):
        return None
    return PixelsPerSecond(grid.pitch[0] / NESTED_SQUARE * MILLIMETERS_PER_SECOND, grid.nested)


def square_millimeters(leads: Sequence[LeadBox], grid: GridEstimate, doubted: bool = True) -> float | None:
    """Return how many millimetres the grid's squares measure, or None where nothing agrees with the leads.

    doubted: whether a pattern that is not clear must agree better, see ``LARGEST_IF_DOUBTFUL``. Strong lines with finer
    ones inside are 5 mm apart where that agrees with any paper speed. Without any lead of known duration: 5 mm where
    finer lines are seen inside, else whichever makes the region with a grid most like a usual page's width.
    """
    ratios = _millimeters_per_square(leads, grid)
    if not len(ratios):
        return NESTED_SQUARE if grid.nested else _by_paper_width(grid)
    measured = _usual(ratios)
    clear = _is_clear(grid)
    limit = LARGEST_DISAGREEMENT if clear or not doubted else LARGEST_IF_DOUBTFUL
    if grid.nested and _nearest(NESTED_SQUARE * MILLIMETERS_PER_SECOND / measured, SPEEDS, limit) is not None:
        return NESTED_SQUARE
    if (square := _nearest(measured, USUAL_SQUARES, limit)) is not None:
        return square
    seen = _nearest(measured, tuple(OTHER_SQUARES), limit)
    return None if seen is None or (seen == LARGE_SQUARE and not clear) else OTHER_SQUARES[seen]


def _is_clear(grid: GridEstimate) -> bool:
    """Whether a pattern is strong or, where it is faint, even all over the page."""
    even = grid.agreement >= EVEN_AGREEMENT and grid.bend <= EVEN_BEND
    return grid.strength >= CLEAR or (even and len(grid.centers) >= EVEN_TILES)


def paper_speed(leads: Sequence[LeadBox], grid: GridEstimate, square: float) -> float:
    """Millimetres per second that the leads' durations and lengths give, of the speeds in use; else the usual one.

    square: millimetres between the grid's lines.
    """
    ratios = _millimeters_per_square(leads, grid)
    speed = _nearest(square * MILLIMETERS_PER_SECOND / _usual(ratios), SPEEDS) if len(ratios) else None
    return MILLIMETERS_PER_SECOND if speed is None else speed


def _usual(ratios: np.ndarray) -> float:
    return float(np.exp(np.median(np.log(ratios))))


def _nearest(value: float, choices: Sequence[float], limit: float = LARGEST_DISAGREEMENT) -> float | None:
    """The choice that a value agrees with, up to a natural logarithm of their ratio, or None."""
    off = np.abs(np.log(value / np.array(choices)))
    return choices[int(np.argmin(off))] if off.min() <= limit else None


def _millimeters_per_square(leads: Sequence[LeadBox], grid: GridEstimate) -> np.ndarray:
    """Millimetres per lattice unit that each lead's length gives at the usual speed, counted in proportion to it."""
    page_to_lattice = grid.page_to_lattice
    ratios: list[float] = []
    for lead in leads:
        if not _known(lead):
            continue
        x0, y0, x1, y1 = lead.box
        ends = apply_homography(page_to_lattice, np.array([[x0, (y0 + y1) / 2], [x1, (y0 + y1) / 2]]))
        units = float(np.hypot(*(ends[1] - ends[0])))
        ratios += [lead.duration * MILLIMETERS_PER_SECOND / max(units, 1e-9)] * max(1, round(lead.duration))
    return np.array(ratios)


def _by_paper_width(grid: GridEstimate) -> float:
    units = float(np.ptp(apply_homography(grid.page_to_lattice, grid.centers)[:, 0]))
    return min(USUAL_SQUARES, key=lambda square: abs(np.log(max(units, 1e-9) * square / PAPER_WIDTH)))


def layout_scale(leads: Sequence[LeadBox]) -> float | None:
    """Return page pixels per millimetre from the leads' lengths, None without a lead of known duration."""
    scales: list[float] = []
    for lead in leads:
        if _known(lead):
            length = lead.duration * MILLIMETERS_PER_SECOND
            scales += [(lead.box[2] - lead.box[0]) / length] * max(1, round(lead.duration))
    return float(np.median(scales)) if scales else None


def runs_at(speed: float, leads: Sequence[LeadBox]) -> bool:
    """Whether leads, whose boxes are in paper millimetres, are as long as they last at a speed, mm/s."""
    scale = layout_scale(leads)
    return scale is not None and abs(np.log(scale * MILLIMETERS_PER_SECOND / speed)) < LARGEST_DISAGREEMENT


def _known(lead: LeadBox) -> bool:
    return bool(np.isfinite(lead.duration) and lead.duration > 0 and lead.box[2] - lead.box[0] > 1)


def _from_lattice(page: Page, paper_to_page: np.ndarray, source: str) -> Calibration:
    paper_to_page = paper_to_page / paper_to_page[2, 2]
    middle = np.array([(page.size[1] - 1) / 2, (page.size[0] - 1) / 2])
    _, pixels_per_mm = frequencies_at(paper_to_page, middle)
    return Calibration(paper_to_page, pixels_per_mm, source)
