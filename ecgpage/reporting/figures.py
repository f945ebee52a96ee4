"""The page report: one picture that shows what was read from a page, and from where."""

from __future__ import annotations

import numpy as np

from ecgpage.recording import DigitizedPage
from ecgpage.reporting import page_panel, signal_panel, summary_panel
from ecgpage.reporting.canvas import (
    HEADING_SIZE,
    MUTED,
    REFERENCE,
    RULE,
    SMALL_SIZE,
    TITLE_SIZE,
    TRACE,
    Canvas,
    points,
    save_picture,
)

__all__ = ["page_report", "save_picture"]

PAGE_WIDTH, SHEET_WIDTH = 1100, 1340
"""Widths of the page and, at most, of the recovered leads' sheet, in pixels."""

_MARGIN, _GAP, _HEADER, _AXIS = 32, 36, 104, 30
_TALLEST = 1300


def page_report(digitized: DigitizedPage, title: str, reference: np.ndarray | None = None) -> np.ndarray:
    """Draw a digitized page: at the left the straightened page with its lead boxes and the recovered traces over it,
    at the right the recovered leads on millimetre paper, below them classes, quality and warnings.

    reference: (samples, leads) mV like ``digitized.recording.signal``, drawn behind it; or None.
    Returns (H, W, 3) uint8 RGB. A page without leads and leads of NaN are drawn as such.
    Raises ValueError for a reference of another shape.
    """
    recording = digitized.recording
    if reference is not None and reference.shape != recording.signal.shape:
        raise ValueError(f"the reference is {reference.shape}, the recording {recording.signal.shape}")
    page_size = page_panel.panel_size(digitized.page, PAGE_WIDTH, _TALLEST)
    sheet = signal_panel.arrange(recording, reference, SHEET_WIDTH)
    sheet_width, sheet_height = sheet.pixels
    body = max(page_size[1], sheet_height + _AXIS)
    right = _MARGIN + PAGE_WIDTH + _GAP
    below = _HEADER + body + 24
    canvas = Canvas(right + max(sheet_width, 900) + _MARGIN, below + summary_panel.height() + _MARGIN)

    left = _MARGIN + (PAGE_WIDTH - page_size[0]) // 2
    color = page_panel.draw_page(canvas.axes(left, _HEADER, *page_size), digitized, page_size)
    axes = canvas.axes(right, _HEADER, sheet_width, sheet_height)
    signal_panel.draw_signal(axes, sheet, recording, reference)
    axes = canvas.axes(right, _HEADER + sheet_height, sheet_width, _AXIS)
    signal_panel.draw_time_axis(axes, sheet, recording)
    _draw_header(canvas, digitized, title, right, color, reference is not None)
    _draw_rule(canvas, below)
    summary_panel.draw_summary(canvas, digitized, (_MARGIN, _MARGIN + 690, right + 160), below + 16)
    return canvas.render()


def _draw_header(
    canvas: Canvas, digitized: DigitizedPage, title: str, right: float, color: str, has_reference: bool
) -> None:
    recording = digitized.recording
    height, width = digitized.page.image.shape[:2]
    canvas.text(_MARGIN, 46, title, TITLE_SIZE, weight="bold")
    text = f"Page, straightened from {width} x {height} pixels"
    canvas.text(_MARGIN, 86, text, HEADING_SIZE, MUTED)
    _draw_legend(canvas, _MARGIN + PAGE_WIDTH, [("leads and traces as found", color, 1.5)])
    seconds = len(recording.signal) / recording.fs
    text = f"Recovered leads, {seconds:g} s at {recording.fs:g} Hz, 25 mm/s, 10 mm/mV"
    canvas.text(right, 86, text, HEADING_SIZE, MUTED)
    entries = [("recovered", TRACE, 1.5)] + ([("reference", REFERENCE, 3.0)] if has_reference else [])
    _draw_legend(canvas, canvas.width - _MARGIN, entries)


def _draw_legend(canvas: Canvas, right: float, entries: list[tuple[str, str, float]]) -> None:
    """Write line samples and their meanings so that they end ``right`` pixels from the left."""
    for text, color, width in reversed(entries):
        right -= canvas.text_width(text, SMALL_SIZE)
        canvas.text(right, 85, text, SMALL_SIZE, MUTED)
        axes = canvas.axes(right - 34, 72, 26, 16)
        axes.plot([0, 26], [8.5, 8.5], color=color, linewidth=points(width))
        right -= 54


def _draw_rule(canvas: Canvas, y: float) -> None:
    axes = canvas.axes(_MARGIN, y, canvas.width - 2 * _MARGIN, 2)
    axes.hlines(1, 0, canvas.width - 2 * _MARGIN, color=RULE, linewidth=points(1.0))
