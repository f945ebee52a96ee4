"""What blanks between columns cost: ``python -m benchmarks.column_gaps -d DATA [-n PAGES] [PROFILE ...]``.

Draws pages with blanks of 1 to 6 mm between their columns and reads them. Columns of the table: how many of the blanks
are told to half a millimetre; the error of those that are told, mm (median, largest); and the Challenge's SNR, the
samples handed over as ``team_code`` does, where time runs through the blanks and where it leaves them out. Last, the
same pages drawn without blanks: how many are taken for pages with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.column_gap import without_gap
from ecgpage.calibration.placement import place_traces
from ecgpage.cli import HERE
from ecgpage.geometry import apply_homography
from ecgpage.io import find_records
from ecgpage.leads import LEADS
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.reporting import text_table
from ecgpage.scoring import score_lead
from ecgpage.synthesis import PROFILES, DrawnPage, Profile
from ecgpage.synthesis.annotations import printed_record
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import VARIED
from team_code import delayed

FS, SAMPLES = 500.0, 5000

GRIDS = (("3x4", 3.0), ("6x2", 1.0))
"""Arrangements in columns that are drawn, with their weights."""

TOLD = 0.5
"""Millimetres by which a blank that is told may be off."""


class Reading(NamedTuple):
    """A page's blank in truth and as found, mm, and its SNR, dB, with time running through and leaving it out."""

    true: float
    found: float
    through: float
    out: float


def with_gaps(profile: Profile, chance: float) -> Profile:
    """The profile in columns that follow each other, with blanks between them at a chance."""
    arrangement = replace(profile.arrangement, grid=GRIDS, simultaneous=0.0, fast=0.0)
    return replace(profile, arrangement=arrangement, print=replace(profile.print, gap=chance))


def true_gap(page: DrawnPage) -> float:
    """Width of the blanks between a drawn page's columns, mm: the median from each lead's last sample to the first of
    the lead beside it. NaN where no two such leads are in the picture."""
    placed = {(drawn.lead.row, drawn.lead.column): drawn for drawn in page.leads if not drawn.lead.strip}
    widths = []
    for (row, column), drawn in placed.items():
        if (beside := placed.get((row, column + 1))) is not None:
            ends = np.stack([drawn.points[-1], beside.points[0]])
            left, right = apply_homography(np.linalg.inv(page.paper_to_picture), ends)[:, 0]
            widths.append(right - left - drawn.speed / drawn.fs)
    known = [width for width in widths if np.isfinite(width)]
    return float(np.median(known)) if known else float("nan")


def read(page: DrawnPage, pipeline: Pipeline) -> Reading | None:
    """Read a drawn page; None where it shows no leads, or where no two columns."""
    digitized = pipeline.digitize(page.image, FS, SAMPLES, LEADS)
    calibration, true = digitized.calibration, true_gap(page)
    if calibration is None or not np.isfinite(true):
        return None
    speed, gains, traces = calibration.speed, calibration.gains, digitized.traces
    placed = place_traces(traces, speed, calibration.column_lines)
    reference = printed_record(page, LEADS, FS, SAMPLES)
    # where the blanks stand open again, time runs through them
    open_again = without_gap(placed.traces, -placed.gap)
    through = assemble(open_again, LEADS, FS, SAMPLES, speed=speed, gains=gains).signal
    return Reading(true, placed.gap, _snr(reference, through), _snr(reference, digitized.recording.signal))


def _snr(reference: np.ndarray, signal: np.ndarray) -> float:
    late = delayed(signal, FS)
    return float(np.nanmean([score_lead(reference[:, k], late[:, k], FS).snr for k in range(len(LEADS))]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, read, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="*", default=["clean", "scan", "photo", "screen"], help="kinds of page")
    parser.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records")
    parser.add_argument("-n", "--number", type=int, default=5, help="pages of each kind")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    options = parser.parse_args(arguments)
    pipeline = build_pipeline(options.model).judged_by(None)
    names, rows = find_records(options.data), []
    for kind, name in enumerate(options.profiles):
        readings: dict[float, list[Reading]] = {0.0: [], 1.0: []}
        for number in range(options.number):
            record = options.data / names[(kind * options.number + number) % len(names)]
            for chance, some in readings.items():
                drawer = RecordDrawer([with_gaps(PROFILES[name], chance)], VARIED)
                reading = read(drawer(record, np.random.default_rng([kind, number])), pipeline)
                some += [] if reading is None else [reading]
        parted, joined = readings[1.0], readings[0.0]
        errors = np.abs([one.found - one.true for one in parted if one.found])
        told = int((errors <= TOLD).sum())
        worst = (np.median(errors), errors.max()) if len(errors) else (np.nan, np.nan)
        snrs = [np.mean([one.through for one in parted]), np.mean([one.out for one in parted])]
        mistaken = sum(one.found > 0 for one in joined)
        rows.append((name, len(parted), told, *worst, *snrs, len(joined), mistaken))
    columns = ("profile", "with blanks", "told", "error mm 50", "100", "SNR through", "left out", "without", "mistaken")
    print(text_table(columns, rows, digits=2))


if __name__ == "__main__":
    main()
