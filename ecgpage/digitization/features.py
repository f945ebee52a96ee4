"""What the digitizer sees of a lead crop: paper-relative colour, the box and the zero line that say which trace is
meant, height."""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.digitization.crop import COLUMNS_PER_MM, ROWS_PER_MM, LeadCrop

CHANNELS = 6
"""Red, green and blue against the paper, the soft box, the height against the box's middle, the soft zero line."""

BOX_CHANNEL, HEIGHT_CHANNEL, ZERO_CHANNEL = 3, 4, 5

BLOCK = 32
"""Crop pixels to a side of the blocks in which the paper's level is taken."""

PAPER_PERCENTILE = 85
EDGE_MM = 3.0
"""Millimetres over which the soft box fades, centred on the box's edges."""

HEIGHT_UNIT_MM = 20.0

ZERO_MM = 3.0
"""Standard deviation of the soft zero line."""


def crop_features(crop: LeadCrop) -> np.ndarray:
    """Input channels of a crop, (CHANNELS, H, W) float32, each roughly within [-2, 2]."""
    height, width = crop.image.shape[:2]
    features = np.empty((CHANNELS, height, width), np.float32)
    features[:3] = paper_relative(crop.image).transpose(2, 0, 1)
    x0, y0, x1, y1 = crop.box
    x = crop.origin[0] + np.arange(width) / COLUMNS_PER_MM
    y = crop.origin[1] + np.arange(height) / ROWS_PER_MM
    features[BOX_CHANNEL] = np.minimum.outer(_soft_span(y, y0, y1), _soft_span(x, x0, x1))
    features[HEIGHT_CHANNEL] = ((y - (y0 + y1) / 2) / HEIGHT_UNIT_MM)[:, None]
    features[ZERO_CHANNEL] = 0.0 if crop.zero is None else np.exp(-(((y - crop.zero) / ZERO_MM) ** 2) / 2)[:, None]
    return features


def paper_relative(image: np.ndarray) -> np.ndarray:
    """Colour against the local paper: 0 on blank paper, about -1 on the darkest ink; (H, W, 3) float32.

    Shadows, coloured paper and pale ink then look alike.
    """
    picture = image.astype(np.float32)
    ratio = (picture + 1) / (_paper_level(image) + 1) - 1
    darkest = np.percentile(ratio[::4, ::4].mean(axis=2), 0.5)
    return np.clip(ratio / max(-darkest, 0.25), -2.0, 1.0)


def _paper_level(image: np.ndarray) -> np.ndarray:
    """Brightness of the paper without its print, per pixel and channel, (H, W, 3) float32."""
    height, width = image.shape[:2]
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = cv2.copyMakeBorder(
        image, 0, rows * BLOCK - height, 0, columns * BLOCK - width, borderType=cv2.BORDER_REFLECT
    )
    blocks = padded[::2, ::2].reshape(rows, BLOCK // 2, columns, BLOCK // 2, 3)
    # (rows, BLOCK/2, columns, BLOCK/2, 3) -> (rows, columns, 3)
    levels = np.percentile(blocks, PAPER_PERCENTILE, axis=(1, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(levels, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(smooth, (columns * BLOCK, rows * BLOCK), interpolation=cv2.INTER_LINEAR)[:height, :width]


def _soft_span(positions: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 well inside [low, high], 0 well outside, 0.5 at its ends."""
    inside = np.minimum(positions - low, high - positions)
    return np.clip(0.5 + inside / EDGE_MM, 0.0, 1.0)
