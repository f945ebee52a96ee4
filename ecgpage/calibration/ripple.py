"""What a polynomial leaves of a page's bend: the grid followed square by square, over curls and folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecgpage.calibration.grid import GridEstimate, grid_contrast, page_pixels, without_traces
from ecgpage.calibration.growth import follow
from ecgpage.calibration.patches import Laid, PatchReader
from ecgpage.calibration.stiff import smooth_sheet
from ecgpage.calibration.tiles import comb_harmonics, is_whole
from ecgpage.geometry import FLAT, Bend, Ripple, flat_points
from ecgpage.recording import Page

SIDES, FINE_SIDES, FINE = (15.0, 24.0), (11.0, 17.6), 2.4
"""Millimetres along the sides of a patch, the second tried where no ripple is told by the first; the same where lines
are nearer than ``FINE`` millimetres."""

FEWEST_SQUARES = 3.0
"""Squares along a patch's side at least."""

NODES = 0.4
"""Patches lie so much of their side apart."""

LONGEST = 2400
"""Pixels along the longer side of the map of the grid, at most."""

MOST_NODES = 20_000
"""Patches of a page, at most: more lie on no paper, but on a plane seen nearly from its edge."""

MOST_PER_MM = 8.0
"""Samples per millimetre of a patch, at most."""

SMALLEST_RIPPLE = 0.04
"""Millimetres, root mean square, from which on a page that was taken for flat has a ripple: less is the measurement's
own noise."""

CLEAR, OFF, OFF_SHARE = 2.0, 0.1, 0.01
"""A page taken for flat is followed as well where of the tiles such a share is seen clearly (comb height over noise)
beside the lattice by more than so many millimetres: paper that curls in a corner alone."""

LEFT = 0.8
"""Share of its height above noise that a grid keeps at least where no more than traces were left out of its map."""

MOVED, LEAST_GAIN = 0.05, 1.1
"""A ripple is believed where in the patches that it moves by more than so many millimetres lines stand out better in
their places, by such a ratio at least. Noise gained up to 1.08 on the drawn pages looked at, bends from 1.17 on."""

_SEEN = 1.1  # comb height over noise from which on a patch counts
_MOST_HEIGHT = 4.0  # comb height from which on a patch counts no more
_SLOPE_MM = 0.5  # mm to both sides over which a bend's slope is taken


@dataclass(frozen=True)
class GridMaps:
    """A page's map of the grid, (H, W) float32, whole and without traces, and the homography (3, 3) to its pixels."""

    whole: np.ndarray
    bare: np.ndarray
    page_to_image: np.ndarray

    @classmethod
    def of(cls, page: Page) -> GridMaps:
        """The maps of a page."""
        image, page_to_image = page_pixels(page, LONGEST)
        contrast = grid_contrast(image)
        return cls(contrast, without_traces(contrast, image), page_to_image)


def follow_grid(
    maps: GridMaps, grid: GridEstimate, paper_to_page: np.ndarray, square: float, bend: Bend | None
) -> Bend | None:
    """The bend of a page with the ripple that its grid shows beside it; the bend itself where no ripple is told.

    maps: of the page; paper_to_page: (3, 3) homography of the flat paper, millimetres to page pixels, in which the
    grid's lines are ``square`` millimetres apart; bend: what ``measure_bend`` found beside it, None for a flat page.
    """
    if grid.lattice_to_page is None or not len(grid.centers):
        return bend
    paper_to_image = maps.page_to_image @ paper_to_page
    per_mm = min(_pixels_per_square(grid) / square * maps.page_to_image[0, 0], MOST_PER_MM)
    if not is_whole(comb_harmonics(per_mm * square)).any():
        return bend  # lines finer than the pixels
    seen_at = flat_points(paper_to_page, grid.centers, bend)
    for side in FINE_SIDES if square < FINE else SIDES:
        side = max(side, FEWEST_SQUARES * square)
        traced, bare = (PatchReader(one, paper_to_image, square, side, per_mm) for one in (maps.whole, maps.bare))
        found = _followed(traced, bare, seen_at, bend)
        if found is not None:
            return found
    return bend


def is_flat(grid: GridEstimate, square: float) -> bool:
    """Whether all of a page on which no bend was measured is flat, so that there is nothing to follow."""
    off = square * np.abs(grid.shifts).max(axis=1) > OFF
    aside = float(np.mean((grid.weights.min(axis=1) > CLEAR) & off))
    return grid.bend * square < SMALLEST_RIPPLE and aside < OFF_SHARE


def _followed(traced: PatchReader, bare: PatchReader, seen_at: np.ndarray, bend: Bend | None) -> Bend | None:
    """The bend with the ripple that patches show where the grid was seen, (N, 2) mm; None for none.

    traced, bare: readers of the same patches in the map of the grid, and in that without traces. The latter is followed
    unless the grid was left out as well.
    """
    low, high = seen_at.min(axis=0) - bare.side, seen_at.max(axis=0) + bare.side
    step = NODES * bare.side
    if not np.prod((high - low) / step + 1) < MOST_NODES:
        return None
    columns, rows = np.ceil((high - low) / step).astype(int) + 1
    nodes = low + step * np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)  # (R, C, 2)
    base = bend or FLAT
    start = _laid(nodes, base)
    reader, seen = bare.first_look(start)
    other, seen_traced = traced.first_look(start)
    if _standing(seen.heights) < LEFT * _standing(seen_traced.heights):
        reader, seen = other, seen_traced
    sheet = follow(reader, nodes, start, seen)
    if sheet is None:
        return None
    trust = (np.clip(sheet.heights - _SEEN, 0, _MOST_HEIGHT) * sheet.known[:, None]).reshape(nodes.shape)
    values = smooth_sheet(sheet.away.reshape(nodes.shape) - base(nodes), trust)
    found = replace(base, ripple=Ripple.through(values, (float(low[0]), float(low[1])), (step, step)))
    laid = _laid(nodes, found)
    moved = np.hypot(*(laid.away - start.away).T) > MOVED
    before, after = (_standing(heights[moved]) for heights in (seen.in_place, reader.read(laid).in_place))
    return found if after > LEAST_GAIN * max(before, 0.0) else None


def _laid(nodes: np.ndarray, bend: Bend) -> Laid:
    """Patches around nodes (R, C, 2), mm, as a bend has them."""
    places = nodes.reshape(-1, 2)
    steps = _SLOPE_MM * np.eye(2)
    slopes = [(bend(places + step) - bend(places - step)) / (2 * _SLOPE_MM) for step in steps]
    return Laid(places, bend(places), np.stack(slopes, axis=-1))


def _standing(heights: np.ndarray) -> float:
    """How far lines stand out in patches, by their comb heights (N, 2)."""
    return float(np.clip(heights.min(axis=1), -_MOST_HEIGHT, _MOST_HEIGHT).sum())


def _pixels_per_square(grid: GridEstimate) -> float:
    """Page pixels between lines, the geometric mean of both directions at the page's middle."""
    if grid.pitch is None:
        raise ValueError("expected a grid that was found")
    return float(np.sqrt(grid.pitch[0] * grid.pitch[1]))
