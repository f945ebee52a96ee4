"""The page's design in millimetres: where each row, pulse, separator and word is printed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecgpage.leads import PrintedLead
from ecgpage.synthesis import words as text
from ecgpage.synthesis.arrangement import Arrangement
from ecgpage.synthesis.settings import Range, Weights, check, check_names, pick

FONTS = {
    "sans": "DejaVuSans.ttf",
    "sans-bold": "DejaVuSans-Bold.ttf",
    "mono": "DejaVuSansMono.ttf",
    "serif": "STIXGeneral.ttf",
    "serif-bold": "STIXGeneralBol.ttf",
    "wide-serif": "DejaVuSerif.ttf",
    "plotter": "hershey",
}
"""Fonts that ship with matplotlib, and OpenCV's plotter strokes: every machine draws the same page."""

LETTER = (279.4, 215.9)
A4 = (297.0, 210.0)

LATEST_NAME = 28.0
"""Millimetres by which recorders print a lead's name after its beginning at most."""

PULSE_SECONDS = 0.2
"""Width of the usual calibration pulse."""


@dataclass(frozen=True)
class PrintSettings:
    """How a page is laid out; lengths in mm.

    fixed: chance of the plain arrangement that the field's common page generator draws (for 3x4 at 25 mm/s), with its
    own names, separators and footer, instead of a free one, of which the rest tells. pulse: calibration pulse "left",
    "right" of each row, or "none"; narrow_pulse: chance of a pulse of 0.1 s. separator: between the leads of a row,
    "bars", "ticks" (thin and short), "lines" (all rows, dashed or not) or "none". header, footer: chances. upper:
    chance of "AVR" for "aVR"; no_names: chance of a page without names; late_names: of names anywhere up to the middle
    of their leads instead of near where these begin. row_pitch: between rows of a page of up to five; more rows stand
    closer. gap: chance of blanks between columns. framed: chance of a grid that ends around the
    traces instead of covering the paper. panels: chance of a figure in which each lead stands in a panel with a grid of
    its own (see ``figure.py``); numbered: chance that other pages have numbers along their time and voltage axes.
    """

    fixed: float = 0.0
    pulse: Weights = (("left", 0.6), ("none", 0.4))
    narrow_pulse: float = 0.0
    separator: Weights = (("bars", 0.3), ("ticks", 0.3), ("none", 0.4))
    font: Weights = (("sans", 1.0),)
    header: float = 0.6
    footer: float = 0.5
    upper: float = 0.1
    no_names: float = 0.0
    late_names: float = 0.2
    row_pitch: Range = (20.0, 38.0)
    gap: float = 0.0
    framed: float = 0.0
    panels: float = 0.0
    numbered: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        known = {"pulse": ("left", "right", "none"), "separator": ("bars", "ticks", "lines", "none"), "font": FONTS}
        check_names(self, known)


@dataclass(frozen=True)
class Word:
    """A printed text: its left end and baseline on paper, mm, the height of its capitals, mm, and its font's file.

    lead: index of the layout's lead that the text names, -1 for any other text.
    """

    text: str
    x: float
    y: float
    size: float
    font: str = FONTS["sans"]
    lead: int = -1


@dataclass(frozen=True)
class Bar:
    """A filled rectangle centred at (x, y), mm."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class GridPatch:
    """A printed grid: where 5 mm lines cross, mm, and the area (x0, y0, x1, y1) that it covers, None for all of the
    paper."""

    origin: tuple[float, float] = (0.0, 0.0)
    area: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class PageDesign:
    """A page before it is drawn; all lengths in millimetres on paper, origin at its top left corner.

    origin: x of the first printed sample; rows: y of each row's zero line; gap: blank between columns; pulses: each
    row's calibration pulse as a polyline (5 or 6, 2); bars: separators and rules; grids: the printed grids, one on most
    pages.
    """

    size: tuple[float, float]
    origin: float
    rows: tuple[float, ...]
    gap: float = 0.0
    pulses: tuple[np.ndarray, ...] = ()
    bars: tuple[Bar, ...] = ()
    words: tuple[Word, ...] = ()
    grids: tuple[GridPatch, ...] = (GridPatch(),)


def trace_on_paper(
    design: PageDesign, arrangement: Arrangement, lead: PrintedLead, values: np.ndarray, fs: float
) -> np.ndarray:
    """Place a lead's samples on paper: (n,) mV -> (n, 2) millimetres (x, y)."""
    x = lead_left(design, arrangement, lead) + arrangement.speed * np.arange(len(values)) / fs
    up = arrangement.gain(lead.name) * (-1 if lead.inverted else 1)
    return np.stack([x, design.rows[lead.row] - up * values], axis=1)  # (n, 2)


def lead_left(design: PageDesign, arrangement: Arrangement, lead: PrintedLead) -> float:
    """Millimetres from the paper's left edge to a lead's first sample."""
    return design.origin + arrangement.speed * lead.offset + design.gap * lead.column


def design_sheet(arrangement: Arrangement, settings: PrintSettings, rng: np.random.Generator) -> PageDesign:
    """Arrange a recorder's sheet as ``settings`` ask, at random."""
    plain = arrangement.layout.name.startswith("3x4") and arrangement.layout.rows <= 6 and arrangement.speed == 25
    fixed = plain and arrangement.layout.width <= 10 and rng.random() < settings.fixed
    design = _fixed_design if fixed else _free_design
    return design(arrangement, settings, rng)


def _fixed_design(arrangement: Arrangement, settings: PrintSettings, rng: np.random.Generator) -> PageDesign:
    """As the field's common page generator draws: letter paper, rows in its lower part, bars between leads."""
    pulse = pick(settings.pulse, rng) != "none"
    origin = 15.0 if pulse or rng.random() < 0.5 else 10.0
    count = arrangement.layout.rows
    rows = [90.0 + 36.0 * k for k in range(3)] + [162.0 + 33.0 * (k + 1) for k in range(count - 3)]
    if count > 4:
        rows = [90.0 + 105.0 / (count - 1) * k for k in range(count)]
    shift = rng.uniform(-3, 3)
    design = PageDesign(LETTER, origin, tuple(y + shift for y in rows))
    bars = _separators(arrangement, design, rng.uniform(0.5, 0.9), rng.uniform(6.0, 8.0))
    pulses = row_pulses(arrangement, design, 10.0, PULSE_SECONDS) if pulse else ()
    size, dx, dy = rng.uniform(2.4, 3.2), rng.uniform(0.0, 0.8), rng.uniform(6.0, 8.5)
    names = _lead_names(arrangement, design, size, (dx, dy), 0.0, FONTS["sans"], False)
    y = min(211.0, design.rows[-1] + rng.uniform(10, 16))
    gains = "/".join(f"{gain:g}" for gain in dict.fromkeys(arrangement.gains))
    scale = (Word("25mm/s", 50.0, y, 2.9), Word(f"{gains}mm/mV", 100.0, y, 2.9))
    header = _fixed_header(design, rng) if rng.random() < settings.header else ()
    return replace(design, bars=bars, pulses=pulses, words=names + scale + header)


def _fixed_header(design: PageDesign, rng: np.random.Generator) -> tuple[Word, ...]:
    size = rng.uniform(1.8, 3.0)
    age, sex = f"Age: {rng.integers(18, 95)} yrs", f"Sex: {rng.choice(['Male', 'Female'])}"
    columns = ([f"ID: {rng.integers(10000, 99999)}", age, sex], ["Name:", "Height:"], [f"Date: {text.moment(rng)}"])
    left = rng.uniform(1.0, 6.0)
    return tuple(
        Word(line, left + 75.0 * k, 1.8 * size * (row + 1), size)
        for k, lines in enumerate(columns)
        for row, line in enumerate(lines)
    )


def _free_design(arrangement: Arrangement, settings: PrintSettings, rng: np.random.Generator) -> PageDesign:
    """Any arrangement of rows on any paper that holds them."""
    layout = arrangement.layout
    pitch = rng.uniform(*settings.row_pitch) * min(1.0, 5.5 / layout.rows)
    header = rng.random() < settings.header
    top = rng.uniform(0.45, 0.9) * pitch + (rng.uniform(15.0, 55.0) if header else rng.uniform(0.0, 10.0))
    pulse = pick(settings.pulse, rng)
    seconds = PULSE_SECONDS / (2 if rng.random() < settings.narrow_pulse else 1)
    pulse_mm = arrangement.speed * seconds + rng.uniform(1.5, 3.0)
    before = pulse_mm + rng.uniform(0.5, 6.0) if pulse == "left" else rng.uniform(1.0, 14.0)
    after = pulse_mm + rng.uniform(0.5, 6.0) if pulse == "right" else rng.uniform(1.0, 14.0)
    columns = 1 + max(lead.column for lead in layout.leads)
    gap = rng.uniform(1.0, 6.0) if rng.random() < settings.gap else 0.0
    width = before + arrangement.speed * layout.width + gap * (columns - 1) + after
    rows = top + pitch * np.arange(layout.rows) + rng.uniform(-1.0, 1.0, layout.rows)
    height = float(rows[-1] + rng.uniform(0.35, 0.8) * pitch + rng.uniform(2.0, 12.0))
    size = (width, height)
    shift = np.zeros(2)
    for paper in (A4, LETTER):
        if rng.random() < 0.4 and width <= paper[0] and height <= paper[1]:
            shift = rng.uniform(0, 1, 2) * (paper[0] - width, paper[1] - height)
            size = paper
            break
    grid = GridPatch((float(rng.uniform(0, 5)), float(rng.uniform(0, 5))))
    design = PageDesign(size, float(before + shift[0]), tuple(float(y + shift[1]) for y in rows), gap, grids=(grid,))
    if pulse != "none":
        place = -pulse_mm if pulse == "left" else width - after - before + rng.uniform(0.5, 1.5)
        design = replace(design, pulses=row_pulses(arrangement, design, design.origin + place, seconds))
    return _furnish(arrangement, settings, design, pitch, header, rng)


def _furnish(
    arrangement: Arrangement,
    settings: PrintSettings,
    design: PageDesign,
    pitch: float,
    header: bool,
    rng: np.random.Generator,
) -> PageDesign:
    """Add separators, words and the grid's frame."""
    bars = _free_separators(arrangement, settings, design, pitch, rng)
    font = FONTS[pick(settings.font, rng)]
    words: tuple[Word, ...] = ()
    if rng.random() >= settings.no_names:
        size = rng.uniform(1.8, 4.0) * min(1.0, pitch / 18)
        below = rng.random() < 0.5
        dy = rng.uniform(0.12, 0.35) * pitch * (1 if below else -1)
        first = float(rng.choice([0.0, 0.0, -3.0, -6.0]))
        upper = rng.random() < settings.upper
        dx = rng.uniform(-1.0, 5.0)
        if rng.random() < settings.late_names:
            shortest = min(lead.duration for lead in arrangement.layout.leads)
            dx = rng.uniform(0.0, min(LATEST_NAME, 0.45 * arrangement.speed * shortest))
        words += _lead_names(arrangement, design, size, (dx, dy), first, font, upper)
    top = design.rows[0] - 0.45 * pitch
    grids = design.grids
    if rng.random() < settings.framed:
        area = (design.origin - 12.0, top, design.size[0] - rng.uniform(1, 6), design.rows[-1] + 0.5 * pitch)
        grids = tuple(replace(grid, area=area) for grid in grids)
    if header:
        words += _header(design, top, font, rng)
        if rng.random() < 0.2:
            bars += _mark(design, rng)
    if rng.random() < settings.footer:
        words += _footer(arrangement, design, pitch, font, rng)
    return replace(design, bars=bars, words=words, grids=grids)


def row_pulses(arrangement: Arrangement, design: PageDesign, left: float, seconds: float) -> tuple[np.ndarray, ...]:
    """A pulse of 1 mV in every row, with short feet."""
    width, foot = arrangement.speed * seconds, 0.8
    pulses = []
    for row, y in enumerate(design.rows):
        first = next(lead for lead in arrangement.layout.leads if lead.row == row)
        up = y - arrangement.gain(first.name)
        shape = [(left - foot, y), (left, y), (left, up), (left + width, up), (left + width, y)]
        pulses.append(np.array([*shape, (left + width + foot, y)], np.float64))
    return tuple(pulses)


def _separators(arrangement: Arrangement, design: PageDesign, width: float, height: float) -> tuple[Bar, ...]:
    return tuple(
        Bar(lead_left(design, arrangement, lead) - design.gap / 2, design.rows[lead.row], width, height)
        for lead in arrangement.layout.leads
        if lead.column > 0
    )


def _free_separators(
    arrangement: Arrangement, settings: PrintSettings, design: PageDesign, pitch: float, rng: np.random.Generator
) -> tuple[Bar, ...]:
    kind = pick(settings.separator, rng)
    if kind == "none":
        return ()
    if kind == "bars":
        return _separators(arrangement, design, rng.uniform(0.5, 1.0), rng.uniform(3.0, 10.0))
    if kind == "ticks":
        ticks = _separators(arrangement, design, 0.25, rng.uniform(2.0, 6.0))
        away = float(rng.choice([0.0, 0.25, -0.25])) * pitch
        both = rng.random() < 0.4
        moved = tuple(replace(tick, y=tick.y + away) for tick in ticks)
        return moved + (tuple(replace(tick, y=tick.y - away) for tick in ticks) if both and away else ())
    lines = _separators(arrangement, design, rng.uniform(0.2, 0.4), 1.02 * pitch)
    if rng.random() < 0.5:
        return lines
    dashes = int(rng.integers(5, 12))
    length = pitch / dashes
    return tuple(
        Bar(line.x, line.y + (k - dashes / 2 + 0.5) * length, line.width, 0.55 * length)
        for line in lines
        for k in range(dashes)
    )


def _lead_names(
    arrangement: Arrangement,
    design: PageDesign,
    size: float,
    place: tuple[float, float],
    first: float,
    font: str,
    upper: bool,
) -> tuple[Word, ...]:
    """Names at one place relative to every lead's start, in one size; ``first``: further right in the first column."""
    words = []
    for index, lead in enumerate(arrangement.layout.leads):
        x = lead_left(design, arrangement, lead) + place[0] + (first if lead.column == 0 else 0.0)
        words.append(Word(printed_name(lead, upper), max(0.5, x), design.rows[lead.row] + place[1], size, font, index))
    return tuple(words)


def printed_name(lead: PrintedLead, upper: bool) -> str:
    """A lead's name as it is printed, "-aVR" upside down; upper: in capitals."""
    return ("-" if lead.inverted else "") + (lead.name.upper() if upper else lead.name)


def _header(design: PageDesign, bottom: float, font: str, rng: np.random.Generator) -> tuple[Word, ...]:
    """Invented patient data, measurements and findings above the first row, where there is room."""
    size = rng.uniform(1.5, 2.8)
    blocks = [[*text.patient_lines(rng), text.moment(rng)]]
    if rng.random() < 0.7:
        blocks.append(text.measurement_lines(rng))
    if rng.random() < 0.7:
        blocks.append(text.statement_lines(rng))
    words = []
    top = rng.uniform(2.0, 5.0)
    if rng.random() < 0.3:
        words.append(Word(text.logo(rng), design.size[0] * rng.uniform(0.3, 0.7), top + 3.0, size * 1.4, font))
        top += 4.0
    step = design.size[0] / len(blocks)
    for k, lines in enumerate(blocks):
        x = step * k + rng.uniform(2.0, 8.0)
        for row, line in enumerate(lines):
            y = top + 1.8 * size * (row + 1)
            if y < bottom:
                words.append(Word(line, x, y, size, font))
    return tuple(words)


def _mark(design: PageDesign, rng: np.random.Generator) -> tuple[Bar, ...]:
    """A hospital's mark in the header: a cross or a solid square."""
    x, y, size = design.size[0] * rng.uniform(0.55, 0.95), rng.uniform(5.0, 9.0), rng.uniform(4.0, 8.0)
    thick = size if rng.random() < 0.4 else size / 3
    return Bar(x, y, size, thick), Bar(x, y, thick, size)


def _footer(
    arrangement: Arrangement, design: PageDesign, pitch: float, font: str, rng: np.random.Generator
) -> tuple[Word, ...]:
    size = rng.uniform(1.5, 2.6)
    y = min(design.size[1] - 1.5, design.rows[-1] + rng.uniform(0.4, 0.6) * pitch)
    parts = text.scale_words(arrangement.speed, arrangement.gains, rng)
    parts += text.device_words(rng)[: int(rng.integers(3))]
    x, words = rng.uniform(3.0, 30.0), []
    for part in parts:
        words.append(Word(part, x, y, size, font))
        x += 0.8 * size * len(part) + rng.uniform(4.0, 25.0)
    return tuple(words)
