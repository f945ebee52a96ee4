"""The grid of a page that shows it only here and there, or too tilted for one look: told by what its parts show.

A spectrum of the whole page blurs where perspective makes the lines' pitch change across it, and drowns where shadow,
glare or folds leave a grid in places only. Each part is measured on its own; the homography under which most of them
show the same squares is that of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from ecgpage.calibration.grid import (
    SMALLEST_IMAGE,
    GridEstimate,
    GridSettings,
    best_lattice,
    frequencies_at,
    grid_contrast,
    measure_grid,
    nothing_found,
    on_page,
    page_pixels,
)
from ecgpage.calibration.lattice import FULL_STRENGTH, Lattice, refined_lattice
from ecgpage.calibration.spectrum import NESTING
from ecgpage.recording import Page

SHARE, PLACES = 0.5, (0.0, 0.5, 1.0)
"""Share of the page's sides that a part has, and where the parts lie between either end."""

ALIKE = 0.1
"""Share by which the squares that one part shows may differ from those that another leads one to expect there; twice as
far the squares of the whole, which bent paper makes uneven, from those of the parts."""

FEWEST_SQUARES = 20
"""Squares along the longer side of a page at least: four seconds of paper in squares of 5 mm."""

MOST_OBLONG, MOST_BEND = 1.1, 0.2
"""Longer over shorter side of a page's squares, and bend (see ``GridEstimate``), from which on a pattern is doubted."""

FEWEST_PIXELS = 4.0
"""Pixels between lines at least: screens show patterns of their own pixels."""

CANDIDATES = 2
"""Patterns that are tried in a part, see ``GridSettings``: more take their time and hardly find more."""

FEWEST_PARTS = 2
"""Parts that must show the same squares: neighbours overlap, but each is searched on its own."""

NO_PERSPECTIVE = 0.1
"""Weight, parts, of the expectation that a page is seen without perspective, per change of scale across it."""


@dataclass(frozen=True)
class _Part:
    """What a part shows: its homography, (3, 3) image to lattice; its middle, (2,) pixels; the two frequencies there,
    (2, 2) cycles per pixel; and how clear it is."""

    image_to_lattice: np.ndarray
    middle: np.ndarray
    frequencies: np.ndarray
    clearness: float


def find_grid(page: Page, settings: GridSettings | None = None) -> GridEstimate:
    """Measure the grid of a page, see ``grid.measure_grid``; of one that shows none as a whole, that of its parts."""
    grid = measure_grid(page, settings)
    return grid if is_of_page(grid, page.size) else likelier(grid, measure_parts(page, settings), page.size)


def is_of_page(grid: GridEstimate, size: tuple[int, int]) -> bool:
    """Whether a grid was found that is without doubt that of a page of (height, width) size: its squares are square, no
    larger than those of a page may be, and the page lies flat."""
    if grid.pitch is None:
        return False
    square = max(grid.pitch) < MOST_OBLONG * min(grid.pitch)
    return square and grid.bend < MOST_BEND and not _is_coarse(grid.pitch, size)


def likelier(whole: GridEstimate, parts: GridEstimate, size: tuple[int, int]) -> GridEstimate:
    """Of the grid that was found on a whole page, of (height, width) size, and that of its parts: the latter where they
    are different patterns, and where the former's squares are too large for a page."""
    if parts.pitch is None:
        return whole
    if whole.pitch is None:
        return parts
    off = np.log(np.divide(whole.pitch, parts.pitch))
    alike = min(np.abs(off - nested).max() for nested in (0.0, np.log(NESTING), -np.log(NESTING)))
    return parts if alike > 2 * ALIKE or _is_coarse(whole.pitch, size) else whole


def _is_coarse(pitch: tuple[float, float], size: tuple[int, int]) -> bool:
    """Whether squares of these sides, pixels, are too large for a page of (height, width) size."""
    return FEWEST_SQUARES * max(pitch) >= max(size)


def measure_parts(page: Page, settings: GridSettings | None = None) -> GridEstimate:
    """Measure the grid of a page by its parts, see ``grid.measure_grid``; not found where no two show the same squares.

    Where the whole page does not show the lines that the parts lead one to expect, the lattice is that of the parts
    alone, which tells the squares' size and shape within about a percent but no line's place.
    """
    settings = replace(settings or GridSettings(), candidates=CANDIDATES)
    image, page_to_image = page_pixels(page, settings.longest)
    parts = _parts(image, settings)
    alike = _most_alike(parts)
    if not alike:
        return nothing_found()
    lattice = refined_lattice(grid_contrast(image), _common(alike, image.shape[:2]))
    if not len(lattice.centers):  # no camera sees a page like that
        return nothing_found()
    return on_page(lattice, np.linalg.inv(page_to_image), page.size)


def _parts(image: np.ndarray, settings: GridSettings) -> list[_Part]:
    """What the parts of a picture (H, W, 3) uint8 show, where they show a grid."""
    size = np.array([round(SHARE * extent) for extent in image.shape[:2]])
    if size.min() < SMALLEST_IMAGE:
        return []
    parts = []
    for down in PLACES:
        for across in PLACES:
            y, x = ((np.array(image.shape[:2]) - size) * (down, across)).round().astype(int)
            lattice = best_lattice(grid_contrast(image[y : y + size[0], x : x + size[1]]), settings, follow=False)
            if lattice is not None and settings.is_seen(lattice):
                parts.append(_part(lattice, np.array([x, y]), size))
    return [part for part in parts if np.hypot(*part.frequencies.T).max() * FEWEST_PIXELS < 1]


def _part(lattice: Lattice, corner: np.ndarray, size: np.ndarray) -> _Part:
    """What a lattice in a part's pixels tells; corner: (x, y) of the part in the image; size: its (height, width)."""
    shift = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]], [0, 0, 1.0]])
    image_to_lattice = np.linalg.inv(lattice.lattice_to_image) @ shift
    middle = corner + (size[::-1] - 1) / 2
    return _Part(
        image_to_lattice,
        middle,
        _frequencies(image_to_lattice, middle),
        min(lattice.strength, FULL_STRENGTH) * lattice.agreement,
    )


def _frequencies(image_to_lattice: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The frequency vectors (2, 2), cycles per pixel, of a lattice at a point (2,) of the image."""
    return frequencies_at(np.linalg.inv(image_to_lattice), point)[0]


def _most_alike(parts: Sequence[_Part]) -> list[_Part]:
    """The parts that one of them leads one to expect, itself first, in its squares; of most clearness together. None
    where there are fewer than ``FEWEST_PARTS``."""
    best: list[_Part] = []
    for root in parts:
        alike = [root]
        for other in parts:
            if other is root:
                continue
            expected = _frequencies(root.image_to_lattice, other.middle)
            for times in (1.0, NESTING, 1 / NESTING):
                off = times * other.frequencies @ np.linalg.inv(expected) - np.eye(2)
                if np.abs(off).max() < ALIKE:
                    alike.append(replace(other, frequencies=times * other.frequencies))
        enough = len(alike) >= FEWEST_PARTS
        if enough and sum(part.clearness for part in alike) > sum(part.clearness for part in best):
            best = alike
    return best


def _common(parts: Sequence[_Part], size: tuple[int, ...]) -> np.ndarray:
    """The image_to_lattice under which squares are everywhere those that the parts show; its origin is in the middle.

    parts: the first is what the search starts from; size: (height, width) of the image.
    """
    height, width = size
    middle, spread = np.array([(width - 1) / 2, (height - 1) / 2]), max(size) / 2
    start = _frequencies(parts[0].image_to_lattice, middle)

    def homography(unknown: np.ndarray) -> np.ndarray:
        image_to_lattice = np.eye(3)
        image_to_lattice[:2, :2] = unknown[:4].reshape(2, 2) @ start
        image_to_lattice[2, :2] = unknown[4:] / spread
        return image_to_lattice @ np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1.0]])

    def misfit(unknown: np.ndarray) -> np.ndarray:
        image_to_lattice = homography(unknown)
        off = [
            part.clearness**0.5
            * (_frequencies(image_to_lattice, part.middle) @ np.linalg.inv(part.frequencies) - np.eye(2)).ravel()
            for part in parts
        ]
        return np.concatenate([*off, NO_PERSPECTIVE * unknown[4:]])

    solved = least_squares(misfit, np.array([1.0, 0, 0, 1, 0, 0]), loss="soft_l1", f_scale=0.03)
    return homography(solved.x)
