"""Homographies between the frames of ``recording``."""

from __future__ import annotations

import numpy as np


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
