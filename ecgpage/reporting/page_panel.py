"""Left half of a page report: the straightened page with its lead boxes and the recovered traces over it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from ecgpage.geometry import bent_points
from ecgpage.recording import Calibration, DigitizedPage, LeadBox, LeadTrace, Page
from ecgpage.reporting.canvas import FAINT, points

ACCENTS = ("#0057d9", "#d6006c", "#008a3e", "#d95f00")
"""Colours for boxes and traces; the one that stands out best from the page is taken."""

_PAPER_SHARE = 0.72  # of the page's own contrast; the rest goes to white, so that what is drawn over it stands out
_LABEL_HEIGHT = 15.0


def panel_size(page: Page, width: int, tallest: int) -> tuple[int, int]:
    """Return (width, height) of the page's panel in pixels: ``width`` wide unless that is taller than ``tallest``."""
    scale = min(width / page.size[1], tallest / page.size[0])
    return max(1, round(page.size[1] * scale)), max(1, round(page.size[0] * scale))


def straightened(page: Page, size: tuple[int, int]) -> np.ndarray:
    """Return the straightened page as (height, width, 3) uint8 RGB, ``size`` = (width, height), without aliasing."""
    width, height = size
    finer = max(1, round(page.size[1] / width))
    panel_to_page = _panel_to_page(page, (width * finer, height * finer))
    fine = cv2.warpPerspective(
        page.image,
        page.page_to_picture @ panel_to_page,
        (width * finer, height * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255, 255, 255),
    )
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA) if finer > 1 else fine


def _panel_to_page(page: Page, size: tuple[int, int]) -> np.ndarray:
    """Homography from panel pixels to page pixels; pixel centres are at whole numbers in both."""
    x, y = page.size[1] / size[0], page.size[0] / size[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def accent_for(image: np.ndarray) -> str:
    """Choose the colour of ``ACCENTS`` that even the most similar pixels of ``image`` (H, W, 3) differ from most."""
    step = max(1, image.shape[0] // 120)
    pixels = cv2.cvtColor(image[::step, ::step], cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)

    def contrast(color: str) -> float:
        swatch = np.array([[to_rgb(color)]], np.float32) * 255
        lab = cv2.cvtColor(swatch.round().astype(np.uint8), cv2.COLOR_RGB2LAB)[0, 0]
        return float(np.percentile(np.linalg.norm(pixels - lab, axis=1), 2))

    return max(ACCENTS, key=contrast)


def draw_page(axes: Axes, digitized: DigitizedPage, size: tuple[int, int]) -> str:
    """Draw the page, its boxes and traces into ``axes`` of ``size`` (width, height); returns the traces' colour."""
    image = straightened(digitized.page, size)
    color = accent_for(image)
    paler = 255 - (255 - image.astype(np.float32)) * _PAPER_SHARE
    axes.imshow(paler.astype(np.uint8), extent=(0, size[0], size[1], 0), interpolation="nearest", aspect="auto")
    page_to_panel = np.linalg.inv(_panel_to_page(digitized.page, size))
    for box in digitized.leads:
        _draw_box(axes, box, page_to_panel, color)
    if digitized.calibration is not None:
        for trace in digitized.traces:
            path = trace_on_panel(trace, digitized.calibration, page_to_panel)
            axes.plot(path[:, 0] + 0.5, path[:, 1] + 0.5, color=color, linewidth=points(0.9), alpha=0.9)
    axes.add_patch(_rectangle((0.5, 0.5), size[0] - 1, size[1] - 1, edgecolor=FAINT, facecolor="none"))
    return color


def trace_on_panel(trace: LeadTrace, calibration: Calibration, page_to_panel: np.ndarray) -> np.ndarray:
    """Return the trace as (n, 2) panel pixels, NaN where it is not printed."""
    if len(trace.x) == 0:
        return np.empty((0, 2))
    paper = np.stack([trace.x, trace.y], axis=1)
    path = bent_points(page_to_panel @ calibration.paper_to_page, paper, calibration.bend)
    path[~trace.printed] = np.nan
    return path


def _draw_box(axes: Axes, box: LeadBox, page_to_panel: np.ndarray, color: str) -> None:
    scale = page_to_panel[[0, 1], [0, 1]]
    x0, y0 = np.array(box.box[:2]) * scale + page_to_panel[:2, 2] - 2
    x1, y1 = np.array(box.box[2:]) * scale + page_to_panel[:2, 2] + 3
    axes.add_patch(_rectangle((x0, y0), x1 - x0, y1 - y0, edgecolor=color, facecolor=color, alpha=0.05))
    axes.add_patch(_rectangle((x0, y0), x1 - x0, y1 - y0, edgecolor=color, facecolor="none", alpha=0.55))
    text = f"{box.name} {box.score:.2f}"
    width = 7.0 * len(text) + 4
    top = max(0.0, y0 - _LABEL_HEIGHT)
    axes.add_patch(_rectangle((x0, top), width, _LABEL_HEIGHT, edgecolor="none", facecolor=color, alpha=0.85))
    axes.text(x0 + width / 2, top + 11.2, text, fontsize=points(11), color="white", ha="center", parse_math=False)


def _rectangle(corner: tuple[float, float], width: float, height: float, **style: Any) -> Rectangle:
    return Rectangle(corner, width, height, linewidth=points(1.0), **style)
