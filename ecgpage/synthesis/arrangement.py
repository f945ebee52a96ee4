"""What a page shows: which leads in which arrangement, at which paper speed and gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgpage.leads import (
    CABRERA,
    LEADS,
    MILLIMETERS_PER_SECOND,
    USUAL_GAINS,
    Gains,
    PageLayout,
    by_columns,
    by_rows,
    gain_of,
    layout_grid,
)
from ecgpage.synthesis.settings import Weights, check, check_names, pick

GRIDS = ("3x4", "6x2", "12x1", "4x3", "6x1", "3x4-long")
"""Arrangements as rows x columns; 6x1 shows the limb or the chest leads alone, in 3x4-long each of twelve leads takes
the whole page's time."""

STRIP_LEADS = ("II", "V1", "V5", "I", "V2", "aVF", "III", "aVR", "aVL", "V3", "V4", "V6")
"""Leads of rhythm strips, the usual ones first: each is half as likely as the one before."""

_FAST = 2.0  # 50 mm/s


@dataclass(frozen=True)
class ArrangementSettings:
    """How the arrangement is chosen.

    grid: of ``GRIDS``; strips: number of rhythm strips "0" to "3" (at most one below 6x2 and 4x3, none below 12x1, 6x1
    and long pages); usual_strip: chance that a single strip is lead II. cabrera: chance of limb leads in Cabrera's
    order; simultaneous: chance that all columns show the same time; fast: chance of 50 mm/s; gain: mm/mV; half_chest:
    chance of chest leads printed at half the limb leads' gain.
    """

    grid: Weights = (("3x4", 1.0),)
    strips: Weights = (("0", 0.15), ("1", 0.75), ("3", 0.1))
    usual_strip: float = 0.8
    cabrera: float = 0.0
    simultaneous: float = 0.0
    fast: float = 0.0
    gain: Weights = (("10", 1.0),)
    half_chest: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        check_names(self, {"grid": GRIDS, "strips": ("0", "1", "2", "3"), "gain": ("5", "10", "20")})


@dataclass(frozen=True)
class Arrangement:
    """A page's layout and scale.

    speed: mm/s. gains: mm/mV of limb leads and of chest leads.
    """

    layout: PageLayout
    speed: float = MILLIMETERS_PER_SECOND
    gains: Gains = USUAL_GAINS

    def gain(self, name: str) -> float:
        """Millimetres per millivolt of a lead."""
        return gain_of(self.gains, name)


def choose_arrangement(settings: ArrangementSettings, rng: np.random.Generator, seconds: float = 10.0) -> Arrangement:
    """Choose how a page of a record of ``seconds`` is arranged; at 50 mm/s it often shows only half of them."""
    grid = pick(settings.grid, rng)
    fast = rng.random() < settings.fast and grid != "3x4-long"
    if fast and rng.random() < 0.7:
        seconds = seconds / 2
    limb = float(pick(settings.gain, rng))
    chest = limb / 2 if rng.random() < settings.half_chest else limb
    layout = _choose_layout(grid, settings, rng, seconds)
    return Arrangement(layout, MILLIMETERS_PER_SECOND * (_FAST if fast else 1.0), (limb, chest))


def _choose_layout(grid: str, settings: ArrangementSettings, rng: np.random.Generator, seconds: float) -> PageLayout:
    cabrera = rng.random() < settings.cabrera
    order = CABRERA if cabrera else LEADS
    inverted = ("aVR",) if cabrera and rng.random() < 0.5 else ()
    simultaneous = rng.random() < settings.simultaneous
    strips = _choose_strips(grid, settings, rng)
    if grid == "3x4-long":
        return layout_grid(by_columns(order, 4), (), seconds, True, seconds, inverted)
    if grid == "6x1":
        order = order[:6] if rng.random() < 0.5 else order[6:]
    columns = int(grid.split("x")[1])
    names = by_rows(order, columns) if grid == "4x3" else by_columns(order, columns)
    return layout_grid(names, strips, seconds, simultaneous, None, inverted)


def _choose_strips(grid: str, settings: ArrangementSettings, rng: np.random.Generator) -> tuple[str, ...]:
    count = int(pick(settings.strips, rng))
    most = {"3x4": 3, "6x2": 1, "4x3": 1}.get(grid, 0)
    count = min(count, most)
    if count == 1 and rng.random() < settings.usual_strip:
        return ("II",)
    names = STRIP_LEADS[1:] if count == 1 else STRIP_LEADS
    chances = 0.5 ** np.arange(len(names))
    chosen = rng.choice(len(names), count, replace=False, p=chances / chances.sum())
    return tuple(names[k] for k in chosen)
