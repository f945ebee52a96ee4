"""Training pages of the classifier, drawn from labelled records."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ecgpage.diagnosis.ink import ink_image
from ecgpage.synthesis import DrawnPage
from ecgpage.synthesis.records import DrawRecord

RESOLUTION = (60.0, 85.0)
"""Dots per inch at which pages are drawn: somewhat more than the network sees, and fast."""

JPEG_QUALITY = 92
WHOLE_PICTURE = 0.2
"""Chance that the whole picture is taken as the page, as happens when no outline is found."""

OUTLINE_ERROR = 0.01
"""Standard deviation of the corners found, as a fraction of the page's width."""


@dataclass(frozen=True)
class LabelledRecord:
    """A digital record: its path without extension, and its classes."""

    path: Path
    labels: tuple[str, ...]


class PageDataset(Dataset):
    """One page per record.

    Items are (page (1, 384, 512) float32 ink in [0, 1], targets (classes + 1,), see ``labels.targets_of``). In
    training (``augment``) the page is one of the record's ``pages_per_record``, at random, and jittered; else it is
    always the first. With ``pages_per_record`` 0 a new one is drawn every time. ``cache``: a folder that keeps the ink
    images once drawn, about 60 kB each.
    """

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        targets: np.ndarray,
        draw: DrawRecord,
        pages_per_record: int = 0,
        seed: int = 0,
        cache: Path | None = None,
        augment: bool = True,
    ) -> None:
        self.records = tuple(records)
        self.targets = targets
        self.draw = draw
        self.pages_per_record = pages_per_record
        self.seed = seed
        self.cache = cache
        self.augment = augment

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        chance = int(torch.randint(2**31, ()))
        number = 0
        if self.augment:
            number = chance % self.pages_per_record if self.pages_per_record else chance
        ink = self.page(index, number)
        if self.augment:
            ink = jitter(ink, np.random.default_rng(chance))
        return ink_tensor(ink), torch.from_numpy(self.targets[index])

    def page(self, index: int, number: int) -> np.ndarray:
        """Return the ink image (384, 512) uint8 of a record's page ``number``: the same one every time."""
        key = f"{self.records[index].path} {number} {self.seed}"
        digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        path = self.cache / f"{digest}.jpg" if self.cache is not None and self.pages_per_record else None
        kept = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path is not None and path.exists() else None
        if kept is not None:
            return kept
        rng = np.random.default_rng(int(digest, 16))
        drawn = self.draw(self.records[index].path, rng)
        ink = ink_image(drawn.image, *find_page(drawn, rng))
        if path is not None:
            _keep(path, ink)
        return ink


class InkDataset(Dataset):
    """Pages as they were read, not changed: items as those of ``PageDataset``.

    inks: (384, 512) uint8 each; targets: (pages, classes + 1).
    """

    def __init__(self, inks: Sequence[np.ndarray], targets: np.ndarray) -> None:
        self.inks = inks
        self.targets = targets

    def __len__(self) -> int:
        return len(self.inks)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return ink_tensor(self.inks[index]), torch.from_numpy(self.targets[index])


def ink_tensor(ink: np.ndarray) -> Tensor:
    """(H, W) uint8 -> (1, H, W) float32 in [0, 1]."""
    return torch.from_numpy(ink.astype(np.float32) / 255)[None]


def _keep(path: Path, ink: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.jpg")
    cv2.imwrite(str(partial), ink, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    os.replace(partial, path)


def find_page(drawn: DrawnPage, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """Return page_to_picture and the page's (height, width), found about as well as the page stage finds them."""
    if rng.random() < WHOLE_PICTURE:
        return np.eye(3), drawn.image.shape[:2]
    width, height = (side * drawn.pixels_per_mm for side in drawn.paper_size)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    found = drawn.outline + rng.normal(0, OUTLINE_ERROR * width, (4, 2))
    return cv2.getPerspectiveTransform(corners, found.astype(np.float32)), (round(height), round(width))


def jitter(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the ink image shifted, scaled, turned and faded a little at random."""
    height, width = ink.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 0.5), rng.uniform(0.97, 1.03))
    turn[:, 2] = turn[:, 2] + rng.uniform(-0.02, 0.02, 2) * (width, height)
    moved = cv2.warpAffine(ink, turn, (width, height), flags=cv2.INTER_LINEAR)
    fade = (np.linspace(0, 1, 256) ** rng.uniform(0.7, 1.4) * 255 + 0.5).astype(np.uint8)
    return fade[moved]
