"""Draws pages of records on disk, for training and for export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ecgpage.io import read_signal
from ecgpage.leads import LEADS, canonical_lead
from ecgpage.synthesis.annotations import DrawnPage
from ecgpage.synthesis.drawing import choose_layout, draw_page
from ecgpage.synthesis.profile import PROFILES, Profile

DrawRecord = Callable[[Path, np.random.Generator], DrawnPage]
"""From a record's path without extension to a page of it; all chance comes from the generator. Raises ValueError for
a record that makes no page."""

PAGE_SECONDS = 10.0
"""What a page shows; of a longer record, a stretch chosen at random."""

SHORTEST_SECONDS = 2.0
"""Records shorter than this are refused: a lead of a 3x4 page would last less than half a second."""


class RecordDrawer:
    """Draws a page of the record at a path, in a profile chosen at random from those given (default: all).

    A lead that the record lacks is left out of the page. A record shorter than ``PAGE_SECONDS`` fills a shorter page.
    """

    def __init__(self, profiles: Sequence[Profile] = tuple(PROFILES.values())) -> None:
        if not profiles:
            raise ValueError(f"expected at least one profile, of {sorted(PROFILES)}")
        self.profiles = tuple(profiles)

    def __call__(self, path: Path, rng: np.random.Generator) -> DrawnPage:
        """Draw one page; all chance comes from ``rng``. Raises ValueError for a record too short to draw."""
        signal, fs = read_standard_leads(path)
        seconds = len(signal) / fs
        if seconds < SHORTEST_SECONDS:
            raise ValueError(f"{path}: a page needs at least {SHORTEST_SECONDS:g} s, the record has {seconds:g} s")
        count = min(len(signal), round(PAGE_SECONDS * fs))
        first = int(rng.integers(len(signal) - count + 1))
        profile = self.profiles[int(rng.integers(len(self.profiles)))]
        layout = choose_layout(profile, rng, count / fs)
        return draw_page(signal[first : first + count], fs, layout, profile, rng)


def read_standard_leads(path: Path) -> tuple[np.ndarray, float]:
    """Read a record's twelve leads in the order of ``leads.LEADS``: ((samples, 12) float32 mV, fs in Hz).

    Leads that are missing are NaN.
    """
    signal, fs, names = read_signal(path)
    standard = np.full((len(signal), len(LEADS)), np.nan, np.float32)
    for column, name in enumerate(names):
        lead = canonical_lead(name)
        if lead is not None:
            standard[:, LEADS.index(lead)] = signal[:, column]
    return standard, fs
