"""Fits what tells beats at half their pace from others, and prints it: ``python -m benchmarks.pace -d RECORDS``.

Each record is looked at as a 3x4 page of its own signal at 25 mm/s, and as one at 50 mm/s read at 25, noisy. Prints the
weights and the bias of ``ecgpage.diagnosis.pace``, fitted to all records, and, each fifth of the records told by what
was fitted to the others, how many are told rightly and wrongly from which log-odds on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.random_records import random_records
from ecgpage.diagnosis.pace import SURE, SURER, pace_figures
from ecgpage.leads import LEADS, PAGE_SECONDS, layout_3x4
from ecgpage.reporting import text_table
from ecgpage.synthesis.records import read_standard_leads

NOISE = 0.01
"""mV."""

FOLDS = 5

HOLD = 0.005
"""What the squares of the weights cost, in records."""


def fit_odds(figures: np.ndarray, slow: np.ndarray) -> np.ndarray:
    """Weights and bias (N + 1,) of a logistic regression of slow, (pages,) of 0 and 1, on figures (pages, N)."""
    inputs, signs = np.column_stack([figures, np.ones(len(figures))]), np.where(slow == 1, 1.0, -1.0)
    middle = inputs.mean(axis=0) * (np.arange(inputs.shape[1]) < figures.shape[1])
    centred = inputs - middle

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (centred @ values)
        slope = centred.T @ (-signs * expit(-margins))
        slope[:-1] += 2 * HOLD * values[:-1]
        return float(np.logaddexp(0, -margins).sum() + HOLD * (values[:-1] ** 2).sum()), slope

    found = minimize(cost, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    found[-1] -= found[:-1] @ middle[:-1]
    return found


def as_page(signal: np.ndarray, fs: float, rng: np.random.Generator) -> np.ndarray:
    """What a 3x4 page shows, (samples, 12) mV, noisy, NaN elsewhere, of a signal (samples, 12) mV at ``fs`` Hz."""
    shown = np.full(signal.shape, np.nan, np.float32)
    for lead in layout_3x4(()).leads:
        part = slice(round(lead.start * fs), round((lead.start + lead.duration) * fs))
        shown[part, LEADS.index(lead.name)] = signal[part, LEADS.index(lead.name)]
    return shown + rng.normal(0, NOISE, shown.shape).astype(np.float32)


def both_paces(record: Path, rng: np.random.Generator) -> list[np.ndarray | None]:
    """The figures of a record's beats at their pace and at half of it, None where nothing is told."""
    signal, fs = read_standard_leads(record)
    signal = signal[: round(PAGE_SECONDS * fs)].astype(np.float32)
    return [pace_figures(as_page(signal[: len(signal) // slower], fs / slower, rng), fs / slower) for slower in (1, 2)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records")
    parser.add_argument("-n", "--number", type=int, default=2000, help="records, at most")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(7)
    chosen = random_records(options.data, options.number, rng)
    rows = [
        (figures, slow, number)
        for number, record in enumerate(chosen)
        for slow, figures in enumerate(both_paces(record, rng))
        if figures is not None
    ]
    if not rows:
        raise SystemExit(f"expected records with beats in {options.data}, found none")
    figures, slow, records = (np.array(column) for column in zip(*rows, strict=True))
    odds = np.zeros(len(rows))
    for fold in range(FOLDS):
        unseen = records % FOLDS == fold
        fitted = fit_odds(figures[~unseen], slow[~unseen])
        odds[unseen] = figures[unseen] @ fitted[:-1] + fitted[-1]
    *weights, bias = fit_odds(figures, slow).round(2).tolist()
    print("weights", weights, "bias", bias)
    print(f"{len(chosen)} records, {len(rows)} of {2 * len(chosen)} pages with beats enough")
    table = [
        [level, int((odds[slow == 1] >= level).sum()), int((odds[slow == 0] >= level).sum())]
        for level in (0.0, 1.0, 2.0, 3.0, 4.0, SURE, 6.0, SURER, 8.0)
    ]
    print(text_table(["log-odds", f"told of {(slow == 1).sum()}", f"wrongly of {(slow == 0).sum()}"], table, digits=1))


if __name__ == "__main__":
    main()
