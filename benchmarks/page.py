"""How long one page takes, from its file to the written record, and each stage's share.

    python -m benchmarks.page [--samples DIR] [--model DIR] [--rounds N]

Every page of the folder is digitized once to warm up, then ``--rounds`` times; medians over all rounds are printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgpage.cli import HERE
from ecgpage.io import find_records, read_header, read_image, write_record
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.reporting import text_table
from ecgpage.reporting.tables import Value


def time_page(record: Path, image: Path, pipeline: Pipeline, output: Path) -> dict[str, float]:
    """Digitize one picture of a record and return the seconds of every step, "reading" and "writing" included."""
    header = read_header(record)
    begin = time.perf_counter()
    picture = read_image(image)
    read = time.perf_counter()
    page = pipeline.digitize(picture, header.fs, header.num_samples, header.names)
    digitized = time.perf_counter()
    recording = page.recording
    write_record(output, header.name, recording.signal, recording.fs, recording.names, recording.labels)
    written = time.perf_counter()
    stages = dict(pipeline.stage_seconds)
    other = max(0.0, digitized - read - sum(stages.values()))
    return {"reading": read - begin, **stages, "other": other, "writing": written - digitized}


def median_seconds(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of every step over runs; a step that a run lacks counts as 0 s there."""
    steps = dict.fromkeys(step for run in runs for step in run)
    return {step: float(np.median([run.get(step, 0.0) for run in runs])) for step in steps}


def share_table(seconds: dict[str, float]) -> str:
    """Return a table of every step's seconds and share of the whole."""
    whole = sum(seconds.values())
    rows: list[list[Value]] = [[step, value, 100 * value / whole if whole else 0.0] for step, value in seconds.items()]
    return text_table(["step", "seconds", "% of all"], [*rows, ["all", whole, 100.0]], digits=3, total=True)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.page", description="Time from a page's file to its record.")
    parser.add_argument("--samples", type=Path, default=HERE / "samples", help="folder of records with pages")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    parser.add_argument("--rounds", type=int, default=3, help="how often each page is timed")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    records = [options.samples / name for name in find_records(options.samples)]
    pages = [(record, image) for record in records for image in read_header(record).images]
    if not pages or options.rounds < 1:
        print(f"expected pages in {options.samples} and --rounds of at least 1", file=sys.stderr)
        return 1
    begin = time.perf_counter()
    pipeline = build_pipeline(options.model)
    loading = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as folder:
        for record, image in pages:
            time_page(record, image, pipeline, Path(folder))
        rounds = range(options.rounds)
        runs = [time_page(record, image, pipeline, Path(folder)) for _ in rounds for record, image in pages]
    print(f"Models loaded in {loading:.2f} s. {len(pages)} pages, {options.rounds} rounds, medians:\n")
    print(share_table(median_seconds(runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
