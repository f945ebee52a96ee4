"""Lead crops: one resampling of the picture around a lead, at a fixed number of pixels per millimetre of paper."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ecgpage.geometry import Bend, apply_homography, sample_bent

ROWS_PER_MM = 10
"""Crop pixels per millimetre of height: 100 per millivolt at the usual gain."""

COLUMNS_PER_MM = 8
"""Crop pixels per millimetre of time: 200 per second at the usual paper speed."""

SUBCOLUMNS = 3
"""Heights that the digitizer gives per crop column: 600 per second at the usual paper speed."""

HEIGHT_MULTIPLE = 64
WIDTH_MULTIPLE = 16
MINIMUM_HEIGHT = 256
MAXIMUM_HEIGHT = 1024
MAXIMUM_WIDTH = 8192
MAXIMUM_SUPERSAMPLING = 4
PAPER_COLOUR = (255, 250, 245)
"""RGB used beyond a picture that the crop does not meet at all."""


@dataclass(frozen=True)
class CropPadding:
    """Millimetres of paper kept beyond a lead's box, in time and in voltage."""

    time: float = 5.0
    height: float = 6.0

    def __post_init__(self) -> None:
        if self.time < 0 or self.height < 0:
            raise ValueError(f"padding must not be negative, got time={self.time}, height={self.height} mm")


@dataclass(frozen=True)
class LeadCrop:
    """A lead's surroundings, resampled onto flat paper.

    image: (H, W, 3) uint8 RGB, ``ROWS_PER_MM`` by ``COLUMNS_PER_MM`` pixels per millimetre.
    origin: (x, y) paper millimetres of the centre of pixel (0, 0).
    box: (x0, y0, x1, y1) paper millimetres, the box that says which trace is meant.
    zero: y of the trace's zero line, paper millimetres, None where it is not known.
    """

    image: np.ndarray
    origin: tuple[float, float]
    box: tuple[float, float, float, float]
    zero: float | None = None

    def columns(self, start: int, stop: int) -> LeadCrop:
        """The part of the crop between two of its columns; the box stays what it was."""
        origin = (self.origin[0] + start / COLUMNS_PER_MM, self.origin[1])
        return replace(self, image=self.image[:, start:stop], origin=origin)


def paper_to_crop(points: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """Map (..., 2) points (x, y) from paper millimetres to crop pixels."""
    return (np.asarray(points, np.float64) - origin) * (COLUMNS_PER_MM, ROWS_PER_MM)


def crop_to_paper(points: np.ndarray, origin: tuple[float, float]) -> np.ndarray:
    """Map (..., 2) points (x, y) from crop pixels to paper millimetres."""
    return np.asarray(points, np.float64) / (COLUMNS_PER_MM, ROWS_PER_MM) + origin


def subcolumn_positions(width: int) -> np.ndarray:
    """Crop x of every sub-column's centre, (width * SUBCOLUMNS,), ascending and evenly spaced."""
    return (np.arange(width * SUBCOLUMNS) - (SUBCOLUMNS - 1) / 2) / SUBCOLUMNS


def crop_geometry(
    box: tuple[float, float, float, float], padding: CropPadding
) -> tuple[tuple[float, float], tuple[int, int]]:
    """Origin (x, y) in paper millimetres and size (height, width) in pixels of the crop around a box in millimetres."""
    x0, y0, x1, y1 = box
    if not (np.isfinite(box).all() and x1 > x0 and y1 >= y0):
        raise ValueError(f"expected a box (x0, y0, x1, y1) in mm with x0 < x1 and y0 <= y1, got {tuple(box)}")
    height = _round_up((y1 - y0 + 2 * padding.height) * ROWS_PER_MM, HEIGHT_MULTIPLE)
    width = _round_up((x1 - x0 + 2 * padding.time) * COLUMNS_PER_MM, WIDTH_MULTIPLE)
    height = min(max(height, MINIMUM_HEIGHT), MAXIMUM_HEIGHT)
    width = min(width, MAXIMUM_WIDTH)
    left = (x0 + x1) / 2 - (width - 1) / 2 / COLUMNS_PER_MM
    top = (y0 + y1) / 2 - (height - 1) / 2 / ROWS_PER_MM
    return (left, top), (height, width)


def crop_lead(
    image: np.ndarray,
    paper_to_picture: np.ndarray,
    box: tuple[float, float, float, float],
    padding: CropPadding | None = None,
    zero: float | None = None,
    bend: Bend | None = None,
) -> LeadCrop:
    """Cut a lead out of a picture, sampling the picture's own pixels once.

    image: (H, W, 3) uint8 RGB; paper_to_picture: (3, 3) homography, millimetres to picture pixels; box, zero: see
    ``LeadCrop``; bend: of paper that is not flat.
    Where the picture is finer than the crop, several samples are averaged per crop pixel; where it is coarser, it is
    interpolated (cubic). What lies outside the picture has the colour of the paper. Raises ValueError for an empty
    box.
    """
    x0, y0, x1, y1 = (float(value) for value in box)
    box = (x0, y0, x1, y1)
    origin, size = crop_geometry(box, padding or CropPadding())
    samples = _supersampling(paper_to_picture, box)
    crop_to_picture = np.asarray(paper_to_picture, np.float64) @ _samples_to_paper(origin, samples)
    height, width = size[0] * samples[0], size[1] * samples[1]
    fill = _paper_colour(image, crop_to_picture, (height, width))
    interpolation = cv2.INTER_CUBIC if samples == (1, 1) else cv2.INTER_LINEAR
    if bend is None:
        sampled = cv2.warpPerspective(
            image, crop_to_picture, (width, height), flags=interpolation | cv2.WARP_INVERSE_MAP, borderValue=fill
        )
    else:
        to_paper, how = _samples_to_paper(origin, samples), {"interpolation": interpolation, "borderValue": fill}
        sampled = sample_bent(image, paper_to_picture, to_paper, (height, width), bend, **how)
    if samples != (1, 1):
        sampled = cv2.resize(sampled, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return LeadCrop(sampled, origin, box, zero)


def _round_up(value: float, multiple: int) -> int:
    return math.ceil(value / multiple - 1e-9) * multiple


def _samples_to_paper(origin: tuple[float, float], samples: tuple[int, int]) -> np.ndarray:
    """Homography from sample positions, ``samples`` (rows, columns) to a crop pixel, to paper millimetres."""
    rows, columns = samples
    step_x, step_y = 1 / (COLUMNS_PER_MM * columns), 1 / (ROWS_PER_MM * rows)
    x = origin[0] - (columns - 1) / 2 * step_x
    y = origin[1] - (rows - 1) / 2 * step_y
    return np.array([[step_x, 0.0, x], [0.0, step_y, y], [0.0, 0.0, 1.0]])


def _supersampling(paper_to_picture: np.ndarray, box: tuple[float, float, float, float]) -> tuple[int, int]:
    """Samples per crop pixel, (rows, columns), that miss no picture pixel at the box's middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    middle, right, below = apply_homography(paper_to_picture, np.array([[x, y], [x + 1, y], [x, y + 1]]))
    counts = [
        min(max(math.ceil(np.linalg.norm(end - middle) / per_mm - 0.1), 1), MAXIMUM_SUPERSAMPLING)
        for end, per_mm in ((below, ROWS_PER_MM), (right, COLUMNS_PER_MM))
    ]
    return counts[0], counts[1]


def _paper_colour(image: np.ndarray, crop_to_picture: np.ndarray, size: tuple[int, int]) -> tuple[float, ...]:
    """The usual bright colour of the picture under a crop."""
    height, width = size
    grid = np.stack(np.meshgrid(np.linspace(0, width, 48), np.linspace(0, height, 24)), axis=-1).reshape(-1, 2)
    x, y = np.rint(apply_homography(crop_to_picture, grid)).T
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    if not inside.any():
        return tuple(float(value) for value in PAPER_COLOUR)
    seen = image[y[inside].astype(int), x[inside].astype(int)]
    return tuple(float(value) for value in np.percentile(seen, 70, axis=0))
