"""What is measured on an electrocardiogram, for decision trees to weigh: amplitudes, intervals, axes, voltage sums, the
likeness of beats.

All of a ``SignalView``, so on pages' median beats as well as on whole records. A figure that the page does not show is
NaN, which trees take for an answer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecgpage.diagnosis.beats import BEAT_SAMPLES, FS, LEADING_SAMPLES, find_beats, gap_median
from ecgpage.diagnosis.signal_view import FIGURES, UNLIKE, SignalView, likeness
from ecgpage.leads import LEADS

QRS_REACH = (round(0.10 * FS), round(0.12 * FS))
"""Samples before and after a QRS complex's middle in which it begins and ends."""

QRS_EDGE = 0.15
"""Share of the steepest slope below which a QRS complex has not begun or has ended."""

P_WAVE = (0.20, 0.02)
"""s before the QRS complex in which a P wave is looked for."""

ST_SECONDS = (0.0, 0.04, 0.08)
"""s after the QRS complex at which the ST segment's level is taken."""

T_WAVE = (0.08, 0.40)
"""s after the QRS complex in which a T wave is looked for."""

SAMPLE_STEP = 4
"""Of a median beat every fourth sample is a figure too: 31 a second."""

EARLY = 0.88
"""A beat is early that follows the one before after less than this share of the usual interval."""

HALF_QRS = 0.04
"""s from a usual QRS complex's middle to its begin."""

REST_SHARE, REST_LASTS, REST_END = 0.45, 0.32, 0.28
"""Between two beats the heart rests over this share of the interval, up to REST_END s before the next; looked at where
the share lasts longer than REST_LASTS s."""

WAVES = (
    *("r", "q", "s", "r time", "s time", "net", "size", "p", "p low", "t", "t low", "t mean", "t time"),
    *(f"st {round(1000 * seconds)}" for seconds in ST_SECONDS),
)
"""Of each lead; mV, times in s from the QRS complex's begin (r, s) or its end (t)."""

WHOLE = (
    *("qrs seconds", "qrs axis", "t axis", "qrs t angle", "sokolow", "cornell", "limb size", "chest size"),
    *("transition", "p seconds before", "p size", "t seconds after"),
)
"""Of all leads together; mV, s and degrees."""

BEATS = (
    *("early beats", "early unlike beats", "early beats' likeness", "pauses after early beats"),
    *("p likeness", "p scatter", "rest between beats", "alternation"),
)
"""Of the beats one by one."""

SAMPLED = tuple(range(LEADING_SAMPLES % SAMPLE_STEP, BEAT_SAMPLES, SAMPLE_STEP))

MEASUREMENTS = (
    *FIGURES,
    *WHOLE,
    *BEATS,
    *(f"{lead} {wave}" for wave in WAVES for lead in LEADS),
    *(f"{lead} at {(k - LEADING_SAMPLES) / FS:.3f} s" for lead in LEADS for k in SAMPLED),
)
"""Names of all figures, in order."""


def measure(view: SignalView) -> np.ndarray:
    """Return the ``MEASUREMENTS`` of a signal, (len(MEASUREMENTS),) float32, NaN for what it does not show."""
    beat = view.beat.astype(np.float64)
    begin, end = _qrs_span(beat)
    waves = _waves(beat, begin, end)
    parts = [view.figures, _whole(beat, waves, begin, end), _beats(view), *(waves[wave] for wave in WAVES)]
    return np.concatenate([*parts, beat[:, SAMPLED].ravel()]).astype(np.float32)


def _qrs_span(beat: np.ndarray) -> tuple[int, int]:
    """First and last sample of the QRS complex on all leads of the median beat (12, BEAT_SAMPLES)."""
    slope = np.abs(np.gradient(beat, axis=1))
    before, after = QRS_REACH
    middle = LEADING_SAMPLES
    near = slope[:, middle - before : middle + after + 1]
    known = np.isfinite(near).all(axis=1)
    if not known.any():
        return middle - 5, middle + 5
    course = near[known].mean(axis=0)
    steep = np.flatnonzero(course >= QRS_EDGE * course.max())
    peak = int(np.argmax(course))
    first = last = peak
    for place in steep[steep < peak][::-1]:  # a gap of more than two samples ends the complex
        if first - place > 3:
            break
        first = int(place)
    for place in steep[steep > peak]:
        if place - last > 3:
            break
        last = int(place)
    return middle - before + first, middle - before + last


def _waves(beat: np.ndarray, begin: int, end: int) -> Mapping[str, np.ndarray]:
    """Figures of each lead, (12,) each, by the names of ``WAVES``; beat: (12, BEAT_SAMPLES) mV, whose QRS complex
    reaches from the sample ``begin`` to ``end``."""
    qrs = beat[:, begin : end + 1]
    r, r_place = _highest(qrs)
    s, s_place = _highest(-qrs)
    places = np.arange(qrs.shape[1])
    q = np.nanmin(np.where(places <= r_place[:, None], np.nan_to_num(qrs, nan=np.inf), np.inf), axis=1)
    p = beat[:, max(0, begin - round(P_WAVE[0] * FS)) : max(1, begin - round(P_WAVE[1] * FS))]
    t = beat[:, end + round(T_WAVE[0] * FS) : end + round(T_WAVE[1] * FS)]
    t_high, t_place = _highest(t)
    t_low, low_place = _highest(-t)
    found = {
        "r": r,
        "q": np.where(np.isfinite(q), q, np.nan),
        "s": -s,
        "r time": np.where(np.isfinite(r), r_place / FS, np.nan),
        "s time": np.where(np.isfinite(s), s_place / FS, np.nan),
        "net": _mean(qrs),
        "size": r + s,
        "p": _highest(p)[0],
        "p low": -_highest(-p)[0],
        "t": t_high,
        "t low": -t_low,
        "t mean": _mean(t),
        "t time": np.where(np.isfinite(t_high), np.where(t_high >= t_low, t_place, low_place) / FS, np.nan),
    }
    for name, seconds in zip(WAVES[-len(ST_SECONDS) :], ST_SECONDS, strict=True):
        at = end + round(seconds * FS)
        found[name] = _mean(beat[:, at : at + 2])
    return found


def _whole(beat: np.ndarray, waves: Mapping[str, np.ndarray], begin: int, end: int) -> np.ndarray:
    """Figures of all leads together, (len(WHOLE),); beat: (12, BEAT_SAMPLES) mV, whose QRS complex reaches from the
    sample ``begin`` to ``end``; waves: see ``_waves``."""
    of = {lead: k for k, lead in enumerate(LEADS)}
    chest = [of[f"V{k}"] for k in range(1, 7)]
    qrs_axis, t_axis = (
        float(np.degrees(np.arctan2(2 * values[of["aVF"]] / np.sqrt(3), values[of["I"]])))
        for values in (waves["net"], waves["t mean"])
    )
    angle = abs((qrs_axis - t_axis + 180) % 360 - 180)
    r, s, size = waves["r"], waves["s"], waves["size"]
    share = r[chest] / np.maximum(size[chest], 1e-3)
    beyond = np.flatnonzero(share > 0.5)
    transition = np.nan if not np.isfinite(share).any() else float(beyond[0]) if len(beyond) else 6.0
    course = gap_median(np.abs(beat), axis=0)[0]
    p = course[: max(1, begin - round(P_WAVE[1] * FS))]
    t = course[end + round(T_WAVE[0] * FS) :]
    p_size, p_place = _highest(p[None])
    _, t_place = _highest(t[None])
    return np.array(
        [
            (end - begin) / FS,
            qrs_axis,
            t_axis,
            angle,
            max(r[of["V5"]], r[of["V6"]]) - s[of["V1"]],
            r[of["aVL"]] - s[of["V3"]],
            _mean(size[None, :6])[0],
            _mean(size[None, 6:])[0],
            transition,
            (begin - p_place[0]) / FS,
            p_size[0],
            t_place[0] / FS,
        ]
    )


def _beats(view: SignalView) -> np.ndarray:
    """Figures of the beats one by one, (len(BEATS),); NaN where there are fewer than three beats."""
    figures = np.full(len(BEATS), np.nan)
    signal = view.rhythm.T.astype(np.float64)
    places, _ = find_beats(signal.astype(np.float32))
    if len(places) < 3:
        return figures
    intervals = np.diff(places)
    usual = float(np.median(intervals))
    early = np.flatnonzero(intervals < EARLY * usual) + 1  # the beats that come early
    before, after = QRS_REACH
    alike = np.array([likeness(signal, place, view.beat, before, after)[0] for place in places])
    unlike = [k for k in early if alike[k] < UNLIKE]
    pauses = [k for k in early if k < len(intervals) and intervals[k] > usual / EARLY]
    figures[:4] = len(early), len(unlike), _mean(alike[None, early])[0], len(pauses)
    p_first, p_last = round((P_WAVE[0] + HALF_QRS) * FS), round((P_WAVE[1] + HALF_QRS) * FS)
    waves = np.array([likeness(signal, place, view.beat, p_first, -p_last)[0] for place in places])
    figures[4], figures[5] = _mean(waves[None])[0], _spread(waves)
    rest = [
        signal[b - round(REST_SHARE * (b - a)) : b - round(REST_END * FS)]
        for a, b in zip(places, places[1:], strict=False)
        if REST_SHARE * (b - a) > REST_LASTS * FS
    ]
    scatter = [_mean(np.abs(np.diff(part, axis=0)).mean(axis=0)[None])[0] for part in rest if len(part) > 3]
    figures[6] = _mean(np.array(scatter)[None])[0] if scatter else np.nan
    if len(intervals) >= 4:
        first, second = (part - part.mean() for part in (intervals[:-1], intervals[1:]))
        figures[7] = first @ second / np.sqrt((first @ first) * (second @ second) + 1e-6)
    return figures


def _highest(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest of each row and its place, (rows,) each; NaN (and 0) for a row without any."""
    filled = np.where(np.isfinite(values), values, -np.inf)
    place = np.argmax(filled, axis=1)
    largest = filled[np.arange(len(filled)), place]
    return np.where(np.isfinite(largest), largest, np.nan), place


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of what is known of each row, (rows,); NaN for a row without any."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _spread(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) else float("nan")
