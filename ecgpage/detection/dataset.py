"""Drawn pages as the detector learns them: straightened, fitted into its input, with the boxes of their leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecgpage.detection.closer import is_unusual, squeezed
from ecgpage.detection.targets import lead_targets
from ecgpage.page.rectification import rotate_page
from ecgpage.page.view import cover_outside, page_view
from ecgpage.recording import Page
from ecgpage.synthesis import DrawnPage
from ecgpage.training.drawn_pages import Jitter, jittered_page, relit

RESOLUTION = (60.0, 120.0)
"""Dots per inch at which training pages are drawn: the detector's input is coarser still."""


@dataclass(frozen=True)
class Example:
    """One training page: view (H, W, 3) uint8, boxes (N, 4) corner form in its pixels, classes (N,) in LEADS."""

    view: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class PageExamples:
    """Makes a drawn page into an example of ``size`` (height, width), see ``straighten``."""

    size: tuple[int, int]
    jitter: Jitter = field(default_factory=Jitter)

    def __call__(self, page: DrawnPage, rng: np.random.Generator) -> Example:
        return straighten(page, self.size, self.jitter, rng)


def straighten(page: DrawnPage, size: tuple[int, int], jitter: Jitter, rng: np.random.Generator) -> Example:
    """Straighten a drawn page as the page stage would, a little off, and fit it into ``size`` (height, width); its
    light is a little off too. Wide and tall pages are squeezed at times, see ``Jitter``."""
    page_to_picture, page_size = jittered_page(page, jitter, rng)
    if is_unusual(page_size) and rng.random() < jitter.squeezed:
        usual = squeezed(Page(page.image, page_size, page_to_picture, True), rng.uniform(*jitter.squeeze))
        page_to_picture, page_size = usual.page_to_picture, usual.size
    if rng.random() < jitter.turned:
        turned = rotate_page(Page(page.image, page_size, page_to_picture, True), int(rng.choice([1, 2, 2, 3])))
        view, fit = page_view(turned.image, turned.page_to_picture, turned.size, size)
        view = cover_outside(relit(view, jitter, rng), fit, turned.size)
        return Example(view, np.zeros((0, 4)), np.zeros(0, np.int64))
    view, fit = page_view(page.image, page_to_picture, page_size, size)
    boxes, classes = lead_targets(page, fit.matrix @ np.linalg.inv(page_to_picture), size)
    return Example(cover_outside(relit(view, jitter, rng), fit, page_size), boxes, classes)


def collate(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Views (B, 3, H, W) uint8 and targets (T, 6): image index, class, cx, cy, w, h in input pixels (edges at 0)."""
    views = torch.from_numpy(np.ascontiguousarray(np.stack([example.view for example in examples])))
    rows = [np.zeros((0, 6))]
    for index, example in enumerate(examples):
        center = (example.boxes[:, :2] + example.boxes[:, 2:]) / 2 + 0.5  # pixel centres -> pixel edges
        extent = example.boxes[:, 2:] - example.boxes[:, :2]
        head = np.stack([np.full(len(extent), index), example.classes], axis=1)
        rows.append(np.concatenate([head, center, extent], axis=1))
    targets = torch.from_numpy(np.concatenate(rows)).float()
    return views.permute(0, 3, 1, 2).contiguous(), targets
