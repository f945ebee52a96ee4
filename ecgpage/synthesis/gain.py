"""Light and stains as a coarse field of gains, laid over a picture."""

from __future__ import annotations

import cv2
import numpy as np

GAIN_ONE = 200
"""Gains are rounded to 8 bits, this value for 1: the brightest is 1.275."""


def apply_gain(picture: np.ndarray, gain: np.ndarray) -> None:
    """Multiply a picture (H, W, 4) uint8 by a coarse field of gains (h, w, 3) for its colours, in place."""
    field = np.full((*gain.shape[:2], 4), GAIN_ONE, np.uint8)
    field[:, :, :3] = np.clip(gain * GAIN_ONE + 0.5, 0, 255)
    fine = cv2.resize(field, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    cv2.multiply(picture, fine, dst=picture, scale=1 / GAIN_ONE)
