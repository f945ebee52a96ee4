"""Drawn pages as training shows them: a new page of each record in every round, straightened a little off."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ecgpage.geometry import apply_homography
from ecgpage.synthesis import DrawnPage, Profile
from ecgpage.synthesis.records import DrawRecord
from ecgpage.synthesis.signals import VARIED
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.loading import page_loader, page_source

SHELF = 64
"""Drawn pages kept in memory where each is shown more than once."""


@dataclass(frozen=True)
class Jitter:
    """How far the straightened pages shown in training are off, as if the page's outline was found imprecisely.

    corners: of the page's size; rotation: degrees; margin: surroundings left on a side, of the page's size; careless:
    chance of such margins (else they are within ``corners``). close: chance of a view cut close around the leads, as
    pictures often are; around: what it shows beside them at most, of their common width and height. part: chance that
    only a part of the page is in view; part_size: its share of each side. turned: chance of a page lying on its side or
    upside down, on which nothing is to be found: this is how the detector tells which way up a page is. squeezed:
    chance that the detector is shown a wide or tall page squeezed as at its further looks, squeeze: how far, shares of
    the way to the usual shape. light: how far brightness, contrast and colours are off; grey: chance of a view without
    colours.
    """

    corners: float = 0.015
    rotation: float = 1.5
    margin: tuple[float, float] = (-0.03, 0.25)
    careless: float = 0.4
    close: float = 0.3
    around: tuple[float, float] = (0.2, 0.35)
    part: float = 0.08
    part_size: tuple[float, float] = (0.5, 0.95)
    turned: float = 0.15
    squeezed: float = 0.5
    squeeze: tuple[float, float] = (0.5, 1.25)
    light: float = 0.15
    grey: float = 0.1


class DrawnPages(IterableDataset):
    """Endless examples; in each round every record is shown once, in random order, as one of its pages.

    make: makes a drawn page into an example. pages_per_record: how many different pages a record has, each drawn from
    its own seed; 0 draws a new one each time.
    shows: how many examples each drawn page makes on average, straightened and lit anew for each and other pages
    between them: drawing takes longer than that. A record that makes no page is passed over.
    """

    def __init__(
        self,
        records: Sequence[Path],
        draw: DrawRecord,
        make: Callable[[DrawnPage, np.random.Generator], Any],
        pages_per_record: int = 0,
        seed: int = 0,
        shows: int = 1,
    ) -> None:
        if not records:
            raise ValueError("expected records to draw pages from, got none")
        if shows < 1:
            raise ValueError(f"a drawn page must be shown at least once, got {shows}")
        self.records = records
        self.draw = draw
        self.make = make
        self.pages_per_record = pages_per_record
        self.seed = seed
        self.shows = shows

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, int(torch.randint(2**31, ()))])  # goes on, not back, when resumed
        share = (
            np.arange(len(self.records))
            if worker is None
            else np.arange(worker.id, len(self.records), worker.num_workers)
        )
        shelf: list[DrawnPage] = []
        while len(share):  # a worker more than there are records has none
            drawn = 0
            for index in rng.permutation(share):
                page = self.draw_page(int(index), rng)
                if page is None:
                    continue
                drawn += 1
                yield self.make(page, rng)
                if self.shows == 1:
                    continue
                for _ in range(self.shows - 1 if shelf else 0):
                    yield self.make(shelf[int(rng.integers(len(shelf)))], rng)
                if len(shelf) < SHELF:
                    shelf.append(page)
                else:
                    shelf[int(rng.integers(SHELF))] = page
            if not drawn:
                raise ValueError(f"none of the {len(share)} records makes a page")

    def draw_page(self, index: int, rng: np.random.Generator) -> DrawnPage | None:
        """Draw one page of a record, or None where the record makes none."""
        if self.pages_per_record:
            rng = np.random.default_rng([self.seed, index, int(rng.integers(self.pages_per_record))])
        try:
            return self.draw(self.records[index], rng)
        except ValueError as error:
            warnings.warn(f"left out of training: {error}", stacklevel=2)
            return None


def drawn_batches(
    records: Sequence[Path],
    drawing: DrawingSettings,
    stage: StageSettings,
    adapt: Callable[[Profile], Profile],
    make: Callable[[DrawnPage, np.random.Generator], Any],
    collate: Callable[[Any], Any],
) -> tuple[DrawnPages, DataLoader]:
    """Endless pages of the records in profiles changed by ``adapt``, as ``make`` makes examples of them, and their
    batches of ``stage.batch_size`` pages; signals are varied."""
    pages = DrawnPages(records, page_source(drawing, VARIED, adapt), make, drawing.pages, stage.seed, drawing.shows)
    return pages, page_loader(pages, stage, stage.batch_size, collate)


def relit(view: np.ndarray, jitter: Jitter, rng: np.random.Generator) -> np.ndarray:
    """The view (H, W, 3) uint8 in another light: gamma, contrast and the balance of colours, or none of these."""
    gain = np.exp(rng.uniform(-1, 1) * jitter.light) * np.exp(rng.uniform(-0.3, 0.3, 3) * jitter.light)
    gamma = np.exp(2 * rng.uniform(-1, 1) * jitter.light)
    if rng.random() < jitter.grey:
        view = cv2.cvtColor(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        gain[:] = gain[0]
    levels = 255 * (np.arange(256) / 255)[:, None] ** gamma * gain  # (256, 3)
    return cv2.LUT(view, np.clip(np.round(levels), 0, 255).astype(np.uint8)[None])


def jittered_page(page: DrawnPage, jitter: Jitter, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """A homography, off by the jitter, from the straightened page to the picture, and the page's (height, width)."""
    width, height = page.paper_size
    careless = rng.random() < jitter.careless
    margins = rng.uniform(*(jitter.margin if careless else (-jitter.corners, jitter.corners)), 4)  # left, top, ...
    low, high = -margins[:2] * (width, height), (1 + margins[2:]) * (width, height)
    if rng.random() < jitter.close and (hull := _hull_of_leads(page)) is not None:
        low, high = hull
        before, after = (rng.uniform(-0.01, 1.0, 2) * jitter.around * (high - low) for _ in range(2))
        low, high = low - before, high + after
    if rng.random() < jitter.part:
        extent, share = high - low, rng.uniform(*jitter.part_size, 2)
        low = low + extent * rng.uniform(0, 1, 2) * (1 - share)
        high = low + extent * share
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    corners += rng.uniform(-jitter.corners, jitter.corners, (4, 2)) * (width, height) / 2
    angle = np.deg2rad(rng.uniform(-jitter.rotation, jitter.rotation))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = corners.mean(axis=0)
    corners = (corners - center) @ turn.T + center  # (4, 2) mm on paper
    extent = np.maximum(32, np.round((high - low) * page.pixels_per_mm)).astype(int)
    right, bottom = float(extent[0] - 1), float(extent[1] - 1)
    flat = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], dtype=np.float32)
    in_picture = apply_homography(page.paper_to_picture, corners).astype(np.float32)
    return cv2.getPerspectiveTransform(flat, in_picture).astype(np.float64), (int(extent[1]), int(extent[0]))


def _hull_of_leads(page: DrawnPage) -> tuple[np.ndarray, np.ndarray] | None:
    """The corners, (2,) each, of the rectangle on paper around all leads, mm; None where there is no lead."""
    points = np.concatenate([np.zeros((0, 2)), *(lead.points[::8] for lead in page.leads)])
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return None
    on_paper = apply_homography(np.linalg.inv(page.paper_to_picture), points)
    return on_paper.min(axis=0), on_paper.max(axis=0)
