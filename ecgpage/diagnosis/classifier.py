"""The trained classifier: a page and what was read from it in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecgpage.diagnosis.beats import FS
from ecgpage.diagnosis.dataset import ink_tensor
from ecgpage.diagnosis.fusion import Fusion
from ecgpage.diagnosis.ink import ink_image
from ecgpage.diagnosis.labels import ABNORMAL, decide_labels
from ecgpage.diagnosis.measurements import measure
from ecgpage.diagnosis.network import PageClassifier
from ecgpage.diagnosis.signal_dataset import batch_of
from ecgpage.diagnosis.signal_network import SignalClassifier
from ecgpage.diagnosis.signal_view import view_signal
from ecgpage.diagnosis.trees import TreeClassifier
from ecgpage.leads import standard_leads
from ecgpage.recording import Diagnosis, Page
from ecgpage.training import CheckpointError
from ecgpage.training.checkpoints import save_model
from ecgpage.training.model_folder import describe_stage, load_stage, save_stage

STAGE = "classifier"

SIGNAL, IMAGE, TREES = "signal", "image", "trees"
MEMBERS = (SIGNAL, IMAGE, TREES)
"""What a classifier may look at: the signal that the digitizer read, the page itself, and what is measured on the
signal."""

NETWORKS: dict[str, type[SignalClassifier] | type[PageClassifier] | type[TreeClassifier]] = {
    SIGNAL: SignalClassifier,
    IMAGE: PageClassifier,
    TREES: TreeClassifier,
}
"""The network (or trees) of each member, with ``outputs``, classes + 1, and ``shape``, what it is built of besides."""

PHASES = 4
"""Starts within one sample of the signal network's view (``beats.FS``) from which a signal is looked at."""


@dataclass(frozen=True)
class Classifier:
    """Networks in eval mode, fused into one probability per class, each class with the one from which on it is given.

    networks: of each member of ``MEMBERS`` that is used, one or more, whose logits are averaged. fusion: over the
    members in the order of ``networks``. thresholds: of the classes, then of "abnormal".
    """

    networks: Mapping[str, Sequence[nn.Module]]
    classes: tuple[str, ...]
    fusion: Fusion
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        outputs = len(self.classes) + 1
        if set(self.networks) - set(MEMBERS) or not self.networks:
            raise ValueError(f"expected networks of {MEMBERS}, came {sorted(self.networks)}")
        sizes = {network.outputs for part in self.networks.values() for network in part}
        if sizes != {outputs} or len(self.thresholds) != outputs:
            raise ValueError(
                f"expected {outputs} outputs and thresholds, for {len(self.classes)} classes and {ABNORMAL!r}, came "
                f"{sorted(sizes)} outputs and {len(self.thresholds)} thresholds"
            )
        if self.fusion.weights.shape != (outputs, len(self.networks)) or self.fusion.bias.shape != (outputs,):
            raise ValueError(
                f"expected weights {(outputs, len(self.networks))} and bias {(outputs,)} of the fusion, came "
                f"{self.fusion.weights.shape} and {self.fusion.bias.shape}"
            )

    def predict(self, page: Page, signal: np.ndarray, fs: float, names: Sequence[str]) -> Diagnosis:
        """Judge a page.

        signal: (samples, leads) mV at ``fs`` Hz of the leads ``names``, NaN where nothing is printed. It is looked at
        from several starts and the logits are averaged, so that no beat on the edge between two samples decides.
        """
        inputs: dict[str, list[Any]] = {}
        if SIGNAL in self.networks or TREES in self.networks:
            leads = standard_leads(signal, names)
            later = sorted({round(phase / PHASES * fs / FS) for phase in range(PHASES)})
            views = [view_signal(leads[skipped:], fs) for skipped in later]
            inputs[SIGNAL] = [batch_of(view) for view in views]
            inputs[TREES] = [torch.from_numpy(measure(view))[None] for view in views]
        if IMAGE in self.networks:
            inputs[IMAGE] = [ink_tensor(ink_image(page.image, page.page_to_picture, page.size))[None]]
        said = [
            np.mean([mean_logits(part, one) for one in inputs[name]], axis=0) for name, part in self.networks.items()
        ]
        logits = np.stack(said, axis=1)
        probabilities = self.fusion(logits)[0]
        labels = decide_labels(probabilities[:-1], np.array(self.thresholds[:-1]), self.classes)
        of = dict(zip((*self.classes, ABNORMAL), map(float, probabilities), strict=True))
        return Diagnosis(labels, of, of[ABNORMAL] >= self.thresholds[-1])


def mean_logits(networks: Sequence[nn.Module], inputs: Any) -> np.ndarray:
    """Mean logits of networks over a batch: (B, classes + 1) float64."""
    with torch.inference_mode():
        return torch.stack([network(inputs) for network in networks]).mean(dim=0).double().numpy()


def save_classifier(folder: Path, classifier: Classifier, description: Mapping[str, Any] | None = None) -> None:
    """Write the classifier to a model folder: weights (trees in a file of their own), and classes, fusion, thresholds
    and ``description`` to its JSON."""
    facts = {
        "classes": list(classifier.classes),
        "thresholds": [round(threshold, 5) for threshold in classifier.thresholds],
        "members": {name: {"networks": len(part), **part[0].shape} for name, part in classifier.networks.items()},
        "fusion": {
            "weights": np.round(classifier.fusion.weights, 5).tolist(),
            "bias": _rounded(classifier.fusion.bias),
        },
    }
    if TREES in classifier.networks:
        save_model(folder / f"{TREES}.safetensors", nn.ModuleList(classifier.networks[TREES]))
    save_stage(folder, STAGE, _trained(classifier.networks), facts | dict(description or {}))


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values, 5).tolist()


def _trained(networks: Mapping[str, Sequence[nn.Module]]) -> nn.ModuleDict:
    """All but trees."""
    return nn.ModuleDict({name: nn.ModuleList(part) for name, part in networks.items() if name != TREES})


def _built(name: str, classes: int, part: Mapping[str, Any]) -> nn.Module:
    """An empty network of a member as ``model.json`` describes it."""
    return NETWORKS[name](classes, **{key: int(size) for key, size in part.items() if key != "networks"})


def load_classifier(folder: Path) -> Classifier | None:
    """Read what ``save_classifier`` wrote; None from a folder without a classifier (trained on records without labels).

    Raises CheckpointError for weights that are broken or do not fit the classes.
    """
    if not (folder / f"{STAGE}.safetensors").exists():
        return None
    facts = describe_stage(folder, STAGE)
    try:
        classes, thresholds = tuple(facts["classes"]), tuple(facts["thresholds"])
        fusion = Fusion(*(np.array(facts["fusion"][part], np.float64) for part in ("weights", "bias")))
        networks = {
            name: [_built(name, len(classes), part) for _ in range(int(part["networks"]))]
            for name, part in facts["members"].items()
        }
        classifier = Classifier(networks, classes, fusion, thresholds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"expected classes, thresholds, members and fusion of the classifier in {folder}: {error!r}"
        ) from error
    load_stage(folder, STAGE, _trained(networks).eval())
    if TREES in networks:
        load_stage(folder, TREES, nn.ModuleList(networks[TREES]).eval())
    return classifier
