"""The trained classifier: pages in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpage.diagnosis.ink import ink_image
from ecgpage.diagnosis.labels import ABNORMAL, decide_labels
from ecgpage.diagnosis.network import PageClassifier
from ecgpage.recording import Page
from ecgpage.training import CheckpointError
from ecgpage.training.model_folder import describe_stage, load_stage, save_stage

STAGE = "classifier"


@dataclass(frozen=True)
class Classifier:
    """A network in eval mode with its classes, each with the probability from which on it is written as a label."""

    network: PageClassifier
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        outputs = self.network.head.out_features
        if not len(self.classes) == len(self.thresholds) == outputs - 1:
            raise ValueError(
                f"expected a class and a threshold for each of the network's {outputs - 1} outputs, came "
                f"{len(self.classes)} classes and {len(self.thresholds)} thresholds"
            )

    def predict(self, page: Page) -> tuple[tuple[str, ...], dict[str, float]]:
        """Return the page's labels, at least one, and the probability of every class and of ``"abnormal"``."""
        ink = ink_image(page.image, page.page_to_picture, page.size)
        tensor = torch.from_numpy(ink.astype(np.float32) / 255)[None, None]  # (1, 1, H, W)
        with torch.inference_mode():
            probabilities = self.network(tensor).sigmoid()[0].numpy().astype(np.float64)
        labels = decide_labels(probabilities[:-1], np.array(self.thresholds), self.classes)
        names = (*self.classes, ABNORMAL)
        return labels, {name: float(value) for name, value in zip(names, probabilities, strict=True)}


def save_classifier(folder: Path, classifier: Classifier, description: Mapping[str, Any] | None = None) -> None:
    """Write the classifier to a model folder: weights, and classes, thresholds and ``description`` to its JSON."""
    facts = {
        "classes": list(classifier.classes),
        "thresholds": [round(threshold, 5) for threshold in classifier.thresholds],
        "width": classifier.network.stem[0].out_channels,
    }
    save_stage(folder, STAGE, classifier.network, facts | dict(description or {}))


def load_classifier(folder: Path) -> Classifier | None:
    """Read what ``save_classifier`` wrote; None from a folder without a classifier (trained on records without labels).

    Raises CheckpointError for weights that are broken or do not fit the classes.
    """
    if not (folder / f"{STAGE}.safetensors").exists():
        return None
    facts = describe_stage(folder, STAGE)
    try:
        classes, thresholds, width = tuple(facts["classes"]), tuple(facts["thresholds"]), int(facts["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"expected classes, thresholds and width of the classifier in {folder}: {error!r}"
        ) from error
    network = PageClassifier(len(classes), width).eval()
    load_stage(folder, STAGE, network)
    return Classifier(network, classes, thresholds)
