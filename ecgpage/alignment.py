"""Alignment of an estimated lead to its reference, as the Challenge scores it, in a fraction of the time.

Both traces are drawn as pictures of 256 levels between their common lowest and highest voltage, one pixel per sample,
and smoothed; the peak of the two pictures' cross-correlation over *all* lags tells the shift. Where the peak lies
beyond half a second or one millivolt, the estimate stays where it is.

Ours bounds the correlation with a small transform in single precision and compares the few lags that are left exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

LEVELS = 256
SIGMA = 0.5
"""Standard deviation of the smoothing, in pixels (samples and levels)."""

REACH_SECONDS = 0.5
REACH_MILLIVOLTS = 1.0

_MARGIN = 2
"""Pixels that the smoothing reaches beyond a trace: four standard deviations."""

_KERNEL = np.exp(-0.5 * (np.arange(-_MARGIN, _MARGIN + 1) / SIGMA) ** 2)
_KERNEL /= _KERNEL.sum()

_FEW = 32
"""Lags that are quicker compared one by one than by another transform."""


@dataclass(frozen=True)
class Shift:
    """How the estimate lies against the reference: ``samples`` late (negative: early) and ``millivolts`` too high."""

    samples: int
    millivolts: float


def align(reference: np.ndarray, estimate: np.ndarray, fs: float, corrected: bool = False) -> np.ndarray:
    """Return the estimate moved onto the reference.

    reference, estimate: (n,) float64 mV, NaN where unknown; fs: Hz. A late estimate loses its first samples, an early
    one its last, and NaN fill the gap. By default an early estimate of k samples keeps only its *first k* samples, as
    in the organisers' program; ``corrected`` keeps all but the last k.
    """
    shift = find_shift(reference, estimate, fs)
    if shift is None:
        return estimate
    gap = np.full(abs(shift.samples), np.nan)
    if shift.samples >= 0:
        moved = np.concatenate([estimate[shift.samples :], gap])
    else:
        early = -shift.samples
        kept = estimate[:-early] if corrected else estimate[:early]
        moved = np.concatenate([gap, kept, np.full(len(estimate) - early - len(kept), np.nan)])
    return moved - shift.millivolts


def find_shift(reference: np.ndarray, estimate: np.ndarray, fs: float) -> Shift | None:
    """Return the estimate's shift against the reference, both (n,) mV with NaN, or None where it is out of reach or
    cannot be told (no samples, no voltage, or equally good shifts mostly out of reach, as for a flat estimate)."""
    seen = np.concatenate([reference[np.isfinite(reference)], estimate[np.isfinite(estimate)]])
    if not np.isfinite(reference).any() or not np.isfinite(estimate).any() or seen.min() == seen.max():
        return None
    low, high = seen.min(), seen.max()
    ours, our_corner = _draw(reference, low, high)
    theirs, their_corner = _draw(estimate, low, high)
    lags = _peaks(ours, theirs) + (np.array(our_corner) - np.array(their_corner))
    samples, millivolts = -lags[:, 1], -lags[:, 0] / (LEVELS - 1) * (high - low)
    reached = (np.abs(samples) <= REACH_SECONDS * fs) & (np.abs(millivolts) <= REACH_MILLIVOLTS)
    if 2 * np.count_nonzero(reached) <= len(lags):
        return None
    first = int(np.flatnonzero(reached)[0])
    return Shift(int(samples[first]), float(millivolts[first]))


def _draw(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Draw a trace, smoothed, cut to its extent.

    Returns (picture (rows, columns) float64, (row, column) of its corner). At the edges of the whole drawing (first and
    last sample, lowest and highest level) the smoothing reflects.
    """
    columns = np.flatnonzero(np.isfinite(values))
    # levels count from 1: rounding halves to even depends on it
    rows = np.round((LEVELS - 1) * (values[columns] - low) / (high - low) + 1).astype(int) - 1
    rows = np.clip(rows, 0, LEVELS - 1)
    corner = np.array([rows.min(), columns.min()]) - _MARGIN
    end = np.array([rows.max(), columns.max()]) + _MARGIN + 1
    picture = np.zeros(end - corner)
    for down, vertical in enumerate(_KERNEL):
        for right, horizontal in enumerate(_KERNEL):  # one pixel per column: no two fall on the same place
            picture[rows - rows.min() + down, columns - columns.min() + right] += vertical * horizontal
    for axis, length in enumerate((LEVELS, len(values))):
        picture = np.moveaxis(_reflect(np.moveaxis(picture, axis, 0), corner[axis], length), 0, axis)
    return picture, (max(int(corner[0]), 0), max(int(corner[1]), 0))


def _reflect(picture: np.ndarray, start: int, length: int) -> np.ndarray:
    """Fold what lies before 0 and after ``length`` back inside; the picture's first row stands at ``start``."""
    before, after = max(-start, 0), max(start + len(picture) - length, 0)
    inside = picture[before : len(picture) - after].copy()
    for k in range(before):
        inside[k] += picture[before - 1 - k]
    for k in range(after):
        inside[-1 - k] += picture[len(picture) - after + k]
    return inside


def _peaks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (k, 2) lags (rows, columns) of first against second where their cross-correlation is highest; more than
    one where they tie, in reading order.

    A circular correlation as small as the larger picture adds up lags that fall together; nothing being negative, it
    bounds each of them, which mostly leaves a single candidate. Where not, one without overlap decides.
    """
    shapes = np.array([first.shape, second.shape])
    for size in (shapes.max(axis=0), shapes.sum(axis=0) - 1):
        lags = _candidates(first, second, [fft.next_fast_len(int(length), real=True) for length in size])
        if len(lags) <= _FEW:
            break
    values = _exact(first, second, lags)
    return lags[values >= values.max() * (1 - 1e-9)]


def _candidates(first: np.ndarray, second: np.ndarray, size: list[int]) -> np.ndarray:
    """Return (k, 2) lags, sorted, among which the highest cross-correlation surely is."""
    spectrum = fft.rfft2(first.astype(np.float32), size)
    spectrum *= np.conj(fft.rfft2(second.astype(np.float32), size))
    correlation = fft.irfft2(spectrum, size)
    error = 1e-5 * np.sqrt((first**2).sum() * (second**2).sum())  # of single precision, generously
    best = np.unravel_index(np.argmax(correlation), size)
    bound = _exact(first, second, _unfold(np.array([best]), first, second, size)).max()
    near = np.unravel_index(np.flatnonzero(correlation >= bound - error), size)
    return _unfold(np.stack(near, axis=1), first, second, size)


def _unfold(places: np.ndarray, first: np.ndarray, second: np.ndarray, size: list[int]) -> np.ndarray:
    """Return all lags (k, 2), sorted, that fall on (n, 2) places of a circular correlation of the given size."""
    turns = np.array([(down, right) for down in (0, 1) for right in (0, 1)]) * np.array(size)
    lags = (places[:, None] - turns[None]).reshape(-1, 2)  # (n, 4, 2) -> (4 n, 2)
    possible = (lags < np.array(first.shape)) & (lags > -np.array(second.shape))
    return np.unique(lags[possible.all(axis=1)], axis=0)


def _exact(first: np.ndarray, second: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the cross-correlation at (k, 2) lags in double precision."""
    values = np.empty(len(lags))
    for row in np.unique(lags[:, 0]):
        down = slice(max(row, 0), min(first.shape[0], second.shape[0] + row))
        ours, theirs = first[down], second[down.start - row : down.stop - row]
        here = np.flatnonzero(lags[:, 0] == row)
        columns = lags[here, 1]
        if len(here) <= _FEW:
            values[here] = [_inner_product(ours, theirs, column) for column in columns]
        else:
            length = fft.next_fast_len(ours.shape[1] + theirs.shape[1] - 1, real=True)
            product = (fft.rfft(ours, length) * fft.rfft(theirs, length).conj()).sum(axis=0)
            values[here] = fft.irfft(product, length)[columns]
    return values


def _inner_product(first: np.ndarray, second: np.ndarray, lag: int) -> float:
    """Sum of the products of first and of second moved ``lag`` columns to the right, where they overlap."""
    across = slice(max(lag, 0), min(first.shape[1], second.shape[1] + lag))
    return float(np.einsum("ij,ij->", first[:, across], second[:, across.start - lag : across.stop - lag]))
