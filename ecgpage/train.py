"""Trains detector, readers of names and scale, digitizer and classifier from digital records, one after the other."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgpage.calibration.scale_reader import save_scale_reader
from ecgpage.calibration.scale_training import train_scale_reader
from ecgpage.detection.detector import DetectorSettings, save_detector
from ecgpage.detection.name_reader import save_name_reader
from ecgpage.detection.name_training import train_name_reader
from ecgpage.detection.train import train_detector
from ecgpage.diagnosis.classifier import Classifier, save_classifier
from ecgpage.diagnosis.dataset import LabelledRecord
from ecgpage.diagnosis.folds import assign_folds, count_patients, find_database
from ecgpage.diagnosis.judge import OutOfFold
from ecgpage.diagnosis.statements import digest_of, read_statements
from ecgpage.diagnosis.train import CLASSIFIER_PAGES, train_classifier
from ecgpage.digitization.digitizer import read_digitizer, save_digitizer
from ecgpage.digitization.network import DigitizerSettings
from ecgpage.digitization.train import train_digitizer
from ecgpage.header import RecordError
from ecgpage.io import find_records, has_signal, read_header, read_signal
from ecgpage.read_pages import ReadingSettings, read_pages, reading_of
from ecgpage.synthesis.records import SHORTEST_SECONDS
from ecgpage.synthesis.signals import VARIED
from ecgpage.training.checkpoints import keep_or_drop
from ecgpage.training.configuration import StageSettings, TrainingSettings, settings_from_environment
from ecgpage.training.loading import page_source

READINGS = "readings"
"""Folder that keeps what was read from pages for the classifier."""

READING_SHARE = 0.5
"""Most of the classifier's time that goes into reading pages."""

STATES = ("*.safetensors", CLASSIFIER_PAGES)
"""Names of what a training goes on from."""

CHECKPOINTS = "checkpoints"
"""Folder inside the model folder that keeps the state of a training, so that it can go on."""


def train_stages(
    data_folder: Path,
    model_folder: Path,
    settings: TrainingSettings | None = None,
    report: Callable[[str], None] = print,
    network: DetectorSettings | None = None,
    weights: Path | None = None,
    database: Path | None = None,
    only: Collection[Path] | None = None,
) -> None:
    """Train all stages and save them in ``model_folder``; a stage with a budget of 0 s is left out.

    data_folder: WFDB records with signals, 12 leads, Challenge headers; pages are drawn from them. settings: by
    default what the environment asks for. network: the detector's variant and input size. weights: a checkpoint that
    detector (see ``train_detector``) or digitizer start from. database: PTB-XL's table, whose patients the classifier
    keeps together (by default the one in or beside the folder). only: paths of the records to train on, of those in
    the folder; by default all. A training that was stopped goes on from ``model_folder/checkpoints``.
    Raises RecordError where the folder has no record with a signal.
    """
    settings = settings or settings_from_environment()
    records = find_training_records(data_folder, report)
    if only is not None:
        records = [record for record in records if record.path in only]
    database = database or find_database(data_folder)
    paths = [record.path for record in records]
    classified = paths if settings.classifier.seconds > 0 else []
    statements = read_statements(
        [path.name for path in classified], database
    )  # what is wrong is said before hours pass
    drawing = settings.drawing

    def state_folder(stage: str, *more: object) -> Path:
        folder = model_folder / CHECKPOINTS / stage
        keep_or_drop(folder, made_of(records, settings, stage, more), STATES, report)
        return folder

    start = None if weights is None else hashlib.blake2b(weights.read_bytes(), digest_size=16).hexdigest()
    started = {"weights": weights.name} if weights else {}
    if settings.detector.seconds > 0:
        network = network or DetectorSettings()
        state = state_folder("detector", asdict(network), start) / "state.safetensors"
        detector = train_detector(paths, drawing, settings.detector, state, network, report, weights)
        save_detector(model_folder, detector, facts_of(settings.detector, data_folder, len(paths)) | started)
    if settings.name_reader.seconds > 0:
        state = state_folder("name_reader") / "state.safetensors"
        reader = train_name_reader(paths, drawing, settings.name_reader, state, report)
        save_name_reader(model_folder, reader, facts_of(settings.name_reader, data_folder, len(paths)))
    if settings.scale_reader.seconds > 0:
        state = state_folder("scale_reader") / "state.safetensors"
        scales = train_scale_reader(paths, drawing, settings.scale_reader, state, report)
        save_scale_reader(model_folder, scales, facts_of(settings.scale_reader, data_folder, len(paths)))
    if settings.digitizer.seconds > 0:
        drawer = page_source(drawing, VARIED)
        shape = asdict(DigitizerSettings())
        state, pages = state_folder("digitizer", shape, start) / "state.safetensors", drawing.pages
        named, initial = _named("digitizer", report), None if weights is None else read_digitizer(weights)
        digitizer = train_digitizer(
            paths, drawer, settings.digitizer, state, named, pages_per_record=pages, initial=initial
        )
        save_digitizer(model_folder, digitizer, facts_of(settings.digitizer, data_folder, len(paths)) | started)
    if settings.classifier.seconds > 0:
        read_by = reading_of(model_folder, classifier_reading(settings))
        state = state_folder("classifier", read_by, digest_of(statements))
        trained = train_diagnosis(records, model_folder, state, settings, report, database, statements)
        if trained is not None:
            labelled = sum(bool(record.labels) for record in records)
            save_classifier(model_folder, trained[0], facts_of(settings.classifier, data_folder, labelled))


def train_diagnosis(
    records: Sequence[LabelledRecord],
    model_folder: Path,
    folder: Path,
    settings: TrainingSettings,
    report: Callable[[str], None],
    database: Path | None = None,
    statements: np.ndarray | None = None,
) -> tuple[Classifier, OutOfFold] | None:
    """Train the classifier on pages read with the stages of a model folder; see ``train_classifier``.

    Reading takes up to ``READING_SHARE`` of the stage's time; networks learn of the records left from their own
    signals. statements: (records, S), see ``train_classifier``. folder: keeps what was read and the states. Returns
    None, with a line to ``report``, for labelled records of fewer than two patients.
    """
    named, stage = _named("classifier", report), settings.classifier
    labelled = [record for record in records if record.labels]
    names, paths = [record.path.name for record in labelled], [record.path for record in labelled]
    count = min(settings.drawing.folds, count_patients(names, database))
    if count < 2:
        named(f"{len(labelled)} records with labels, of {count} patients: no classifier is trained, it takes two")
        return None
    folds, seconds = assign_folds(names, count, database, stage.seed), READING_SHARE * stage.seconds
    readings = read_pages(paths, model_folder, folder / READINGS, classifier_reading(settings), named, seconds=seconds)
    networks = replace(settings, classifier=replace(stage, seconds=stage.seconds - seconds))
    if statements is not None:
        statements = statements[np.array([bool(record.labels) for record in records])]
    return train_classifier(labelled, folds, lambda _: readings, networks, folder, named, statements=statements)


def classifier_reading(settings: TrainingSettings) -> ReadingSettings:
    """How pages are read for the classifier."""
    stage = settings.classifier
    drawing = settings.drawing
    return ReadingSettings(drawing.profiles, drawing.drawn_before, stage.seed, stage.precision == "mixed")


def find_training_records(folder: Path, report: Callable[[str], None] = print) -> list[LabelledRecord]:
    """Find the records that pages can be drawn of, with their labels; any other is reported and left out.

    Raises RecordError where none is left.
    """
    records = []
    for name in find_records(folder):
        try:
            header = read_header(folder / name)
        except RecordError as error:
            report(f"left out: {error}")
            continue
        if not has_signal(header):
            report(f"left out: {name} has no signal file")
        elif (fault := _fault(folder / name)) is not None:
            report(f"left out: {fault}")
        elif header.num_samples < SHORTEST_SECONDS * header.fs:
            report(f"left out: {name} lasts {header.num_samples / header.fs:g} s, a page needs {SHORTEST_SECONDS:g} s")
        else:
            records.append(LabelledRecord(folder / name, header.labels))
    if not records:
        raise RecordError(f"expected WFDB records with signals in {folder}, found none to train on")
    report(f"{len(records)} records, {sum(bool(record.labels) for record in records)} with labels")
    return records


def _fault(record: Path) -> str | None:
    """Why a record's signal cannot be read, or None."""
    try:
        read_signal(record)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def made_of(
    records: Sequence[LabelledRecord], settings: TrainingSettings, stage: str, more: Sequence[object] = ()
) -> str:
    """Records, labels and a stage's settings but for the budgets, which may change between runs, as JSON."""
    parts = json.dumps([[record.path.name, *record.labels] for record in records])
    kept = asdict(getattr(settings, stage))
    for budget in ("seconds", "steps", "checkpoint_seconds", "workers", "device"):
        kept.pop(budget)
    digest = hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
    facts = {"records": len(records), "digest": digest, "drawing": asdict(settings.drawing), "settings": kept}
    return json.dumps(facts | {"more": more}, indent=2)


def facts_of(stage: StageSettings, data: Path, records: int) -> dict[str, Any]:
    """What ``model.json`` says of a stage's training."""
    return {"data": data.name, "records": records, "commit": code_version(), "training": asdict(stage)}


def code_version() -> str | None:
    """The commit of this code, "-dirty" where files were changed since; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip() or None


def _named(stage: str, report: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: report(line if line.startswith(stage) else f"{stage}: {line}")
