"""Assembly: traces on paper become one record, every lead at its place in time, in millivolts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.leads import MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_SECOND, canonical_lead
from ecgpage.recording import LeadTrace

PRESENCE = 0.35
"""A sample counts as printed where the digitizer's presence, averaged over 60 ms, is at least this."""

INNER_WEIGHT = 0.2
"""What a lead's end inside the page counts for the time origin; an end where nothing follows counts 1."""

_EDGE_REACH = 4.0  # mm, how far from its box's edge a trace's printed end is looked for


def time_origin(traces: Sequence[LeadTrace]) -> float:
    """Find where time 0 lies on paper: x in mm, a weighted median over what every lead's two ends say.

    A lead that starts s seconds after the page's first sample starts at x = origin + 25 s. Where the digitizer saw
    the trace begin or end within a few millimetres of its box, that is used, else the box's edge. The page's outer
    ends, where a trace begins or stops in view, count more than those where the next lead goes on at once.
    Raises ValueError for no traces.
    """
    if not traces:
        raise ValueError("no time origin without at least one trace")
    last_stop = max(trace.lead.start + trace.lead.duration for trace in traces)
    origins, weights = [], []
    for trace in traces:
        first, last = _printed_ends(trace)
        start, stop = trace.lead.start, trace.lead.start + trace.lead.duration
        origins += [first - MILLIMETERS_PER_SECOND * start, last - MILLIMETERS_PER_SECOND * stop]
        weights += [1.0 if start == 0 else INNER_WEIGHT, 1.0 if stop > last_stop - 0.01 else INNER_WEIGHT]
    return _weighted_median(np.array(origins), np.array(weights))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value below which half of the weight lies, between neighbours interpolated: for equal weights the median."""
    order = np.argsort(values)
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(weights.sum() / 2, middles, values[order]))


def _printed_ends(trace: LeadTrace) -> tuple[float, float]:
    """Where the trace begins and ends: (first, last) x, mm."""
    x0, x1 = trace.lead.box[0], trace.lead.box[2]
    printed = np.flatnonzero(_smooth(trace.presence, trace.x) > 0.5)
    if printed.size == 0:
        return x0, x1
    first, last = trace.x[printed[0]], trace.x[printed[-1]]
    return (
        float(first) if abs(first - x0) < _EDGE_REACH else x0,
        float(last) if abs(last - x1) < _EDGE_REACH else x1,
    )


def _smooth(presence: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Average presence over 1.5 mm (60 ms), so that one column's doubt makes no hole."""
    if len(x) < 2:
        return presence
    width = max(1, round(1.5 * (len(x) - 1) / (x[-1] - x[0])))
    kernel = np.ones(width) / width
    padded = np.pad(presence, width, mode="edge")
    return np.convolve(padded, kernel, mode="same")[width:-width]


def zero_lines(traces: Sequence[LeadTrace]) -> list[float]:
    """Each trace's zero line, mm on paper: the median height over all printed leads of its row.

    An electrocardiograph draws the leads of a row about one line, and an ECG spends most of its time near 0 mV.
    """
    rows: dict[int, list[np.ndarray]] = {}
    for trace in traces:
        rows.setdefault(trace.lead.row, []).append(trace.y[trace.presence > PRESENCE])
    medians = {row: np.concatenate(heights) for row, heights in rows.items()}
    medians = {row: float(np.median(h)) if h.size else float("nan") for row, h in medians.items()}
    return [medians[trace.lead.row] for trace in traces]


def resample_trace(
    trace: LeadTrace, origin: float, zero: float, fs: float, num_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """One trace at the record's sampling times: ((samples,) mV, NaN where not printed; (samples,) spread, mV).

    Each sample is the trace's mean over one sampling interval, which is the anti-aliasing filter where ``fs`` is low. A
    lead that is printed upside down is put upright.
    """
    signal = np.full(num_samples, np.nan)
    spread = np.full(num_samples, np.inf)
    start, stop = trace.lead.start, trace.lead.start + trace.lead.duration
    first, last = max(0, round(start * fs)), min(num_samples, round(stop * fs))
    if last <= first or len(trace.x) < 2 or not np.isfinite(zero):
        return signal, spread
    x = origin + MILLIMETERS_PER_SECOND * np.arange(first, last) / fs
    height = _interval_means(trace.x, trace.y, x, MILLIMETERS_PER_SECOND / fs)
    printed = np.interp(x, trace.x, _smooth(trace.presence, trace.x), left=0, right=0) >= PRESENCE
    part = slice(first, last)
    up = -MILLIMETERS_PER_MILLIVOLT if trace.lead.inverted else MILLIMETERS_PER_MILLIVOLT
    signal[part] = np.where(printed, (zero - height) / up, np.nan)
    spread[part] = np.where(printed, np.interp(x, trace.x, trace.spread) / MILLIMETERS_PER_MILLIVOLT, np.inf)
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


def assemble(traces: Sequence[LeadTrace], names: Sequence[str], fs: float, num_samples: int) -> np.ndarray:
    """Put traces into a record: (num_samples, len(names)) float32 mV at ``fs`` Hz, NaN where nothing is printed.

    names: the record's leads in its own order and case. A lead that is printed twice (a short segment and a rhythm
    strip) takes, where both are printed, the one whose height is better known.
    """
    signal = np.full((num_samples, len(names)), np.nan, np.float32)
    if not traces:
        return signal
    origin = time_origin(traces)
    zeros = zero_lines(traces)
    for column, name in enumerate(names):
        same = [k for k, trace in enumerate(traces) if trace.lead.name == canonical_lead(name)]
        parts = [resample_trace(traces[k], origin, zeros[k], fs, num_samples) for k in same]
        parts.sort(key=lambda part: _mean_spread(part[1]), reverse=True)
        for values, _ in parts:  # the best known comes last
            printed = np.isfinite(values)
            signal[printed, column] = values[printed]
    return signal


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
