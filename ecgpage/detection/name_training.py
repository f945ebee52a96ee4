"""Training of the name reader on the leads of drawn pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgpage.detection.name_reader import NAMES, VIEW, NameNetwork, NameReader, crops_to_tensor, name_crops
from ecgpage.detection.targets import place_leads
from ecgpage.page.view import page_view
from ecgpage.synthesis import DrawnPage
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.drawn_pages import Jitter, drawn_batches, jittered_page, relit
from ecgpage.training.engine import train

RESOLUTION = (75.0, 150.0)
"""Dots per inch at which pages are drawn for reading."""

ZOOMED, LEAST_ZOOM, MOST_ZOOM = 0.5, 0.6, 2.0
"""Share of pages shown in a view larger or smaller than the usual one, and how many times at least and most: in further
views, and on pages that print larger or smaller, names have other sizes."""

EDGE_ERROR = 6.0
"""Pixels of the view by which a box's edges are off in training, standard deviation."""


@dataclass(frozen=True)
class NameExamples:
    """Makes a drawn page into crops (N, 2, H, W) uint8 and the indices (N,) into NAMES of what they show."""

    jitter: Jitter = field(default_factory=lambda: Jitter(turned=0.0))

    def __call__(self, page: DrawnPage, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        page_to_picture, page_size = jittered_page(page, self.jitter, rng)
        zoom = LEAST_ZOOM * (MOST_ZOOM / LEAST_ZOOM) ** rng.random() if rng.random() < ZOOMED else 1.0
        shape = (round(zoom * VIEW[0]), round(zoom * VIEW[1]))
        view, fit = page_view(page.image, page_to_picture, page_size, shape)
        leads, boxes = place_leads(page, fit.matrix @ np.linalg.inv(page_to_picture), shape)
        boxes = boxes + rng.normal(0, EDGE_ERROR, boxes.shape)
        names = [NAMES.index("-aVR" if lead.inverted else lead.name) for lead in leads]
        return name_crops(relit(view, self.jitter, rng), boxes), np.array(names, np.int64)


def collate_names(pages: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    """The crops and names of several pages, one after the other."""
    crops, names = zip(*pages, strict=True)
    return torch.from_numpy(np.concatenate(crops)), torch.from_numpy(np.concatenate(names))


def name_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The engine's loss function: cross-entropy, and the share of names read rightly."""
    crops, names = batch
    if not len(names):  # pages without a lead in view
        return torch.stack([parameter.sum() for parameter in model.parameters()]).sum() * 0.0, {"right": 1.0}
    logits = model(crops_to_tensor(crops)).float()
    right = (logits.argmax(1) == names).float().mean()
    return F.cross_entropy(logits, names, label_smoothing=0.02), {"right": float(right)}


def train_name_reader(
    records: Sequence[Path],
    drawing: DrawingSettings,
    stage: StageSettings,
    checkpoint: Path,
    report: Callable[[str], None] = print,
) -> NameReader:
    """Train a reader on the leads of pages drawn from the records; ``stage.batch_size`` counts pages.

    checkpoint: where the training's state is kept; a training found there goes on.
    """
    torch.manual_seed(stage.seed)
    make = NameExamples()
    _, batches = drawn_batches(records, drawing, stage, lambda kind: kind.drawn_at(*RESOLUTION), make, collate_names)
    trained = train(NameNetwork(), batches, name_loss, stage, checkpoint, lambda line: report(f"name reader: {line}"))
    return NameReader(trained)
