"""Scores of the George B. Moody PhysioNet Challenge 2024: how close an estimated record comes to its reference.

Defined where the organisers' program stops or prints nan: SNRs end at ``BEST_SNR`` (a perfect estimate); an estimate
without a sample where the reference has some scores as ``NO_ESTIMATE``; a reference without samples, or without any
voltage, has no SNR (NaN) and is left out of means.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.signal import filtfilt

from ecgpage.alignment import align

BEST_SNR = 100.0
"""dB; a perfect estimate's score. Records are kept to 1 uV, which limits others to about 60 dB."""

ASCI_TOLERANCE = 0.05
"""Share of the reference's standard deviation within which a sample counts as right."""

Alignment = Literal["official", "corrected", "none"]
"""How estimates are aligned before they are scored, see ``ecgpage.alignment.align``."""


@dataclass(frozen=True)
class LeadScores:
    """One lead's scores.

    snr: dB, mean noise power; snr_median: dB, median noise power; ks: agreement of the cumulated absolute voltages, at
    best 1; asci: share of samples within the tolerance minus the share beyond it, in [-1, 1];
    weighted_absolute_difference: mV, at best 0, weighted less where the reference runs high. All but the first are NaN
    where they were not asked for.
    """

    snr: float
    snr_median: float = float("nan")
    ks: float = float("nan")
    asci: float = float("nan")
    weighted_absolute_difference: float = float("nan")


NO_ESTIMATE = LeadScores(snr=0.0, snr_median=0.0, ks=0.0, asci=-1.0)
"""Scores of a lead that the estimate leaves out."""


def score_lead(
    reference: np.ndarray,
    estimate: np.ndarray | None,
    fs: float,
    alignment: Alignment = "official",
    extra: bool = False,
) -> LeadScores:
    """Score one lead, by its SNR alone or by all scores.

    reference, estimate: (n,) and (m,) mV at ``fs`` Hz, NaN where unknown; None: no estimate.
    """
    reference, estimate = _same_length(reference, estimate)
    if alignment != "none":
        estimate = align(reference, estimate, fs, corrected=alignment == "corrected")
    both = np.isfinite(reference) & np.isfinite(estimate)
    if not np.isfinite(reference).any():
        return LeadScores(snr=float("nan"))
    if not both.any():
        return NO_ESTIMATE
    covered = np.count_nonzero(both) / np.count_nonzero(np.isfinite(reference))
    true, noise = reference[both], reference[both] - estimate[both]
    snr = decibels(np.mean(true**2), np.mean(noise**2)) * covered
    if not extra:
        return LeadScores(snr)
    return LeadScores(
        snr=snr,
        snr_median=decibels(np.mean(true**2), np.median(noise**2)) * covered,
        ks=_cumulative_agreement(true, estimate[both]),
        asci=float(np.mean(np.where(np.abs(noise) <= ASCI_TOLERANCE * np.std(true), 1.0, -1.0))),
        weighted_absolute_difference=_weighted_absolute_difference(true, noise, fs),
    )


def score_signal(
    reference: np.ndarray,
    reference_names: Sequence[str],
    estimate: np.ndarray | None,
    estimate_names: Sequence[str],
    fs: float,
    alignment: Alignment = "official",
    extra: bool = False,
) -> dict[str, LeadScores]:
    """Score all leads of a record, in the reference's order and spelling.

    reference, estimate: (n, leads), (m, leads) mV. Leads are matched by name whatever their order and case; one that
    the estimate lacks scores NO_ESTIMATE, one that only the estimate has does not count.
    """
    columns = {name.strip().casefold(): k for k, name in enumerate(estimate_names)}
    scores = {}
    for k, name in enumerate(reference_names):
        column = columns.get(name.strip().casefold())
        lead = None if estimate is None or column is None else estimate[:, column]
        scores[name] = score_lead(reference[:, k], lead, fs, alignment, extra)
    return scores


def decibels(signal_power: float, noise_power: float) -> float:
    """Signal over noise power in dB, at most BEST_SNR; NaN for a signal without power."""
    if not signal_power > 0:
        return float("nan")
    if not noise_power > signal_power * 10 ** (-BEST_SNR / 10):
        return BEST_SNR
    return float(10 * np.log10(signal_power / noise_power))


def _same_length(reference: np.ndarray, estimate: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return both as (n,) float64, the shorter one filled up with NaN."""
    estimate = np.empty(0) if estimate is None else estimate
    length = max(len(reference), len(estimate))
    padded = [np.full(length, np.nan) for _ in range(2)]
    for row, values in zip(padded, (reference, estimate), strict=True):
        row[: len(values)] = values
    return padded[0], padded[1]


def _cumulative_agreement(reference: np.ndarray, estimate: np.ndarray) -> float:
    """One minus the largest distance of the two cumulated, normalized absolute voltages."""
    curves = []
    for values in (reference, estimate):
        curve = np.cumsum(np.abs(values))
        curves.append(curve / curve[-1] if curve[-1] > 0 else curve)
    return float(1 - np.max(np.abs(curves[0] - curves[1])))


def _weighted_absolute_difference(reference: np.ndarray, noise: np.ndarray, fs: float) -> float:
    """Mean absolute noise, samples under a high reference (smoothed over 0.1 s) weighing down to one half.

    Plain mean where the lead is too short to be smoothed or never runs above zero.
    """
    width = round(0.1 * fs)
    weights = np.ones_like(reference)
    if width > 1 and len(reference) > 3 * width:
        smooth = filtfilt(np.ones(width), width, reference, method="gust")
        if smooth.max() > 0:
            weights = 1 - 0.5 * smooth / smooth.max()
    return float(np.sum(np.abs(noise) * weights) / np.sum(weights))


def f_measures(reference: Sequence[Collection[str]], estimate: Sequence[Collection[str]]) -> dict[str, float]:
    """F-measure of every class of the reference, sorted by name.

    reference, estimate: the class names of each record, in the same order of records. Classes that only the estimate
    has do not count.
    """
    scores = {}
    for name in sorted(set().union(*reference)):
        true = np.array([name in labels for labels in reference])
        said = np.array([name in labels for labels in estimate])
        scores[name] = float(2 * np.sum(true & said) / (np.sum(true) + np.sum(said)))
    return scores


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
