"""Whether the columns of a page follow each other in time or all show the same seconds, told by the beats.

Most electrocardiographs print each column from where the one before ended; some print the same seconds in every
column. A strip below shows where the beats are, and so which of the two it is, unless they come too regularly to tell.
Columns tell by themselves as well: beats stand alike in all of them though the rhythm would not bring them so. A strip
of a lead that a later column prints is the surest: it repeats that lead wave for wave at one place or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.assembly import time_origin
from ecgpage.calibration.peaks import peak_offset
from ecgpage.calibration.strip_names import least_difference
from ecgpage.leads import MILLIMETERS_PER_SECOND, PAGE_SECONDS
from ecgpage.recording import LeadTrace

STEP = 0.005
"""s between the places at which steepness is compared."""

REACH, USUAL_REACH = 10, 40
"""Steps by which a column's beats may lie beside the strip's: few where they are said to show its first seconds, many
where they follow each other as usual, since on curled paper a strip is read up to 0.2 s off the rows above it, and
where columns are compared with each other."""

FEWEST = 4 * USUAL_REACH
"""Steps of a column, 0.8 s, below which it shows too little to tell."""

STEEPEST, SMOOTH = 0.99, 9
"""Quantile of a trace's steepness that counts as 1, and steps over which it is averaged."""

LIKE, LIKER = 0.8, 0.15
"""Correlation with the strip from which on columns may show its first seconds, and how much better that must be than
with the seconds that follow from the columns' order. Of 160 drawn pages whose columns follow each other, it was 0.01
better on one, worse on all others; of eight whose columns do not, at least 0.24 better on all but one, whose strip is
read beside its place."""

ALIKE, LEAST_ALIKE = 0.9, 0.85
"""Correlation of columns with the first one from which on they may show its seconds, the mean over columns and the
least."""

AT_ONCE, STILL_AT_ONCE, FAR_LESS = 0.01, 0.02, 0.25
"""s by which their beats may stand beside its at most; up to the second where that is no more than this share of what
the rhythm would bring them beside it in columns that follow each other."""

ELSEWHERE = 0.1
"""s beside the first column's beats from which on the rhythm would bring those of columns that follow each other
clearly elsewhere. Three columns and more then tell by where their beats stand, even where these look less alike."""

ALIKE_STILL, LEAST_STILL, AT_ONCE_STILL = 0.8, 0.65, 0.025
"""What ``ALIKE``, ``LEAST_ALIKE`` and ``STILL_AT_ONCE`` are for such columns, and for as many without a rhythm. Of 106
drawn pages whose columns follow each other, five show beats within 0.06 s of the first column's in all columns, at a
correlation of 0.5 and more; on each the rhythm brings them there, within 0.06 s."""

BETTER = 0.05
"""How much higher that mean must be than the columns' mean correlation with the strip at the seconds that follow from
their order."""

SAME = -12.0
"""dB of a strip's difference to a short lead, over the larger of the two, below which they are the same lead; other
leads' beats look alike too, but seldom so."""

SURER = 6.0
"""dB by which a strip must be less different (see ``SAME``) from its lead's short print than at the other place."""

BEAT_SECONDS = (0.3, 2.0)
"""Shortest and longest time between two beats."""

REGULAR, FIRST_ECHO = 0.5, 0.7
"""A rhythm's correlation with itself, one beat later, from which on it is known; the shortest time at which it is this
share of the highest one is a beat."""

STEEP = 0.5
"""Share of a column's highest steepness that each beat reaches."""

BEYOND = 1.0
"""s by which the last column must end later than a page's last second."""

LEAST_DRIFT = 0.03
"""s by which the rhythm must bring the beats of columns that follow each other elsewhere than they stand."""


def go_beyond_the_page(traces: Sequence[LeadTrace]) -> bool:
    """Whether columns would show more than a page's seconds if they followed each other: each takes all of them."""
    return any(trace.lead.start + trace.lead.duration > PAGE_SECONDS + BEYOND for trace in traces)


def show_same_seconds(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> bool:
    """Whether columns of a page show the seconds of its first column, as far as a rhythm strip or their beats tell.

    traces: in flat paper's millimetres, with the times of columns that follow each other; speed: mm/s.
    """
    traces = [trace for trace in traces if trace.printed.any()]
    repeats = _strips_repeat_the_first_seconds(traces, speed)
    if repeats is not None:
        return repeats
    strips = [trace for trace in traces if trace.lead.strip]
    starts = sorted({trace.lead.start for trace in traces if not trace.lead.strip})
    origin = time_origin(traces, speed) if traces else 0.0
    columns: list[np.ndarray] = []
    same: list[float] = []
    following: list[float] = []
    for start in starts:
        column = [trace for trace in traces if not trace.lead.strip and trace.lead.start == start]
        seconds = np.arange(0.1, column[0].lead.duration - 0.1, STEP)
        if len(seconds) < FEWEST:
            return False
        beats = _steepness(column, origin + speed * (start + seconds))
        columns.append(beats)
        if strips and start > 0:
            same.append(_likeness(beats, _steepness(strips, origin + speed * seconds), REACH)[0])
            following.append(_likeness(beats, _steepness(strips, origin + speed * (start + seconds)), USUAL_REACH)[0])
    if same and np.mean(same) > max(LIKE, np.mean(following) + LIKER):
        return True
    return _likeness_of_columns(columns, starts) > (float(np.mean(following)) + BETTER if following else 0.0)


def _strips_repeat_the_first_seconds(traces: Sequence[LeadTrace], speed: float) -> bool | None:
    """Whether strips of leads that later columns print show these in their first seconds; None where they do not tell.

    Arguments as of ``show_same_seconds``.
    """
    known = [trace for trace in traces if np.isfinite(trace.zero)]
    shorts = [trace for trace in known if not trace.lead.strip and trace.lead.start > 0]
    prints = [
        (strip, short) for strip in known if strip.lead.strip for short in shorts if short.lead.name == strip.lead.name
    ]
    following = min((least_difference(strip, short) for strip, short in prints), default=np.inf)
    at_first = ((strip, short.moved(-speed * short.lead.start)) for strip, short in prints)
    same = min((least_difference(strip, short) for strip, short in at_first), default=np.inf)
    if min(following, same) > SAME or abs(following - same) < SURER:
        return None
    return same < following


def _likeness_of_columns(columns: Sequence[np.ndarray], starts: Sequence[float]) -> float:
    """Mean correlation of columns' beats with the first one's where they stand as there; else 0.

    0 as well where the rhythm would bring them there in columns that follow each other, or two columns show no rhythm
    for want of beats: of one beat to a column, three and more seldom stand alike by chance. Those may be less alike,
    too, see ``ELSEWHERE``. columns: (n,) steepness every ``STEP``, of each; starts: s at which they begin if they
    follow each other.
    """
    if len(columns) < 2:
        return 0.0
    length = min(map(len, columns))
    columns = [column[:length] for column in columns]
    alike, apart = np.array([_likeness(columns[0], column, USUAL_REACH) for column in columns[1:]]).T
    beat, drift = _beat_seconds(columns), 0.0
    if beat is not None:
        later = np.subtract(starts[1:], starts[0])
        drift = float(np.abs(later - beat * np.round(later / beat)).max())
    elsewhere = len(columns) > 2 and (beat is None or drift > ELSEWHERE)
    still, usual = (ALIKE_STILL, LEAST_STILL, AT_ONCE_STILL), (ALIKE, LEAST_ALIKE, STILL_AT_ONCE)
    mean, least, beside = still if elsewhere else usual
    if alike.mean() <= mean or alike.min() <= least:
        return 0.0
    told = drift > LEAST_DRIFT if beat is not None else len(columns) > 2 or _shows_two_beats(columns[0])
    at_once = np.abs(apart).max() <= np.clip(FAR_LESS * drift, AT_ONCE, beside)
    return float(alike.mean()) if told and at_once else 0.0


def _shows_two_beats(column: np.ndarray) -> bool:
    """Whether steepness, (n,) every ``STEP``, comes up to a beat's twice, further apart than the waves of one."""
    steep = np.flatnonzero(column > STEEP * column.max())
    return bool(len(steep) and (np.diff(steep) >= BEAT_SECONDS[0] / STEP).any())


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
    peak = peaks[echoes[peaks] >= FIRST_ECHO * echoes[peaks].max()][0]
    return float(STEP * (peak + peak_offset(*echoes[peak - 1 : peak + 2])))


def _steepness(traces: Sequence[LeadTrace], places: np.ndarray) -> np.ndarray:
    """Sum over traces of the squared slope at places (n,), mm, each in units of its trace's steepest: (n,)."""
    total = np.zeros(len(places))
    for trace in traces:
        heights = np.interp(places, trace.x, np.where(trace.printed, trace.y, np.nan))
        slope = np.nan_to_num(np.gradient(heights)) ** 2
        total += np.minimum(slope / max(1e-9, float(np.quantile(slope, STEEPEST))), 1.0)
    return np.convolve(total, np.ones(SMOOTH) / SMOOTH, mode="same")


def _likeness(one: np.ndarray, other: np.ndarray, reach: int) -> tuple[float, float]:
    """Highest correlation of two courses moved against each other by up to ``reach`` steps, and by how many s the other
    is then late; (0, 0) where one is flat."""
    inner = one[reach : len(one) - reach]
    likeness = np.zeros(2 * reach + 1)
    for shift in range(2 * reach + 1):
        moved = other[shift : shift + len(inner)]
        if inner.std() > 0 and moved.std() > 0:
            likeness[shift] = np.corrcoef(inner, moved)[0, 1]
    best = int(likeness.argmax())
    if likeness[best] <= 0:
        return 0.0, 0.0
    between = float(peak_offset(*likeness[best - 1 : best + 2])) if 0 < best < 2 * reach else 0.0
    return float(likeness[best]), STEP * (best - reach + between)


def as_same_seconds(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> tuple[LeadTrace, ...]:
    """Move every column's traces to where the first column stands, and their times to its seconds."""
    moved = [trace.moved(-speed * trace.lead.start) for trace in traces]
    return tuple(replace(trace, lead=replace(trace.lead, start=0.0)) for trace in moved)
