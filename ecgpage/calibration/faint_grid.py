"""A second look for a grid too faint to be found anywhere on a picture: where leads tell its millimetres roughly."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ecgpage.calibration.coherence import CLEAR, Coherence, curl, find_coherence, is_fundamental
from ecgpage.calibration.grid import (
    SMALLEST_IMAGE,
    GridEstimate,
    GridSettings,
    grid_contrast,
    nothing_found,
    on_page,
    page_pixels,
    without_traces,
)
from ecgpage.calibration.lattice import known_lattice
from ecgpage.geometry import apply_homography
from ecgpage.recording import Page

DEVIATIONS = (0.02, 0.05)
"""Standard deviations by which the squares' width and height may be off, natural logarithms: leads tell time better
than voltage."""


class _Lines(NamedTuple):
    """Lines every ``square`` mm, looked for by their harmonics from ``lowest_harmonic`` on."""

    square: float
    lowest_harmonic: int


FINE, STRONG = _Lines(1.0, 1), _Lines(5.0, 2)
"""Beats and rows, at steps of some strong lines, show in the first harmonic of these."""

FEWEST_PIXELS = 2.5
"""Pixels between lines at least: finer patterns are those of pixels that were resampled as well."""

CURL = 1.0
"""Standard deviation, mm, of what leads lines off their places on paper that is not flat (see ``coherence.curl``)."""

AROUND = 15.0
"""Millimetres around the leads that are looked at as well."""


def find_faint_grid(
    page: Page,
    paper_to_picture: np.ndarray,
    leads: tuple[float, float, float, float],
) -> GridEstimate:
    """Look for lines every 1 or 5 mm where they should be, within a few per cent; ``found`` may be false.

    Lines of which these would be multiples or fractions are not taken for them. paper_to_picture: homography from
    millimetres, about right; leads: x0, y0, x1, y1 on that paper, around all leads. The estimate is in pixels of the
    page.
    """
    longest = GridSettings().longest
    flat, pixels = _flat_page(page, paper_to_picture, leads, longest)
    # linear interpolation smooths noise more between the picture's pixels than on them, in steps that repeat
    image, flat_to_image = page_pixels(flat, longest, cv2.INTER_LANCZOS4)
    if min(image.shape[:2]) < SMALLEST_IMAGE:
        return nothing_found()
    contrast = without_traces(grid_contrast(image), image)
    pixels *= flat_to_image[0, 0]
    seen = [(lines, _clear_lines(contrast, pixels, lines)) for lines in (FINE, STRONG)]
    found = [(lines, lattice) for lines, lattice in seen if lattice is not None]
    if not found:
        return nothing_found()
    lines, lattice = max(found, key=lambda one: one[1].clearness.sum())  # they may contradict each other
    shifts = curl(contrast, lattice, CURL / lines.square)
    known = known_lattice(contrast, lattice.image_to_lattice, shifts)
    estimate = on_page(known, np.linalg.inv(flat_to_image), flat.size)
    return estimate.moved(np.linalg.inv(page.page_to_picture) @ flat.page_to_picture, page.size)


def _clear_lines(contrast: np.ndarray, pixels: float, lines: _Lines) -> Coherence | None:
    """The lattice of clear lines on a map (H, W) of so many pixels per millimetre."""
    if lines.square * pixels < FEWEST_PIXELS:
        return None
    found = find_coherence(contrast, 1 / (lines.square * pixels), DEVIATIONS, lines.lowest_harmonic)
    clear = found is not None and found.clearness.min() >= CLEAR
    return found if clear and is_fundamental(contrast, found) else None


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
