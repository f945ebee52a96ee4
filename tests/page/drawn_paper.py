"""ECG paper drawn by formula, so that every line's place is known exactly."""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.geometry import apply_homography


def similarity(
    pixels_per_mm: float, degrees: float, size: tuple[int, int], middle_mm: tuple[float, float]
) -> np.ndarray:
    """Homography mm -> picture that puts `middle_mm` at the middle of a (height, width) picture, turned clockwise."""
    turn = np.radians(degrees)
    linear = pixels_per_mm * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    homography = np.eye(3)
    homography[:2, :2] = linear
    homography[:2, 2] = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2]) - linear @ np.array(middle_mm)
    return homography


def draw_paper(
    paper_to_picture: np.ndarray,
    size: tuple[int, int],
    paper_mm: tuple[float, float] | None = None,
    *,
    fine: float = 0.12,
    strong: float = 0.25,
    traces: bool = True,
    table: tuple[int, int, int] = (60, 70, 80),
    noise: float = 0.0,
    blur: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Draw gridded paper in a (height, width) picture -> (H, W, 3) uint8 RGB.

    paper_mm: (width, height) of the sheet, origin at its top left corner; None fills the picture. fine, strong: widths
    of the lines every 1 mm and every 5 mm, mm, 0 for none. noise: standard deviation, grey levels. blur: sigma, pixels.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    picture_to_paper = np.linalg.inv(paper_to_picture)
    depth = picture_to_paper[2, 0] * x + picture_to_paper[2, 1] * y + picture_to_paper[2, 2]
    mm = [(picture_to_paper[k, 0] * x + picture_to_paper[k, 1] * y + picture_to_paper[k, 2]) / depth for k in (0, 1)]
    paper = np.full((height, width, 3), (255.0, 248.0, 245.0))
    for spacing, thick, color in ((1.0, fine, (240, 150, 150)), (5.0, strong, (200, 70, 80))):
        if thick > 0:
            for along in mm:
                paper += _cover(along, spacing, thick)[..., None] * (np.array(color, float) - paper)
    picture = paper
    if paper_mm is not None:
        inside = (mm[0] >= 0) & (mm[1] >= 0) & (mm[0] <= paper_mm[0]) & (mm[1] <= paper_mm[1])
        picture = np.where(
            inside[..., None], paper, np.array(table, float) + 6 * rng.standard_normal((height, width, 1))
        )
    picture = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    if traces:
        _draw_traces(picture, paper_to_picture, paper_mm or _seen(picture_to_paper, size), rng)
    if blur > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    if noise > 0:
        picture = np.clip(picture + noise * rng.standard_normal(picture.shape), 0, 255).astype(np.uint8)
    return picture


def _cover(along: np.ndarray, spacing: float, thick: float) -> np.ndarray:
    """Share of each pixel that lines at the multiples of `spacing` mm cover."""
    step = np.hypot(*np.gradient(along))  # mm per pixel across the lines
    distance = np.abs((along + spacing / 2) % spacing - spacing / 2)
    cover = (np.minimum(distance + step / 2, thick / 2) - np.maximum(distance - step / 2, -thick / 2)) / step
    return np.clip(cover, 0, 1)


def _seen(picture_to_paper: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    corner = apply_homography(picture_to_paper, np.array([[size[1] - 1.0, size[0] - 1.0]]))[0]
    return float(corner[0]), float(corner[1])


def _draw_traces(picture: np.ndarray, paper_to_picture: np.ndarray, paper_mm: tuple, rng: np.random.Generator) -> None:
    """Draw rows of spikes between which the line wanders: dark, thin, level like an ECG."""
    for row in np.arange(0.2, 0.95, 0.2) * paper_mm[1]:
        t = np.arange(0.03 * paper_mm[0], 0.97 * paper_mm[0], 0.25)
        beat = (t / 21.0 + rng.uniform()) % 1.0
        wave = 9 * np.exp(-(((beat - 0.5) / 0.012) ** 2)) + 2 * np.exp(-(((beat - 0.75) / 0.06) ** 2))
        points = apply_homography(paper_to_picture, np.stack([t, row - wave], 1))
        cv2.polylines(picture, [np.round(points * 16).astype(np.int32)], False, (30, 30, 35), 1, cv2.LINE_AA, 4)
