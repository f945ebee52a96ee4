"""Cross-validation of the whole system: every record is judged by networks that never saw its patient."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ecgpage.diagnosis.classifier import MEMBERS, save_classifier
from ecgpage.diagnosis.folds import assign_folds, find_database
from ecgpage.diagnosis.judge import OutOfFold
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.statements import digest_of, read_statements
from ecgpage.diagnosis.train import train_classifier
from ecgpage.io import write_bytes, write_text
from ecgpage.read_pages import read_pages, reading_of
from ecgpage.reporting.cross_validation import CrossValidation, figures, markdown
from ecgpage.train import READINGS, STATES, classifier_reading, facts_of, find_training_records, made_of, train_stages
from ecgpage.training.checkpoints import keep_or_drop
from ecgpage.training.configuration import TrainingSettings

NETWORKS = "networks"
UNSEEN = "unseen.npz"
"""Folder of a cross-validation's networks, each with its training's state."""


def cross_validate(
    data_folder: Path,
    output: Path,
    settings: TrainingSettings,
    model_folder: Path | None = None,
    database: Path | None = None,
    jobs: int = 0,
    seconds: float = float("inf"),
    report: Callable[[str], None] = print,
) -> CrossValidation:
    """Cross-validate on the WFDB records of a folder, in ``settings.drawing.folds`` folds.

    model_folder: whose detector, readers and digitizer read the pages of all folds; without one they are trained
    anew for every fold, on the other folds' records. database: PTB-XL's table of patients and folds, by default the
    one in or beside the folder. output: keeps what a stopped run needs to go on, and the classifier of the networks of
    all folds in ``model``; ``write_report`` adds the figures. Records without labels count for the SNR only. jobs:
    worker processes, 0 for one per processor. seconds: after this long no more pages are read; their records, a random
    choice, are trained on by their own signals and not judged.
    """
    records = find_training_records(data_folder, report)
    database = database or find_database(data_folder)
    if database is None:
        report(f"no table of patients in or beside {data_folder}: every record counts as its own patient")
    names = tuple(record.path.name for record in records)
    folds = assign_folds(names, settings.drawing.folds, database, settings.classifier.seed)
    reading = classifier_reading(settings)
    paths = [record.path for record in records]
    read: dict[Path, Sequence[PageReading | None]] = {}
    snr, profiles = np.full(len(records), np.nan), [""] * len(records)

    def read_fold(fold: int) -> Sequence[PageReading | None]:
        place = output if model_folder is not None else output / f"fold-{fold}"
        if place not in read:
            stages = model_folder
            if stages is None:
                stages = place / "model"
                others = [path for path, part in zip(paths, folds, strict=True) if part != fold]
                train_stages(data_folder, stages, settings.without("classifier"), report, only=others)
            read.clear()
            read[place] = read_pages(paths, stages, place / READINGS, reading, report, jobs, seconds)
        for k in np.flatnonzero(folds == fold):
            if (page := read[place][k]) is not None:
                snr[k], profiles[k] = _mean(page.snr), page.profile
        return read[place]

    statements = read_statements(names, database)
    parts = [" ".join(map(str, folds)), None if model_folder is None else reading_of(model_folder, reading)]
    parts.append(digest_of(statements))
    keep_or_drop(output / NETWORKS, made_of(records, settings, "classifier", parts), STATES, report)
    trained = train_classifier(records, folds, read_fold, settings, output / NETWORKS, report, statements=statements)
    if trained is None:
        for fold in range(settings.drawing.folds):
            read_fold(fold)
    else:
        labelled = sum(bool(record.labels) for record in records)
        save_classifier(output / "model", trained[0], facts_of(settings.classifier, data_folder, labelled))
    found = CrossValidation(names, folds, tuple(profiles), snr, None if trained is None else trained[1])
    write_report(found, output)
    return found


def write_report(found: CrossValidation, output: Path) -> None:
    """Write ``crossvalidation.json``, ``crossvalidation.md`` and, of labelled records, what the networks said of each:
    ``unseen.npz``."""
    result = figures(found)
    write_text(output / "crossvalidation.json", json.dumps(result, indent=2) + "\n")
    write_text(output / "crossvalidation.md", markdown(result))
    if (unseen := found.unseen) is not None:
        content = io.BytesIO()
        parts = {f"logits_{member}": logits for member, logits in unseen.logits.items()}
        kept = {"names": unseen.names, "classes": unseen.classes, "targets": unseen.targets, "folds": unseen.folds}
        np.savez_compressed(content, **kept, **parts)
        write_bytes(output / UNSEEN, content.getvalue())


def read_unseen(output: Path) -> OutOfFold:
    """What the networks of a cross-validation said of labelled records, from the folder that ``write_report`` wrote.

    Raises FileNotFoundError where there is none, KeyError for a file that lacks a part.
    """
    with np.load(output / UNSEEN) as file:
        logits = {member: file[f"logits_{member}"] for member in MEMBERS if f"logits_{member}" in file}
        names, classes = (tuple(map(str, file[part])) for part in ("names", "classes"))
        return OutOfFold(names, classes, file["targets"], logits, file["folds"])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
