"""Trains the classifier: networks of every fold of the records, fused and thresholded on the records they never saw."""

from __future__ import annotations

import math
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ecgpage.diagnosis.classifier import IMAGE, MEMBERS, NETWORKS, SIGNAL, TREES, Classifier
from ecgpage.diagnosis.dataset import RESOLUTION, InkDataset, LabelledRecord, PageDataset
from ecgpage.diagnosis.judge import OutOfFold, choose_judge
from ecgpage.diagnosis.labels import read_classes, targets_of
from ecgpage.diagnosis.measurements import measure
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.signal_dataset import READING_SHARE, SignalDataset, SignalViews, build_views
from ecgpage.diagnosis.trees import Growth, TreeClassifier, grow
from ecgpage.synthesis import Profile
from ecgpage.synthesis.arrangement import ArrangementSettings
from ecgpage.synthesis.records import read_standard_leads
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training import StageSettings, TrainingSettings, train
from ecgpage.training.checkpoints import CheckpointError, TrainingState, load_model, load_state, save_model
from ecgpage.training.loading import page_loader, page_source
from ecgpage.training.optimizer import make_optimizer
from yolov7.average import AveragedModel

LARGEST_POSITIVE_WEIGHT = 6.0

CLASSIFIER_PAGES = "classifier_pages"
"""Folder beside the checkpoints that keeps drawn pages until training has ended."""

USUAL_ARRANGEMENT = 0.9
"""Least chance of the usual arrangement of a page: a few thousand records do not teach the others."""

EPOCHS = {SIGNAL: 20, IMAGE: 8}
"""Times that a network sees each record; more teaches a few thousand records by heart."""

GROWTH = Growth()
"""How the trees are grown."""

MOST_VIEWS = 40_000
"""Views that trees grow on, a random choice where there are more: their time is not bounded otherwise."""

JUDGED_AT_ONCE = 32
"""Records to a batch when networks are asked."""

SECONDS_SHARE = {SIGNAL: 0.35, IMAGE: 0.65}
"""Of the stage's time."""


ReadFold = Callable[[int], Sequence[PageReading | None]]
"""From a fold's number to what was read from a page of every record, None where nothing was, by stages that have not
been trained on that fold's records. The same object for all folds where they share their stages."""


def train_classifier(
    records: Sequence[LabelledRecord],
    folds: np.ndarray,
    read: ReadFold,
    settings: TrainingSettings,
    folder: Path,
    report: Callable[[str], None],
    members: Sequence[str] = MEMBERS,
    statements: np.ndarray | None = None,
) -> tuple[Classifier, OutOfFold] | None:
    """Train networks on all folds but one, in turn, and choose fusion and thresholds on the folds left out.

    folds: (records,) number of each record's fold. Only records of which a page was read are judged; the others are
    trained on all the same. read: see ``ReadFold``; its readings are in the order of ``records``. The classifier keeps
    the networks of all folds, of the members that together do best on records not seen; it comes with what they said of
    those. statements: (records, S) of 0, 1 and NaN, see ``statements.read_statements``, which the signal network learns
    as well. folder: keeps checkpoints, and drawn pages until training has ended; an interrupted training goes on from
    there. Records without labels are left out, and so is, with a line to ``report``, a class of fewer records than
    folds. Returns None, with a line too, where no two folds have labels.
    """
    kept = np.array([k for k, record in enumerate(records) if record.labels], int)
    if not len(kept):
        report("no record has labels: no classifier is trained")
        return None
    labelled, folds = [records[k] for k in kept], folds[kept]
    numbers = sorted(set(folds.tolist()))
    if len(numbers) < 2:
        report(f"{len(labelled)} records with labels, in one fold: no classifier is trained, it takes two")
        return None
    classes = choose_classes([record.labels for record in labelled], len(numbers), report)
    targets = np.array([targets_of(record.labels, classes) for record in labelled], np.float32)
    stated = np.zeros((len(labelled), 0), np.float32) if statements is None else statements[kept]
    report(f"{len(labelled)} records in {len(numbers)} folds, classes {', '.join(classes)}")
    logits = {member: np.zeros(targets.shape) for member in members}
    networks: dict[str, list[nn.Module]] = {member: [] for member in members}
    readings: Sequence[PageReading | None] | None = None
    judged = np.zeros(len(labelled), bool)
    trainers: list[MemberTrainer] = []
    for fold in numbers:
        latest = read(fold)
        if latest is not readings:
            readings, own = latest, [latest[k] for k in kept]
            evidence = Evidence(labelled, own, settings.classifier.seed)
            trainers = [
                TRAINERS[member](evidence, targets, settings, folder, len(numbers), stated) for member in members
            ]
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


@dataclass(frozen=True)
class Evidence:
    """Records to learn from, and what was read from a page of each, None where nothing was.

    seed: of the noise and the gaps of what is shown of the records' own signals.
    """

    records: Sequence[LabelledRecord]
    readings: Sequence[PageReading | None]
    seed: int

    @cached_property
    def views(self) -> SignalViews:
        """Of all records."""
        return build_views([record.path for record in self.records], self.readings, read_standard_leads, self.seed)

    @cached_property
    def measured(self) -> np.ndarray:
        """What is measured on every view, (records, views, measurements) float32."""
        return np.array([[measure(view) for view in self.views.of_record(k)] for k in range(len(self.records))])


class MemberTrainer(ABC):
    """Trains networks of one member on parts of the records, and asks them of others."""

    member: str

    def __init__(
        self,
        evidence: Evidence,
        targets: np.ndarray,
        settings: TrainingSettings,
        folder: Path,
        folds: int,
        statements: np.ndarray | None = None,
    ) -> None:
        """targets: (records, classes + 1); folder: keeps states; folds: over which the stage's time is divided;
        statements: (records, S), for members that learn them."""
        self.evidence = evidence
        self.targets = targets
        self.training = settings
        self.folder = folder
        self.folds = folds
        self.statements = statements

    @abstractmethod
    def train(self, indices: np.ndarray, name: str, report: Callable[[str], None]) -> nn.Module:
        """Train one on the records at the indices, or go on with the one of that name; in eval mode."""

    @abstractmethod
    def kept(self, path: Path) -> nn.Module:
        """What a finished training left at ``path``, in eval mode; nothing is trained or written.

        Raises CheckpointError for anything else.
        """

    @abstractmethod
    def predict(self, network: nn.Module, indices: np.ndarray) -> np.ndarray:
        """Logits of the records at the indices, (indices, classes + 1) float64."""


class NetworkTrainer(MemberTrainer):
    """Trains by gradients, epoch by epoch."""

    learns_statements = False

    @cached_property
    def settings(self) -> StageSettings:
        """The stage's, with one network's share of its time."""
        stage = self.training.classifier
        return replace(stage, seconds=stage.seconds * SECONDS_SHARE[self.member] / self.folds)

    @cached_property
    def learnt(self) -> np.ndarray:
        """(records, classes + 1), and statements after them where the network learns any."""
        if self.statements is None or not self.learns_statements:
            return self.targets
        return np.concatenate([self.targets, self.statements.astype(np.float32)], axis=1)

    def train(self, indices: np.ndarray, name: str, report: Callable[[str], None]) -> nn.Module:
        """See ``MemberTrainer``."""
        steps = math.ceil(EPOCHS[self.member] * len(indices) / self.settings.batch_size)
        stage = replace(self.settings, steps=min(self.settings.steps, steps))
        torch.manual_seed(stage.seed)
        network = NETWORKS[self.member](self.learnt.shape[1] - 1)
        loss = MultiLabelLoss(self.learnt[indices], self.targets.shape[1])
        checkpoint = self.folder / f"{name}.safetensors"
        return self.of_classes(train(network, self.batches(indices), loss, stage, checkpoint, report))

    def kept(self, path: Path) -> nn.Module:
        """See ``MemberTrainer``."""
        network = NETWORKS[self.member](_count_outputs(path) - 1)
        average = AveragedModel(network, self.settings.ema_decay)
        state = TrainingState(network, average, make_optimizer(network, self.settings))
        load_state(path, state)
        return self.of_classes(state.average.module)

    def of_classes(self, network: nn.Module) -> nn.Module:
        """A trained network of classes and statements -> one of the classes and "abnormal" alone, in eval mode."""
        count = self.targets.shape[1]
        weights = {
            name: part[:count] if name.startswith("head.") else part for name, part in network.state_dict().items()
        }
        result = NETWORKS[self.member](count - 1)
        result.load_state_dict(weights)
        return result.eval()

    def predict(self, network: nn.Module, indices: np.ndarray) -> np.ndarray:
        """See ``MemberTrainer``."""
        with torch.inference_mode():
            parts = [network(inputs).double().numpy() for inputs, _ in self.unchanged(indices)]
        return np.concatenate(parts)

    @abstractmethod
    def batches(self, indices: np.ndarray) -> DataLoader:
        """Training batches (what the network reads, targets (B, classes + 1), statements after them where the network
        learns any) of the records at the indices."""

    @abstractmethod
    def unchanged(self, indices: np.ndarray) -> DataLoader:
        """The same in the order of the indices, each record once, as it was read."""


class SignalTrainer(NetworkTrainer):
    """The signals that were read, and the records' own."""

    member = SIGNAL
    learns_statements = True

    def batches(self, indices: np.ndarray) -> DataLoader:
        """Whole batches, see ``SignalDataset``."""
        batches = SignalDataset(self.evidence.views, indices, self.learnt, self.settings.batch_size)
        return DataLoader(batches, batch_size=None)

    def unchanged(self, indices: np.ndarray) -> DataLoader:
        """Whole batches, see ``SignalDataset``."""
        batches = SignalDataset(self.evidence.views, indices, self.targets, JUDGED_AT_ONCE, augment=False)
        return DataLoader(batches, batch_size=None)


class ImageTrainer(NetworkTrainer):
    """Drawn pages to learn from; of the records judged, the pages that were read, else drawn ones."""

    member = IMAGE

    def batches(self, indices: np.ndarray) -> DataLoader:
        """See ``PageDataset``."""
        return page_loader(self._drawn(indices), self.settings, self.settings.batch_size, shuffle=True)

    def unchanged(self, indices: np.ndarray) -> DataLoader:
        """See ``InkDataset``."""
        drawn = self._drawn(indices, augment=False)
        readings = [self.evidence.readings[k] for k in indices]
        inks = [drawn.page(k, 0) if reading is None else reading.ink for k, reading in enumerate(readings)]
        return DataLoader(InkDataset(inks, self.targets[indices]), JUDGED_AT_ONCE)

    def _drawn(self, indices: np.ndarray, augment: bool = True) -> PageDataset:
        records = [self.evidence.records[k] for k in indices]
        drawing = self.training.drawing
        draw = page_source(drawing, AS_RECORDED, usual_page)
        cache, seed = self.folder / CLASSIFIER_PAGES, self.settings.seed
        return PageDataset(records, self.targets[indices], draw, drawing.pages, seed, cache, augment)


class TreeTrainer(MemberTrainer):
    """Trees on what is measured on the signals that were read and on the records' own."""

    member = TREES

    def train(self, indices: np.ndarray, name: str, report: Callable[[str], None]) -> nn.Module:
        """See ``MemberTrainer``."""
        path = self.folder / f"{name}.safetensors"
        if path.exists():
            return self.kept(path)
        measured, read = self.evidence.measured[indices], self.evidence.views.read[indices]
        weights = np.empty(measured.shape[:2])
        weights[:, 0] = np.where(read, READING_SHARE, 0)
        weights[:, 1:] = (1 - weights[:, :1]) / (measured.shape[1] - 1)
        rows, views = np.nonzero(weights)
        if len(rows) > MOST_VIEWS:
            chosen = np.sort(np.random.default_rng(self.evidence.seed).permutation(len(rows))[:MOST_VIEWS])
            rows, views = rows[chosen], views[chosen]
        trees = grow(measured[rows, views], self.targets[indices[rows]], weights[rows, views], GROWTH)
        save_model(path, trees)
        report(f"{GROWTH.trees} trees for each output")
        return trees

    def kept(self, path: Path) -> nn.Module:
        """See ``MemberTrainer``."""
        trees = TreeClassifier(self.targets.shape[1] - 1, GROWTH.trees)
        load_model(path, trees)
        return trees.eval()

    def predict(self, network: nn.Module, indices: np.ndarray) -> np.ndarray:
        """See ``MemberTrainer``."""
        with torch.inference_mode():
            return network(torch.from_numpy(self.evidence.measured[indices, 0])).double().numpy()


TRAINERS: dict[str, type[MemberTrainer]] = {SIGNAL: SignalTrainer, IMAGE: ImageTrainer, TREES: TreeTrainer}


def _count_outputs(path: Path) -> int:
    """Of a network in training: classes, "abnormal" and statements. Raises CheckpointError for anything else."""
    try:
        with safe_open(path, "numpy") as file:
            return int(file.get_slice("average.head.bias").get_shape()[0])
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"expected a classifier's training in {path}: {error}") from error


def usual_page(profile: Profile) -> Profile:
    """The profile at the classifier's resolution: 3x4 with its strips, mostly in the usual arrangement."""
    print_ = replace(profile.print, fixed=max(profile.print.fixed, USUAL_ARRANGEMENT))
    arrangement = ArrangementSettings(strips=profile.arrangement.strips)
    return replace(profile.drawn_at(*RESOLUTION), print=print_, arrangement=arrangement)


class MultiLabelLoss:
    """Binary cross-entropy over classes and "abnormal"; rare classes' positives weigh more, unknown targets nothing.

    The weight is the square root of negatives per positive: full balance would make rare classes all alarm. targets:
    (records, outputs); those from ``judged`` on are statements, whose mean counts as much as that of the others.
    """

    def __init__(self, targets: np.ndarray, judged: int | None = None) -> None:
        positives = np.nansum(targets, axis=0)
        negatives = np.sum(targets == 0, axis=0)
        weight = np.sqrt(negatives / np.maximum(positives, 1)).clip(1.0, LARGEST_POSITIVE_WEIGHT)
        self.positive_weight = torch.from_numpy(weight.astype(np.float32))
        self.judged = targets.shape[1] if judged is None else judged

    def __call__(self, network: nn.Module, batch: tuple[Any, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch (what the network reads, targets (B, outputs))."""
        inputs, targets = batch
        logits = network(inputs).float()
        losses = nn.functional.binary_cross_entropy_with_logits(
            logits, targets.nan_to_num(), pos_weight=self.positive_weight.to(logits.device), reduction="none"
        )
        known = targets.isfinite()
        judged, stated = slice(self.judged), slice(self.judged, None)
        return _mean(losses[:, judged], known[:, judged]) + _mean(losses[:, stated], known[:, stated]), {}


def _mean(losses: Tensor, known: Tensor) -> Tensor:
    """Mean of the losses that are known, both (B, outputs); 0 where none is."""
    return (losses * known).sum() / known.sum().clamp(min=1)
