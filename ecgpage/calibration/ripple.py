"""What a polynomial leaves of a page's bend: the grid followed square by square."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ecgpage.calibration.bend import DEGREE, fit_terms
from ecgpage.calibration.grid import GridEstimate, grid_contrast, page_pixels
from ecgpage.calibration.tiles import Combs, combs_of, track
from ecgpage.geometry import FLAT, Bend, Ripple, bend_terms, bent_places, flat_points
from ecgpage.recording import Page

TILE_MM, FEWEST_SQUARES = 15.0, 3.0
"""Width of a tile, and squares that it holds at least. Tiles lie half of their width apart."""

FEWEST_ALONG, MOST_ALONG = 4, 60
"""Tiles along either axis: a grid seen in fewer tells no ripple."""

MOST_PASSES, LARGE_RIPPLE = 4, 0.1
"""While a ripple moves places by more than so many mm (root mean square), the map is straightened by it and looked at
again: in strongly bent tiles, lines blur."""

LONGEST = 2400
"""Pixels along the longer side of the map of the grid, at most."""

SMALLEST_RIPPLE = 0.04
"""Millimetres, root mean square, from which on a page that was taken for flat has a ripple: less is the measurement's
own noise."""

LARGEST_SHIFT, LARGEST_FINE_SHIFT, FINE = 0.8, 0.45, 2.5
"""Squares by which a line lies off at most: a line farther off may be taken for its neighbour, all the more easily on
squares finer than so many millimetres."""

LEAST_AGREEMENT = 0.9
"""Share of the tiles whose lines must lie where their neighbours lead one to expect."""

_SEEN = 1.5  # comb height over noise from which on a tile counts
_OUTLYING = 1.2  # tiles, standard deviation of the neighbourhood that outlying tiles are told by
_SMOOTH = 0.7  # tiles, standard deviation of the smoothing
_HOLD = 0.02  # of a tile's weight, towards no displacement where nothing is seen


def follow_grid(
    page: Page, grid: GridEstimate, paper_to_page: np.ndarray, square: float, bend: Bend | None
) -> Bend | None:
    """The bend of a page with the ripple that its grid shows beside it; the bend itself where no ripple is told.

    paper_to_page: (3, 3) homography of the flat paper, millimetres to page pixels, in which the grid's lines are
    ``square`` millimetres apart; bend: what ``measure_bend`` found beside it, None for a flat page.
    """
    seen = grid.weights.min(axis=1) > _SEEN if len(grid.weights) else np.zeros(0, bool)
    if grid.lattice_to_page is None or not seen.any() or (bend is None and grid.bend * square < SMALLEST_RIPPLE):
        return bend
    image, page_to_image = page_pixels(page, LONGEST)
    lattice = flat_points(paper_to_page, grid.centers[seen], bend) / square
    tile = max(TILE_MM / square, FEWEST_SQUARES)
    low, high = lattice.min(axis=0) - tile / 2, lattice.max(axis=0) + tile / 2
    scale = min(_pixels_per_square(grid) * page_to_image[0, 0], LONGEST / max(high - low))
    width, height = np.ceil((high - low) * scale).astype(int)
    if min(width, height) < 2:
        return bend
    samples_to_paper = np.array([[1 / scale, 0, low[0]], [0, 1 / scale, low[1]], [0, 0, 1 / square]])
    contrast, found = grid_contrast(image), bend
    for _ in range(MOST_PASSES):
        places = bent_places(page_to_image @ paper_to_page, samples_to_paper, (int(height), int(width)), found)
        combs = combs_of(cv2.remap(contrast, *places, cv2.INTER_LINEAR), low, scale, tile, MOST_ALONG)
        ripple, moved = _ripple(combs, square, bend or FLAT, found or FLAT)
        if ripple is None or (found is None and moved < SMALLEST_RIPPLE):
            break
        found = replace(bend or FLAT, ripple=ripple)
        if moved < LARGE_RIPPLE:
            break
    return found


def _ripple(combs: Combs, square: float, bend: Bend, used: Bend) -> tuple[Ripple | None, float]:
    """What the combs of a map straightened by ``used`` tell to add to ``bend``, None where unclear.

    Beside it, how far it moves the map's places, mm, root mean square of the axis that is moved more.
    """
    if not len(combs.places):
        return None, 0.0
    places = combs.places - combs.places.min(axis=0)
    columns, rows = places.max(axis=0) + 1
    if min(columns, rows) < FEWEST_ALONG:
        return None, 0.0
    shifts, weights, agreement, _ = track(combs)
    seen, away = square * combs.centers, square * shifts
    first, step = _first_and_step(seen, places)
    nodes = first + step * np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)  # (R, C, 2)
    values, trust = np.zeros(nodes.shape), np.zeros(nodes.shape)
    at = places[:, 1], places[:, 0]
    # a line that is seen beside its place lies where the map had the place at which it is seen
    values[at] = away + used(seen + away) - bend(seen)
    trust[at] = np.clip(weights - _SEEN, 0, 4) * (
        np.abs(shifts) < (LARGEST_FINE_SHIFT if square < FINE else LARGEST_SHIFT)
    )
    told = min(np.count_nonzero((trust > 0).any(axis=axis), axis=0).min() for axis in (0, 1))
    if agreement < LEAST_AGREEMENT or told < FEWEST_ALONG:
        return None, 0.0
    middle, reach = nodes.mean(axis=(0, 1)), np.ptp(nodes, axis=(0, 1)) / 2
    smooth = _smoothed(values, trust, bend_terms((nodes - middle) / reach, DEGREE))
    moved = smooth + bend(nodes) - used(nodes)
    power = (trust * moved**2).sum(axis=(0, 1)) / np.maximum(1e-9, trust.sum(axis=(0, 1)))
    (x, y), (wide, high) = first, step
    return Ripple.through(smooth, (x, y), (wide, high)), float(np.sqrt(power.max()))


def _pixels_per_square(grid: GridEstimate) -> float:
    """Page pixels between lines, the geometric mean of both directions at the page's middle."""
    if grid.pitch is None:
        raise ValueError("expected a grid that was found")
    return float(np.sqrt(grid.pitch[0] * grid.pitch[1]))


def _smoothed(values: np.ndarray, trust: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Smooth displacements (R, C, 2) of tiles trusted so far (R, C, 2); terms: (R, C, K) of the polynomial of a trend.

    Tiles far off the trend and their neighbours count less; where none is trusted the displacement fades to 0.
    """
    flat = terms.reshape(-1, terms.shape[2])
    fits = [fit_terms(flat, values[..., axis].ravel(), trust[..., axis].ravel())[0] for axis in (0, 1)]
    trend = terms @ np.stack(fits, axis=1)
    rest = values - trend
    weights = trust
    for _ in range(4):
        around = _blur(rest * weights, _OUTLYING) / (_blur(weights, _OUTLYING) + 1e-3)
        off = np.abs(rest - around)
        usual = max(0.03, 1.5 * float(np.median(off[trust > 0])))
        weights = trust / (1 + (off / (2 * usual)) ** 2) ** 2
    near = _blur(weights, _SMOOTH)
    return (trend * near + _blur(rest * weights, _SMOOTH)) / (near + _HOLD)


def _blur(values: np.ndarray, deviation: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT)


def _first_and_step(centers: np.ndarray, places: np.ndarray) -> np.ndarray:
    """First node and steps, (2, 2), each (x, y), of tiles with even centres (N, 2) at columns and rows (N, 2)."""
    first, last, axes = places.argmin(axis=0), places.argmax(axis=0), np.arange(2)
    step = (centers[last, axes] - centers[first, axes]) / (places[last, axes] - places[first, axes])
    return np.stack([centers[first, axes] - places[first, axes] * step, step])
