"""A 12-lead signal with gaps as the signal network sees it: usual beats, ten seconds, figures of the rhythm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgpage.diagnosis.beats import FS, LEADING_SAMPLES, find_beats, gap_median, median_beat

RHYTHM_SECONDS = 10.0
RHYTHM_SAMPLES = round(RHYTHM_SECONDS * FS)

COMPLEX = (round(0.08 * FS), round(0.10 * FS))
"""Samples before and after a QRS complex's middle over which two beats are compared."""

IRREGULAR = 0.12
"""An interval that differs by this share from the usual one is irregular."""

FIGURES = (
    "beats, tenths",
    "rate of the median interval, 100/min",
    "mean rate, 100/min",
    "standard deviation of intervals",
    "root mean square of successive differences",
    "median successive difference",
    "shortest interval",
    "longest interval",
    "share of irregular intervals",
    "largest pause after a short interval",
    "least likeness of a beat to the usual one",
    "median likeness",
    "largest size of a beat",
    "share of unlike beats",
)
"""The rhythm's figures; intervals in units of their median, likeness as a correlation, size against the usual beat."""

LARGEST_FIGURE = 5.0
UNLIKE = 0.8


@dataclass(frozen=True)
class SignalView:
    """A signal as the signal network sees it.

    beat: (12, BEAT_SAMPLES) mV, the median beat; rhythm: (12, RHYTHM_SAMPLES) mV around each lead's median, the page's
    ten seconds; both float32, NaN where nothing is printed. figures: (len(FIGURES),) float32.
    """

    beat: np.ndarray
    rhythm: np.ndarray
    figures: np.ndarray


def view_signal(signal: np.ndarray, fs: float) -> SignalView:
    """Look at a signal, (samples, 12) mV at ``fs`` Hz in the order of ``leads.LEADS``, NaN where nothing is printed."""
    coarse = resample_gapped(signal, fs)
    beats, of_leads = find_beats(coarse)
    beat = median_beat(coarse, of_leads)
    rhythm = np.full((RHYTHM_SAMPLES, signal.shape[1]), np.nan, np.float32)
    count = min(len(coarse), RHYTHM_SAMPLES)
    rhythm[:count] = (coarse - gap_median(coarse))[:count]
    return SignalView(beat, rhythm.T, rhythm_figures(coarse, beats, beat))


def resample_gapped(signal: np.ndarray, fs: float) -> np.ndarray:
    """Resample (samples, leads) at ``fs`` Hz to ``FS``: the mean of what is known within half a new sample, float32.

    A new sample without a known one near it is NaN. Signals at less than ``FS`` are interpolated.
    """
    if fs < FS:
        signal, fs = _interpolated(signal, fs), FS
    known = np.isfinite(signal)
    start = np.zeros((1, signal.shape[1]))
    sums = np.concatenate([start, np.cumsum(np.where(known, signal, 0), axis=0, dtype=np.float64)])
    counts = np.concatenate([start, np.cumsum(known, axis=0, dtype=np.float64)])
    places = np.arange(round(len(signal) / fs * FS)) / FS * fs
    reach = max(fs / FS / 2, 0.5)
    first, last = (
        np.clip(np.ceil(places + side * reach - 1e-9), 0, len(signal)).astype(int) for side in (-1, 1)
    )  # [first, last)
    number = counts[last] - counts[first]
    mean = (sums[last] - sums[first]) / np.maximum(number, 1)
    return np.where(number > 0, mean, np.nan).astype(np.float32)


def _interpolated(signal: np.ndarray, fs: float) -> np.ndarray:
    """(samples, leads) at ``fs`` Hz -> at ``FS``: straight lines between known neighbours; beside a gap the nearest."""
    places = np.arange(round(len(signal) / fs * FS)) / FS * fs
    before = np.clip(np.floor(places + 1e-9).astype(int), 0, max(0, len(signal) - 1))
    after = np.minimum(before + 1, max(0, len(signal) - 1))
    share = np.clip(places - before, 0, 1)[:, None]
    line = (1 - share) * signal[before] + share * signal[after]
    return np.where(np.isfinite(line), line, np.where(share < 0.5, signal[before], signal[after]))


def rhythm_figures(signal: np.ndarray, beats: np.ndarray, beat: np.ndarray) -> np.ndarray:
    """Return the rhythm's ``FIGURES``, float32, 0 where there are too few beats to tell.

    signal: (samples, leads) at ``FS``; beats: samples; beat: their median, (leads, BEAT_SAMPLES).
    """
    figures = np.zeros(len(FIGURES), np.float32)
    figures[0] = len(beats) / 10
    if len(beats) >= 3:
        intervals = np.diff(beats) / FS
        usual = float(np.median(intervals))
        changes = np.abs(np.diff(intervals))
        figures[1:10] = (
            0.6 / usual,
            0.6 / intervals.mean(),
            intervals.std() / usual,
            np.sqrt(np.mean(changes**2)) / usual,
            np.median(changes) / usual,
            intervals.min() / usual,
            intervals.max() / usual,
            np.mean(np.abs(intervals / usual - 1) > IRREGULAR),
            (intervals[1:] / intervals[:-1]).max() - 1,
        )
    found = np.array([likeness(signal, place, beat) for place in beats]).reshape(-1, 2)
    found = found[np.isfinite(found).all(axis=1)]
    if len(found):
        alike, size = found.T
        figures[10:] = alike.min(), np.median(alike), size.max(), np.mean(alike < UNLIKE)
    return figures.clip(-LARGEST_FIGURE, LARGEST_FIGURE)


def likeness(
    signal: np.ndarray, place: int, beat: np.ndarray, before: int = COMPLEX[0], after: int = COMPLEX[1]
) -> tuple[float, float]:
    """How one beat resembles the usual one over the leads printed: (correlation, size against it).

    signal: (samples, leads) at ``FS``; place: the sample of the beat's QRS complex; beat: the usual one, (leads,
    BEAT_SAMPLES), in the same unit. Its samples from ``before`` the QRS complex's middle to ``after`` it are compared;
    NaN where they are not printed.
    """
    if place < before or place + after > len(signal):
        return float("nan"), float("nan")
    one = signal[place - before : place + after].T  # (leads, samples)
    usual = beat[:, LEADING_SAMPLES - before : LEADING_SAMPLES + after]
    known = np.isfinite(one).all(axis=1) & np.isfinite(usual).all(axis=1)
    if not known.any():
        return float("nan"), float("nan")
    one, usual = (part[known] - part[known].mean(axis=1, keepdims=True) for part in (one, usual))
    power, usual_power = float(np.sum(one**2)), float(np.sum(usual**2))
    return float(np.sum(one * usual)) / np.sqrt(power * usual_power + 1e-6), np.sqrt(power / (usual_power + 1e-6))
