"""Run the trained Challenge models on a folder of records.

    python run_model.py -d DATA -m MODEL -o OUTPUTS [-v] [-f]

Writes a WFDB record with the recovered voltages and labels for every record of DATA. A record that fails ends the run,
unless ``-f`` is given: then its header alone is written, and the run goes on.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgpage.header import LABELS, RecordError, RecordHeader
from ecgpage.io import find_records, header_path, read_header, write_bytes, write_record
from team_code import load_models, run_models


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Run the trained Challenge models.")
    parser.add_argument("-d", "--data_folder", type=Path, required=True, help="records with page pictures")
    parser.add_argument("-m", "--model_folder", type=Path, required=True, help="trained models")
    parser.add_argument("-o", "--output_folder", type=Path, required=True, help="folder for the recovered records")
    parser.add_argument("-v", "--verbose", action="store_true", help="report progress")
    parser.add_argument("-f", "--allow_failures", action="store_true", help="go on after a record that fails")
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the models on all records; returns how many failed."""
    report: Callable[[str], None] = print if args.verbose else lambda line: None
    records = find_records(args.data_folder)
    if not records:
        raise RecordError(f"no records (*.hea) in {args.data_folder}")
    report("Loading the Challenge models...")
    models = load_models(str(args.model_folder), args.verbose)
    failed = 0
    for number, record in enumerate(records, 1):
        report(f"- {number:>{len(str(len(records)))}}/{len(records)}: {record}...")
        try:
            run_record(args.data_folder / record, args.output_folder / record, models, args.verbose)
        except Exception as error:
            if args.verbose:
                traceback.print_exc()
            if not args.allow_failures:
                raise RecordError(f"record {record} failed: {describe(error)}") from error
            failed += 1
            print(f"run_model.py: record {record} failed, going on: {describe(error)}", file=sys.stderr)
            write_bytes(header_path(args.output_folder / record), header_path(args.data_folder / record).read_bytes())
    report(f"Done: {len(records) - failed} of {len(records)} records.")
    return failed


def run_record(record: Path, output: Path, models: Sequence[Any], verbose: bool) -> None:
    """Run the models on one record and write what they return: the record where there is a signal, else its header."""
    header = read_header(record)
    signal, labels = run_models(str(record), *models, verbose)
    comments = header.comments_without(LABELS)
    if signal is None:
        text = header_path(record).read_text(encoding="utf-8").rstrip("\n") + "\n"
        line = "" if labels is None else f"# {LABELS}: {', '.join(labels)}\n"
        write_bytes(header_path(output), (text + line).encode("utf-8"))
        return
    write_record(
        output.parent,
        output.name,
        checked_signal(signal, header),
        header.fs,
        header.names,
        labels,
        comments,
        gains=[field.gain for field in header.signals],
        baselines=[field.baseline for field in header.signals],
        units=[field.units for field in header.signals],
    )


def checked_signal(signal: Any, header: RecordHeader) -> np.ndarray:
    """Return the signal as an array; raises RecordError where its shape is not the header's."""
    signal = np.asarray(signal)
    expected = (header.num_samples, len(header.signals))
    if signal.shape != expected:
        raise RecordError(f"expected a signal of shape (samples, leads) {expected}, the model gave {signal.shape}")
    return signal


def describe(error: Exception) -> str:
    """Say what went wrong in one line; unforeseen errors with their type."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    try:
        run(get_parser().parse_args(arguments))
    except (ValueError, OSError) as error:
        print(f"run_model.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
