"""Whether beats run at half their pace, as those of a page at 50 mm/s do that is read at 25 mm/s.

No heart is slow in all it does: where its beats are rare, their QRS complexes are as short and their T waves about as
early as everybody's. A page at twice the usual speed, read at the usual one, shows all of it twice as long.
"""

from __future__ import annotations

import numpy as np

from ecgpage.diagnosis.beats import FS, LEADING_SAMPLES, find_beats, median_beat
from ecgpage.diagnosis.signal_view import resample_gapped

WEIGHTS, BIAS = (-9.5, 3.64, 10.1), 22.78
"""Logistic regression on ``pace_figures``, printed by ``benchmarks.pace``: log-odds of the half pace where both are as
frequent."""

SURE = 5.0
"""Log-odds from which on beats are said to run at half their pace. About one drawn page in fifty runs at 50 mm/s
without saying so, for which the logarithm of fifty would do; real ones are rarer, and the beats of a slow heart with
broad QRS complexes may reach 4.5 at the usual speed."""

SURER = 7.0
"""The same where a pulse speaks for the usual speed."""

LEAST_LIKENESS = 0.1
"""Of slopes ``LAG`` samples apart, the last figure: shorter QRS complexes are not slowed, however rare the beats."""

SLOWEST = 40.0
"""Beats a minute below which rarer ones tell no more: hearts with a block beat as rarely."""

FEWEST_BEATS, FEWEST_LEADS = 3, 3
"""Below which nothing is told."""

AROUND = (20, 26)
"""Samples of a beat, before and after its QRS complex's middle, in which the complex is looked for."""

LAG = 2
"""Samples by which the beats' slopes are compared with themselves: alike where waves are broad."""

T_WAVE = 18
"""Samples after the middle of the QRS complex from which on the T wave is looked for."""


def pace_figures(signal: np.ndarray, fs: float) -> np.ndarray | None:
    """What tells the pace of beats: (3,) logarithms of the rate (beats/min) and of the samples (at ``beats.FS``) after
    which the T wave peaks, and the likeness of slopes ``LAG`` samples apart within the QRS complex.

    signal: (samples, 12) mV at ``fs`` Hz, NaN where nothing is printed. None where too little is.
    """
    coarse = resample_gapped(signal, fs)
    beats, of_leads = find_beats(coarse)
    beat = median_beat(coarse, of_leads)
    beat = beat[np.isfinite(beat).all(axis=1)].astype(np.float64)
    if len(beats) < FEWEST_BEATS or len(beat) < FEWEST_LEADS:
        return None
    around = slice(LEADING_SAMPLES - AROUND[0], LEADING_SAMPLES + AROUND[1])
    slopes = np.diff(beat, axis=1)[:, around]
    height = np.abs(beat - np.median(beat, axis=1, keepdims=True)).mean(axis=0)
    power = float((slopes**2).sum())
    if power <= 0:
        return None
    return np.array(
        [
            np.log(max(SLOWEST, 60 * FS / np.median(np.diff(beats)))),
            np.log(T_WAVE + np.argmax(height[LEADING_SAMPLES + T_WAVE :])),
            (slopes[:, :-LAG] * slopes[:, LAG:]).sum() / power,
        ]
    )


def runs_at_half_pace(signal: np.ndarray, fs: float, least: float = SURE) -> bool:
    """Whether the beats of a signal, (samples, 12) mV at ``fs`` Hz, run at half their pace, by such log-odds."""
    figures = pace_figures(signal, fs)
    if figures is None or figures[-1] < LEAST_LIKENESS:
        return False
    return float(figures @ np.array(WEIGHTS)) + BIAS >= least
