"""A page with nothing but a grid, which may be bent."""

import cv2
import numpy as np

PER_MM = 8.0
"""Pixels."""


def drawn(across, fine: bool = True) -> np.ndarray:
    """A page of 275 x 212 mm whose grid is displaced by ``across(x, y)`` mm to the right at flat places x, y in mm."""
    x, y = np.meshgrid(np.arange(2200) / PER_MM, np.arange(1700) / PER_MM)
    flat = x
    for _ in range(5):
        flat = x - across(flat, y)
    image = np.full((1700, 2200, 3), 255, np.uint8)
    if fine:
        image[(np.abs((flat + 0.5) % 1 - 0.5) < 0.09) | (np.abs((y + 0.5) % 1 - 0.5) < 0.09)] = (250, 205, 205)
    image[(np.abs((flat + 2.5) % 5 - 2.5) < 0.2) | (np.abs((y + 2.5) % 5 - 2.5) < 0.2)] = (230, 120, 120)
    return cv2.GaussianBlur(image, (0, 0), 0.8)
