"""Assembly: traces on paper become one record, every lead at its place in time, in millivolts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecgpage.leads import MILLIMETERS_PER_SECOND, USUAL_GAINS, Gains, canonical_lead, gain_of
from ecgpage.recording import PRINTED, LeadTrace

PRINTED_FS = 500.0
"""Samples per second that electrocardiographs usually record, and print."""

CLEAR_ERROR = 0.5
"""Expected error, mm, below which a trace is clear however flat it is."""

ASTRAY = 6.0
"""Millimetres between a trace's median and its row's zero line from which on it is another row's."""

AGREEING = 0.7
"""How far apart two readings of one lead are at most, if both are right, as a share of the deviation that their spreads
give for the difference: a spread is wider than the usual error."""

UNSEEN = 3.0
"""Standard deviation of a box's edge where no end of its trace is seen, mm."""

_EDGE_REACH = 4.0  # mm, how far from its box's edge a trace's printed end is looked for
_FAIR = 0.5  # mm, added to ends' deviations at first, so that a few sharp ones, as where a page is cut, do not decide
_END_REACH = 2.5  # mm around a trace's end within which its presence tells where exactly, and how surely
_SHARPEST = 0.1  # mm, standard deviation of an end that the digitizer is quite sure of
_AGREEMENT = (2.0, 1.0, 0.6, 0.6, 0.6)  # mm, how far ends may be apart that count, step by step


def time_origin(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> float:
    """Find where time 0 lies on paper: x in mm, from what every lead's two ends say.

    A lead that starts s seconds after the page's first sample starts at x = origin + s times the paper's speed (mm/s).
    Where the digitizer saw the trace begin or end within a few millimetres of its box, that is used, else the box's
    edge. An end counts the more the sharper it is seen; those that contradict most others, however sharp, do not count.
    A lead's last sample lies one interval of ``PRINTED_FS`` before the next lead's first. Raises ValueError for no
    traces.
    """
    if not traces:
        raise ValueError("no time origin without at least one trace")
    values, deviations = lead_origins(traces, speed)
    weights = 1 / (_SHARPEST**2 + np.square(deviations))
    origin = _weighted_median(values, 1 / (_FAIR**2 + np.square(deviations)))
    for reach in _AGREEMENT:
        near = weights * biweight(values - origin, reach)
        if near.sum() > 0:
            origin = float((near * values).sum() / near.sum())
    return origin


def biweight(apart: np.ndarray, reach: float) -> np.ndarray:
    """Tukey's biweight of distances, any shape: 1 where nothing is apart, 0 from ``reach`` on, in the same unit."""
    return np.clip(1 - (apart / reach) ** 2, 0, None) ** 2


def lead_origins(traces: Sequence[LeadTrace], speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Where each lead's beginning and its end put time 0, x in mm, and their standard deviations, mm, (2 N,) each: a
    lead's beginning, its end, the next lead's beginning. traces: paper millimetres; speed: mm/s."""
    origins, deviations = [], []
    for trace in traces:
        start, stop = trace.lead.start, trace.lead.start + trace.lead.duration - 1 / PRINTED_FS
        for second, (x, deviation) in zip((start, stop), printed_ends(trace), strict=True):
            origins.append(x - speed * second)
            deviations.append(deviation)
    return np.array(origins), np.array(deviations)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value below which half of the weight lies, between neighbours interpolated: for equal weights the median."""
    order = np.argsort(values)
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(weights.sum() / 2, middles, values[order]))


def printed_ends(trace: LeadTrace) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a trace begins and where it ends: each x and its standard deviation, mm.

    The edges of its lead's box where no end is seen near them, or the picture's edge cuts the trace off.
    """
    printed = np.flatnonzero(_smooth(trace.presence, trace.x) > 0.5)
    first, last = trace.lead.box[0], trace.lead.box[2]
    begin, end = (first, UNSEEN), (last, UNSEEN)
    if printed.size and not trace.cut[0] and abs(trace.x[printed[0]] - first) < _EDGE_REACH:
        begin = _edge(trace.x, trace.presence, trace.x[printed[0]])
    if printed.size and not trace.cut[1] and abs(trace.x[printed[-1]] - last) < _EDGE_REACH:
        end = _edge(trace.x, 1 - trace.presence, trace.x[printed[-1]])
    return begin, end


def _edge(x: np.ndarray, presence: np.ndarray, near: float) -> tuple[float, float]:
    """Mean and standard deviation of where a presence rises from 0 to 1, taken as the distribution of that place."""
    around = np.abs(x - near) < _END_REACH
    return mean_place(*rise(x[around], presence[around]))


def rise(x: np.ndarray, presence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a presence (N,) along x (N,), N > 0, rises from 0 to 1: places (N + 1,), and how much of it is at each."""
    rising = (np.maximum.accumulate(presence) + np.minimum.accumulate(presence[::-1])[::-1]) / 2
    steps = np.diff(np.concatenate([[0.0], rising, [1.0]]))
    return np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]]), steps


def mean_place(places: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of places (N,) of weights (N,), some above 0."""
    total = weights.sum()
    mean = float((weights * places).sum() / total)
    # a weight may lie below 0 by rounding
    return mean, float(np.sqrt(max(0.0, (weights * (places - mean) ** 2).sum() / total)))


def _smooth(presence: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Average presence over 1.5 mm (60 ms), so that one column's doubt makes no hole."""
    if len(x) < 2:
        return presence
    width = max(1, round(1.5 * (len(x) - 1) / (x[-1] - x[0])))
    kernel = np.ones(width) / width
    padded = np.pad(presence, width, mode="edge")
    return np.convolve(padded, kernel, mode="same")[width:-width]


def resample_trace(
    trace: LeadTrace, origin: float, fs: float, num_samples: int, speed: float, gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """One trace at the record's sampling times: ((samples,) mV, NaN where not printed; (samples,) spread, mV).

    Each sample is the trace's mean over one sampling interval, which is the anti-aliasing filter where ``fs`` is low. A
    lead that is printed upside down is put upright. A sample is printed where its presence, over 60 ms, says so.
    origin: x of time 0, mm; speed: mm/s; gain: mm/mV.
    """
    signal = np.full(num_samples, np.nan)
    spread = np.full(num_samples, np.inf)
    start, stop = trace.lead.start, trace.lead.start + trace.lead.duration
    first, last = max(0, round(start * fs)), min(num_samples, round(stop * fs))
    if last <= first or len(trace.x) < 2 or not np.isfinite(trace.zero):
        return signal, spread
    x = origin + speed * np.arange(first, last) / fs
    height = _interval_means(trace.x, trace.y, x, speed / fs)
    printed = np.interp(x, trace.x, _smooth(trace.presence, trace.x), left=0, right=0) >= PRINTED
    part = slice(first, last)
    up = -gain if trace.lead.inverted else gain
    signal[part] = np.where(printed, (trace.zero - height) / up, np.nan)
    spread[part] = np.where(printed, np.interp(x, trace.x, trace.spread) / gain, np.inf)
    return signal, spread


def _interval_means(x: np.ndarray, y: np.ndarray, centers: np.ndarray, width: float) -> np.ndarray:
    """Mean of the piecewise linear y(x) over [c - width / 2, c + width / 2] for every centre c; edges repeat."""
    integral = np.concatenate([[0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)])

    def antiderivative(at: np.ndarray) -> np.ndarray:
        inside = np.clip(at, x[0], x[-1])
        k = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
        step = inside - x[k]
        slope = (y[k + 1] - y[k]) / (x[k + 1] - x[k])
        value = integral[k] + step * (y[k] + slope * step / 2)
        return value + (at - inside) * np.where(at < x[0], y[0], y[-1])

    return (antiderivative(centers + width / 2) - antiderivative(centers - width / 2)) / width


class Assembled(NamedTuple):
    """A record made of traces.

    signal: (samples, leads) float32 mV, NaN where nothing is printed; deviation: (samples, leads) float32 mV, how far
    off the digitizer expects each sample to be (one standard deviation), NaN with its sample.
    """

    signal: np.ndarray
    deviation: np.ndarray


def assemble(
    traces: Sequence[LeadTrace],
    names: Sequence[str],
    fs: float,
    num_samples: int,
    origin: float | None = None,
    speed: float = MILLIMETERS_PER_SECOND,
    gains: Gains = USUAL_GAINS,
) -> Assembled:
    """Put traces into a record of ``num_samples`` at ``fs`` Hz.

    names: the record's leads in its own order and case. origin: where time 0 lies, x in mm, if not where
    ``time_origin`` finds it; speed: mm/s; gains: mm/mV of limb and of chest leads. A lead that is printed twice (a
    short segment and a rhythm strip) takes, where both are printed, their mean, each counted by how well its height is
    known, or, where they do not agree, the better known one; its deviation stays the better known one's, for errors of
    one print are not independent.
    """
    signal = np.full((num_samples, len(names)), np.nan, np.float32)
    deviation = np.full_like(signal, np.nan)
    if not traces:
        return Assembled(signal, deviation)
    origin = time_origin(traces, speed) if origin is None else origin
    for column, name in enumerate(names):
        same = [trace for trace in traces if trace.lead.name == canonical_lead(name)]
        parts = [
            resample_trace(trace, origin, fs, num_samples, speed, gain_of(gains, trace.lead.name)) for trace in same
        ]
        parts.sort(key=lambda part: _mean_spread(part[1]))
        for values, spread in parts:  # the best known comes first
            known, new = np.isfinite(signal[:, column]), np.isfinite(values)
            both = known & new
            if both.any() and _agree(signal[both, column], values[both], deviation[both, column], spread[both]):
                ours, theirs = deviation[both, column] ** 2 + 1e-12, spread[both] ** 2 + 1e-12
                share = theirs / (ours + theirs)
                signal[both, column] = share * signal[both, column] + (1 - share) * values[both]
            signal[new & ~known, column] = values[new & ~known]
            deviation[new & ~known, column] = spread[new & ~known]
    return Assembled(signal, deviation)


def _agree(one: np.ndarray, other: np.ndarray, one_spread: np.ndarray, other_spread: np.ndarray) -> bool:
    """Whether two readings of a lead, mV, differ no more than their spreads tell of their errors."""
    expected = AGREEING**2 * float(np.mean(one_spread**2 + other_spread**2))
    return float(np.mean((one - other) ** 2)) <= expected


def part_trusted(traces: Sequence[LeadTrace]) -> tuple[list[LeadTrace], list[LeadTrace]]:
    """Part traces, in their order, into those that are trusted (``is_trusted``) and the others."""
    parts: tuple[list[LeadTrace], list[LeadTrace]] = ([], [])
    for trace in traces:
        parts[not is_trusted(trace)].append(trace)
    return parts


def is_trusted(trace: LeadTrace) -> bool:
    """Whether a trace is more likely to be right than wrong.

    Not where the digitizer expects an error as large as the signal (and larger than a flat line's), or where the trace
    runs far off its row's zero line: then it follows something else.
    """
    if not trace.printed.any():
        return True
    height = trace.y[trace.printed]
    error = float(np.mean(trace.spread[trace.printed] ** 2))
    if error > max(float(np.var(height)), CLEAR_ERROR**2):
        return False
    return not abs(float(np.median(height)) - trace.zero) > ASTRAY


def _mean_spread(spread: np.ndarray) -> float:
    finite = spread[np.isfinite(spread)]
    return float(finite.mean()) if finite.size else float("inf")


def limb_lead_quality(signal: np.ndarray, names: Sequence[str]) -> float:
    """How well I + III = II holds, dB: 10 log10(var(II) / var(II - I - III)) where all three are known.

    signal: (samples, leads), mV. NaN where one of the three is missing or shares less than 100 samples; capped at 60.
    Needs no ground truth: Einthoven's law holds for every recording.
    """
    columns = {canonical_lead(name): k for k, name in enumerate(names)}
    if not {"I", "II", "III"} <= columns.keys():
        return float("nan")
    one, two, three = (signal[:, columns[name]].astype(np.float64) for name in ("I", "II", "III"))
    known = np.isfinite(one) & np.isfinite(two) & np.isfinite(three)
    if known.sum() < 100:
        return float("nan")
    power, residual = np.var(two[known]), np.var((two - one - three)[known])
    return float(min(60.0, 10 * np.log10((power + 1e-12) / (residual + 1e-12))))
