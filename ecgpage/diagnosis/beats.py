"""The beats of a 12-lead signal with gaps: where they are, and how each lead's usual one looks.

A page shows each lead for a few seconds only, and another lead beside it at another time. Beats are found on all leads
together; cut out around them and laid over each other, they give every lead's usual beat on one common time axis, as
if all twelve had been printed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks

FS = 125.0
"""Hz, of everything the signal network sees: QRS complexes carry little beyond 40 Hz."""

BEFORE, AFTER = 0.32, 0.56
"""Seconds of a beat before and after its QRS complex: P wave to the end of the T wave at usual rates."""
BEAT_SAMPLES = round((BEFORE + AFTER) * FS)
LEADING_SAMPLES = round(BEFORE * FS)

LEVEL = (round((BEFORE - 0.12) * FS), round((BEFORE - 0.06) * FS))
"""Samples of a beat, between P wave and QRS complex, whose median is its zero."""

SLOPE_SHARE = 0.995
"""Quantile of a lead's squared slope that counts as 1: leads of all sizes have a say."""

BLOCK_SECONDS = 1.5
"""Every stretch this long is expected to hold a beat; the median of their steepest places is the usual beat's."""

LEAST_HEIGHT, LEAST_PROMINENCE = 0.3, 0.2
"""Of a beat's steepness, as shares of the usual beat's."""

SHORTEST_INTERVAL = 0.24
"""s; 250 beats a minute."""

STRIP_SHARE = 0.6
"""Share of the time from which on a lead counts as a rhythm strip, which tells best where its beats are."""

SAME_COLUMN = 0.4
"""s; leads that begin and end closer than this stand in one column."""

SAME_BEAT, MOST = 0.08, 0.6
"""s within which two beats are one, and the share of beats that must be."""

FLAT = 0.02
"""Steepness, in units of the leads' steepest, that is no beat."""


def find_beats(signal: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Find the QRS complexes of a signal (samples, leads) at ``FS``.

    Returns (the rhythm's beats, each lead's beats): samples, ascending, possibly none. Beats are where the leads are
    steep, each lead in units of its own steepest places, averaged over the leads printed there; a rhythm strip, where
    there is one, then tells their place to the sample. A lead whose own beats stand elsewhere (columns that all show
    the same seconds, a column read wrongly) keeps its own, and if most do, the rhythm is the strip's alone.
    """
    steep, known = _steepness(signal)
    if not known.any():
        nothing = np.zeros(0, int)
        return nothing, [nothing] * signal.shape[1]
    share = known.mean(axis=0)
    strips = known.any(axis=0) & (share >= max(STRIP_SHARE, 0.8 * share.max()))
    groups = _columns(known, np.flatnonzero(known.any(axis=0) & ~strips))
    beats = _beats_of(steep, known, known.any(axis=0))
    own = [_beats_of(steep, known, group) for group in groups]
    if strips.any():
        strip_beats = _beats_of(steep, known, strips)
        agreeing = [_agree(mine, strip_beats, known, group) for mine, group in zip(own, groups, strict=True)]
        if 2 * sum(agreeing) < len(groups):
            beats = strip_beats
        strip = _smooth(np.where(known[:, strips], steep[:, strips], 0).mean(axis=1), 0.07)
        beats = np.unique([_steepest_near(strip, beat) for beat in beats]).astype(int)
    of_leads = [beats] * signal.shape[1]
    for mine, group in zip(own, groups, strict=True):
        if not _agree(mine, beats, known, group):
            for lead in np.flatnonzero(group):
                of_leads[lead] = mine
    return beats, of_leads


def _columns(known: np.ndarray, leads: np.ndarray) -> list[np.ndarray]:
    """Group leads that begin and end about together: (leads,) bool each."""
    groups: dict[tuple[int, int], np.ndarray] = {}
    for lead in leads:
        there = np.flatnonzero(known[:, lead])
        key = next((k for k in groups if max(abs(k[0] - there[0]), abs(k[1] - there[-1])) < SAME_COLUMN * FS), None)
        if key is None:
            key = (int(there[0]), int(there[-1]))
            groups[key] = np.zeros(known.shape[1], bool)
        groups[key][lead] = True
    return list(groups.values())


def _beats_of(steep: np.ndarray, known: np.ndarray, leads: np.ndarray) -> np.ndarray:
    """Beats on the leads of a mask, averaged."""
    printed = known[:, leads].sum(axis=1)
    course = _smooth(np.where(known[:, leads], steep[:, leads], 0).sum(axis=1) / np.maximum(printed, 1), 0.09)
    size = round(BLOCK_SECONDS * FS)
    blocks = [course[start : start + size].max() for start in range(0, max(1, len(course) - size // 2), size)]
    usual = float(np.median([block for block in blocks if block > FLAT] or [0.0]))
    if usual <= 0:
        return np.zeros(0, int)
    beats, _ = find_peaks(
        course, height=LEAST_HEIGHT * usual, distance=round(SHORTEST_INTERVAL * FS), prominence=LEAST_PROMINENCE * usual
    )
    return beats


def _agree(mine: np.ndarray, others: np.ndarray, known: np.ndarray, group: np.ndarray) -> bool:
    """Whether most of a column's beats are among the others', and most of those there among its own."""
    there = np.flatnonzero(known[:, group].any(axis=1))
    others = others[(others >= there[0]) & (others <= there[-1])]
    if not len(mine) or not len(others):
        return len(mine) == len(others)
    near = np.abs(mine[:, None] - others) <= SAME_BEAT * FS
    return min(near.any(axis=1).mean(), near.any(axis=0).mean()) >= MOST


def _steepness(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (squared slope in units of the lead's steepest, where it is known), both (samples, leads)."""
    slope = np.full_like(signal, np.nan)
    slope[1:-1] = (signal[2:] - signal[:-2]) * (FS / 2)  # mV/s
    squares = slope**2
    known = np.isfinite(squares)
    for lead in range(signal.shape[1]):
        there = squares[known[:, lead], lead]
        if len(there) < FS / 2:
            known[:, lead] = False
        else:
            squares[:, lead] /= max(float(np.quantile(there, SLOPE_SHARE)), 1e-3)
    return np.minimum(squares, 2.0), known


def _smooth(values: np.ndarray, seconds: float) -> np.ndarray:
    return uniform_filter1d(uniform_filter1d(values, max(1, round(seconds * FS))), 3)


def _steepest_near(course: np.ndarray, place: int) -> int:
    first = max(0, place - round(0.06 * FS))
    near = course[first : place + round(0.06 * FS) + 1]
    return first + int(np.argmax(near)) if near.max() > FLAT else int(place)


def median_beat(signal: np.ndarray, of_leads: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median of each lead's beats, (leads, BEAT_SAMPLES) mV from its level before the QRS complex on.

    signal: (samples, leads) at ``FS``; of_leads: the samples of each lead's QRS complexes. NaN where no beat of the
    lead is printed.
    """
    padded = np.pad(signal, ((LEADING_SAMPLES, BEAT_SAMPLES - LEADING_SAMPLES), (0, 0)), constant_values=np.nan)
    result = np.full((signal.shape[1], BEAT_SAMPLES), np.nan, np.float32)
    for lead, beats in enumerate(of_leads):
        if len(beats):
            windows = padded[beats[:, None] + np.arange(BEAT_SAMPLES), lead]  # (beats, BEAT_SAMPLES)
            level = gap_median(windows[:, slice(*LEVEL)], axis=1)
            level = np.where(np.isfinite(level), level, gap_median(windows, axis=1))
            result[lead] = gap_median(windows - level, axis=0)[0]
    return result


def gap_median(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Median over an axis, kept with length 1, of what is not NaN; NaN where nothing is."""
    if not values.shape[axis]:
        return np.full([1 if k == axis else size for k, size in enumerate(values.shape)], np.nan)
    ordered = np.sort(values, axis=axis)  # NaN last
    count = np.isfinite(values).sum(axis=axis, keepdims=True)
    middles = [np.take_along_axis(ordered, np.maximum(half, 0), axis) for half in ((count - 1) // 2, count // 2)]
    odd = count % 2 == 1
    middle = np.where(odd, middles[0], (middles[0] + middles[1]) / 2)
    return np.where(count > 0, middle, np.nan)
