"""A lead's first and last samples, which separators hide, told by a lead that is printed on through them.

A thick bar between two leads covers some hundredths of a second of each; a rhythm strip shows the same beats there. How
a lead goes with it is learnt inside (a linear filter); what is left of the lead then changes little from sample to
sample, so that it is followed outwards, each sample counting by how well it is read (a Kalman filter of a random walk).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.calibration.assembly import Assembled

END_SECONDS = 0.032
"""Seconds at either end of a lead that are told anew."""

REACH_SECONDS, STEP_SECONDS = 0.016, 0.004
"""Seconds by which the filter looks to either side of a sample, and between the places where it looks."""

LEAST_SECONDS = 0.8
"""Seconds that a lead must last for its filter to be learnt."""

USUAL_ERROR = 0.6
"""Usual error of a sample as a share of its deviation, which is wider."""

RIDGE = 0.01
"""Weight, of the reference's mean power, of the expectation that the filter's taps are 0."""

_LEAST_VARIANCE = 1e-10  # mV^2


def tell_ends(signal: np.ndarray, deviation: np.ndarray, fs: float) -> Assembled:
    """A record with the ends of its leads told by leads that are printed on through them; others are as they were read.

    signal, deviation: (samples, leads) mV at ``fs`` Hz, as ``assemble`` makes them; what is given is not changed.
    """
    told = Assembled(signal.copy(), deviation.copy())
    count, reach = round(END_SECONDS * fs), round(REACH_SECONDS * fs)
    runs = [np.ma.clump_unmasked(np.ma.masked_invalid(column)) for column in signal.T]
    for column, own in enumerate(runs):
        for part in own:
            if count < 1 or part.stop - part.start < LEAST_SECONDS * fs:
                continue
            for end, outermost in ((slice(None), part.start - reach), (slice(None, None, -1), part.stop - 1 + reach)):
                first, last = min(part.start, outermost), max(part.stop - 1, outermost)
                through = [
                    signal[:, other]
                    for other, its in enumerate(runs)
                    if any(run.start <= first and last < run.stop for run in its)
                ]
                if through:
                    beside = signal[part, column][end].astype(np.float64)
                    beside -= _foretold(beside, _around(through, part, fs)[end], count)
                    values, spread = told.signal[part, column][end], told.deviation[part, column][end]
                    _follow_outwards(values, spread, beside, count)
    return told


def _around(references: Sequence[np.ndarray], part: slice, fs: float) -> np.ndarray:
    """What references (samples,) show around each sample of a part, (n, taps)."""
    step, reach = max(1, round(STEP_SECONDS * fs)), round(REACH_SECONDS * fs)
    places = np.arange(part.start, part.stop)
    taps = [
        reference[np.clip(places + lag, 0, len(reference) - 1)]
        for reference in references
        for lag in range(-reach, reach + 1, step)
    ]
    return np.nan_to_num(np.stack(taps, axis=1).astype(np.float64))


def _foretold(values: np.ndarray, taps: np.ndarray, count: int) -> np.ndarray:
    """What a linear filter of the taps (n, k), learnt but for ``count`` values at either end, makes of values (n,).

    At the ends it goes no further than inside, for nothing is known there of how what is larger goes with the values.
    """
    inner = slice(count, len(values) - count)
    centered = taps - taps[inner].mean(axis=0)
    products = centered[inner].T @ centered[inner]
    ridge = RIDGE * np.trace(products) / len(products) + _LEAST_VARIANCE
    aim = values[inner] - values[inner].mean()
    foretold = centered @ np.linalg.solve(products + ridge * np.eye(len(products)), centered[inner].T @ aim)
    return np.clip(foretold, foretold[inner].min(), foretold[inner].max())


def _follow_outwards(values: np.ndarray, spread: np.ndarray, beside: np.ndarray, count: int) -> None:
    """Tell the first ``count`` values (n,) and their spread anew, in place, from inside outwards.

    beside: (n,) what is left of the values beside what is foretold; it changes at random from sample to sample, as much
    as inside.
    """
    change = float(np.mean(np.diff(beside[count:-count]) ** 2)) + _LEAST_VARIANCE
    errors = (USUAL_ERROR * spread[: count + 1].astype(np.float64)) ** 2 + _LEAST_VARIANCE
    known, variance = beside[count], errors[count]
    for k in range(count - 1, -1, -1):
        variance += change
        share = variance / (variance + errors[k])
        known += share * (beside[k] - known)
        variance *= 1 - share
        values[k] += known - beside[k]
        spread[k] = np.sqrt(variance) / USUAL_ERROR
