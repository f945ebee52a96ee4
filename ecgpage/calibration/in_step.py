"""Rows that are not quite in step, put right by what must agree at every instant.

A recorder's head that is not quite square to paper with a printed grid writes lower rows later or earlier than upper
ones, by some milliseconds that no grid shows; and the last of a bend that the grid does not tell moves a row by itself.
Three laws show it: I + III = II (Einthoven), aVR + aVL + aVF = 0 (Goldberger), and a lead that is printed twice is the
same lead. Of the first two one number is taken, how far the print leans: the limb leads' agreement stays a check of all
else. Steps of single rows that make them agree better were tried: what one half of a column tells makes the other half
agree less in the mean (``benchmarks.row_steps``), so none are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.peaks import peak_offset
from ecgpage.leads import limb_law
from ecgpage.recording import LeadTrace

LIMB_LAWS = limb_law("I", "III", "II"), limb_law("aVR", "aVL", "aVF")
"""Leads of which the sum, with these signs, is 0 at every instant."""

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

_ASCENT = 1e-6  # mm from point to point that keep x ascending where a steep stroke is sheared

Law = list[tuple[LeadTrace, float]]
"""Traces with signs: their sum is 0."""


def print_skew(traces: Sequence[LeadTrace]) -> float:
    """How far the print leans, mm of time per mm of height downwards; 0 where nothing sure is told.

    traces: of one page, in paper millimetres, those of one instant at one x. The limb leads must agree better for it
    by each of their laws; leads printed twice help to tell how far, but by themselves they may stand out of step.
    """
    tried = np.arange(-LARGEST_SKEW, LARGEST_SKEW + SKEW_STEP / 2, SKEW_STEP)
    limb = _losses(limb_laws(traces), tried)
    if not limb:
        return 0.0
    twice = _losses([[(strip, 1.0), (segment, -1.0)] for strip, segment in _twice(_usable(traces))], tried)
    skew, gain = _least(tried, np.mean(limb + twice, axis=0))
    told = [loss[len(tried) // 2] - np.interp(skew, tried, loss) for loss in limb]
    sure = min(gain, np.mean(told)) >= LEAST_GAIN and min(told) > 0
    return skew if sure and abs(skew) >= SMALLEST_SKEW else 0.0


def _losses(laws: Sequence[Law], tried: np.ndarray) -> list[np.ndarray]:
    """How far laws hold at the skews tried, dB each, of those whose leads share enough."""
    losses = [np.array([law_residual(law, skew) for skew in tried]) for law in laws]
    return [loss for loss in losses if np.isfinite(loss).all()]


def limb_laws(traces: Sequence[LeadTrace]) -> list[Law]:
    """The laws of the limb leads whose three leads are among the traces; short segments go before strips."""
    named = {trace.lead.name: trace for trace in sorted(_usable(traces), key=lambda trace: not trace.lead.strip)}
    return [
        [(named[name], sign) for name, sign in law.items()] for law in LIMB_LAWS if all(name in named for name in law)
    ]


def _least(tried: np.ndarray, loss: np.ndarray) -> tuple[float, float]:
    """The place (between those tried) at which the loss, dB, is least, and how much less than in the middle of them.

    At either end nothing is gained.
    """
    best = int(np.argmin(loss))
    if not 0 < best < len(tried) - 1:
        return 0.0, 0.0
    power = 10 ** ((loss[best - 1 : best + 2] - loss[best]) / 10)  # a parabola there, where dB are a cusp
    place = tried[best] + (tried[1] - tried[0]) * peak_offset(*-power)
    return float(place), float(loss[len(tried) // 2] - loss[best])


def strips_in_step(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces, with every rhythm strip moved in time to where its lead's other print has the same beats."""
    usable, result = _usable(traces), []
    tried = np.linspace(-LARGEST_STEP, LARGEST_STEP, STEPS)
    others = {id(strip): segment for strip, segment in _twice(usable)}
    for trace in traces:
        segment, step = others.get(id(trace)), 0.0
        if segment is not None:
            loss = np.array([law_residual([(trace.moved(at), 1.0), (segment, -1.0)], 0.0) for at in tried])
            place, gain = _least(tried, loss) if np.isfinite(loss).all() else (0.0, 0.0)
            step = place if gain >= LEAST_GAIN else 0.0
        result.append(trace.moved(step) if step else trace)
    return result


def without_skew(traces: Sequence[LeadTrace], skew: float) -> list[LeadTrace]:
    """The traces as they would stand on the grid without the skew (mm of time per mm of height)."""
    return [replace(trace.moved(-skew * _middle(trace)), x=_sheared(trace, skew)) for trace in traces]


def _middle(trace: LeadTrace) -> float:
    """Height of the trace's row, mm."""
    return trace.zero if np.isfinite(trace.zero) else (trace.lead.box[1] + trace.lead.box[3]) / 2


def _sheared(trace: LeadTrace, skew: float) -> np.ndarray:
    """The trace's x without the skew, (N,) mm, ascending; where nothing is printed it moves with its row."""
    height = np.where(trace.printed & np.isfinite(trace.y), trace.y, _middle(trace))
    return np.maximum.accumulate(trace.x - skew * height) + _ASCENT * np.arange(len(trace.x))


def _usable(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    return [trace for trace in traces if np.isfinite(trace.zero) and trace.printed.any()]


def _twice(traces: Sequence[LeadTrace]) -> list[tuple[LeadTrace, LeadTrace]]:
    """Each rhythm strip with its lead's short segment, where the page prints both."""
    segments = {trace.lead.name: trace for trace in reversed(traces) if not trace.lead.strip}
    return [(trace, segments[trace.lead.name]) for trace in traces if trace.lead.strip and trace.lead.name in segments]


def law_residual(law: Law, skew: float = 0.0, shortest: float = SHORTEST_MM) -> float:
    """Power of a law's sum over that of its largest lead, dB; NaN where the leads share less than ``shortest`` mm."""
    lines, first, last = [], -np.inf, np.inf
    for trace, _ in law:
        x = _sheared(trace, skew)
        there = x[trace.printed & (trace.x >= trace.lead.box[0]) & (trace.x <= trace.lead.box[2])]
        if not there.size:
            return float("nan")
        first, last = max(first, there[0] + MARGIN_MM), min(last, there[-1] - MARGIN_MM)
        lines.append(x)
    if last - first < shortest:
        return float("nan")
    places = np.arange(first, last, STEP_MM)
    seen = [np.interp(places, x, trace.printed.astype(float)) for (trace, _), x in zip(law, lines, strict=True)]
    places = places[np.min(seen, axis=0) > 0.5]
    if len(places) * STEP_MM < shortest:
        return float("nan")
    values = [
        sign * (-1 if trace.lead.inverted else 1) * np.interp(places, x, trace.zero - trace.y)
        for (trace, sign), x in zip(law, lines, strict=True)
    ]
    largest = max(float(np.var(value)) for value in values)
    return float(10 * np.log10((np.var(np.sum(values, axis=0)) + 1e-9) / (largest + 1e-9)))
