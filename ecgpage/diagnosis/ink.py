"""The classifier's view of a page: how much darker than its surroundings each place of the straightened page is."""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.diagnosis.network import INPUT_SIZE

SUPERSAMPLING = 2
BACKGROUND_PIXELS = 9
"""Ink is measured against the brightest paper within half this distance, in pixels of the ink image."""

FAINTEST_INK = 0.15
"""Contrast below which a page is taken as blank rather than stretched."""


def ink_image(picture: np.ndarray, page_to_picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the page as an ink image: (384, 512) uint8, 0 paper, 255 the trace.

    picture: (H, W, 3) uint8 RGB; size: (height, width) of the page in page pixels. The page keeps its proportions and
    stands in the middle. Taking the brightest colour channel fades coloured grids.
    """
    scale = min(INPUT_SIZE[0] / size[0], INPUT_SIZE[1] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    bright = cv2.max(cv2.max(picture[:, :, 0], picture[:, :, 1]), picture[:, :, 2])
    page = _straighten(bright, page_to_picture, size, (height, width))
    result = np.zeros(INPUT_SIZE, np.uint8)
    top, left = (INPUT_SIZE[0] - height) // 2, (INPUT_SIZE[1] - width) // 2
    result[top : top + height, left : left + width] = _ink(page)
    return result


def _straighten(
    bright: np.ndarray, page_to_picture: np.ndarray, size: tuple[int, int], target: tuple[int, int]
) -> np.ndarray:
    """Area-average the page: (target) float32."""
    fine = (target[0] * SUPERSAMPLING, target[1] * SUPERSAMPLING)
    step_y, step_x = size[0] / fine[0], size[1] / fine[1]
    fine_to_page = np.array([[step_x, 0, (step_x - 1) / 2], [0, step_y, (step_y - 1) / 2], [0, 0, 1]])
    fine_to_picture = page_to_picture @ fine_to_page
    reach = round(_magnification(fine_to_picture, fine))
    if reach > 1:
        bright = cv2.blur(bright, (reach, reach))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(bright, fine_to_picture, fine[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(warped, target[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)


def _magnification(fine_to_picture: np.ndarray, fine: tuple[int, int]) -> float:
    """Picture pixels per pixel at the page's middle."""
    x, y = fine[1] / 2, fine[0] / 2
    points = np.array([[[x, y], [x + 1, y], [x, y + 1]]])
    origin, right, below = cv2.perspectiveTransform(points, fine_to_picture)[0]
    return float(np.sqrt(np.linalg.norm(right - origin) * np.linalg.norm(below - origin)))


def _ink(page: np.ndarray) -> np.ndarray:
    around = np.ones((BACKGROUND_PIXELS, BACKGROUND_PIXELS), np.uint8)
    background = cv2.blur(cv2.dilate(page, around), (2 * BACKGROUND_PIXELS + 1, 2 * BACKGROUND_PIXELS + 1))
    ink = np.clip(1 - page / np.maximum(background, 1), 0, 1)
    darkest = max(float(np.quantile(ink, 0.99)), FAINTEST_INK)
    return (np.clip(ink / darkest, 0, 1) * 255 + 0.5).astype(np.uint8)
