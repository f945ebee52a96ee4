"""What reconciled limb leads gain: ``python -m benchmarks.reconciliation PAGES ... [--model DIR]``.

A folder of pages is one that ``benchmarks.true_pages`` reads. Columns of the table: the mean SNR over leads, dB, with
the corrected alignment, of pages as they are read and with their limb leads reconciled
(``ecgpage.calibration.reconciliation``), the limb leads' alone, and how many pages are better and worse by 0.1 dB and
more. Signals that were changed at random (``synthesize --varied``) do not keep to the laws; records as recorded do.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.true_pages import TruePage, read_truth
from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.first_line import time_begins
from ecgpage.calibration.lead_ends import tell_ends
from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.reconciliation import reconciled
from ecgpage.cli import HERE
from ecgpage.io import read_image
from ecgpage.leads import LEADS, LIMB_LEADS
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.reporting import text_table
from ecgpage.scoring import score_lead

CHANGED = 0.1
"""dB from which on a page counts as better or worse."""


def compare(page: TruePage, pipeline: Pipeline) -> np.ndarray | None:
    """SNR of a page's leads, (2, 12) dB: as read and reconciled; None where no lead is found."""
    paper, _, calibration, traces, _ = pipeline.read_leads(read_image(page.picture))
    placed = place_traces(traces, calibration.speed, calibration.column_lines).traces if calibration else []
    if calibration is None or not placed:
        return None
    begin = time_begins(placed, paper, calibration)
    samples, speed, gains = len(page.reference), calibration.speed, calibration.gains
    read = tell_ends(*assemble(placed, LEADS, page.fs, samples, begin, speed, gains), page.fs)
    both = (read.signal, reconciled(*read, LEADS, page.fs, gains[0]))
    return np.array(
        [
            [
                score_lead(true, lead, page.fs, "corrected").snr
                for true, lead in zip(page.reference.T, signal.T, strict=True)
            ]
            for signal in both
        ]
    )


def row(name: str, snrs: Sequence[np.ndarray]) -> tuple[str | float, ...]:
    """A folder's line of the table, of its pages' SNRs, (2, 12) dB each, NaN where a lead is not printed."""
    limb = [LEADS.index(lead) for lead in LIMB_LEADS]
    every = np.ma.masked_invalid(np.reshape(snrs, (-1, 2, len(LEADS))))
    pages = every.mean(axis=2)
    means = [pages.mean(axis=0), every[..., limb].mean(axis=(0, 2))]
    gain = (pages[:, 1] - pages[:, 0]).compressed()
    counts = int((gain >= CHANGED).sum()), int((gain <= -CHANGED).sum())
    return (name, len(every), *np.ma.concatenate(means).filled(np.nan), *counts)


def main() -> None:
    """Compare the folders' pages and print a line for each."""
    parser = argparse.ArgumentParser(prog="benchmarks.reconciliation", description="What reconciled limb leads gain.")
    parser.add_argument("pages", nargs="+", type=Path, help="folders of pages with their truth")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    options = parser.parse_args()
    pipeline, rows = build_pipeline(options.model, diagnosis=False), []
    for folder in options.pages:
        found = [compare(page, pipeline) for page in read_truth(folder)]
        rows.append(row(folder.name, [snrs for snrs in found if snrs is not None]))
    columns = ("pages", "number", "as read", "reconciled", "limb as read", "limb reconciled", "better", "worse")
    print(text_table(columns, rows, digits=3))


if __name__ == "__main__":
    main()
