"""Paper and its printed grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgpage.synthesis.layout import GridPatch
from ecgpage.synthesis.settings import Range, Weights, check, check_names, pick

PAPER_COLORS = {
    "white": (253, 253, 252),
    "cream": (248, 240, 224),
    "aged": (236, 222, 190),
    "pink": (253, 236, 236),
    "grey": (226, 226, 226),
    "thermal": (233, 231, 228),
    "blue": (228, 238, 248),
}
"""RGB of common papers."""

GRID_COLORS = {
    "red": (220, 60, 60),
    "pink": (240, 150, 160),
    "salmon": (245, 130, 110),
    "orange": (235, 150, 90),
    "brown": (170, 110, 70),
    "grey": (150, 150, 150),
    "black": (60, 60, 60),
    "green": (110, 170, 120),
    "blue": (120, 140, 200),
}
"""RGB of common grids, at full strength."""

_MINOR_CODES = 127  # codes 0-127 blend paper to minor lines, 128-255 on to major ones


@dataclass(frozen=True)
class GridSettings:
    """How paper and grid are chosen.

    paper, color: names in ``PAPER_COLORS`` and ``GRID_COLORS``; pattern: "lines", "dots" (the millimetres as dots),
    "large" (5 mm lines only), "none". any_color: chance of paper and grid of any hue at all. faint: chance of a grid
    that is hardly visible. strength: of the grid's colour over the paper, 1 for pure ink. one_strength: chance of 1 mm
    and 5 mm lines of one colour. minor_width, major_width: mm.
    """

    paper: Weights = (("white", 1.0),)
    color: Weights = (("red", 1.0),)
    pattern: Weights = (("lines", 1.0),)
    any_color: float = 0.0
    faint: float = 0.0
    strength: Range = (0.3, 1.0)
    one_strength: float = 0.2
    minor_width: Range = (0.06, 0.2)
    major_width: Range = (0.1, 0.3)

    def __post_init__(self) -> None:
        check(self)
        known = {"paper": PAPER_COLORS, "color": GRID_COLORS, "pattern": ("lines", "dots", "large", "none")}
        check_names(self, known)


@dataclass(frozen=True)
class GridInk:
    """How a grid is printed: colours of paper, 1 mm and 5 mm lines (RGB, 0-255) and their widths, mm; a width of 0
    leaves those lines out. dots: the millimetres are dots of twice the lines' width, where lines would cross."""

    paper: np.ndarray
    minor: np.ndarray
    major: np.ndarray
    minor_width: float
    major_width: float
    dots: bool = False


def choose_grid(settings: GridSettings, rng: np.random.Generator) -> GridInk:
    """Choose paper and grid at random."""
    pattern = pick(settings.pattern, rng)
    minor_width, major_width = rng.uniform(*settings.minor_width), rng.uniform(*settings.major_width)
    if rng.random() < settings.any_color:
        paper = rng.uniform(110, 250, 3)
        minor = paper * rng.uniform(0.3, 0.92, 3)
        major = minor * rng.uniform(0.4, 0.95)
    else:
        paper, minor, major = _usual_colors(settings, rng)
    if pattern in ("large", "none"):
        minor_width = 0.0
    if pattern == "none":
        major_width = 0.0
    return GridInk(paper, minor, major, minor_width, major_width, pattern == "dots")


def _usual_colors(settings: GridSettings, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    paper = np.array(PAPER_COLORS[pick(settings.paper, rng)], np.float64) + rng.uniform(-3, 2)
    color = np.array(GRID_COLORS[pick(settings.color, rng)], np.float64)
    strength = rng.uniform(*settings.strength)
    major = paper + (color - paper) * strength
    share = 1.0 if rng.random() < settings.one_strength else rng.uniform(0.15, 0.7)
    minor = paper + (color - paper) * strength * share
    if rng.random() < settings.faint:
        fade = rng.uniform(0.04, 0.2)
        return paper, paper + (minor - paper) * fade, paper + (major - paper) * fade
    if rng.random() < 0.4 * strength:
        pure = np.where(color > color.mean(), color + 35, color - 60)
        major = np.clip(pure * rng.uniform(0.75, 1.0), 0, 255)
    return paper, minor, major


def draw_paper(shape: tuple[int, int], pixels_per_mm: float, ink: GridInk, patches: Sequence[GridPatch]) -> np.ndarray:
    """Draw paper with its grids: (H, W, 4) uint8, RGB and an alpha of 255."""
    palette = _palette(ink)
    whole = any(patch.area is None for patch in patches)
    paper = np.empty((*shape, 4), np.uint8) if whole else np.broadcast_to(palette[0], (*shape, 4)).copy()
    for patch in patches:
        codes = [_codes(size, pixels_per_mm, start, ink) for size, start in zip(shape, patch.origin[::-1], strict=True)]
        part = _patch_pixels(shape, pixels_per_mm, patch)
        (minor_y, major_y), (minor_x, major_x) = (
            [code[cut] for code in pair] for pair, cut in zip(codes, part, strict=True)
        )
        along_x = np.maximum(minor_x, major_x)
        kinds, row_kind = np.unique(np.stack([minor_y, major_y], axis=1), axis=0, return_inverse=True)
        rows = np.empty((len(kinds), len(along_x), 4), np.uint8)
        for row, (minor, major) in zip(rows, kinds, strict=True):  # rows alike are drawn once
            crossing = np.maximum(np.minimum(minor, minor_x), np.maximum(major, major_x)) if ink.dots else along_x
            row[:] = palette[crossing if ink.dots else np.maximum(along_x, max(minor, major))]
        paper[part] = rows[row_kind.reshape(-1)]
    return paper


def _patch_pixels(shape: tuple[int, int], pixels_per_mm: float, patch: GridPatch) -> tuple[slice, slice]:
    """Rows and columns of the page that a patch covers."""
    if patch.area is None:
        return slice(0, shape[0]), slice(0, shape[1])
    x0, y0, x1, y1 = np.round(np.array(patch.area) * pixels_per_mm).astype(int)
    return slice(max(0, y0), max(0, y1 + 1)), slice(max(0, x0), max(0, x1 + 1))


def _codes(size: int, pixels_per_mm: float, origin: float, ink: GridInk) -> tuple[np.ndarray, np.ndarray]:
    """Codes of minor and major lines along one axis: two (size,) uint8 arrays."""
    minor = line_coverage(size, pixels_per_mm, origin, 1.0, ink.minor_width * (2.0 if ink.dots else 1.0))
    major = line_coverage(size, pixels_per_mm, origin, 5.0, ink.major_width)
    high = 255 - _MINOR_CODES - 1
    first = np.where(major > 0, _MINOR_CODES + 1, 0)
    return np.round(minor * _MINOR_CODES).astype(np.uint8), (first + np.round(major * high)).astype(np.uint8)


def line_coverage(size: int, pixels_per_mm: float, origin: float, pitch: float, line: float) -> np.ndarray:
    """Share of each pixel covered by lines of width ``line`` mm every ``pitch`` mm: (size,), by integrating exactly."""
    if line <= 0:
        return np.zeros(size)
    edges = (np.arange(size + 1) - 0.5) / pixels_per_mm - origin + line / 2  # mm, from a line's left side
    covered = np.floor(edges / pitch) * line + np.minimum(np.mod(edges, pitch), line)
    return np.clip(np.diff(covered) * pixels_per_mm, 0.0, 1.0)


def _palette(ink: GridInk) -> np.ndarray:
    """Colour of every code, (256, 4) uint8: paper to minor lines, then paper to major lines."""
    minor = np.linspace(0, 1, _MINOR_CODES + 1)[:, None]
    major = np.linspace(0, 1, 255 - _MINOR_CODES)[:, None]
    ramp = [ink.paper + (ink.minor - ink.paper) * minor, ink.paper + (ink.major - ink.paper) * major]
    opaque = np.column_stack([np.concatenate(ramp), np.full(256, 255.0)])
    return np.clip(np.round(opaque), 0, 255).astype(np.uint8)
