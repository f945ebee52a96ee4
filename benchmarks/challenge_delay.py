"""What a constant delay does to the Challenge score: ``python -m benchmarks.challenge_delay -d RECORDS``.

Takes 2.5 s of leads of real records, adds noise and an error in time as digitizing does, delays them by k samples and
prints the mean SNR with the organisers' alignment and with the corrected one. The organisers' alignment cuts an
estimate that it judges early to almost nothing; one judged late it aligns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecgpage.io import find_records, read_signal
from ecgpage.scoring import score_lead

DELAYS = (0, 2, 4, 6, 8, 12, 16)
CASES = ((10, 1), (15, 1), (20, 1), (20, 3), (25, 1))
"""(SNR in dB, standard deviation of the error in time in samples)."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--data", type=Path, required=True, help="folder of WFDB records of at least 7.5 s")
    parser.add_argument("-n", "--number", type=int, default=20, help="records to take, evenly over the folder")
    options = parser.parse_args()
    leads, fs = take_leads(options.data, options.number)
    print(f"{len(leads)} leads at {fs:g} Hz; mean SNR, organisers' alignment / corrected, dB")
    print("noise  jitter " + "".join(f"{f'{delay} late':>16}" for delay in DELAYS))
    rng = np.random.default_rng(0)
    for decibels, jitter in CASES:
        noisy = [(true, add_noise(true, decibels, rng), round(rng.normal() * jitter)) for true in leads]
        cells = [mean_scores(noisy, delay, fs) for delay in DELAYS]
        print(f"{decibels:>5}  {jitter:>6} " + "".join(f"{f'{a:.2f} / {b:.2f}':>16}" for a, b in cells))


def take_leads(folder: Path, number: int) -> tuple[list[np.ndarray], float]:
    """Three leads of each record, each the 2.5 s from 5 s on: ((n,) mV arrays, fs)."""
    names = find_records(folder)
    leads, fs = [], 0.0
    for name in names[:: max(1, len(names) // number)][:number]:
        signal, fs, _ = read_signal(folder / name)
        part = signal[round(5 * fs) : round(7.5 * fs)]
        leads += [part[:, column] for column in (1, 6, 10) if np.isfinite(part[:, column]).all()]
    return leads, fs


def add_noise(true: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Add smooth noise at an SNR."""
    noise = gaussian_filter1d(rng.standard_normal(len(true)), 1.5)
    return true + noise * np.sqrt(np.mean(true**2) / 10 ** (decibels / 10) / np.mean(noise**2))


def mean_scores(cases: list[tuple[np.ndarray, np.ndarray, int]], delay: int, fs: float) -> tuple[float, float]:
    """Mean SNR of (true, estimate, error in time) delayed by some samples: organisers' alignment, corrected."""
    shifted = [(true, shift(estimate, delay + error)) for true, estimate, error in cases]
    official = [score_lead(true, estimate, fs).snr for true, estimate in shifted]
    corrected = [score_lead(true, estimate, fs, "corrected").snr for true, estimate in shifted]
    return float(np.mean(official)), float(np.mean(corrected))


def shift(signal: np.ndarray, samples: int) -> np.ndarray:
    """Move a signal later by some samples (earlier if negative); unknown samples are NaN."""
    moved = np.full_like(signal, np.nan)
    if samples >= 0:
        moved[samples:] = signal[: len(signal) - samples]
    else:
        moved[:samples] = signal[-samples:]
    return moved


if __name__ == "__main__":
    main()
