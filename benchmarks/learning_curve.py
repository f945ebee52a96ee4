"""What more records would bring: ``python -m benchmarks.learning_curve -d DATA -c CROSSVALIDATION [--sizes N ...]``.

Trains the signal network of each fold on random parts of its training records, from the pages that a cross-validation
has read (``python -m ecgpage crossvalidate``, its output folder with the same settings), and prints F-measures over
normal and abnormal and over the classes, on the records of the fold left out. The last line follows the straight line
through F against the logarithm of the number of records, to the size of a whole PTB-XL.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgpage.crossvalidation import NETWORKS
from ecgpage.diagnosis.classifier import SIGNAL
from ecgpage.diagnosis.folds import assign_folds, find_database
from ecgpage.diagnosis.judge import OutOfFold, judge_unseen
from ecgpage.diagnosis.labels import targets_of
from ecgpage.diagnosis.metrics import binary_f_measure, macro_f_measure
from ecgpage.diagnosis.reading import read_reading
from ecgpage.diagnosis.statements import read_statements
from ecgpage.diagnosis.train import Evidence, SignalTrainer, choose_classes
from ecgpage.reporting import text_table
from ecgpage.train import READINGS, find_training_records
from ecgpage.training.configuration import TrainingSettings, load_settings, settings_from_environment

WHOLE = 21_799
"""Records of PTB-XL."""


Row = tuple[int, float, float]
"""Records trained on in each fold, binary F, macro F."""


def measure(trainer: SignalTrainer, classes: tuple[str, ...], folds: np.ndarray, read: np.ndarray, size: int) -> Row:
    """The row of networks that each saw at most ``size`` records.

    folds, read: (records,) fold, and whether a page was read.
    """
    logits, counts = np.zeros(trainer.targets.shape), []
    for fold in np.unique(folds):
        there = np.flatnonzero(folds != fold)
        chosen = np.sort(np.random.default_rng([size, fold]).permutation(there)[:size])
        name = f"{SIGNAL}-{fold}" if len(chosen) == len(there) else f"{SIGNAL}-{size}-{fold}"
        network = trainer.train(chosen, name, lambda line: None)  # of all records it is the cross-validation's
        unseen = np.flatnonzero(folds == fold)
        logits[unseen] = trainer.predict(network, unseen)
        counts.append(len(chosen))
    names = tuple(map(str, range(len(folds))))
    found = OutOfFold(names, classes, trainer.targets, {SIGNAL: logits}, folds).chosen(read)
    decided, abnormal, _ = judge_unseen(found, (SIGNAL,))
    binary = binary_f_measure(found.targets[:, -1], abnormal)
    return round(np.mean(counts)), binary, macro_f_measure(found.targets[:, :-1], decided)


def follow(sizes: Sequence[int], values: Sequence[float], size: int) -> float:
    """The straight line through values against log(size), at another size."""
    slope, offset = np.polyfit(np.log(sizes), values, 1)
    return float(slope * np.log(size) + offset)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--data", type=Path, required=True)
    parser.add_argument("-c", "--crossvalidation", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    parser.add_argument("--settings", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = build_parser().parse_args(arguments)
    settings = load_settings(options.settings) if options.settings else settings_from_environment()
    rows = run(options.data, options.crossvalidation, options.sizes, settings)
    sizes = [row[0] for row in rows]
    share = round(WHOLE * (1 - 1 / settings.drawing.folds))
    rows.append((share, *(follow(sizes, [row[k] for row in rows], share) for k in (1, 2))))
    print(text_table(["records", "binary F", "macro F"], rows, 3, total=True))


def run(data: Path, output: Path, sizes: Sequence[int], settings: TrainingSettings) -> list[Row]:
    """The table's rows but the last."""
    records = find_training_records(data)
    names = [record.path.name for record in records]
    folds = assign_folds(names, settings.drawing.folds, find_database(data), settings.classifier.seed)
    labelled = np.array([bool(record.labels) for record in records])
    folds, statements = folds[labelled], read_statements(names, find_database(data))[labelled]
    records = [record for record in records if record.labels]
    names = [record.path.name for record in records]
    kept = [output / READINGS / f"{name}.npz" for name in names]
    readings = [read_reading(path) if path.exists() else None for path in kept]
    classes = choose_classes([record.labels for record in records], settings.drawing.folds, print)
    targets = np.array([targets_of(record.labels, classes) for record in records], np.float32)
    evidence = Evidence(records, readings, settings.classifier.seed)
    trainer = SignalTrainer(evidence, targets, settings, output / NETWORKS, settings.drawing.folds, statements)
    trainer.settings = replace(trainer.settings, seconds=settings.classifier.seconds)
    read = np.array([reading is not None for reading in readings])
    return [measure(trainer, classes, folds, read, size) for size in sizes]


if __name__ == "__main__":
    main()
