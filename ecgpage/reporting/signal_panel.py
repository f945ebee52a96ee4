"""Right half of a page report: the recovered leads on clean millimetre paper, at 25 mm/s and 10 mm/mV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ecgpage.leads import LEADS, MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_SECOND, canonical_lead
from ecgpage.recording import Recording
from ecgpage.reporting.canvas import GRID_MAJOR, GRID_MINOR, INK, MUTED, REFERENCE, SMALL_SIZE, TRACE, points

_LEFT, _RIGHT = 10.0, 5.0  # mm of paper beside the traces; the calibration pulse stands in the left part
_LIMIT = 3.0  # mV, drawn at most this far from the zero line
_ABOVE, _BELOW = 10.0, 5.0  # mm, least room of a row above and below its zero line
_FINEST = 8  # pixels per mm, at most, however short the record
_TOLERANCE = 0.4  # s, how far a lead may reach out of its column


@dataclass(frozen=True)
class Cell:
    """One stretch of one lead: column of the record's signal, from ``start`` to ``stop`` seconds."""

    column: int
    start: float
    stop: float


@dataclass(frozen=True)
class SignalSheet:
    """Millimetre paper with its rows arranged: ``zeros`` are the rows' zero lines in mm from the top."""

    rows: tuple[tuple[Cell, ...], ...]
    zeros: tuple[float, ...]
    size: tuple[float, float]
    pixels_per_mm: int

    @property
    def pixels(self) -> tuple[int, int]:
        """(width, height) in pixels, without the time axis below."""
        return round(self.size[0] * self.pixels_per_mm), round(self.size[1] * self.pixels_per_mm)


def arrange(recording: Recording, reference: np.ndarray | None, width: int) -> SignalSheet:
    """Arrange the leads on paper about ``width`` pixels wide.

    Leads that are printed in the usual four columns are drawn in three rows of four, those known throughout as a
    strip below; any other record gets one row per lead. Time is the record's own in both.
    """
    duration = len(recording.signal) / recording.fs
    rows = _usual_rows(recording, duration) or _single_rows(recording, duration)
    zeros, height = [], 0.0
    for row in rows:
        above, below = _room(row, recording, reference)
        zeros.append(height + above)
        height += above + below
    paper_width = 5 * np.ceil((_LEFT + MILLIMETERS_PER_SECOND * duration + _RIGHT) / 5)
    size = (float(paper_width), float(max(height, _ABOVE + _BELOW)))
    return SignalSheet(rows, tuple(zeros), size, int(np.clip(width // paper_width, 1, _FINEST)))


def _single_rows(recording: Recording, duration: float) -> tuple[tuple[Cell, ...], ...]:
    return tuple((Cell(k, 0.0, duration),) for k in range(len(recording.names)))


def _usual_rows(recording: Recording, duration: float) -> tuple[tuple[Cell, ...], ...]:
    """Three rows of four leads and the strips, or nothing where that does not fit the record."""
    columns = {canonical_lead(name): k for k, name in enumerate(recording.names)}
    if set(columns) != set(LEADS) or not np.isfinite(recording.signal).any():
        return ()
    strips: list[tuple[Cell, ...]] = []
    for place, name in enumerate(LEADS):
        known = np.flatnonzero(np.isfinite(recording.signal[:, columns[name]])) / recording.fs
        start, stop = duration * (place // 3) / 4, duration * (place // 3 + 1) / 4
        if known.size == 0 or (known[0] > start - _TOLERANCE and known[-1] < stop + _TOLERANCE):
            continue
        if known[-1] - known[0] < 0.6 * duration:
            return ()
        strips.append((Cell(columns[name], 0.0, duration),))
    if len(strips) > len(LEADS) // 2:
        return ()
    quarter = duration / 4
    rows = [tuple(Cell(columns[LEADS[3 * c + r]], c * quarter, (c + 1) * quarter) for c in range(4)) for r in range(3)]
    return tuple(rows + strips)


def _room(row: tuple[Cell, ...], recording: Recording, reference: np.ndarray | None) -> tuple[float, float]:
    """Return (above, below) in mm: what the row's traces need around their zero line, in steps of 5 mm."""
    values = [np.zeros(1)]
    for signal in (recording.signal, reference):
        if signal is not None:
            values += [part[np.isfinite(part)] for part in (_part(signal, recording.fs, cell)[1] for cell in row)]
    heights = MILLIMETERS_PER_MILLIVOLT * np.concatenate(values)
    # An outlier of a few samples does not push the rows apart.
    high, low = np.percentile(heights, [99.8, 0.2]).clip(-_LIMIT * 10, _LIMIT * 10)
    return max(_ABOVE, 5.0 * np.ceil((high + 5.0) / 5.0)), max(_BELOW, 5.0 * np.ceil((2.0 - low) / 5.0))


def _part(signal: np.ndarray, fs: float, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Return one cell's samples: (times s, values mV)."""
    first, last = round(cell.start * fs), round(cell.stop * fs)
    return np.arange(first, last) / fs, signal[first:last, cell.column].astype(np.float64)


def draw_signal(axes: Axes, sheet: SignalSheet, recording: Recording, reference: np.ndarray | None) -> None:
    """Draw the sheet into ``axes`` of its size, one pixel per unit."""
    axes.set_xlim(0, sheet.size[0])
    axes.set_ylim(sheet.size[1], 0)
    _draw_grid(axes, sheet)
    for row, zero in zip(sheet.rows, sheet.zeros, strict=True):
        _draw_pulse(axes, zero)
        if reference is not None:
            _draw_row(axes, row, zero, reference, recording.fs, REFERENCE, 3.2)
        _draw_row(axes, row, zero, recording.signal, recording.fs, TRACE, 1.15)
        for cell in row:
            _draw_name(axes, cell, zero, recording)


def _draw_grid(axes: Axes, sheet: SignalSheet) -> None:
    width, height = sheet.size
    for step, color, pixels in ((1.0, GRID_MINOR, 1.0), (5.0, GRID_MAJOR, 1.0)):
        if step * sheet.pixels_per_mm < 4:
            continue
        style: dict[str, Any] = {"color": color, "linewidth": points(pixels), "antialiased": False, "clip_on": False}
        axes.vlines(np.arange(0, width + step / 2, step), 0, height, **style)
        axes.hlines(np.arange(0, height + step / 2, step), 0, width, **style)


def _draw_pulse(axes: Axes, zero: float) -> None:
    x = np.array([1.5, 2.5, 2.5, 7.5, 7.5, 8.5])
    y = zero - MILLIMETERS_PER_MILLIVOLT * np.array([0, 0, 1, 1, 0, 0])
    axes.plot(x, y, color=MUTED, linewidth=points(1.0), solid_joinstyle="miter")


def _draw_row(
    axes: Axes, row: tuple[Cell, ...], zero: float, signal: np.ndarray, fs: float, color: str, pixels: float
) -> None:
    for cell in row:
        times, values = _part(signal, fs, cell)
        x = _LEFT + MILLIMETERS_PER_SECOND * times
        y = zero - MILLIMETERS_PER_MILLIVOLT * np.clip(values, -_LIMIT * 1.2, _LIMIT * 1.2)
        axes.plot(x, y, color=color, linewidth=points(pixels), solid_joinstyle="round")


def _draw_name(axes: Axes, cell: Cell, zero: float, recording: Recording) -> None:
    missing = not np.isfinite(_part(recording.signal, recording.fs, cell)[1]).any()
    name = canonical_lead(recording.names[cell.column]) or recording.names[cell.column]
    x = _LEFT + MILLIMETERS_PER_SECOND * cell.start
    if cell.start > 0:
        axes.vlines(x, zero - 9, zero - 4, color=MUTED, linewidth=points(1.0))
    text = f"{name}  not found" if missing else name
    style: dict[str, Any] = {
        "fontsize": points(SMALL_SIZE),
        "parse_math": False,
        "weight": "normal" if missing else "bold",
    }
    drawn = axes.text(x + 1.0, zero - 6.2, text, color=MUTED if missing else INK, **style)
    drawn.set_path_effects([withStroke(linewidth=points(3.0), foreground="white", alpha=0.85)])


def draw_time_axis(axes: Axes, sheet: SignalSheet, recording: Recording) -> None:
    """Write the seconds below the sheet into ``axes`` as wide as it."""
    duration = len(recording.signal) / recording.fs
    scale = sheet.pixels_per_mm
    step = next(s for s in (1, 2, 5, 10, 30, 60, 600, 3600, 10**9) if s * MILLIMETERS_PER_SECOND * scale >= 60)
    for second in np.arange(0, duration + 1e-6, step):
        x = scale * (_LEFT + MILLIMETERS_PER_SECOND * second)
        axes.vlines(x, 0, 5, color=MUTED, linewidth=points(1.0))
        text = f"{second:g} s" if second == 0 else f"{second:g}"
        axes.text(x, 20, text, fontsize=points(SMALL_SIZE), color=MUTED, ha="center")
