"""Training of the lead detector on drawn pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ecgpage.detection.dataset import RESOLUTION, PageExamples, collate
from ecgpage.detection.detector import DetectorSettings, LeadDetector, build_network
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.drawn_pages import DrawnPages, drawn_batches
from ecgpage.training.engine import train
from yolov7 import DetectionLoss, LossSettings
from yolov7.anchors import anchor_fitness, cluster_anchors
from yolov7.checkpoint import CheckpointError, read_checkpoint, transfer

ANCHOR_PAGES = 96
"""Pages drawn to cluster the anchors on."""

LEAST_TAKEN = 0.8
"""Share of a network's parameters that must be found in a checkpoint to start from."""

GAINS = LossSettings(box=0.15, objectness=0.7, classes=0.3)
"""Box gain above the published one: a lead's place in time hangs on its box's edges."""


def train_detector(
    records: Sequence[Path],
    drawing: DrawingSettings,
    stage: StageSettings,
    checkpoint: Path,
    settings: DetectorSettings | None = None,
    report: Callable[[str], None] = print,
    weights: Path | None = None,
) -> LeadDetector:
    """Train a detector on pages drawn from the records.

    checkpoint: where the training's state is kept; a training found there goes on. weights: a checkpoint to start
    from, of this project or published; what fits by name and shape is taken over, the anchors only where all fits.
    """
    settings = settings or DetectorSettings()
    torch.manual_seed(stage.seed)
    make = PageExamples(settings.size)
    pages, batches = drawn_batches(records, drawing, stage, lambda kind: kind.drawn_at(*RESOLUTION), make, collate)
    network = build_network(settings)
    if not checkpoint.exists():  # which holds the anchors too
        state = {} if weights is None else read_checkpoint(weights)
        if not _is_whole(network, state):
            network.head.set_anchors(page_anchors(pages, report))
        if weights is not None:
            report(f"detector: {_start_from(network, state, weights)}")
    trained = train(network, batches, DetectorLoss(), stage, checkpoint, lambda line: report(f"detector: {line}"))
    return LeadDetector(trained, settings)  # type: ignore[arg-type]


def _is_whole(network: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether a state is of just this network, so that its anchors are of such pages too."""
    own = network.state_dict()
    return own.keys() == state.keys() and all(own[name].shape == state[name].shape for name in own)


def _start_from(network: nn.Module, state: dict[str, Tensor], weights: Path) -> str:
    """Take over the weights that fit. Raises CheckpointError where most do not, as of the other variant."""
    moved = transfer(network, state, anchors=_is_whole(network, state))
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    share = sum(sizes.get(name, 0) for name in moved.taken) / sum(sizes.values())
    if share < LEAST_TAKEN:
        raise CheckpointError(
            f"{weights}: expected the weights of this variant of the network, {share:.0%} of it fit by name and shape"
        )
    return f"{len(moved.taken)} tensors taken from {weights}, {len(moved.left)} left as they were"


class DetectorLoss:
    """The engine's loss function for a batch of views (B, 3, H, W) uint8 and targets (T, 6)."""

    def __init__(self, gains: LossSettings = GAINS) -> None:
        self.loss = DetectionLoss(gains)

    def __call__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        views, targets = batch
        raw = model(views.float() / 255)
        return self.loss(raw, targets, model.head.pixel_anchors)


def page_anchors(pages: DrawnPages, report: Callable[[str], None] = print) -> Tensor:
    """Anchors (9, 2) in input pixels, clustered on the boxes of some drawn pages."""
    examples = list(islice(iter(pages), ANCHOR_PAGES))
    sizes = np.concatenate([example.boxes[:, 2:] - example.boxes[:, :2] for example in examples])
    if not len(sizes):
        raise ValueError(f"none of {len(examples)} drawn pages shows a lead: do the records hold a signal?")
    anchors = cluster_anchors(sizes, np.random.default_rng(pages.seed))
    report(f"detector: anchors clustered on {len(sizes)} boxes: fitness {anchor_fitness(sizes, anchors):.2f}")
    return torch.from_numpy(anchors).float()
