"""Whether the columns of a page follow each other in time or all show the same seconds, told by a rhythm strip.

Most electrocardiographs print each column from where the one before ended; some print the same seconds in every
column. A strip below shows where the beats are, and so which of the two it is, unless they come too regularly to tell.
Without a strip, columns tell by themselves: beats stand alike in all of them though the rhythm would not bring them so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.assembly import time_origin
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import LeadTrace

STEP = 0.01
"""s between the places at which steepness is compared."""

REACH, USUAL_REACH = 5, 20
"""Steps by which a column's beats may lie beside the strip's: few where they are said to show its first seconds, many
where they follow each other as usual, since on curled paper a strip is read up to 0.2 s off the rows above it."""

FEWEST = 4 * USUAL_REACH
"""Steps of a column, 0.8 s, below which it shows too little to tell."""

STEEPEST = 0.99
"""Quantile of a trace's steepness that counts as 1."""

LIKE, LIKER = 0.85, 0.25
"""Correlation with the strip from which on columns may show its first seconds, and how much better that must be than
with the seconds that follow from the columns' order."""

ALIKE, LEAST_ALIKE = 0.95, 0.9
"""Correlation of columns with the first one from which on they may show its seconds where no strip tells: the mean over
columns, and the least."""

BEAT_SECONDS = (0.3, 2.0)
"""Shortest and longest time between two beats."""

REGULAR, FIRST_ECHO = 0.5, 0.7
"""A rhythm's correlation with itself, one beat later, from which on it is known; the shortest time at which it is this
share of the highest one is a beat."""

LEAST_DRIFT = 0.08
"""s by which beats of columns that follow each other must come to stand beside those of the first one."""


def show_same_seconds(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> bool:
    """Whether columns of a page show the seconds of its first column, as far as a rhythm strip or their beats tell.

    traces: in flat paper's millimetres, with the times of columns that follow each other; speed: mm/s.
    """
    strips = [trace for trace in traces if trace.lead.strip and trace.printed.any()]
    later = [trace for trace in traces if not trace.lead.strip and trace.lead.start > 0 and trace.printed.any()]
    if not later:
        return False
    if not strips:
        return _columns_repeat([trace for trace in traces if trace.printed.any()], speed)
    origin = time_origin(traces, speed)
    same, following = [], []
    for start in sorted({trace.lead.start for trace in later}):
        column = [trace for trace in later if trace.lead.start == start]
        seconds = np.arange(0.1, column[0].lead.duration - 0.1, STEP)
        if len(seconds) < FEWEST:
            return False
        beats = _steepness(column, origin + speed * (start + seconds))
        same.append(_likeness(beats, _steepness(strips, origin + speed * seconds), REACH))
        following.append(_likeness(beats, _steepness(strips, origin + speed * (start + seconds)), USUAL_REACH))
    return bool(np.mean(same) > max(LIKE, np.mean(following) + LIKER))


def _columns_repeat(traces: Sequence[LeadTrace], speed: float) -> bool:
    """Whether the beats of all columns stand as in the first one, though their rhythm would bring them elsewhere.

    False where only one column is printed. traces: printed ones, in flat paper's millimetres; speed: mm/s.
    """
    origin, columns = time_origin(traces, speed), []
    starts = sorted({trace.lead.start for trace in traces})
    if len(starts) < 2:
        return False
    for start in starts:
        column = [trace for trace in traces if trace.lead.start == start]
        seconds = np.arange(0.1, column[0].lead.duration - 0.1, STEP)
        if len(seconds) < FEWEST:
            return False
        columns.append(_steepness(column, origin + speed * (start + seconds)))
    length = min(map(len, columns))
    columns = [column[:length] for column in columns]
    beat = _beat_seconds(columns)
    later = [start - starts[0] for start in starts[1:]]
    drifts = [abs(seconds - beat * round(seconds / beat)) for seconds in later] if beat else [0.0]
    alike = [_likeness(columns[0], column, REACH) for column in columns[1:]]
    return bool(np.mean(alike) > ALIKE and min(alike) > LEAST_ALIKE and max(drifts) > LEAST_DRIFT)


def _beat_seconds(columns: Sequence[np.ndarray]) -> float | None:
    """Seconds from beat to beat in columns, each (n,) of steepness every ``STEP``; None without a regular rhythm."""
    first, last = round(BEAT_SECONDS[0] / STEP), min(round(BEAT_SECONDS[1] / STEP), len(columns[0]) - FEWEST // 2)
    if last <= first:
        return None
    echoes = np.zeros(last + 1)
    for column in columns:
        rest = column - column.mean()
        echo = [np.dot(rest[: len(rest) - lag], rest[lag:]) / (len(rest) - lag) for lag in range(last + 1)]
        echoes += np.array(echo) / max(echo[0], 1e-9) / len(columns)
    inner = echoes[first:last]
    peaks = first + np.flatnonzero((inner >= echoes[first - 1 : last - 1]) & (inner >= echoes[first + 1 : last + 1]))
    if not len(peaks) or echoes[peaks].max() < REGULAR:
        return None
    return float(STEP * peaks[echoes[peaks] >= FIRST_ECHO * echoes[peaks].max()][0])


def _steepness(traces: Sequence[LeadTrace], places: np.ndarray) -> np.ndarray:
    """Sum over traces of the squared slope at places (n,), mm, each in units of its trace's steepest: (n,)."""
    total = np.zeros(len(places))
    for trace in traces:
        heights = np.interp(places, trace.x, np.where(trace.printed, trace.y, np.nan))
        slope = np.nan_to_num(np.gradient(heights)) ** 2
        total += np.minimum(slope / max(1e-9, float(np.quantile(slope, STEEPEST))), 1.0)
    return np.convolve(total, np.ones(5) / 5, mode="same")


def _likeness(one: np.ndarray, other: np.ndarray, reach: int) -> float:
    """Highest correlation of two courses moved against each other by up to ``reach`` steps; 0 where one is flat."""
    inner = one[reach : len(one) - reach]
    if inner.std() == 0:
        return 0.0
    best = 0.0
    for shift in range(2 * reach + 1):
        moved = other[shift : shift + len(inner)]
        if moved.std() > 0:
            best = max(best, float(np.corrcoef(inner, moved)[0, 1]))
    return best


def as_same_seconds(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> tuple[LeadTrace, ...]:
    """Move every column's traces to where the first column stands, and their times to its seconds."""
    moved = [trace.moved(-speed * trace.lead.start) for trace in traces]
    return tuple(replace(trace, lead=replace(trace.lead, start=0.0)) for trace in moved)
