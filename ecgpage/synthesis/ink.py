"""Ink: traces, pulses, separators and words, drawn with sub-pixel precision on a coverage mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecgpage.synthesis.layout import Bar, Word
from ecgpage.synthesis.settings import Range, Weights, check, check_names, pick

INK_COLORS = {
    "black": ((0, 0, 0), (70, 70, 75)),
    "grey": ((70, 70, 70), (125, 125, 130)),
    "faded-blue": ((60, 70, 130), (120, 135, 185)),
    "blue": ((10, 15, 60), (40, 50, 160)),
    "brown": ((50, 20, 10), (100, 60, 45)),
    "purple": ((50, 10, 60), (95, 60, 120)),
}
"""Darkest and palest RGB of common inks."""

_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates
_CAPITAL = 0.73  # height of capitals as a share of the font's size
_HERSHEY_CAPITAL = 21.0  # height of Hershey capitals at scale 1, pixels


@dataclass(frozen=True)
class InkSettings:
    """How ink is chosen.

    color: names in ``INK_COLORS``; width: of traces, mm, mostly in the lower half; other_text: chance of words in an
    ink of their own; broken: chance of ink that a worn print head leaves in pieces.
    """

    color: Weights = (("black", 1.0),)
    width: Range = (0.2, 0.5)
    other_text: float = 0.0
    broken: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        check_names(self, {"color": INK_COLORS})


def choose_color(settings: InkSettings, paper: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose an ink, RGB (3,), that is darker than the paper."""
    low, high = (np.array(end, np.float64) for end in INK_COLORS[pick(settings.color, rng)])
    color = low + (high - low) * rng.random() + rng.uniform(-6, 6, 3)
    return np.clip(color, 0, 0.6 * paper)


class InkMask:
    """Coverage by ink, ``coverage`` (H, W) uint8; coordinates are given in millimetres on paper."""

    def __init__(self, shape: tuple[int, int], pixels_per_mm: float) -> None:
        self.coverage = np.zeros(shape, np.uint8)
        self._scale = pixels_per_mm

    def trace(self, points: np.ndarray, width: float) -> None:
        """Draw a trace through (n, 2) mm, x ascending, with a round pen ``width`` mm wide."""
        pixels = np.asarray(points, np.float64) * self._scale
        top, left, coverage = trace_coverage(pixels, width * self._scale / 2, self.coverage.shape)
        _paste_maximum(self.coverage, coverage, left, top)

    def line(self, points: np.ndarray, width: float) -> None:
        """Draw any polyline through (n, 2) mm, ``width`` mm wide; lines thinner than a pixel are paler instead."""
        pixels = width * self._scale
        thickness = max(1, round(pixels))
        fixed = np.round(np.asarray(points) * self._scale * (1 << _SHIFT)).astype(np.int32)
        ink = round(255 * min(1.0, pixels / thickness))
        cv2.polylines(self.coverage, [fixed.reshape(-1, 1, 2)], False, ink, thickness, cv2.LINE_AA, _SHIFT)

    def bar(self, bar: Bar) -> None:
        """Fill a rectangle, its edges softened to fractions of a pixel."""
        height, width = self.coverage.shape
        columns, across = _covered(bar.x * self._scale, bar.width * self._scale, width)
        rows, down = _covered(bar.y * self._scale, bar.height * self._scale, height)
        if across.size and down.size:
            part = np.round(255 * np.outer(down, across)).astype(np.uint8)
            _paste_maximum(self.coverage, part, columns, rows)

    def word(self, word: Word) -> tuple[float, float, float, float]:
        """Print a text and return the box (x0, y0, x1, y1) mm of its ink; what falls outside the page is cut off."""
        glyphs, left, ascent = render_text(word.text, word.font, word.size * self._scale)
        x, y = round(word.x * self._scale) - left, round(word.y * self._scale) - ascent
        _paste_maximum(self.coverage, glyphs, x, y)
        rows, columns = np.flatnonzero(glyphs.any(axis=1)), np.flatnonzero(glyphs.any(axis=0))
        if not len(rows):
            return word.x, word.y, word.x, word.y
        x0, y0, x1, y1 = (value / self._scale for value in (x + columns[0], y + rows[0], x + columns[-1], y + rows[-1]))
        return float(x0), float(y0), float(x1), float(y1)


def trace_coverage(points: np.ndarray, radius: float, shape: tuple[int, int]) -> tuple[int, int, np.ndarray]:
    """Coverage of a trace drawn with a round pen: (top row, left column, (h, w) uint8).

    points: (n, 2) pixels (x, y), x ascending, pixel centres at whole numbers. Since a trace is a function of x, what
    its pen covers of a vertical line is one interval; every pixel column averages the intervals of a few such lines,
    which is exact down the column.
    """
    beyond = radius + 2.0  # where no ink of the trace reaches the page
    x, y = points[:, 0], np.clip(points[:, 1], -beyond, shape[0] + beyond)
    fine = int(np.clip(np.ceil(1 / max(1e-9, np.median(np.diff(x)))), 4, 8))  # lines in a pixel's width
    left, right = max(0, int(np.floor(x[0] - radius + 0.5))), min(shape[1] - 1, int(np.ceil(x[-1] + radius - 0.5)))
    if right < left:
        return 0, 0, np.zeros((0, 0), np.uint8)
    reach = int(np.ceil(radius * fine))
    edges = left - 0.5 + np.arange(-reach, (right - left + 1) * fine + reach + 1) / fine
    at_edges = np.interp(edges, x, y)
    outside = (edges[1:] < x[0]) | (edges[:-1] > x[-1])
    upper = np.where(outside, np.inf, np.minimum(at_edges[:-1], at_edges[1:]))
    lower = np.where(outside, -np.inf, np.maximum(at_edges[:-1], at_edges[1:]))
    line = np.floor((x - edges[0]) * fine).astype(int)  # the samples' own peaks between edges
    shown = (line >= 0) & (line < len(upper))
    np.minimum.at(upper, line[shown], y[shown])
    np.maximum.at(lower, line[shown], y[shown])
    if radius * fine >= 1:
        upper, lower = _thin(upper, lower)
    count = (right - left + 1) * fine
    high, low = np.full(count, np.inf), np.full(count, -np.inf)
    whole = np.arange(-int(radius * fine), int(radius * fine) + 1)
    for shift in (*whole, -0.93 * radius * fine, 0.93 * radius * fine):  # and where a steep trace meets the pen's rim
        half = np.sqrt(max(0.0, radius**2 - (shift / fine) ** 2))
        np.minimum(high, _shifted(upper, reach + shift, count) - half, out=high)
        np.maximum(low, _shifted(lower, reach + shift, count) + half, out=low)
    return _fill_intervals(high + 0.5, low + 0.5, left, fine, shape[0])


def _shifted(values: np.ndarray, first: float, count: int) -> np.ndarray:
    """``count`` values from the place ``first`` on, interpolated where that is no whole number."""
    start = int(first)
    part, share = values[start : start + count], first - start
    return part if share == 0 else part * (1 - share) + values[start + 1 : start + count + 1] * share


def _thin(upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce what a trace passes within each line's width, (n,) both, to its middle, but for peaks' outer ends."""
    half = np.where(np.isfinite(upper), (lower - upper) / 2, 0.0)
    before, after = np.s_[:-2], np.s_[2:]
    passing = np.zeros((2, len(upper)), bool)
    passing[0, 1:-1] = np.minimum(upper[before], upper[after]) < upper[1:-1]
    passing[1, 1:-1] = np.maximum(lower[before], lower[after]) > lower[1:-1]
    return upper + half * passing[0], lower - half * passing[1]


def _fill_intervals(
    high: np.ndarray, low: np.ndarray, left: int, fine: int, height: int
) -> tuple[int, int, np.ndarray]:
    """Coverage of pixels by vertical intervals [high, low], ``fine`` a column, in row edges: row r spans r to r + 1."""
    inked = np.isfinite(high) & (low > 0) & (high < height)
    if not inked.any():
        return 0, 0, np.zeros((0, 0), np.uint8)
    column = np.flatnonzero(inked) // fine
    high, low = np.clip(high[inked], 0, height), np.clip(low[inked], 0, height)
    top, bottom = int(high.min()), int(low.max()) + 2
    width = len(inked) // fine
    # the column-wise difference of the coverage has two entries where an interval begins and two where it ends
    start, stop = (high - top).astype(np.intp), (low - top).astype(np.intp)
    begun, ended = high - top - start, low - top - stop
    index = np.concatenate([start, start + 1, stop, stop + 1]) * width + np.tile(column, 4)
    weight = np.concatenate([1 - begun, begun, ended - 1, -ended])
    steps = np.bincount(index, weight, (bottom - top + 1) * width).reshape(-1, width).astype(np.float32)
    coverage = np.cumsum(steps, axis=0, out=steps)[: min(bottom, height) - top]
    return top, left, np.clip(coverage * (255 / fine) + 0.5, 0, 255).astype(np.uint8)


def _covered(center: float, extent: float, size: int) -> tuple[int, np.ndarray]:
    """(first pixel, share of each pixel covered) by a stretch along one axis, pixel centres at whole numbers."""
    low, high = center - extent / 2 + 0.5, center + extent / 2 + 0.5
    first, last = max(0, int(np.floor(low))), min(size, int(np.ceil(high)))
    edges = np.arange(first, max(first, last) + 1)
    return first, np.diff(np.clip(edges, low, high))


def render_text(text: str, font: str, capital: float) -> tuple[np.ndarray, int, int]:
    """Render a text whose capitals are ``capital`` px high: (coverage, columns left of its start, rows to baseline)."""
    if font == "hershey":
        return _render_hershey(text, max(4, round(capital)))
    return _render_font(text, font, max(5, round(capital / _CAPITAL)))


@lru_cache(maxsize=512)
def _render_font(text: str, font: str, pixels: int) -> tuple[np.ndarray, int, int]:
    face = _font(font, pixels)
    ascent, descent = face.getmetrics()
    picture = Image.new("L", (max(1, int(face.getlength(text)) + 2), ascent + descent), 0)
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=face)
    return np.asarray(picture), 0, ascent


@lru_cache(maxsize=64)
def _font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), pixels)


@lru_cache(maxsize=512)
def _render_hershey(text: str, capital: int) -> tuple[np.ndarray, int, int]:
    """Render with the vector font of plotters."""
    scale, thickness = capital / _HERSHEY_CAPITAL, max(1, round(capital / 10))
    (width, height), low = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    picture = np.zeros((height + low + 2 * thickness, width + 2 * thickness), np.uint8)
    start = (thickness, height + thickness)
    cv2.putText(picture, text, start, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return picture, thickness, height + thickness


def _paste_maximum(mask: np.ndarray, part: np.ndarray, x: int, y: int) -> None:
    """Lay ``part`` (h, w) over ``mask`` with its top left corner at (x, y); the darker of both stays."""
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(mask.shape[1], x + part.shape[1]), min(mask.shape[0], y + part.shape[0])
    if x0 < x1 and y0 < y1:
        below = mask[y0:y1, x0:x1]
        np.maximum(below, part[y0 - y : y1 - y, x0 - x : x1 - x], out=below)


def wear_off(coverage: np.ndarray, pixels_per_mm: float, rng: np.random.Generator) -> None:
    """Thin the ink (H, W) uint8 in irregular spots, in place, as a worn print head or dry pen leaves it."""
    height, width = coverage.shape
    grain = rng.uniform(0.25, 1.2) * pixels_per_mm  # px
    size = (max(2, round(width / grain)), max(2, round(height / grain)))
    lost, soft = rng.uniform(0.05, 0.35), rng.uniform(0.1, 0.5)
    field = np.clip((rng.random(size[::-1], np.float32) - lost) / soft + 0.15, 0.1, 1.0)
    texture = cv2.resize((field * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(coverage, texture, dst=coverage, scale=1 / 255)


def lay_ink(image: np.ndarray, coverage: np.ndarray, color: np.ndarray) -> None:
    """Blend ink of an RGB colour over (H, W, C) uint8 in place, by ``coverage`` (H, W) uint8; C is 3, or 4 with an
    alpha that stays."""
    covered = np.flatnonzero(coverage.view(bool))  # whatever is not 0, ten times as fast
    pixels = image.reshape(-1, image.shape[2])
    alpha = coverage.reshape(-1)[covered].astype(np.uint16)[:, None]
    below = pixels[covered]
    ink = np.array([*np.round(color), 255][: image.shape[2]], np.uint16)
    pixels[covered] = ((below * (255 - alpha) + ink * alpha + 127) // 255).astype(np.uint8)
