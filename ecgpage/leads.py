"""Lead names and page layouts: the vocabulary that every stage shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard leads in the order in which records list them."""

PAGE_SECONDS = 10.0
"""What a page shows of a longer record, s; a shorter record fills its page."""

MILLIMETERS_PER_SECOND = 25.0
"""Usual paper speed, mm/s."""

MILLIMETERS_PER_MILLIVOLT = 10.0
"""Usual gain, mm/mV."""

SPEEDS = (12.5, 25.0, 50.0)
"""Paper speeds in use, mm/s."""

GAINS = (2.5, 5.0, 10.0, 20.0)
"""Gains in use, mm/mV; the first one for chest leads at half of the second alone."""

Gains = tuple[float, float]
"""Millimetres per millivolt of a page's limb leads and of its chest leads."""

USUAL_GAINS: Gains = (MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_MILLIVOLT)

_CANONICAL = {name.lower(): name for name in LEADS}


def canonical_lead(name: str) -> str | None:
    """Return the standard spelling of a lead's name, or None for a name that is not one of the twelve.

    Case and surrounding blanks do not matter: ``"AVR"`` and ``"avr "`` are ``"aVR"``.
    """
    return _CANONICAL.get(name.strip().lower())


def gain_of(gains: Gains, name: str) -> float:
    """Millimetres per millivolt of a standard lead."""
    return gains[name in LEADS[6:]]


LIMB_LEADS: dict[str, tuple[float, float]] = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""The limb leads as multiples of I and II: six views of two voltages (Einthoven, 1913; Goldberger, 1942)."""


def limb_law(first: str, second: str, third: str) -> dict[str, float]:
    """Factors of three limb leads, by name, the first's 1, by which they add up to 0 at every instant."""
    ways = np.array([LIMB_LEADS[name] for name in (first, second, third)])
    factors = np.linalg.solve(ways[1:].T, -ways[0])
    return {first: 1.0, second: float(factors[0]), third: float(factors[1])}


CABRERA = ("aVL", "I", "aVR", "II", "aVF", "III", *LEADS[6:])
"""The limb leads in the order of their directions, as Cabrera arranged them; aVR is then often printed inverted."""


@dataclass(frozen=True)
class PrintedLead:
    """One lead's place on a page and in time.

    ``row`` counts printed rows from the top, ``column`` from the left; a rhythm strip stands in column 0 and spans
    the page's width. ``start`` and ``duration`` are in seconds from the page's first printed sample. ``offset``: how
    far right of its row's beginning the lead stands, in seconds of paper; it differs from ``start`` where columns show
    the same time. ``inverted``: printed upside down and named so ("-aVR").
    """

    name: str
    row: int
    column: int
    start: float
    duration: float
    strip: bool = False
    offset: float = 0.0
    inverted: bool = False


@dataclass(frozen=True)
class PageLayout:
    """The printed arrangement of a page: its leads in printing order, row by row."""

    name: str
    leads: tuple[PrintedLead, ...]

    @property
    def rows(self) -> int:
        """Number of printed rows, rhythm strips included."""
        return 1 + max(lead.row for lead in self.leads)

    @property
    def duration(self) -> float:
        """Seconds from the first to the last printed sample."""
        return max(lead.start + lead.duration for lead in self.leads)

    @property
    def width(self) -> float:
        """Seconds of paper that the longest row takes."""
        return max(lead.offset + lead.duration for lead in self.leads)


def layout_grid(
    names: tuple[tuple[str, ...], ...],
    strips: tuple[str, ...] = (),
    seconds: float = 10.0,
    simultaneous: bool = False,
    lead_seconds: float | None = None,
    inverted: tuple[str, ...] = (),
) -> PageLayout:
    """A page of leads in rows and columns, ``names[row][column]``, above any number of full-width rhythm strips.

    Columns follow each other in time, or all show the first of the page's ``seconds`` if ``simultaneous``. Each lead
    takes its share of the seconds, or ``lead_seconds`` where that is given. inverted: leads printed upside down.
    Raises ValueError for rows of different lengths and leads that would go on beyond the page's seconds.
    """
    columns = len(names[0])
    if any(len(row) != columns for row in names):
        raise ValueError(f"expected rows of {columns} leads each, came rows of {sorted({len(row) for row in names})}")
    duration = lead_seconds or seconds / columns
    shown = duration if simultaneous else columns * duration
    if shown > seconds * (1 + 1e-9):
        raise ValueError(f"{columns} columns of {duration:g} s show {shown:g} s, the page has {seconds:g} s")
    leads = [
        PrintedLead(
            name, row, column, 0.0 if simultaneous else column * duration, duration, False, column * duration,
            name in inverted,
        )
        for row, line in enumerate(names)
        for column, name in enumerate(line)
    ]  # fmt: skip
    rows = len(names)
    leads += [PrintedLead(name, rows + k, 0, 0.0, seconds, strip=True) for k, name in enumerate(strips)]
    return PageLayout(f"{rows}x{columns}" + (f"+{len(strips)}" if strips else ""), tuple(leads))


def by_columns(order: tuple[str, ...], columns: int) -> tuple[tuple[str, ...], ...]:
    """Names in rows, filled column after column, as most recorders print: I, II, III below each other."""
    rows = len(order) // columns
    return tuple(tuple(order[rows * column + row] for column in range(columns)) for row in range(rows))


def by_rows(order: tuple[str, ...], columns: int) -> tuple[tuple[str, ...], ...]:
    """Names in rows, filled row after row."""
    return tuple(order[first : first + columns] for first in range(0, len(order), columns))


def layout_3x4(strips: tuple[str, ...] = ("II",), seconds: float = 10.0) -> PageLayout:
    """The usual page: three rows of four leads, successive in time, above any number of full-width rhythm strips."""
    return layout_grid(by_columns(LEADS, 4), strips, seconds)


def standard_leads(signal: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Bring a signal (samples, leads) of the leads ``names``, in any order and case, into the order of ``LEADS``.

    Returns (samples, 12) float32, NaN where a lead is missing; a lead that is none of the twelve is left out.
    """
    standard = np.full((len(signal), len(LEADS)), np.nan, np.float32)
    for column, name in enumerate(names):
        lead = canonical_lead(name)
        if lead is not None:
            standard[:, LEADS.index(lead)] = signal[:, column]
    return standard
