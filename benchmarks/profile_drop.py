"""What worse pages cost the diagnosis: ``python -m benchmarks.profile_drop -d DATA -c CROSSVALIDATION -o FOLDER``.

Draws and reads a page of the same records in each profile (``-o`` keeps what was read) and has it judged by the
networks of a cross-validation (``python -m ecgpage crossvalidate``, its output folder with the same settings) that
never saw the record's patient, with fusion and thresholds of the other folds' records. Prints, for each profile, the
SNR of what was read (mean over records, dB), F over normal and abnormal, macro F over the classes, and the share of
records that are judged as they are in the first profile.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgpage.cli import HERE
from ecgpage.crossvalidation import NETWORKS, read_unseen
from ecgpage.diagnosis.dataset import LabelledRecord
from ecgpage.diagnosis.judge import OutOfFold, fit_judge
from ecgpage.diagnosis.labels import decide
from ecgpage.diagnosis.metrics import binary_f_measure, macro_f_measure
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.train import TRAINERS, Evidence
from ecgpage.read_pages import ReadingSettings, read_pages
from ecgpage.reporting import text_table
from ecgpage.train import find_training_records
from ecgpage.training.configuration import TrainingSettings, load_settings, settings_from_environment


def judge_pages(
    pages: Sequence[PageReading | None],
    records: Sequence[LabelledRecord],
    unseen: OutOfFold,
    places: np.ndarray,
    settings: TrainingSettings,
    networks: Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (records, classes) bool and whether abnormal (records,) of pages of records at places of ``unseen``."""
    targets, folds = unseen.targets[places].astype(np.float32), unseen.folds[places]
    members = tuple(unseen.logits)
    logits = {member: np.zeros(targets.shape) for member in members}
    evidence = Evidence(records, pages, settings.classifier.seed)
    for member in members:
        trainer = TRAINERS[member](evidence, targets, settings, networks, settings.drawing.folds)
        for fold in np.unique(folds):
            network = trainer.kept(networks / f"{member}-{fold}.safetensors")
            there = np.flatnonzero(folds == fold)
            logits[member][there] = trainer.predict(network, there)
    decided, abnormal = np.zeros((len(records), len(unseen.classes)), bool), np.zeros(len(records), bool)
    for fold in np.unique(folds):
        there = folds == fold
        judge = fit_judge(unseen, members, unseen.folds != fold)
        probabilities = judge.fusion(np.stack([logits[member][there] for member in members], axis=1))
        decided[there] = decide(probabilities[:, :-1], judge.thresholds[:-1], unseen.classes)
        abnormal[there] = probabilities[:, -1] >= judge.thresholds[-1]
    return decided, abnormal


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", default=["kit", "photo"])
    parser.add_argument("-d", "--data", type=Path, required=True)
    parser.add_argument("-c", "--crossvalidation", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="keeps what is read")
    parser.add_argument("-n", type=int, default=100, help="records, a random choice of those judged")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="whose stages read the pages")
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--jobs", type=int, default=0, help="worker processes, 0 for one per processor")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = build_parser().parse_args(arguments)
    settings = load_settings(options.settings) if options.settings else settings_from_environment()
    unseen = read_unseen(options.crossvalidation)
    known = {record.path.name: record for record in find_training_records(options.data)}
    places = np.random.default_rng(0).permutation(len(unseen.names))[: options.n]
    read: dict[str, list[PageReading | None]] = {}
    for profile in options.profiles:
        paths = [known[unseen.names[place]].path for place in places]
        reading = ReadingSettings((profile,), False, settings.classifier.seed, settings.classifier.precision == "mixed")
        read[profile] = read_pages(paths, options.model, options.output / profile, reading, print, options.jobs)
    whole = [k for k in range(len(places)) if all(pages[k] is not None for pages in read.values())]
    if not whole:
        raise SystemExit("none of the records' pages could be read in every profile")
    places, records = places[whole], [known[unseen.names[place]] for place in places[whole]]
    rows, first = [], None
    for profile, pages in read.items():
        shown = [pages[k] for k in whole]
        decided, abnormal = judge_pages(shown, records, unseen, places, settings, options.crossvalidation / NETWORKS)
        first = abnormal if first is None else first
        snr = float(np.mean([np.nanmean(page.snr) for page in shown if page is not None]))
        binary = binary_f_measure(unseen.targets[places, -1], abnormal)
        macro = macro_f_measure(unseen.targets[places, :-1], decided)
        rows.append((profile, len(records), snr, binary, macro, float((abnormal == first).mean())))
    print(text_table(["profile", "records", "SNR dB", "binary F", "macro F", "judged alike"], rows, 3))


if __name__ == "__main__":
    main()
