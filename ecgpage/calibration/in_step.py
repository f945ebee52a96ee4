"""Rows that are not quite in step, put right by what must agree at every instant.

A recorder's head that is not quite square to paper with a printed grid writes lower rows later or earlier than upper
ones, by some milliseconds that no grid shows; and the last of a bend that the grid does not tell moves a row by itself.
Two laws show it: aVR + aVL + aVF = 0 (Goldberger), and a lead that is printed twice is the same lead. I + III = II is
not used, so that the limb leads' agreement stays a check of all that was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.recording import LeadTrace

AUGMENTED = ("aVR", "aVL", "aVF")

STEP_MM = 0.05
"""Millimetres of time between the points at which leads are compared."""

SHORTEST_MM = 25.0
"""Millimetres that leads must share to be compared."""

MARGIN_MM = 1.0
"""Left out at either end of what they share."""

LARGEST_SKEW, SKEW_STEP = 0.016, 0.0005
"""Millimetres of time per millimetre of height: largest looked for, and the steps between those tried."""

LARGEST_STEP, STEPS = 0.6, 25
"""Millimetres by which a strip is moved at most, and how many places are tried."""

LEAST_GAIN = 1.0
"""dB by which leads must agree better for a skew or a step to be believed."""

SMALLEST_SKEW = 0.0005
"""Below it a page counts as straight."""

Law = list[tuple[LeadTrace, float]]
"""Traces with signs: their sum is 0."""


def print_skew(traces: Sequence[LeadTrace]) -> float:
    """How far the print leans, mm of time per mm of height downwards; 0 where nothing sure is told.

    traces: of one page, in paper millimetres, those of one instant at one x.
    """
    usable = _usable(traces)
    named = {trace.lead.name: trace for trace in reversed(usable)}
    laws: list[Law] = [[(strip, 1.0), (segment, -1.0)] for strip, segment in _twice(usable)]
    if all(name in named for name in AUGMENTED):
        laws.append([(named[name], 1.0) for name in AUGMENTED])
    tried = np.arange(-LARGEST_SKEW, LARGEST_SKEW + SKEW_STEP / 2, SKEW_STEP)
    kept = [values for law in laws if np.isfinite(values := [_residual(law, skew) for skew in tried]).all()]
    if not kept:
        return 0.0
    skew = _best(tried, np.mean(kept, axis=0))
    return skew if abs(skew) >= SMALLEST_SKEW else 0.0


def _best(tried: np.ndarray, loss: np.ndarray) -> float:
    """The place (between those tried) at which the loss, dB, is least; 0 where that is at an end or hardly better."""
    best = int(np.argmin(loss))
    if not 0 < best < len(tried) - 1 or loss[len(tried) // 2] - loss[best] < LEAST_GAIN:
        return 0.0
    left, here, right = loss[best - 1 : best + 2]
    return float(tried[best] + (tried[1] - tried[0]) * 0.5 * (left - right) / max(left - 2 * here + right, 1e-9))


def strips_in_step(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces, with every rhythm strip moved in time to where its lead's other print has the same beats."""
    usable, result = _usable(traces), []
    tried = np.linspace(-LARGEST_STEP, LARGEST_STEP, STEPS)
    others = {id(strip): segment for strip, segment in _twice(usable)}
    for trace in traces:
        segment, step = others.get(id(trace)), 0.0
        if segment is not None:
            loss = np.array([_residual([(_moved(trace, at), 1.0), (segment, -1.0)], 0.0) for at in tried])
            step = _best(tried, loss) if np.isfinite(loss).all() else 0.0
        result.append(_moved(trace, step) if step else trace)
    return result


def _moved(trace: LeadTrace, step: float) -> LeadTrace:
    x0, y0, x1, y1 = trace.lead.box
    return replace(trace, x=trace.x + step, lead=replace(trace.lead, box=(x0 + step, y0, x1 + step, y1)))


def without_skew(traces: Sequence[LeadTrace], skew: float) -> list[LeadTrace]:
    """The traces as they would stand on the grid without the skew (mm of time per mm of height)."""
    result = []
    for trace in traces:
        x0, y0, x1, y1 = trace.lead.box
        aside = skew * (trace.zero if np.isfinite(trace.zero) else (y0 + y1) / 2)
        lead = replace(trace.lead, box=(x0 - aside, y0, x1 - aside, y1))
        result.append(replace(trace, lead=lead, x=_sheared(trace, skew)))
    return result


def _sheared(trace: LeadTrace, skew: float) -> np.ndarray:
    """The trace's x without the skew, (N,) mm, still ascending."""
    return np.maximum.accumulate(trace.x - skew * trace.y)


def _usable(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    return [trace for trace in traces if np.isfinite(trace.zero) and trace.printed.any()]


def _twice(traces: Sequence[LeadTrace]) -> list[tuple[LeadTrace, LeadTrace]]:
    """Each rhythm strip with its lead's short segment, where the page prints both."""
    segments = {trace.lead.name: trace for trace in reversed(traces) if not trace.lead.strip}
    return [(trace, segments[trace.lead.name]) for trace in traces if trace.lead.strip and trace.lead.name in segments]


def _residual(law: Law, skew: float) -> float:
    """Power of a law's sum over that of its largest lead, dB; NaN where the leads share too little."""
    lines, first, last = [], -np.inf, np.inf
    for trace, _ in law:
        x = _sheared(trace, skew)
        seen = x[trace.printed & (trace.x >= trace.lead.box[0]) & (trace.x <= trace.lead.box[2])]
        if not seen.size:
            return float("nan")
        first, last = max(first, seen[0] + MARGIN_MM), min(last, seen[-1] - MARGIN_MM)
        lines.append(x)
    if last - first < SHORTEST_MM:
        return float("nan")
    places = np.arange(first, last, STEP_MM)
    values = [
        sign * (-1 if trace.lead.inverted else 1) * np.interp(places, x, trace.zero - trace.y)
        for (trace, sign), x in zip(law, lines, strict=True)
    ]
    largest = max(float(np.var(value)) for value in values)
    return float(10 * np.log10((np.var(np.sum(values, axis=0)) + 1e-9) / (largest + 1e-9)))
