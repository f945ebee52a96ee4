"""Homographies between the frames of ``recording``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

BEND_STEP = 16
"""Samples between the places at which ``bent_places`` asks for a bend."""

_BEND_ITERATIONS = 12

_LINE_POINTS = 33
"""Places along a line at which a bend is asked for how far it leads the line away."""


def apply_homography(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (n, 2) points (x, y) by a (3, 3) homography: (n, 2) float64."""
    points = np.asarray(points, np.float64)
    mapped = points @ homography[:, :2].T + homography[:, 2]  # (n, 3)
    return mapped[:, :2] / mapped[:, 2:]


def box_corners(box: tuple[float, float, float, float]) -> np.ndarray:
    """Corners of (x0, y0, x1, y1): (4, 2), top left, top right, bottom right, bottom left."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def map_box(homography: np.ndarray, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Smallest upright rectangle (x0, y0, x1, y1) around a mapped box."""
    corners = apply_homography(homography, box_corners(box))
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


@dataclass(frozen=True)
class Ripple:
    """A displacement, mm, told at the nodes of an even lattice of places and smooth (cubic splines) between them.

    splines: (R, C, 2) coefficients of the splines, see ``through``; origin: (x, y) mm of the first node; step: (x, y)
    mm between nodes. Beyond the nodes the displacement stays what it is at the edge.
    """

    splines: np.ndarray
    origin: tuple[float, float]
    step: tuple[float, float]

    @classmethod
    def through(cls, values: np.ndarray, origin: tuple[float, float], step: tuple[float, float]) -> Ripple:
        """The ripple with displacements (R, C, 2), mm, at its nodes."""
        splines = [spline_filter(values[..., axis], order=3, mode="nearest") for axis in (0, 1)]
        return cls(np.stack(splines, axis=-1), origin, step)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Displacement (..., 2) in mm of points (..., 2), mm."""
        last = np.array(self.splines.shape[1::-1]) - 1
        x, y = np.moveaxis(np.clip((np.asarray(points, np.float64) - self.origin) / self.step, 0, last), -1, 0)
        values = [
            map_coordinates(self.splines[..., axis], [y.ravel(), x.ravel()], order=3, mode="nearest", prefilter=False)
            for axis in (0, 1)
        ]
        return np.stack(values, axis=-1).reshape(*x.shape, 2)


@dataclass(frozen=True)
class Bend:
    """How far paper that is not flat lies from where a homography has it: a smooth displacement, mm.

    A point of the flat paper lies where the homography has the point plus its displacement. coefficients: (K, 2) mm, of
    the products of powers of x and y up to ``degree``, both counted from ``middle`` in units of ``reach`` (mm), beyond
    which the displacement stays what it is at the edge. ripple: what is left beside that polynomial.
    """

    coefficients: np.ndarray
    degree: int
    middle: tuple[float, float]
    reach: tuple[float, float]
    ripple: Ripple | None = None

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Displacement (..., 2) in mm of points (..., 2), mm."""
        points = np.asarray(points, np.float64)
        away = bend_terms((points - self.middle) / self.reach, self.degree) @ self.coefficients
        return away if self.ripple is None else away + self.ripple(points)


FLAT = Bend(np.zeros((1, 2)), 0, (0.0, 0.0), (1.0, 1.0))
"""The bend of flat paper."""


def bend_terms(places: np.ndarray, degree: int) -> np.ndarray:
    """Products of powers (..., K) of places (..., 2), which are cut at -1 and 1."""
    x, y = np.moveaxis(np.clip(places, -1, 1), -1, 0)
    return np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=-1)


def bent_points(homography: np.ndarray, points: np.ndarray, bend: Bend | None) -> np.ndarray:
    """Map (n, 2) points of flat paper, mm, by a homography to where they lie on paper that bends."""
    return apply_homography(homography, points if bend is None else points + bend(points))


def in_picture(
    points: np.ndarray, shape: tuple[int, ...], paper_to_picture: np.ndarray, bend: Bend | None
) -> np.ndarray:
    """Which points of flat paper, (n, 2) mm, a picture of ``shape`` (H, W, ...) shows: (n,) bool."""
    return are_inside(*bent_points(paper_to_picture, points, bend).T, shape)


def are_inside(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which pixels x and y, any shape, lie in a picture of ``shape`` (H, W, ...): bool of theirs."""
    return (x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1)


def flat_points(homography: np.ndarray, points: np.ndarray, bend: Bend | None) -> np.ndarray:
    """Inverse of ``bent_points``: map (n, 2) points back to flat paper, mm.

    With a bend by fixed-point iteration: to a thousandth of a millimetre where it moves by less than
    half a millimetre per millimetre.
    """
    seen = apply_homography(np.linalg.inv(homography), points)
    flat = seen
    for _ in range(0 if bend is None else _BEND_ITERATIONS):
        flat = seen - bend(flat)
    return flat


def flat_box(
    homography: np.ndarray, box: tuple[float, float, float, float], bend: Bend | None
) -> tuple[float, float, float, float]:
    """Smallest upright rectangle (x0, y0, x1, y1) on flat paper, mm, around a box mapped back by ``flat_points``."""
    corners = flat_points(homography, box_corners(box), bend)
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def bent_box(
    homography: np.ndarray, box: tuple[float, float, float, float], bend: Bend | None
) -> tuple[float, float, float, float]:
    """Smallest upright rectangle (x0, y0, x1, y1) around where ``bent_points`` has a box of flat paper, mm."""
    x0, y0, x1, y1 = box
    sides = [((x0, y0), (x1, y0)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1)), ((x1, y0), (x1, y1))]
    outline = bent_points(homography, np.concatenate([np.linspace(*ends, _LINE_POINTS) for ends in sides]), bend)
    (left, upper), (right, lower) = outline.min(axis=0), outline.max(axis=0)
    return float(left), float(upper), float(right), float(lower)


def largest_rise(bend: Bend | None, boxes: Sequence[tuple[float, float, float, float]]) -> float:
    """How far, mm, a bend leads the middle line of any box on flat paper, mm, up and down; 0 without bend or boxes."""
    if bend is None:
        return 0.0
    lines = [np.linspace((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), _LINE_POINTS) for x0, y0, x1, y1 in boxes]
    return max((float(np.ptp(bend(line)[:, 1])) for line in lines), default=0.0)


def bent_places(
    paper_to_picture: np.ndarray, samples_to_paper: np.ndarray, size: tuple[int, int], bend: Bend | None
) -> tuple[np.ndarray, np.ndarray]:
    """Picture x and y, (height, width) float32 each, of every sample of a map of bent paper.

    samples_to_paper: (3, 3) homography from the map's pixels to millimetres; size: the map's (height, width). Exact at
    every ``BEND_STEP``-th sample, between them linear.
    """
    height, width = size
    columns, rows = np.arange(0, width + BEND_STEP, BEND_STEP), np.arange(0, height + BEND_STEP, BEND_STEP)
    knots = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    places = bent_points(paper_to_picture, apply_homography(samples_to_paper, knots), bend)
    coarse = places.reshape(len(rows), len(columns), 2).astype(np.float32)
    between = np.stack(np.meshgrid(np.arange(width) / BEND_STEP, np.arange(height) / BEND_STEP), axis=-1)
    x, y = between[..., 0].astype(np.float32), between[..., 1].astype(np.float32)
    fine = cv2.remap(coarse, x, y, cv2.INTER_LINEAR)
    return fine[..., 0], fine[..., 1]


def sample_bent(
    image: np.ndarray,
    paper_to_picture: np.ndarray,
    samples_to_paper: np.ndarray,
    size: tuple[int, int],
    bend: Bend | None,
    **how: Any,
) -> np.ndarray:
    """A map of bent paper, (height, width) of ``size`` in the image's type, see ``bent_places``.

    image: (H, W) or (H, W, C); how: ``interpolation``, by default linear, and ``cv2.remap``'s border.
    """
    x, y = bent_places(paper_to_picture, samples_to_paper, size, bend)
    return cv2.remap(image, x, y, **({"interpolation": cv2.INTER_LINEAR} | how))
