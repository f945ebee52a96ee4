"""What the network looks at: the page fitted into the network's input in one resampling from the picture's pixels."""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.geometry import apply_homography
from yolov7.postprocess import FILL, Letterbox


def page_view(
    image: np.ndarray, page_to_picture: np.ndarray, page_size: tuple[int, int], input_size: tuple[int, int]
) -> tuple[np.ndarray, Letterbox]:
    """Draw the page (height, width) into an input of ``input_size`` (height, width).

    image: (H, W, 3) uint8 picture. Returns (height, width, 3) uint8 and the page's place in it. Where the picture
    shrinks it is averaged over areas first, so that thin traces fade instead of breaking up; alike in both directions,
    as the networks that look at views were trained, also where the page is squeezed.
    """
    fit = Letterbox.fit(*page_size, input_size)
    picture_to_input = fit.matrix @ np.linalg.inv(page_to_picture)
    image, picture_to_input = _shrink(image, picture_to_input, input_size)
    view = cv2.warpPerspective(
        image,
        picture_to_input,
        input_size[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(FILL, FILL, FILL),
    )
    return cover_outside(view, fit, page_size), fit


def _shrink(
    image: np.ndarray, picture_to_input: np.ndarray, input_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Shrink the picture by area averages as far as the input's pixels are larger, and adapt the homography."""
    factor = picture_pixels_per_input_pixel(picture_to_input, input_size)
    if factor < 1.25:
        return image, picture_to_input
    height, width = (max(1, round(side / factor)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    sx, sy = image.shape[1] / width, image.shape[0] / height
    small_to_picture = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    return small, picture_to_input @ small_to_picture


def picture_pixels_per_input_pixel(picture_to_input: np.ndarray, input_size: tuple[int, int]) -> float:
    """How many picture pixels one input pixel spans at the input's middle."""
    x, y = (input_size[1] - 1) / 2, (input_size[0] - 1) / 2
    points = apply_homography(np.linalg.inv(picture_to_input), np.array([[x, y], [x + 1, y], [x, y + 1]]))
    across, down = points[1] - points[0], points[2] - points[0]
    return float(np.sqrt(abs(across[0] * down[1] - across[1] * down[0])))


def cover_outside(view: np.ndarray, fit: Letterbox, page_size: tuple[int, int]) -> np.ndarray:
    """Fill what lies around the page: the margins look the same whatever lay beside the page."""
    top, left = round(fit.top), round(fit.left)
    bottom, right = round(fit.top + fit.scale * page_size[0]), round(fit.left + fit.scale * page_size[1])
    view[:top], view[bottom:] = FILL, FILL
    view[:, :left], view[:, right:] = FILL, FILL
    return view
