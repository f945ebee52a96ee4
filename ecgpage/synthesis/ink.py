"""Ink: traces, pulses, separators and words, drawn with sub-pixel precision on a coverage mask."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecgpage.synthesis.layout import PULSE_MM, PageDesign, Word

OVERSAMPLING = 2
"""The mask is drawn this much finer than the picture, so that widths of half a pixel are possible."""

_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")
"""Fonts that ship with matplotlib, so that every machine draws the same page."""


class InkMask:
    """Coverage by ink, (H, W) uint8 once ``render`` is called; coordinates given in millimetres on paper."""

    def __init__(self, shape: tuple[int, int], pixels_per_mm: float) -> None:
        self._shape = shape
        self._scale = pixels_per_mm
        self._mask = np.zeros((shape[0] * OVERSAMPLING, shape[1] * OVERSAMPLING), np.uint8)

    def line(self, points: np.ndarray, width: float) -> None:
        """Draw a polyline through (n, 2) mm, ``width`` mm wide."""
        fine = self._fine(points)
        thickness = max(1, round(width * self._scale * OVERSAMPLING))
        fixed = np.round(fine * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(self._mask, [fixed.reshape(-1, 1, 2)], False, 255, thickness, cv2.LINE_AA, _SHIFT)

    def bar(self, x: float, y: float, width: float, height: float) -> None:
        """Fill a rectangle centred at (x, y) mm."""
        corners = np.array([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]])
        (x0, y0), (x1, y1) = np.round(self._fine(corners)).astype(int)
        cv2.rectangle(self._mask, (int(x0), int(y0)), (int(x1), int(y1)), 255, -1)

    def word(self, word: Word, font: str) -> None:
        """Print a text; what falls outside the page is cut off."""
        pixels = max(4, round(word.size * self._scale * OVERSAMPLING / 0.73))  # capitals are 0.73 of the font's size
        glyphs, ascent = _render_text(word.text, font, pixels)
        x, y = np.round(self._fine(np.array([[word.x, word.y]]))[0]).astype(int)
        _paste_maximum(self._mask, glyphs, int(x), int(y) - ascent)

    def render(self) -> np.ndarray:
        """Return the mask at the picture's size, (H, W) uint8."""
        return cv2.resize(self._mask, self._shape[::-1], interpolation=cv2.INTER_AREA)

    def _fine(self, points: np.ndarray) -> np.ndarray:
        """Millimetres -> pixels of the oversampled mask, centres at whole numbers."""
        return (np.asarray(points, np.float64) * self._scale + 0.5) * OVERSAMPLING - 0.5


@lru_cache(maxsize=64)
def _font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), pixels)


@lru_cache(maxsize=1024)
def _render_text(text: str, font: str, pixels: int) -> tuple[np.ndarray, int]:
    """Render a text: ((h, w) uint8 coverage, rows from its top to its baseline)."""
    face = _font(font, pixels)
    ascent, descent = face.getmetrics()
    picture = Image.new("L", (max(1, int(face.getlength(text)) + 2), ascent + descent), 0)
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=face)
    return np.asarray(picture), ascent


def _paste_maximum(mask: np.ndarray, glyphs: np.ndarray, x: int, y: int) -> None:
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(mask.shape[1], x + glyphs.shape[1]), min(mask.shape[0], y + glyphs.shape[0])
    if x0 < x1 and y0 < y1:
        part = mask[y0:y1, x0:x1]
        np.maximum(part, glyphs[y0 - y : y1 - y, x0 - x : x1 - x], out=part)


def draw_furniture(mask: InkMask, design: PageDesign, trace_width: float, font: str) -> None:
    """Draw everything that is not a trace: pulses, separators and words."""
    for separator in design.separators:
        mask.bar(separator.x, separator.y, separator.width, separator.height)
    if design.pulse is not None:
        width, height = PULSE_MM
        shape = np.array([[0, 0], [0, -height], [width, -height], [width, 0]], np.float64)
        for y in design.rows:
            mask.line(shape + [design.pulse, y], trace_width)
    for word in design.words:
        mask.word(word, font)


def lay_ink(image: np.ndarray, coverage: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Blend ink of an RGB colour over (H, W, 3) uint8 where ``coverage`` (H, W) uint8 is above 0."""
    rows = np.flatnonzero(coverage.any(axis=1))
    if rows.size == 0:
        return image
    band = slice(rows[0], rows[-1] + 1)
    alpha = coverage[band].astype(np.float32)[:, :, None] / 255.0
    part = image[band].astype(np.float32)
    image = image.copy()
    image[band] = (part + (color.astype(np.float32) - part) * alpha + 0.5).astype(np.uint8)
    return image
