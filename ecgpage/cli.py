"""The command line: ``python -m ecgpage demo | digitize | synthesize | train | average | crossvalidate | export``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ecgpage.io import PICTURE_TYPES
from ecgpage.leads import LEADS
from ecgpage.recording import PageError

HERE = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 1 with a message on standard error."""
    options = build_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (PageError, OSError, ValueError, FloatingPointError) as error:
        print(f"ecgpage {options.command}: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="ecgpage", description="Paper ECGs to digital ones.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_digitize(commands)
    _add_synthesize(commands)
    _add_train(commands)
    _add_average(commands)
    _add_crossvalidate(commands)
    _add_export(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction) -> None:
    demo = commands.add_parser("demo", help="digitize the sample pages and print their scores")
    demo.add_argument("--samples", type=Path, default=HERE / "samples", help="folder of records with pages")
    demo.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    demo.add_argument("-o", "--output", type=Path, default=Path("demo-output"), help="where records and pictures go")
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from ecgpage import demo
    from team_code import delayed

    demo.run(options.samples, options.model, options.output, submit=delayed)
    return 0


def _add_digitize(commands: argparse._SubParsersAction) -> None:
    digitize = commands.add_parser("digitize", help="digitize pictures of ECG pages into WFDB records")
    digitize.add_argument("-i", "--input", type=Path, required=True, help="a picture, or a folder of pictures")
    digitize.add_argument("-o", "--output", type=Path, required=True, help="where records and reports go")
    digitize.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    digitize.add_argument("--fs", type=float, default=500.0, help="sampling frequency of the records, Hz")
    digitize.add_argument("--seconds", type=float, default=10.0, help="what a whole page shows, s")
    digitize.set_defaults(run=_digitize)


def _digitize(options: argparse.Namespace) -> int:
    from ecgpage.io import read_image, write_record
    from ecgpage.pipeline import build_pipeline
    from ecgpage.reporting.figures import page_report, save_picture
    from ecgpage.reporting.summary_panel import verdict

    pictures = find_pictures(options.input)
    if options.fs <= 0 or options.seconds <= 0:
        raise ValueError(f"--fs and --seconds must be above 0, came {options.fs:g} and {options.seconds:g}")
    pipeline = build_pipeline(options.model)
    options.output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for picture in pictures:
        try:
            page = pipeline.digitize(read_image(picture), options.fs, round(options.fs * options.seconds), LEADS)
        except ValueError as error:
            print(f"{picture}: {error}", file=sys.stderr)
            failed += 1
            continue
        name, recording = record_name(picture, pictures), page.recording
        quality = f"Limb leads as read: I + III = II to {recording.limb_lead_quality:.1f} dB"
        diagnosis = [] if recording.diagnosis is None else [f"Diagnosis: {verdict(recording.diagnosis)}"]
        errors = ", ".join(f"{name} {error:.3f}" for name, error in recording.expected_errors.items())
        quality_lines = [quality, f"Expected error: {errors} mV"] if errors else [quality]
        comments = [
            f"Page: {picture.name}",
            *diagnosis,
            *quality_lines,
            *(f"Warning: {text}" for text in recording.warnings),
        ]
        write_record(options.output, name, recording.signal, recording.fs, recording.names, recording.labels, comments)
        save_picture(options.output / f"{name}.report.png", page_report(page, picture.name))
        notes = "".join(f"\n  {warning}" for warning in recording.warnings)
        print(f"{picture}: {len(page.leads)} leads, {', '.join(recording.labels)}{notes}")
    return 1 if failed else 0


def find_pictures(path: Path) -> list[Path]:
    """Return the picture itself, or the pictures of a folder in the order of their names. Raises PageError for none."""
    if path.is_file():
        return [path]
    pictures = sorted(file for file in path.glob("*") if file.suffix.lower() in PICTURE_TYPES)
    if not pictures:
        raise PageError(f"expected a picture or a folder of pictures ({', '.join(PICTURE_TYPES)}), came {path}")
    return pictures


def record_name(picture: Path, pictures: Sequence[Path]) -> str:
    """Return a record's name for a picture, told apart from the others': its stem, else numbered by its place.

    WFDB allows letters, digits, hyphens and underscores in record names; anything else becomes an underscore.
    """
    name = _plain(picture.stem)
    twins = sum(_plain(other.stem) == name for other in pictures)
    return name if twins == 1 else f"{name}-{1 + list(pictures).index(picture)}"


def _plain(stem: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)


def _add_synthesize(commands: argparse._SubParsersAction) -> None:
    from ecgpage.synthesis.profile import PROFILES

    synthesize = commands.add_parser("synthesize", help="draw pages of records, with ground truth")
    synthesize.add_argument("-i", "--input", type=Path, required=True, help="folder of WFDB records")
    synthesize.add_argument("-o", "--output", type=Path, help="where records and pages go")
    synthesize.add_argument("-n", "--number", type=int, help="pages of each record (1), or on the sheet (12)")
    synthesize.add_argument("--profile", choices=sorted(PROFILES), default="clean", help="kind of pages")
    synthesize.add_argument("--seed", type=int, default=0, help="the same seed draws the same pages")
    synthesize.add_argument("--jobs", type=int, default=1, help="worker processes")
    synthesize.add_argument("--varied", action="store_true", help="change rates, voltages, noise, leads at random")
    synthesize.add_argument("--sheet", type=Path, help="write a contact sheet (.jpg, .png) instead, to look at")
    synthesize.set_defaults(run=_synthesize)


def _synthesize(options: argparse.Namespace) -> int:
    if options.sheet is not None:
        return _draw_sheet(options)
    from ecgpage.synthesis.export import ExportSettings, export_pages

    if options.output is None:
        raise ValueError("expected where the pages go, -o FOLDER, or --sheet FILE")
    number = 1 if options.number is None else options.number
    settings = ExportSettings(options.profile, options.seed, number, options.varied)
    export_pages(options.input, options.output, settings, options.jobs)
    return 0


def _draw_sheet(options: argparse.Namespace) -> int:
    from ecgpage.synthesis.profile import PROFILES
    from ecgpage.synthesis.sheet import check_sheet_name, contact_sheet, write_sheet
    from ecgpage.synthesis.signals import AS_RECORDED, VARIED

    check_sheet_name(options.sheet)
    number = 12 if options.number is None else options.number
    signals = VARIED if options.varied else AS_RECORDED
    sheet = contact_sheet(options.input, PROFILES[options.profile], signals, options.seed, number)
    write_sheet(options.sheet, sheet)
    print(options.sheet)
    return 0


STAGE_NAMES = {
    "detection": "detector",
    "names": "name_reader",
    "scale": "scale_reader",
    "digitization": "digitizer",
    "diagnosis": "classifier",
}  # fmt: skip


def _add_train(commands: argparse._SubParsersAction) -> None:
    train = commands.add_parser("train", help="train one stage on pages drawn from records")
    train.add_argument("stage", choices=sorted(STAGE_NAMES), help="which of the stages")
    train.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records with signals")
    train.add_argument("-m", "--model", type=Path, required=True, help="model folder; its other stages stay")
    train.add_argument("--settings", type=Path, help="settings file (TOML); else as ECGPAGE_TRAINING says")
    train.add_argument("--seconds", type=float, help="time budget, s; a training that was stopped goes on")
    train.add_argument("--weights", type=Path, help="detection, digitization: checkpoint to start from")
    train.add_argument("--variant", choices=("tiny", "full"), default="tiny", help="detection: the network")
    train.add_argument("--height", type=int, help="detection: height of the network's input, a multiple of 32")
    train.add_argument("--width", type=int, help="detection: its width")
    train.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from ecgpage.detection import DetectorSettings
    from ecgpage.train import train_stages
    from ecgpage.training.configuration import load_settings, settings_from_environment

    settings = load_settings(options.settings) if options.settings else settings_from_environment()
    settings = settings.only(STAGE_NAMES[options.stage])
    if options.seconds is not None and options.seconds <= 0:
        raise ValueError(f"--seconds must be above 0, came {options.seconds:g}")
    if settings.seconds <= 0:
        raise ValueError(f"the settings leave {options.stage} no time: seconds = {settings.seconds:g}")
    given = [name for name in ("height", "width") if getattr(options, name) is not None]
    given += ["variant"] if options.variant != "tiny" else []
    if options.stage != "detection" and given:
        raise ValueError(f"--{given[0]} is for the detection stage, not for {options.stage}")
    if options.weights is not None and options.stage not in ("detection", "digitization"):
        raise ValueError(f"--weights is for the detection and digitization stages, not for {options.stage}")
    if options.seconds is not None:
        settings = settings.within(options.seconds)
    size = {side: value for side in ("height", "width") if (value := getattr(options, side)) is not None}
    network = replace(DetectorSettings(variant=options.variant), **size)
    if options.weights is not None and not options.weights.is_file():
        raise ValueError(f"expected a checkpoint to start from, came {options.weights}")
    train_stages(options.data, options.model, settings, network=network, weights=options.weights)
    return 0


def _add_average(commands: argparse._SubParsersAction) -> None:
    average = commands.add_parser("average", help="the mean of several trained weights of one network")
    average.add_argument("weights", type=Path, nargs="+", help="weights files (.safetensors)")
    average.add_argument("-o", "--output", type=Path, required=True, help="where their mean goes (.safetensors)")
    average.add_argument("--shares", type=float, nargs="+", help="how much each counts; all alike where not given")
    average.set_defaults(run=_average)


def _average(options: argparse.Namespace) -> int:
    from ecgpage.training.checkpoints import average_weights

    average_weights(options.weights, options.output, options.shares)
    print(f"{options.output}: the mean of {len(options.weights)} weights files")
    return 0


def _add_crossvalidate(commands: argparse._SubParsersAction) -> None:
    cross = commands.add_parser("crossvalidate", help="judge every record by networks that never saw its patient")
    cross.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records with signals and labels")
    cross.add_argument("-o", "--output", type=Path, required=True, help="where figures and the classifier go")
    cross.add_argument("-m", "--model", type=Path, help="whose stages read the pages; else trained in every fold")
    cross.add_argument("--folds", type=int, help="number of folds; else as the settings say")
    cross.add_argument("--database", type=Path, help="PTB-XL's table of patients (ptbxl_database.csv)")
    cross.add_argument("--settings", type=Path, help="settings file (TOML); else as ECGPAGE_TRAINING says")
    cross.add_argument("--jobs", type=int, default=0, help="worker processes that read pages (0: one per processor)")
    cross.add_argument(
        "--seconds", type=float, default=float("inf"), help="most time for reading pages, s; the rest are not judged"
    )
    cross.set_defaults(run=_crossvalidate)


def _crossvalidate(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from ecgpage.crossvalidation import cross_validate
    from ecgpage.training.configuration import load_settings, settings_from_environment

    settings = load_settings(options.settings) if options.settings else settings_from_environment()
    if options.folds is not None:
        settings = replace(settings, drawing=replace(settings.drawing, folds=options.folds))
    if options.jobs < 0:
        raise ValueError(f"--jobs must be 0 or more, came {options.jobs}")
    if not options.seconds >= 0:
        raise ValueError(f"--seconds must be 0 or more, came {options.seconds:g}")
    cross_validate(
        options.data, options.output, settings, options.model, options.database, options.jobs, options.seconds
    )
    print((options.output / "crossvalidation.md").read_text(encoding="utf-8"))
    return 0


def _add_export(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser("export", help="write the detector as ONNX")
    export.add_argument("-o", "--output", type=Path, required=True, help="where the network goes (.onnx)")
    export.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from ecgpage.detection import load_detector
    from yolov7 import export_onnx

    detector = load_detector(options.model)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(detector.network, options.output, detector.settings.size)
    print(f"{options.output}: images (batch, 3, {detector.settings.height}, {detector.settings.width}) in [0, 1]")
    return 0
