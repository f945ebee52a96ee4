"""Paper and its printed grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PAPER_COLORS = {"white": (253, 253, 252), "cream": (248, 240, 224), "pink": (253, 236, 236), "grey": (226, 226, 226)}
"""RGB of common papers."""

GRID_COLORS = {
    "red": (220, 60, 60),
    "pink": (240, 150, 160),
    "orange": (235, 150, 90),
    "brown": (170, 110, 70),
    "grey": (150, 150, 150),
    "green": (110, 170, 120),
    "blue": (120, 140, 200),
}
"""RGB of common grids, at full strength."""


@dataclass(frozen=True)
class GridInk:
    """How a grid is printed: colours of paper, 1 mm and 5 mm lines (RGB, 0-255) and their widths, mm; a width of 0
    leaves those lines out."""

    paper: np.ndarray
    minor: np.ndarray
    major: np.ndarray
    minor_width: float
    major_width: float


def choose_grid(
    paper_colors: tuple[str, ...], grid_colors: tuple[str, ...], any_color: bool, rng: np.random.Generator
) -> GridInk:
    """Choose paper and grid at random; with ``any_color``, of any hue, still paler than ink."""
    if any_color:
        paper = rng.uniform(110, 250, 3)
        minor = paper * rng.uniform(0.3, 0.92, 3)
        major = minor * rng.uniform(0.4, 0.95)
    else:
        paper = np.array(PAPER_COLORS[str(rng.choice(paper_colors))], np.float64)
        color = np.array(GRID_COLORS[str(rng.choice(grid_colors))], np.float64)
        strength = rng.uniform(0.3, 1.0)
        major = paper + (color - paper) * strength
        minor = paper + (color - paper) * strength * (rng.uniform(0.15, 0.7) if rng.random() < 0.8 else 1.0)
        if rng.random() < 0.4:
            major = np.where(color > color.mean(), color + 35, color - 60) * rng.uniform(0.75, 1.0)  # pure ink
            major = np.clip(major, 0, 255)
    minor_width = 0.0 if rng.random() < 0.08 else rng.uniform(0.06, 0.2)
    return GridInk(paper, minor, major, minor_width, rng.uniform(0.1, 0.3))


def draw_paper(shape: tuple[int, int], pixels_per_mm: float, ink: GridInk, origin: tuple[float, float]) -> np.ndarray:
    """Draw paper with its grid: (H, W, 3) uint8. ``origin`` is a crossing of 5 mm lines, mm."""
    height, width = shape
    x = _line_coverage(width, pixels_per_mm, origin[0], ink)
    y = _line_coverage(height, pixels_per_mm, origin[1], ink)
    image = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        values_x, values_y = _blend(x, ink, channel), _blend(y, ink, channel)
        np.minimum(values_y[:, None], values_x[None, :], out=image[:, :, channel])
    return image


def _line_coverage(size: int, pixels_per_mm: float, origin: float, ink: GridInk) -> tuple[np.ndarray, np.ndarray]:
    """Share of each pixel that minor and major lines cover, along one axis: two (size,) arrays."""
    return (
        _coverage(size, pixels_per_mm, origin, 1.0, ink.minor_width),
        _coverage(size, pixels_per_mm, origin, 5.0, ink.major_width),
    )


def _coverage(size: int, pixels_per_mm: float, origin: float, pitch: float, line: float) -> np.ndarray:
    """Share of each pixel covered by lines of width ``line`` mm every ``pitch`` mm: (size,), by integrating exactly."""
    if line <= 0:
        return np.zeros(size)
    edges = (np.arange(size + 1) - 0.5) / pixels_per_mm - origin + line / 2  # mm, from a line's left side
    covered = np.floor(edges / pitch) * line + np.minimum(np.mod(edges, pitch), line)
    return np.clip(np.diff(covered) * pixels_per_mm, 0.0, 1.0)


def _blend(coverage: tuple[np.ndarray, np.ndarray], ink: GridInk, channel: int) -> np.ndarray:
    minor, major = coverage
    value = ink.paper[channel] + (ink.minor[channel] - ink.paper[channel]) * minor
    return np.clip(value + (ink.major[channel] - value) * major, 0, 255).astype(np.uint8)
