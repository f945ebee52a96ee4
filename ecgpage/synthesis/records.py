"""Draws pages of records on disk, for training and for export, and reads pages drawn before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ecgpage.header import RecordError
from ecgpage.io import read_header, read_image, read_signal
from ecgpage.leads import PAGE_SECONDS, standard_leads
from ecgpage.synthesis.annotations import DrawnPage, restore_page
from ecgpage.synthesis.arrangement import choose_arrangement
from ecgpage.synthesis.drawing import draw_page
from ecgpage.synthesis.profile import PROFILES, Mixture, Profile, choose_profile
from ecgpage.synthesis.signals import AS_RECORDED, SignalSettings, vary_signal

DrawRecord = Callable[[Path, np.random.Generator], DrawnPage]
"""From a record's path without extension to a page of it; all chance comes from the generator. Raises ValueError for
a record that makes no page."""

SHORTEST_SECONDS = 2.0
"""Records shorter than this are refused: a lead of a 3x4 page would last less than half a second."""


class RecordDrawer:
    """Draws a page of the record at a path, in a kind chosen at random from those given (default: all mixed).

    signals: how the signal is changed first. A lead that the record lacks is left out of the page. A record shorter
    than ``PAGE_SECONDS`` fills a shorter page; of a longer one, a stretch chosen at random is drawn.
    """

    def __init__(
        self,
        profiles: Sequence[Profile | Mixture] = (PROFILES["all"],),
        signals: SignalSettings = AS_RECORDED,
    ) -> None:
        if not profiles:
            raise ValueError(f"expected at least one profile, of {sorted(PROFILES)}")
        self.profiles = tuple(profiles)
        self.signals = signals

    def __call__(self, path: Path, rng: np.random.Generator) -> DrawnPage:
        """Draw one page; all chance comes from ``rng``. Raises ValueError for a record too short to draw."""
        signal, fs = read_standard_leads(path)
        seconds = len(signal) / fs
        if seconds < SHORTEST_SECONDS:
            raise ValueError(f"{path}: a page needs at least {SHORTEST_SECONDS:g} s, the record has {seconds:g} s")
        count = min(len(signal), round(PAGE_SECONDS * fs))
        first = int(rng.integers(len(signal) - count + 1))
        profile = choose_profile(self.profiles[int(rng.integers(len(self.profiles)))], rng)
        arrangement = choose_arrangement(profile.arrangement, rng, count / fs)
        signal = vary_signal(signal[first : first + count], fs, self.signals, rng)
        return draw_page(signal, fs, arrangement, profile, rng)


class PageReader:
    """Reads one of a record's pages that ``export.export_pages`` wrote beside it, instead of drawing one.

    Takes the place of a ``RecordDrawer``: each call shows one of the pages that the record's header lists, at random.
    """

    def __call__(self, path: Path, rng: np.random.Generator) -> DrawnPage:
        """Read one page; all chance comes from ``rng``. Raises ValueError where the record has none with its truth."""
        header = read_header(path)
        if not header.images:
            raise RecordError(f"{path}: expected pages drawn before, its header lists none")
        image = header.images[int(rng.integers(len(header.images)))]
        return self.read(image, read_standard_leads(path)[0])

    def read(self, image: Path, signal: np.ndarray) -> DrawnPage:
        """Read the page of a picture, drawn from ``signal`` (samples, 12) mV, with the truth beside it."""
        try:
            truth = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise RecordError(f"{image}: expected its ground truth in {image.with_suffix('.json')}: {error}") from error
        return restore_page(truth, read_image(image), signal)


def read_standard_leads(path: Path) -> tuple[np.ndarray, float]:
    """Read a record's twelve leads in the order of ``leads.LEADS``: ((samples, 12) float32 mV, fs in Hz).

    Leads that are missing are NaN.
    """
    signal, fs, names = read_signal(path)
    return standard_leads(signal, names), fs
