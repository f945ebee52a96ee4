"""The trained detector: a page in, named boxes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpage.leads import LEADS
from ecgpage.page.view import page_view
from ecgpage.recording import LeadBox, Page
from ecgpage.training.checkpoints import CheckpointError
from ecgpage.training.model_folder import describe_stage, load_stage, save_stage
from yolov7 import DetectionModel, Detections, detect, fuse, yolov7_full, yolov7_tiny

STAGE = "detector"
"""Name of the detector's weights and of its entry in a model folder's description."""

VARIANTS = {"tiny": yolov7_tiny, "full": yolov7_full}


@dataclass(frozen=True)
class DetectorSettings:
    """The network and its input; saved with the weights.

    variant: "tiny" or "full". height, width: of the network's input, multiples of 32. confidence: least score of a
    box; low, because `layout.arrange` weighs a page's boxes against each other. overlap: of non-maximum suppression.
    """

    variant: str = "tiny"
    height: int = 512
    width: int = 640
    confidence: float = 0.1
    overlap: float = 0.45

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {sorted(VARIANTS)}, got {self.variant!r}")
        if self.height % 32 or self.width % 32 or min(self.height, self.width) < 32:
            raise ValueError(f"height and width must be multiples of 32, got {self.height} x {self.width}")
        if not 0 <= self.confidence <= 1 or not 0 <= self.overlap <= 1:
            raise ValueError(f"confidence and overlap must lie in [0, 1], got {self.confidence}, {self.overlap}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        return self.height, self.width


def build_network(settings: DetectorSettings) -> DetectionModel:
    """The untrained network of these settings, one class for each of LEADS."""
    return VARIANTS[settings.variant](len(LEADS))


MERGE = 0.6
"""IoU from which on another box of a lead's name moves the best one."""


class LeadDetector:
    """Finds lead sequences on pages with a trained network.

    network: as trained; model: the same, folded, which is what runs.
    """

    def __init__(self, network: DetectionModel, settings: DetectorSettings) -> None:
        self.settings = settings
        self.network = network.eval()
        self.model = fuse(network)

    def __call__(self, page: Page) -> list[LeadBox]:
        """Detect the leads of a page: boxes in page pixels, best first, possibly none; rows and times still unknown."""
        view, fit = page_view(page.image, page.page_to_picture, page.size, self.settings.size)
        found = self.detect_view(view)
        boxes = fit.boxes_to_image(found.boxes) - 0.5  # pixel edges -> pixel centres at whole numbers
        height, width = page.size
        boxes = np.clip(boxes, -0.5, [width - 0.5, height - 0.5, width - 0.5, height - 0.5])
        visible = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) > 1 if len(boxes) else np.zeros(0, bool)
        return [
            LeadBox(LEADS[label], tuple(map(float, box)), float(score))
            for box, label, score, seen in zip(boxes, found.classes, found.scores, visible, strict=True)
            if seen
        ]

    def detect_view(self, view: np.ndarray) -> Detections:
        """Detect on the network's input (H, W, 3) uint8 itself; boxes in its pixel edges, classes in LEADS."""
        return detect(self.model, [view], self.settings.confidence, self.settings.overlap, True, MERGE)[0]


def save_detector(folder: Path, detector: LeadDetector, description: Mapping[str, Any] | None = None) -> None:
    """Write the detector to a model folder: weights, and settings, classes and ``description`` to the folder's JSON."""
    facts = {"settings": asdict(detector.settings), "classes": list(LEADS)}
    save_stage(folder, STAGE, detector.network, facts | dict(description or {}))


def load_detector(folder: Path) -> LeadDetector:
    """Read what ``save_detector`` wrote.

    Raises CheckpointError for weights or settings that are missing, broken or do not fit each other.
    """
    facts = describe_stage(folder, STAGE)
    try:
        settings = DetectorSettings(**facts["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"expected the settings of the detector in {folder}, got {error!r}") from error
    with torch.random.fork_rng(devices=[]):
        network = build_network(settings)
    load_stage(folder, STAGE, network)
    return LeadDetector(network, settings)
