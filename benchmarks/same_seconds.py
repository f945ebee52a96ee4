"""How surely columns that show the same seconds are told: ``python -m benchmarks.same_seconds -d DATA [-n RECORDS]``.

Each record's leads stand as traces of a page, with the noise of a reading, in columns that follow each other and in
columns that all show the first seconds, with a rhythm strip and without, on pages of ten seconds and, as at 50 mm/s,
of five. Columns of the table: how many of the former are taken to follow each other, and how many of the latter to show
the same seconds, %.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.random_records import random_records
from ecgpage.calibration.simultaneous import show_same_seconds
from ecgpage.leads import LEADS, MILLIMETERS_PER_SECOND, PAGE_SECONDS, PageLayout, by_columns, layout_grid
from ecgpage.recording import LeadBox, LeadTrace
from ecgpage.reporting import text_table
from ecgpage.synthesis.records import read_standard_leads

FS = 250.0
GRIDS = {"3x4": by_columns(LEADS, 4), "6x2": by_columns(LEADS, 2)}
LEFT, ROW, GAIN = 30.0, 30.0, 10.0
"""mm of the rows' start, mm between them, mm/mV."""

NOISE, ASTRAY = 0.05, 0.03
"""mm by which each point of a trace is off in height, and a whole trace in time."""


def page_traces(
    signal: np.ndarray, layout: PageLayout, same: bool, rng: np.random.Generator | None = None
) -> list[LeadTrace]:
    """Traces of a signal, (samples, 12) mV at ``FS``, in a layout of columns that follow each other, with the times of
    those; same: all columns show the first seconds. Without rng, exact ones."""
    traces = []
    for lead in layout.leads:
        count = round(lead.duration * FS)
        first = 0 if same and not lead.strip else round(lead.start * FS)
        x = LEFT + MILLIMETERS_PER_SECOND * (lead.offset + np.arange(count) / FS)
        zero = ROW * (1 + lead.row)
        y = zero - GAIN * signal[first : first + count, LEADS.index(lead.name)]
        if rng is not None:
            x, y = x + rng.normal(0.0, ASTRAY), y + rng.normal(0.0, NOISE, count)
        box = (float(x[0]), float(y.min()), float(x[-1]), float(y.max()))
        known = LeadBox(lead.name, box, 1.0, lead.strip, lead.row, lead.column, lead.start, lead.duration)
        traces.append(LeadTrace(known, x, y, np.ones(count), np.full(count, 0.1), zero))
    return traces


def page_signal(record: Path) -> np.ndarray | None:
    """The first ten seconds of a record, (2500, 12) mV at ``FS``; None where a lead lacks any of them."""
    signal, fs = read_standard_leads(record)
    times = np.arange(round(PAGE_SECONDS * FS)) / FS
    known = signal[: round(PAGE_SECONDS * fs)]
    if len(known) < round(PAGE_SECONDS * fs) or not np.isfinite(known).all():
        return None
    return np.stack([np.interp(times, np.arange(len(signal)) / fs, lead) for lead in signal.T], axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Set each record's leads as traces in either order, and print how often it is told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records")
    parser.add_argument("-n", "--number", type=int, default=200, help="records, at random")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    chosen = random_records(options.data, options.number, rng)
    signals = [signal for record in chosen if (signal := page_signal(record)) is not None]
    if not signals:
        raise SystemExit(f"expected records of {PAGE_SECONDS:g} s with twelve leads in {options.data}, found none")
    rows = []
    for seconds, grid, strips in product((PAGE_SECONDS, PAGE_SECONDS / 2), GRIDS, ((), ("II",))):
        layout = layout_grid(GRIDS[grid], strips, seconds)
        right = [
            [show_same_seconds(page_traces(signal, layout, same, rng)) == same for signal in signals]
            for same in (False, True)
        ]
        rows.append((grid, seconds, ", ".join(strips) or "none", len(signals), *(100 * np.mean(one) for one in right)))
    print(text_table(("columns", "seconds", "strip", "records", "following %", "same seconds %"), rows, digits=1))


if __name__ == "__main__":
    main()
