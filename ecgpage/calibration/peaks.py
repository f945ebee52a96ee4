"""Peaks of what is known at even steps alone, told between the steps."""

from __future__ import annotations

import numpy as np

FLAT = 1e-9
"""Curvature below which there is no peak."""


def peak_offset(left: np.ndarray, here: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How far from the middle one of three values, one step apart, the parabola through them is highest, in steps.

    Arrays of one shape, or numbers. 0 where the parabola has no highest place.
    """
    bend = left - 2 * here + right
    return np.where(bend < -FLAT, 0.5 * (left - right) / np.where(bend < -FLAT, bend, -1.0), 0.0)
