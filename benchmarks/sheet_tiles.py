"""Tiles of the contact sheets: a picture with its title, and traces drawn over it."""

from __future__ import annotations

import cv2
import numpy as np

GROUND = 70  # grey around a picture
TITLE_HEIGHT = 18

READ = (214, 0, 60)
"""Colour (RGB) of what was read or found."""

_SUBPIXELS = 3  # binary digits


def framed(panel: np.ndarray, size: tuple[int, int], title: str) -> np.ndarray:
    """A picture (H, W, 3) uint8, no larger than ``size`` (height, width) less the title, in the middle of a tile."""
    tile = np.full((*size, 3), GROUND, np.uint8)
    high, wide = panel.shape[:2]
    top, left = TITLE_HEIGHT + (size[0] - TITLE_HEIGHT - high) // 2, (size[1] - wide) // 2
    tile[top : top + high, left : left + wide] = panel
    cv2.putText(tile, title, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def draw_line(panel: np.ndarray, points: np.ndarray, color: tuple[int, int, int]) -> None:
    """Draw a line through points (N, 2), pixels (x, y), onto a picture (H, W, 3) uint8; NaN leave gaps."""
    for part in np.split(points, np.flatnonzero(np.isnan(points[:, 0]))):
        line = np.rint(part[np.isfinite(part[:, 0])] * 2**_SUBPIXELS).astype(np.int32)
        cv2.polylines(panel, [line], False, color, 1, cv2.LINE_AA, shift=_SUBPIXELS)
