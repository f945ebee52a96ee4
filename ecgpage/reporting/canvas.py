"""A figure laid out in pixels from its top left corner, its colours and type sizes, and writing pictures to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ecgpage.io import write_bytes

INK = "#1b2733"
MUTED = "#66727f"
FAINT = "#c9d0d6"
RULE = "#e3e7ea"
TRACE = "#12355b"
BAR = "#9fb0bf"
REFERENCE = "#f5b071"
WARNING = "#b45309"
GRID_MINOR = "#faeceb"
GRID_MAJOR = "#f1d2ce"
BACKGROUND = "#ffffff"

TITLE_SIZE, HEADING_SIZE, TEXT_SIZE, SMALL_SIZE = 24.0, 17.0, 15.0, 13.0
"""Type sizes in pixels."""

_DPI = 100.0


class Canvas:
    """A white picture of ``width`` x ``height`` pixels; every place is (x, y) pixels from the top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=BACKGROUND)
        self._agg = FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Bare axes in a rectangle; one unit is one pixel, y grows downwards."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        return axes

    def text(self, x: float, y: float, text: str, size: float = TEXT_SIZE, color: str = INK, **style: Any) -> Text:
        """Write ``text`` with its baseline's left end at (x, y); ``size`` in pixels."""
        place = (x / self.width, 1 - y / self.height)
        return self.figure.text(*place, text, fontsize=points(size), color=color, parse_math=False, **style)

    def text_width(self, text: str, size: float = TEXT_SIZE, **style: Any) -> float:
        """Return how wide ``text`` would be, in pixels."""
        drawn = self.text(0, 0, text, size, **style)
        width = float(drawn.get_window_extent(self._agg.get_renderer()).width)
        drawn.remove()
        return width

    def render(self) -> np.ndarray:
        """Return the picture, (height, width, 3) uint8 RGB."""
        self._agg.draw()
        return np.ascontiguousarray(np.asarray(self._agg.buffer_rgba())[:, :, :3])


def points(pixels: float) -> float:
    """Convert a length in pixels of a canvas to typographic points."""
    return pixels * 72.0 / _DPI


def save_picture(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB to ``path``; its suffix (.png, .jpg) says the format, missing folders are made.

    The file appears whole or not at all. Raises ValueError for another suffix or array.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"cannot write a picture as {path.name}: name it .png or .jpg")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture is an array (H, W, 3) of uint8, came {image.shape} of {image.dtype}")
    done, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels could not be encoded as {path.suffix}")
    write_bytes(path, data.tobytes())
