"""Trains the page classifier on drawn pages of labelled records."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ecgpage.diagnosis.classifier import Classifier
from ecgpage.diagnosis.dataset import RESOLUTION, LabelledRecord, PageDataset
from ecgpage.diagnosis.labels import ABNORMAL, decide, read_classes
from ecgpage.diagnosis.metrics import choose_thresholds, class_f_measures, macro_f_measure, refine_thresholds
from ecgpage.diagnosis.network import PageClassifier
from ecgpage.synthesis import Profile
from ecgpage.synthesis.arrangement import ArrangementSettings
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training import TrainingSettings, train
from ecgpage.training.loading import page_loader, page_source

LARGEST_POSITIVE_WEIGHT = 6.0

CLASSIFIER_PAGES = "classifier_pages"
"""Folder beside the checkpoint that keeps drawn pages until training has ended."""

MOST_VALIDATION = 1000
"""Records; more would cost more time than they make thresholds better."""

USUAL_ARRANGEMENT = 0.9
"""Least chance of the usual arrangement of a page: a few thousand records do not teach the others."""


def train_classifier(
    records: Sequence[LabelledRecord],
    settings: TrainingSettings,
    folder: Path,
    report: Callable[[str], None],
    validation: Sequence[LabelledRecord] | None = None,
) -> Classifier | None:
    """Train on the records and choose the thresholds on others.

    validation: those others; by default a share of ``records``, ``settings.drawing.validation_share``, kept out of
    training. folder: keeps the checkpoint, and the drawn pages until training has ended; an interrupted training goes
    on from there.

    Returns None, with a line to ``report``, where no record has a label.
    """
    records = [record for record in records if record.labels]
    if not records:
        report("no record has labels: no classifier is trained")
        return None
    classes = read_classes(record.labels for record in records)
    if validation is None:
        records, validation = split_records(records, settings.drawing.validation_share, settings.classifier.seed)
    report(f"classifier: {len(records)} records, {len(validation)} for validation, classes {', '.join(classes)}")
    stage, cache, checkpoint = settings.classifier, folder / CLASSIFIER_PAGES, folder / "classifier.safetensors"
    draw, count = page_source(settings.drawing, AS_RECORDED, usual_page), settings.drawing.pages
    pages = PageDataset(records, classes, draw, count, stage.seed, cache)
    batches = page_loader(pages, stage, stage.batch_size, shuffle=True)
    torch.manual_seed(stage.seed)
    network = train(PageClassifier(len(classes)), batches, MultiLabelLoss(pages.targets), stage, checkpoint, report)
    unseen = PageDataset(validation, classes, draw, count, stage.seed, cache, augment=False)
    classifier = _with_thresholds(network, classes, unseen, report)
    shutil.rmtree(cache, ignore_errors=True)
    return classifier


def usual_page(profile: Profile) -> Profile:
    """The profile at the classifier's resolution: 3x4 with its strips, mostly in the usual arrangement."""
    print_ = replace(profile.print, fixed=max(profile.print.fixed, USUAL_ARRANGEMENT))
    arrangement = ArrangementSettings(strips=profile.arrangement.strips)
    return replace(profile.drawn_at(*RESOLUTION), print=print_, arrangement=arrangement)


def split_records(
    records: Sequence[LabelledRecord], share: float, seed: int
) -> tuple[list[LabelledRecord], list[LabelledRecord]]:
    """Split into (training, validation) at random, ``share`` of them, at most ``MOST_VALIDATION``, for
    validation, but never all."""
    order = np.random.default_rng(seed).permutation(len(records))
    count = min(round(share * len(records)), len(records) - 1, MOST_VALIDATION)
    validation = {int(index) for index in order[:count]}
    parts: tuple[list[LabelledRecord], list[LabelledRecord]] = ([], [])
    for index, record in enumerate(records):
        parts[index in validation].append(record)
    return parts


class MultiLabelLoss:
    """Binary cross-entropy over classes and "abnormal"; rare classes' positives weigh more, unknown targets nothing.

    The weight is the square root of negatives per positive: full balance would make rare classes all alarm.
    """

    def __init__(self, targets: np.ndarray) -> None:
        positives = np.nansum(targets, axis=0)
        negatives = np.sum(targets == 0, axis=0)
        weight = np.sqrt(negatives / np.maximum(positives, 1)).clip(1.0, LARGEST_POSITIVE_WEIGHT)
        self.positive_weight = torch.from_numpy(weight.astype(np.float32))

    def __call__(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of a batch (pages (B, 1, H, W), targets (B, classes + 1))."""
        pages, targets = batch
        logits = network(pages).float()
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits, targets.nan_to_num(), pos_weight=self.positive_weight.to(logits.device), reduction="none"
        )
        known = targets.isfinite()
        return (losses * known).sum() / known.sum().clamp(min=1), {}


def predict_pages(network: nn.Module, pages: PageDataset, batch_size: int = 16) -> np.ndarray:
    """Return the probabilities of every page: (records, classes + 1)."""
    with torch.inference_mode():
        parts = [network(images).sigmoid().numpy() for images, _ in DataLoader(pages, batch_size)]
    return np.concatenate(parts) if parts else np.zeros((0, pages.targets.shape[1]), np.float32)


def _with_thresholds(
    network: PageClassifier, classes: tuple[str, ...], unseen: PageDataset, report: Callable[[str], None]
) -> Classifier:
    if len(unseen) == 0:
        return Classifier(network, classes, (0.5,) * len(classes))
    probabilities, targets = predict_pages(network, unseen), unseen.targets
    thresholds = choose_thresholds(targets[:, :-1], probabilities[:, :-1])
    rule = partial(decide, classes=classes)
    thresholds = refine_thresholds(targets[:, :-1], probabilities[:, :-1], thresholds, rule)
    predictions = rule(probabilities[:, :-1], thresholds)
    figures = class_f_measures(targets[:, :-1], predictions)
    known = np.isfinite(targets[:, -1:])
    abnormal = class_f_measures(targets[:, -1:][known][:, None], (probabilities[:, -1:] >= 0.5)[known][:, None])
    report("validation F: " + ", ".join(f"{name} {value:.3f}" for name, value in zip(classes, figures, strict=True)))
    report(
        f"validation macro F {macro_f_measure(targets[:, :-1], predictions):.3f}, {ABNORMAL} F {abnormal[0]:.3f}"
        f" ({len(unseen)} records, thresholds chosen on them)"
    )
    return Classifier(network, classes, tuple(float(threshold) for threshold in thresholds))
