"""The page's design in millimetres: where each row, pulse, separator and word is printed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecgpage.leads import MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_SECOND, PageLayout
from ecgpage.synthesis.profile import Profile

PULSE_MM = (5.0, 10.0)
"""Calibration pulse of 0.2 s and 1 mV: (width, height)."""


@dataclass(frozen=True)
class Word:
    """A printed text: its left end and baseline on paper, mm, and the height of its capitals, mm."""

    text: str
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Separator:
    """A mark between two leads of one row: a bar centred at (x, y), mm."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PageDesign:
    """A page before it is drawn; all lengths in millimetres on paper, origin at its top left corner.

    origin: x of the first printed sample; rows: y of each row's zero line; pulses: left end of each row's
    calibration pulse or None; grid_origin: where the grid's first heavy lines cross; gap: blank between columns.
    """

    size: tuple[float, float]
    origin: float
    rows: tuple[float, ...]
    pulse: float | None
    separators: tuple[Separator, ...]
    words: tuple[Word, ...]
    grid_origin: tuple[float, float]


def trace_on_paper(design: PageDesign, row: int, start: float, values: np.ndarray, fs: float) -> np.ndarray:
    """Place samples on paper: (n,) mV from ``start`` seconds on -> (n, 2) millimetres (x, y)."""
    x = design.origin + MILLIMETERS_PER_SECOND * (start + np.arange(len(values)) / fs)
    y = design.rows[row] - MILLIMETERS_PER_MILLIVOLT * values
    return np.stack([x, y], axis=1)  # (n, 2)


def design_page(layout: PageLayout, profile: Profile, rng: np.random.Generator) -> PageDesign:
    """Arrange a page of ``layout`` as ``profile`` asks, at random."""
    fixed = rng.random() < profile.fixed_print
    design = _fixed_design(layout, profile, rng) if fixed else _free_design(layout, profile, rng)
    words = design.words + _lead_names(layout, design, fixed, rng)
    if rng.random() < profile.header:
        words += _header(design, rng)
    return replace(design, words=words)


def _fixed_design(layout: PageLayout, profile: Profile, rng: np.random.Generator) -> PageDesign:
    """As the field's common page generator draws: letter paper, rows in its lower part, bars between leads."""
    pulse = 10.0 if rng.random() < profile.pulse else None
    origin = 15.0 if pulse is not None or rng.random() < 0.5 else 10.0
    rows = [90.0 + 36.0 * k for k in range(layout.rows)]
    if layout.rows > 3:
        rows[3:] = [rows[2] + 33.0 * (k + 1) for k in range(layout.rows - 3)]
    shift = rng.uniform(-3, 3)
    design = PageDesign((279.4, 215.9), origin, tuple(y + shift for y in rows), pulse, (), (), (0.0, 0.0))
    bars = _separators(layout, design, rng.uniform(0.5, 0.9), rng.uniform(6.0, 8.0))
    y = min(211.0, design.rows[-1] + rng.uniform(10, 16))
    scale = (Word("25mm/s", 50.0, y, 2.9), Word("10mm/mV", 100.0, y, 2.9))
    return replace(design, separators=bars, words=scale)


def _free_design(layout: PageLayout, profile: Profile, rng: np.random.Generator) -> PageDesign:
    """Any arrangement of rows on any paper that holds them."""
    pitch = rng.uniform(20.0, 38.0)
    top = rng.choice([rng.uniform(12.0, 25.0), rng.uniform(30.0, 80.0)])
    bottom = rng.uniform(10.0, 25.0)
    seconds = layout.duration
    pulse = rng.uniform(2.0, 12.0) if rng.random() < profile.pulse else None
    origin = pulse + PULSE_MM[0] + rng.uniform(0.0, 3.0) if pulse is not None else rng.uniform(2.0, 20.0)
    width = origin + MILLIMETERS_PER_SECOND * seconds + rng.uniform(2.0, 22.0)
    rows = top + pitch * np.arange(layout.rows) + rng.uniform(-1.0, 1.0, layout.rows)
    height = float(rows[-1] + bottom)
    grid_origin = (rng.uniform(0, 5), rng.uniform(0, 5))
    design = PageDesign((width, height), origin, tuple(float(y) for y in rows), pulse, (), (), grid_origin)
    kind = rng.random()
    if kind < 0.4:
        return design
    thick = kind < 0.7
    bars = _separators(layout, design, rng.uniform(0.5, 1.0) if thick else 0.25, rng.uniform(3.0, 10.0))
    return replace(design, separators=bars)


def _separators(layout: PageLayout, design: PageDesign, width: float, height: float) -> tuple[Separator, ...]:
    return tuple(
        Separator(design.origin + MILLIMETERS_PER_SECOND * lead.start, design.rows[lead.row], width, height)
        for lead in layout.leads
        if lead.column > 0
    )


def _lead_names(layout: PageLayout, design: PageDesign, fixed: bool, rng: np.random.Generator) -> tuple[Word, ...]:
    """Names at one place relative to every lead's start, in one size."""
    size = rng.uniform(2.4, 3.2) if fixed else rng.uniform(1.8, 4.0)
    dx = rng.uniform(0.0, 0.8) if fixed else rng.uniform(-1.0, 5.0)
    dy = rng.uniform(6.0, 8.5) if fixed else rng.choice([rng.uniform(5.0, 9.0), rng.uniform(-9.0, -3.0)])
    upper = not fixed and rng.random() < 0.15
    first = -3.0 if not fixed and rng.random() < 0.2 else 0.0
    words = []
    for lead in layout.leads:
        x = design.origin + MILLIMETERS_PER_SECOND * lead.start + dx + (first if lead.column == 0 else 0.0)
        words.append(Word(lead.name.upper() if upper else lead.name, max(0.5, x), design.rows[lead.row] + dy, size))
    return tuple(words)


def _header(design: PageDesign, rng: np.random.Generator) -> tuple[Word, ...]:
    """Invented patient data and measurements above the first row, where there is room."""
    size = rng.uniform(1.8, 3.0)
    number = int(rng.integers(10000, 99999))
    lines = [
        f"ID: {number}        Name:        Date: {rng.integers(1984, 2024)}-{rng.integers(1, 13):02d}-"
        f"{rng.integers(1, 29):02d}, {rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}",
        f"Age: {rng.integers(18, 95)} yrs      HR {rng.integers(45, 140)} bpm   QRS {rng.integers(70, 160)} ms",
        f"Sex: {rng.choice(['Male', 'Female'])}     PR {rng.integers(110, 240)} ms   QT {rng.integers(320, 480)} ms",
    ]
    room = max(0, int((design.rows[0] - 16.0) / (1.8 * size)))
    return tuple(Word(text, rng.uniform(1.0, 6.0), 1.8 * size * (k + 1), size) for k, text in enumerate(lines[:room]))
