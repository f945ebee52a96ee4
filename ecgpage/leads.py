"""Lead names and page layouts: the vocabulary that every stage shares."""

from __future__ import annotations

from dataclasses import dataclass

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve standard leads in the order in which records list them."""

MILLIMETERS_PER_SECOND = 25.0
"""Usual paper speed, mm/s."""

MILLIMETERS_PER_MILLIVOLT = 10.0
"""Usual gain, mm/mV."""

_CANONICAL = {name.lower(): name for name in LEADS}


def canonical_lead(name: str) -> str | None:
    """Return the standard spelling of a lead's name, or None for a name that is not one of the twelve.

    Case and surrounding blanks do not matter: ``"AVR"`` and ``"avr "`` are ``"aVR"``.
    """
    return _CANONICAL.get(name.strip().lower())


@dataclass(frozen=True)
class PrintedLead:
    """One lead's place on a page and in time.

    ``row`` counts printed rows from the top, ``column`` from the left; a rhythm strip stands in column 0 and spans
    the page's width. ``start`` and ``duration`` are in seconds from the page's first printed sample.
    """

    name: str
    row: int
    column: int
    start: float
    duration: float
    strip: bool = False


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


def layout_3x4(strips: tuple[str, ...] = ("II",), seconds: float = 10.0) -> PageLayout:
    """The usual page: three rows of four leads, successive in time, above any number of full-width rhythm strips."""
    duration = seconds / 4
    leads = [
        PrintedLead(LEADS[3 * column + row], row, column, column * duration, duration)
        for row in range(3)
        for column in range(4)
    ]
    leads += [PrintedLead(name, 3 + k, 0, 0.0, seconds, strip=True) for k, name in enumerate(strips)]
    return PageLayout("3x4" + (f"+{len(strips)}" if strips else ""), tuple(leads))
