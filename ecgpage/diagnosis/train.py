"""Trains the classifier: networks of every fold of the records, fused and thresholded on the records they never saw."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ecgpage.diagnosis.classifier import IMAGE, MEMBERS, NETWORKS, SIGNAL, Classifier
from ecgpage.diagnosis.dataset import RESOLUTION, InkDataset, LabelledRecord, PageDataset
from ecgpage.diagnosis.fusion import Fusion, equal_fusion, fit_fusion
from ecgpage.diagnosis.labels import decide, read_classes, targets_of
from ecgpage.diagnosis.metrics import (
    binary_f_measure,
    choose_binary_threshold,
    choose_thresholds,
    macro_f_measure,
    refine_thresholds,
)
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.signal_dataset import SignalDataset, SignalViews, build_views
from ecgpage.synthesis import Profile
from ecgpage.synthesis.arrangement import ArrangementSettings
from ecgpage.synthesis.records import read_standard_leads
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training import StageSettings, TrainingSettings, train
from ecgpage.training.loading import page_loader, page_source

LARGEST_POSITIVE_WEIGHT = 6.0

CLASSIFIER_PAGES = "classifier_pages"
"""Folder beside the checkpoints that keeps drawn pages until training has ended."""

USUAL_ARRANGEMENT = 0.9
"""Least chance of the usual arrangement of a page: a few thousand records do not teach the others."""

EPOCHS = {SIGNAL: 20, IMAGE: 8}
"""Times that a network sees each record; more teaches a few thousand records by heart."""

SECONDS_SHARE = {SIGNAL: 0.35, IMAGE: 0.65}
"""Of the stage's time."""


ReadFold = Callable[[int], Sequence[PageReading | None]]
"""From a fold's number to what was read from a page of every record, None where nothing was, by stages that have not
been trained on that fold's records. The same object for all folds where they share their stages."""


@dataclass(frozen=True)
class OutOfFold:
    """What networks said of records that they were not trained on.

    names: of the records; classes; targets: (records, classes + 1), see ``labels.targets_of``; logits: (records,
    classes + 1) of each member; folds: (records,).
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    targets: np.ndarray
    logits: Mapping[str, np.ndarray]
    folds: np.ndarray

    def chosen(self, keep: np.ndarray) -> OutOfFold:
        """Those of a mask (records,)."""
        names = tuple(np.array(self.names)[keep].tolist())
        logits = {member: part[keep] for member, part in self.logits.items()}
        return OutOfFold(names, self.classes, self.targets[keep], logits, self.folds[keep])

    def stacked(self, members: Sequence[str]) -> np.ndarray:
        """(records, members, classes + 1)."""
        return np.stack([self.logits[member] for member in members], axis=1)


@dataclass(frozen=True)
class Judge:
    """How logits become labels: a fusion of ``members`` and the thresholds of the classes, then of "abnormal"."""

    members: tuple[str, ...]
    fusion: Fusion
    thresholds: np.ndarray


def train_classifier(
    records: Sequence[LabelledRecord],
    folds: np.ndarray,
    read: ReadFold,
    settings: TrainingSettings,
    folder: Path,
    report: Callable[[str], None],
    members: Sequence[str] = MEMBERS,
) -> tuple[Classifier, OutOfFold] | None:
    """Train networks on all folds but one, in turn, and choose fusion and thresholds on the folds left out.

    folds: (records,) number of each record's fold. Only records of which a page was read are judged; the others are
    trained on all the same. The classifier keeps the networks of all folds, of the members that
    together do best on records not seen; it comes with what they said of those. folder: keeps checkpoints, and drawn
    pages until training has ended; an interrupted training goes on from there. Records without labels are left out.
    Returns None, with a line to ``report``, where none has any; a class of fewer records than folds is left out with a
    line too.
    """
    kept = np.array([k for k, record in enumerate(records) if record.labels], int)
    if not len(kept):
        report("no record has labels: no classifier is trained")
        return None
    labelled, folds = [records[k] for k in kept], folds[kept]
    numbers = sorted(set(folds.tolist()))
    classes = choose_classes([record.labels for record in labelled], len(numbers), report)
    targets = np.array([targets_of(record.labels, classes) for record in labelled], np.float32)
    report(f"{len(labelled)} records in {len(numbers)} folds, classes {', '.join(classes)}")
    logits = {member: np.zeros(targets.shape) for member in members}
    networks: dict[str, list[nn.Module]] = {member: [] for member in members}
    readings: Sequence[PageReading | None] | None = None
    judged = np.zeros(len(labelled), bool)
    trainers: list[SignalTrainer | ImageTrainer] = []
    for fold in numbers:
        latest = read(fold)
        if latest is not readings:
            readings, own = latest, [latest[k] for k in kept]
            trainers = [TRAINERS[member](labelled, own, targets, settings, folder, len(numbers)) for member in members]
        for member, trainer in zip(members, trainers, strict=True):
            named = partial(_named, report, f"fold {fold}, {member}: ")
            network = trainer.train(np.flatnonzero(folds != fold), f"{member}-{fold}", named)
            unseen = np.flatnonzero(folds == fold)
            logits[member][unseen] = trainer.predict(network, unseen)
            networks[member].append(network)
        judged |= (folds == fold) & np.array([reading is not None for reading in own])
    if not judged.any():
        report("no page was read: judged by the records' own signals and by drawn pages")
        judged[:] = True
    shutil.rmtree(folder / CLASSIFIER_PAGES, ignore_errors=True)
    names = np.array([record.path.name for record in labelled])
    found = OutOfFold(tuple(names), classes, targets, logits, folds).chosen(judged)
    judge = choose_judge(found, report)
    used = {member: networks[member] for member in judge.members}
    return Classifier(used, classes, judge.fusion, tuple(map(float, judge.thresholds))), found


def _named(report: Callable[[str], None], name: str, line: str) -> None:
    report(name + line)


def choose_classes(labels: Sequence[Sequence[str]], folds: int, report: Callable[[str], None]) -> tuple[str, ...]:
    """The classes of the records that can be learnt: those of at least as many records as there are folds.

    One that is rarer is left out with a line to ``report``; if all are, all stay.
    """
    classes = read_classes(labels)
    counts = {name: sum(name in record for record in labels) for name in classes}
    rare = [name for name in classes if counts[name] < folds]
    if len(rare) == len(classes):
        return classes
    for name in rare:
        report(f"class {name} is left out: {counts[name]} records, fewer than {folds} folds")
    return tuple(name for name in classes if name not in rare)


class SignalTrainer:
    """Trains networks on signals and asks them."""

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        readings: Sequence[PageReading | None],
        targets: np.ndarray,
        settings: TrainingSettings,
        folder: Path,
        folds: int,
    ) -> None:
        stage = settings.classifier
        paths = [record.path for record in records]
        self.views: SignalViews = build_views(paths, readings, read_standard_leads, stage.seed)
        self.targets = targets
        self.settings = _budget(stage, SIGNAL, folds)
        self.folder = folder

    def train(self, indices: np.ndarray, name: str, report: Callable[[str], None]) -> nn.Module:
        """Train one on the records at the indices."""
        batches = SignalDataset(self.views, indices, self.targets, self.settings.batch_size)
        stage = _epochs(self.settings, SIGNAL, len(indices))
        loader = DataLoader(batches, batch_size=None)
        return _train(SIGNAL, loader, self.targets[indices], stage, self.folder / f"{name}.safetensors", report)

    def predict(self, network: nn.Module, indices: np.ndarray) -> np.ndarray:
        """Logits of the records at the indices, (indices, classes + 1)."""
        return predict(network, SignalDataset(self.views, indices, self.targets, 256, augment=False), None)


class ImageTrainer:
    """Trains networks on drawn pages and asks them of the pages that were read."""

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        readings: Sequence[PageReading | None],
        targets: np.ndarray,
        settings: TrainingSettings,
        folder: Path,
        folds: int,
    ) -> None:
        self.records = records
        self.readings = readings
        self.targets = targets
        self.drawing = settings.drawing
        self.draw = page_source(settings.drawing, AS_RECORDED, usual_page)
        self.settings = _budget(settings.classifier, IMAGE, folds)
        self.folder = folder

    def train(self, indices: np.ndarray, name: str, report: Callable[[str], None]) -> nn.Module:
        """Train one on the records at the indices."""
        stage = _epochs(self.settings, IMAGE, len(indices))
        loader = page_loader(self._drawn(indices), stage, stage.batch_size, shuffle=True)
        return _train(IMAGE, loader, self.targets[indices], stage, self.folder / f"{name}.safetensors", report)

    def predict(self, network: nn.Module, indices: np.ndarray) -> np.ndarray:
        """Logits of the records at the indices, (indices, classes + 1): of the page read, else of one drawn."""
        readings = [self.readings[k] for k in indices]
        drawn = self._drawn(indices, augment=False)
        inks = [drawn.page(k, 0) if reading is None else reading.ink for k, reading in enumerate(readings)]
        return predict(network, InkDataset(inks, self.targets[indices]), 16)

    def _drawn(self, indices: np.ndarray, augment: bool = True) -> PageDataset:
        records = [self.records[k] for k in indices]
        cache, seed = self.folder / CLASSIFIER_PAGES, self.settings.seed
        return PageDataset(records, self.targets[indices], self.draw, self.drawing.pages, seed, cache, augment)


TRAINERS: dict[str, type[SignalTrainer] | type[ImageTrainer]] = {SIGNAL: SignalTrainer, IMAGE: ImageTrainer}


def usual_page(profile: Profile) -> Profile:
    """The profile at the classifier's resolution: 3x4 with its strips, mostly in the usual arrangement."""
    print_ = replace(profile.print, fixed=max(profile.print.fixed, USUAL_ARRANGEMENT))
    arrangement = ArrangementSettings(strips=profile.arrangement.strips)
    return replace(profile.drawn_at(*RESOLUTION), print=print_, arrangement=arrangement)


def _budget(stage: StageSettings, member: str, folds: int) -> StageSettings:
    return replace(stage, seconds=stage.seconds * SECONDS_SHARE[member] / folds)


def _epochs(stage: StageSettings, member: str, records: int) -> StageSettings:
    return replace(stage, steps=min(stage.steps, math.ceil(EPOCHS[member] * records / stage.batch_size)))


def _train(
    member: str,
    batches: DataLoader,
    targets: np.ndarray,
    stage: StageSettings,
    checkpoint: Path,
    report: Callable[[str], None],
) -> nn.Module:
    torch.manual_seed(stage.seed)
    network = NETWORKS[member](targets.shape[1] - 1)
    return train(network, batches, MultiLabelLoss(targets), stage, checkpoint, report)


def predict(network: nn.Module, pages: Dataset[Any], batch_size: int | None) -> np.ndarray:
    """Logits of every item, (items, classes + 1) float64; batch_size None where items are whole batches."""
    with torch.inference_mode():
        parts = [network(inputs).double().numpy() for inputs, _ in DataLoader(pages, batch_size)]
    return np.concatenate(parts)


class MultiLabelLoss:
    """Binary cross-entropy over classes and "abnormal"; rare classes' positives weigh more, unknown targets nothing.

    The weight is the square root of negatives per positive: full balance would make rare classes all alarm.
    """

    def __init__(self, targets: np.ndarray) -> None:
        positives = np.nansum(targets, axis=0)
        negatives = np.sum(targets == 0, axis=0)
        weight = np.sqrt(negatives / np.maximum(positives, 1)).clip(1.0, LARGEST_POSITIVE_WEIGHT)
        self.positive_weight = torch.from_numpy(weight.astype(np.float32))

    def __call__(self, network: nn.Module, batch: tuple[Any, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of a batch (what the network reads, targets (B, classes + 1))."""
        inputs, targets = batch
        logits = network(inputs).float()
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits, targets.nan_to_num(), pos_weight=self.positive_weight.to(logits.device), reduction="none"
        )
        known = targets.isfinite()
        return (losses * known).sum() / known.sum().clamp(min=1), {}


def choose_judge(unseen: OutOfFold, report: Callable[[str], None]) -> Judge:
    """The members, alone or together, that do best on unseen records, with fusion and thresholds fitted to those.

    Best is the sum of the macro F-measures over the classes and over normal and abnormal, each fold judged with what
    was fitted to the others.
    """
    candidates = combinations(unseen)
    worth = {}
    for members in candidates:
        decided, abnormal, _ = judge_unseen(unseen, members)
        classes_f = macro_f_measure(unseen.targets[:, :-1], decided)
        binary_f = binary_f_measure(unseen.targets[:, -1], abnormal)
        report(
            f"{' and '.join(members)}: macro F {classes_f:.3f}, normal and abnormal {binary_f:.3f} on unseen records"
        )
        worth[members] = float(np.nansum([classes_f, binary_f]))
    return fit_judge(unseen, max(candidates, key=lambda members: worth[members]))


def combinations(unseen: OutOfFold) -> list[tuple[str, ...]]:
    """Each member by itself, and all together."""
    members = tuple(unseen.logits)
    return [(member,) for member in members] + ([members] if len(members) > 1 else [])


def fit_judge(unseen: OutOfFold, members: tuple[str, ...], keep: np.ndarray | None = None) -> Judge:
    """Fit fusion and thresholds to the unseen records (those of ``keep``, (records,) bool)."""
    chosen = slice(None) if keep is None else keep
    logits, targets = unseen.stacked(members)[chosen], unseen.targets[chosen]
    if not len(targets):
        outputs = targets.shape[1]
        return Judge(members, equal_fusion(len(members), outputs), np.full(outputs, 0.5))
    fusion = fit_fusion(logits, targets)
    probabilities = fusion(logits)
    rule = partial(decide, classes=unseen.classes)
    thresholds = choose_thresholds(targets[:, :-1], probabilities[:, :-1])
    thresholds = refine_thresholds(targets[:, :-1], probabilities[:, :-1], thresholds, rule)
    abnormal = choose_binary_threshold(targets[:, -1], probabilities[:, -1])
    return Judge(members, fusion, np.append(thresholds, abnormal))


def judge_unseen(unseen: OutOfFold, members: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Judge each fold with fusion and thresholds fitted to the other folds.

    Returns (classes given (records, classes) bool, judged abnormal (records,) bool, probabilities (records,
    classes + 1)).
    """
    logits = unseen.stacked(members)
    decided = np.zeros((len(logits), len(unseen.classes)), bool)
    abnormal = np.zeros(len(logits), bool)
    probabilities = np.zeros(unseen.targets.shape)
    for fold in set(unseen.folds.tolist()):
        there = unseen.folds == fold
        judge = fit_judge(unseen, members, ~there)
        probabilities[there] = judge.fusion(logits[there])
        decided[there] = decide(probabilities[there, :-1], judge.thresholds[:-1], unseen.classes)
        abnormal[there] = probabilities[there, -1] >= judge.thresholds[-1]
    return decided, abnormal, probabilities
