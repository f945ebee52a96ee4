"""How long scoring one record takes, in seconds of CPU time.

    python -m benchmarks.evaluate [-d REFERENCES] [--noise DB] [--late SAMPLES]

Each reference is scored against itself with noise added and shifted late, as ``evaluate_model.py`` does it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgpage.cli import HERE
from ecgpage.io import find_records, read_signal
from ecgpage.reporting import text_table
from ecgpage.reporting.tables import Value
from ecgpage.scoring import mean, score_signal


def disturb(signal: np.ndarray, decibels: float, late: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``signal`` (samples, leads) with white noise of ``decibels`` SNR per lead, ``late`` samples later."""
    power = np.nanmean(signal.astype(np.float64) ** 2, axis=0)  # (leads,)
    noisy = signal + rng.standard_normal(signal.shape) * np.sqrt(power * 10 ** (-decibels / 10))
    return np.roll(noisy, late, axis=0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.evaluate", description="CPU time of scoring a record.")
    parser.add_argument("-d", "--data_folder", type=Path, default=HERE / "samples", help="reference records")
    parser.add_argument("--noise", type=float, default=15.0, help="SNR of the estimates, dB")
    parser.add_argument("--late", type=int, default=3, help="how late the estimates are, samples")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(arguments)
    records = find_records(options.data_folder)
    if not records:
        print(f"expected records (*.hea) in {options.data_folder}", file=sys.stderr)
        return 1
    rng, snrs, times = np.random.default_rng(0), [], []
    for record in records:
        signal, fs, names = read_signal(options.data_folder / record, np.float64)
        estimate = disturb(signal, options.noise, options.late, rng)
        begin = time.process_time()
        scores = score_signal(signal, names, estimate, names, fs)
        times.append(time.process_time() - begin)
        snrs.append(mean([lead.snr for lead in scores.values()]))
    rows: list[list[Value]] = [list(row) for row in zip(records, snrs, times, strict=True)]
    rows.append(["mean", mean(snrs), mean(times)])
    print(text_table(["record", "SNR", "CPU seconds"], rows, digits=3, total=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
