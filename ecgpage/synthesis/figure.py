"""Figures as plotting programs draw them: every lead in a panel with a grid, a title and numbered axes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ecgpage.leads import PrintedLead
from ecgpage.synthesis import words as text
from ecgpage.synthesis.arrangement import Arrangement
from ecgpage.synthesis.layout import (
    FONTS,
    PULSE_SECONDS,
    Bar,
    GridPatch,
    PageDesign,
    PrintSettings,
    Word,
    lead_left,
    printed_name,
    row_pulses,
)
from ecgpage.synthesis.settings import pick

NAME_PLACES = (("above", 0.5), ("centred", 0.2), ("inside", 0.2), ("beside", 0.1))
"""Where a panel's lead is named: above its left end or its middle, in its upper left corner, or left of it."""

_LINE = 0.2  # mm, of frames, axes and ticks
_TICK = 1.0  # mm
_ADVANCE = 0.85  # of a letter, in capitals' heights


@dataclass(frozen=True)
class _Panel:
    """A lead's panel on paper: (left, top, right, bottom), mm; zero: x of its first sample and y of 0 mV."""

    lead: PrintedLead
    box: tuple[float, float, float, float]
    zero: tuple[float, float]


def design_figure(arrangement: Arrangement, settings: PrintSettings, rng: np.random.Generator) -> PageDesign:
    """Arrange a figure of panels, at random; of ``settings``, pulse, font, upper, no_names and footer count."""
    layout = arrangement.layout
    columns = 1 + max(lead.column for lead in layout.leads)
    up = rng.uniform(8.0, 24.0)
    down = up if rng.random() < 0.6 else rng.uniform(8.0, 24.0)
    beyond = rng.uniform(0.5, 4.0) if rng.random() < 0.4 else 0.0
    across, between = rng.uniform(1.5, 16.0) + 2 * beyond, rng.uniform(1.5, 16.0)
    size = rng.uniform(1.6, 3.6)
    pulse = pick(settings.pulse, rng) != "none"
    left = beyond + (arrangement.speed * PULSE_SECONDS + rng.uniform(5.0, 9.0) if pulse else rng.uniform(3.0, 22.0))
    top = rng.uniform(2.0, 6.0) + 2 * size + (rng.uniform(2.0, 10.0) if rng.random() < settings.header else 0.0)
    rows = top + up + (up + down + between) * np.arange(layout.rows)
    width = left + arrangement.speed * layout.width + across * (columns - 1) + beyond + rng.uniform(2.0, 14.0)
    height = float(rows[-1] + down + rng.uniform(3.0, 18.0) + 2 * size)
    design = PageDesign((width, height), left, tuple(float(y) for y in rows), across)
    panels = [_panel(arrangement, design, lead, (up, down), beyond) for lead in layout.leads]
    if pulse:
        beginning = left - beyond - arrangement.speed * PULSE_SECONDS - rng.uniform(2.0, 4.0)
        pulses = row_pulses(arrangement, design, beginning, PULSE_SECONDS)
        design = replace(design, pulses=pulses if rng.random() < 0.7 else pulses[:1])
    font = FONTS[pick(settings.font, rng)]
    words = () if rng.random() < settings.no_names else _names(panels, size, font, rng.random() < settings.upper, rng)
    words += _captions(arrangement, design, size, font, rng.random() < settings.footer, rng)
    numbers, ticks = _panel_axes(arrangement, panels, 0.8 * size, font, (pulse, across), rng)
    return replace(design, grids=_grids(panels, rng), words=words + numbers, bars=_frames(panels, rng) + ticks)


def _panel(
    arrangement: Arrangement, design: PageDesign, lead: PrintedLead, reach: tuple[float, float], beyond: float
) -> _Panel:
    x, y = lead_left(design, arrangement, lead), design.rows[lead.row]
    right = x + arrangement.speed * lead.duration
    return _Panel(lead, (x - beyond, y - reach[0], right + beyond, y + reach[1]), (x, y))


def _grids(panels: list[_Panel], rng: np.random.Generator) -> tuple[GridPatch, ...]:
    """One grid for all panels or, mostly, a grid in each that begins with it."""
    shared = rng.random() < 0.25
    return tuple(GridPatch((panels[0] if shared else panel).zero, panel.box) for panel in panels)


def _frames(panels: list[_Panel], rng: np.random.Generator) -> tuple[Bar, ...]:
    """All four sides of each panel, those at left and below, or none."""
    sides = int(rng.choice([4, 2, 0], p=[0.35, 0.15, 0.5]))
    bars: list[Bar] = []
    for panel in panels:
        x0, y0, x1, y1 = panel.box
        width, height = x1 - x0, y1 - y0
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        bars += [
            Bar(x0, middle[1], _LINE, height),
            Bar(middle[0], y1, width, _LINE),
            Bar(x1, middle[1], _LINE, height),
            Bar(middle[0], y0, width, _LINE),
        ][:sides]
    return tuple(bars)


def _names(panels: list[_Panel], size: float, font: str, upper: bool, rng: np.random.Generator) -> tuple[Word, ...]:
    place, along, away = pick(NAME_PLACES, rng), rng.uniform(0.0, 3.0), rng.uniform(0.5, 2.0)
    words = []
    for index, panel in enumerate(panels):
        name = printed_name(panel.lead, upper)
        x0, y0, x1, _ = panel.box
        length = _ADVANCE * size * len(name)
        x, y = {
            "above": (x0 + along, y0 - away),
            "centred": ((x0 + x1 - length) / 2, y0 - away),
            "inside": (x0 + 0.5 + along, y0 + size + away),
            "beside": (x0 - 0.5 - along - length, panel.zero[1] + size / 2),
        }[place]
        words.append(Word(name, max(0.5, x), y, size, font, index))
    return tuple(words)


def _captions(
    arrangement: Arrangement, design: PageDesign, size: float, font: str, footer: bool, rng: np.random.Generator
) -> tuple[Word, ...]:
    """The figure's title, what its axes show, and its scale."""
    width, height = design.size
    words = []
    if rng.random() < 0.6:
        title = str(
            rng.choice(["ECG", "12-lead ECG", f"Record {rng.integers(1, 99999)}", f"Patient {rng.integers(999)}"])
        )
        words.append(Word(title, rng.uniform(0.02, 0.5) * width, 1.0 + 1.3 * size, 1.3 * size, font))
    if rng.random() < 0.3:
        label = str(rng.choice(["Time (s)", "time [s]", "Seconds", "t / s"]))
        words.append(Word(label, rng.uniform(0.4, 0.55) * width, height - 0.6 * size, size, font))
    if footer:
        parts = text.scale_words(arrangement.speed, arrangement.gains, rng)[: int(rng.integers(1, 4))]
        joint = str(rng.choice(["  ", ", ", " - ", " | "]))
        words.append(Word(joint.join(parts), rng.uniform(0.02, 0.2) * width, height - 0.6 * size, 0.85 * size, font))
    return tuple(words)


def _panel_axes(
    arrangement: Arrangement,
    panels: list[_Panel],
    size: float,
    font: str,
    room: tuple[bool, float],
    rng: np.random.Generator,
) -> tuple[tuple[Word, ...], tuple[Bar, ...]]:
    """Numbers and ticks below the panels, and left of them where there is ``room``: whether a pulse takes it, and mm
    between columns."""
    below, shared, from_zero = rng.random() < 0.7, rng.random() < 0.3, rng.random() < 0.4
    left, ticked = rng.random() < 0.4 and not room[0], rng.random() < 0.4
    step, volt = float(rng.choice([0.5, 1.0, 1.0, 2.0])), float(rng.choice([0.5, 1.0]))
    lowest = {panel.lead.column: panel.lead.row for panel in panels}
    words, bars = [], []
    for panel in panels:
        (x0, y0, _, y1), (x, y), lead = panel.box, panel.zero, panel.lead
        if below and not (shared and lead.row < lowest[lead.column]):
            for number, place in _times(lead, step, from_zero):
                at = x + arrangement.speed * place
                words.append(Word(number, at - _ADVANCE * size * len(number) / 2, y1 + _TICK + 1.4 * size, size, font))
                bars += [Bar(at, y1 + _TICK / 2, _LINE, _TICK)] * ticked
        if left and (lead.column == 0 or room[1] > 8.0):
            gain = arrangement.gain(lead.name)
            for number, height in _volts(volt, (y - y1) / gain, (y - y0) / gain):
                at = y - gain * height
                words.append(Word(number, x0 - _TICK - _ADVANCE * size * len(number), at + size / 2, size, font))
                bars += [Bar(x0 - _TICK / 2, at, _TICK, _LINE)] * ticked
    return tuple(words), tuple(bars)


def _times(lead: PrintedLead, step: float, from_zero: bool) -> Iterator[tuple[str, float]]:
    """The numbers along a lead's time axis, and the seconds from its beginning where they stand."""
    start = 0.0 if from_zero else lead.start
    for time in np.arange(np.ceil(start / step) * step, start + lead.duration + 1e-6, step):
        yield f"{time:g}", float(time - start)


def _volts(step: float, low: float, high: float) -> Iterator[tuple[str, float]]:
    """The numbers along an axis of voltages between two, and where they stand, mV."""
    for value in np.arange(np.ceil(low / step) * step, high + 1e-6, step):
        yield f"{value:g}", float(value)


def number_axes(arrangement: Arrangement, sheet: PageDesign, rng: np.random.Generator) -> PageDesign:
    """Add numbers below a sheet, along its time, and at its left edge, along its voltages, as where a whole page is one
    plot."""
    size, font = rng.uniform(1.4, 3.0), FONTS[str(rng.choice(["sans", "mono", "serif"]))]
    width, height = sheet.size
    unit, step = str(rng.choice(["", "", " s"])), float(rng.choice([0.2, 0.5, 1.0, 1.0]))
    words, bars = [], []
    pattern = "{:.1f}" if rng.random() < 0.4 else "{:g}"
    for time in np.arange(0.0, arrangement.layout.width + 1e-6, step):
        number = pattern.format(time) + unit
        at = sheet.origin + arrangement.speed * time
        words.append(Word(number, at - _ADVANCE * size * len(number) / 2, height + _TICK + 1.4 * size, size, font))
        bars.append(Bar(at, height + _TICK / 2, _LINE, _TICK))
    bars.append(Bar(width / 2, height, width, _LINE * float(rng.choice([1, 2]))))
    if rng.random() < 0.5 and sheet.origin > 5.0:
        gain, volt = arrangement.gains[0], float(rng.choice([0.5, 1.0]))
        top, bottom = sheet.rows[0] / gain, (sheet.rows[0] - height) / gain
        words += [
            Word(number, 0.5, sheet.rows[0] - gain * value + size / 2, size, font)
            for number, value in _volts(volt, bottom, top)
        ]
    grids = tuple(replace(grid, area=grid.area or (0.0, 0.0, width, height)) for grid in sheet.grids)
    size_with_axis = (width, height + _TICK + 2 * size)
    return replace(
        sheet, size=size_with_axis, words=sheet.words + tuple(words), bars=sheet.bars + tuple(bars), grids=grids
    )
