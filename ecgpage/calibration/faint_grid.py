"""A second look for a grid too faint to be found anywhere on a picture: where leads have told about how wide it is."""

from __future__ import annotations

import numpy as np

from ecgpage.calibration.grid import (
    SMALLEST_IMAGE,
    GridEstimate,
    GridSettings,
    frequencies_at,
    grid_contrast,
    nothing_found,
    on_page,
    page_pixels,
)
from ecgpage.calibration.lattice import Lattice, fit_lattice, follow_lattice
from ecgpage.calibration.spectrum import NESTING, frequencies_near
from ecgpage.calibration.tiles import read_combs
from ecgpage.geometry import apply_homography
from ecgpage.recording import Page

SLACK = (0.03, 0.12)
"""Shares by which the squares' width and height may be off: leads tell time better than voltage."""

FINE_STRENGTH, FINE_AGREEMENT = 0.8, 0.93
"""Strength and agreement (see ``lattice.Lattice``), of upright and of level lines, from which on lines every millimetre
are a grid: by chance alone, with two hundred periods or more to a page, agreement stays below 0.9 where there is any
strength."""

STRONG_STRENGTH, STRONG_AGREEMENT = 2.0, 0.9
"""The same of lines every 5 mm, of which few enough fit a page for others to line up with them."""

CLEAR, CLEAR_SHARE = 1.5, 0.04
"""Peak over noise from which on a tile shows lines, and the least share of the tiles that do, of upright and of level
lines: of noise alone 0.03, and the few that do may agree by chance."""

AROUND = 15.0
"""Millimetres around the leads that are looked at as well."""


def find_faint_grid(
    page: Page,
    paper_to_picture: np.ndarray,
    leads: tuple[float, float, float, float],
    settings: GridSettings | None = None,
) -> GridEstimate:
    """Look for lines every 1 or 5 mm where they should be, within a few per cent; ``found`` may be false.

    For pages on which no grid was seen: where one is, its multiples and fractions look like lines every millimetre too.
    paper_to_picture: homography from millimetres, about right; leads: x0, y0, x1, y1 on that paper, around all leads.
    The estimate is in pixels of the page.
    """
    settings = settings or GridSettings()
    flat, pixels = _flat_page(page, paper_to_picture, leads, settings.longest)
    image, flat_to_image = page_pixels(flat, settings.longest)
    if min(image.shape[:2]) < SMALLEST_IMAGE:
        return nothing_found()
    contrast, pixels = grid_contrast(image), pixels * flat_to_image[0, 0]
    for square, strength, agreement in (
        (1.0, FINE_STRENGTH, FINE_AGREEMENT),
        (float(NESTING), STRONG_STRENGTH, STRONG_AGREEMENT),
    ):
        frequencies = frequencies_near(contrast, 1 / (square * pixels), SLACK, settings.tiles_across)
        if frequencies is None:
            continue
        lattice = fit_lattice(contrast, frequencies)
        if lattice.bend > settings.flat_bend:
            lattice = max(lattice, follow_lattice(contrast, frequencies), key=lambda one: one.quality)
        seen = lattice.strength >= strength and lattice.least_agreement >= agreement
        seen = seen and (lattice.weights > CLEAR).mean(axis=0).min() >= CLEAR_SHARE
        if seen and _is_near(lattice, square, pixels, contrast) and _is_fundamental(lattice, contrast):
            found = on_page(lattice, np.linalg.inv(flat_to_image), flat.size)
            return found.moved(np.linalg.inv(page.page_to_picture) @ flat.page_to_picture, page.size)
    return nothing_found()


def _flat_page(
    page: Page, paper_to_picture: np.ndarray, leads: tuple[float, float, float, float], longest: int
) -> tuple[Page, float]:
    """The picture's part around the leads as a page on the paper, and its pixels per millimetre."""
    low, high = np.array(leads[:2]) - AROUND, np.array(leads[2:]) + AROUND
    middle = (low + high) / 2
    here, along, down = apply_homography(paper_to_picture, middle + np.array([[0, 0], [1, 0], [0, 1]]))
    pixels = float(max(np.linalg.norm(along - here), np.linalg.norm(down - here)))
    pixels = min(pixels, longest / float((high - low).max()))
    to_paper = np.array([[1 / pixels, 0, low[0]], [0, 1 / pixels, low[1]], [0, 0, 1]])
    width, height = np.ceil((high - low) * pixels).astype(int)
    return Page(page.image, (int(height), int(width)), paper_to_picture @ to_paper, page.outlined), pixels


def _is_near(lattice: Lattice, square: float, pixels: float, contrast: np.ndarray) -> bool:
    """Whether a lattice kept the squares that it was started from."""
    height, width = contrast.shape
    _, pitch = frequencies_at(lattice.lattice_to_image, np.array([(width - 1) / 2, (height - 1) / 2]))
    off = np.abs(np.log(np.array(pitch) / (square * pixels)))
    return bool((off < np.log1p(SLACK)).all())


def _is_fundamental(lattice: Lattice, contrast: np.ndarray) -> bool:
    """Whether the lines are neither every second one of closer lines nor have every second one of theirs missing.

    Closer lines show in a second harmonic that is stronger than the first, lines further apart in a pattern of twice
    the period, whose first harmonic is stronger than the second.
    """
    image_to_lattice = np.linalg.inv(lattice.lattice_to_image)
    own = read_combs(contrast, image_to_lattice).amplitudes
    double = read_combs(contrast, np.diag([0.5, 0.5, 1.0]) @ image_to_lattice).amplitudes
    return bool((own[:, 1] >= own[:, 2]).any() and (double[:, 1] <= double[:, 2]).any())
