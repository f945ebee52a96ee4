"""Rows that are not quite in step, put right by what must agree at every instant.

A recorder's head that is not quite square to paper with a printed grid writes lower rows later or earlier than upper
ones, by some milliseconds that no grid shows; and the last of a bend that the grid does not tell moves a row by itself.
Three laws show it: I + III = II (Einthoven), aVR + aVL + aVF = 0 (Goldberger), and a lead that is printed twice is the
same lead. They put right where rows stand in time, by fractions of a millimetre, and nothing else: the limb leads'
agreement stays a check of heights, names and scales, no longer of the last milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ecgpage.recording import LeadTrace

LIMB_LAWS: tuple[dict[str, float], ...] = (
    {"I": 1.0, "III": 1.0, "II": -1.0},
    {"aVR": 1.0, "aVL": 1.0, "aVF": 1.0},
)
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

LEAST_GAIN, LEAST_ROW_GAIN = 1.0, 0.5
"""dB by which leads must agree better for a skew or a strip's step, and for steps of three rows, to be believed."""

LARGEST_ROW_STEP, PULL = 0.3, 0.02
"""Millimetres by which one of three rows is moved against another at most, and what half of that costs, as a share of
the power that their sum has without steps."""

STEP_ACCURACY = 0.003
"""Millimetres to which the steps of three rows are found: a tenth of a millisecond."""

SMALLEST_SKEW = 0.0005
"""Below it a page counts as straight."""

_ASCENT = 1e-6  # mm from point to point that keep x ascending where a steep stroke is sheared

Law = list[tuple[LeadTrace, float]]
"""Traces with signs: their sum is 0."""


def print_skew(traces: Sequence[LeadTrace]) -> float:
    """How far the print leans, mm of time per mm of height downwards; 0 where nothing sure is told.

    traces: of one page, in paper millimetres, those of one instant at one x. The limb leads must agree better for it;
    leads printed twice help to tell how far, but by themselves they may as well stand out of step.
    """
    usable = _usable(traces)
    tried = np.arange(-LARGEST_SKEW, LARGEST_SKEW + SKEW_STEP / 2, SKEW_STEP)
    limb = _losses(_limb_laws(usable), tried)
    if not limb:
        return 0.0
    twice = _losses([[(strip, 1.0), (segment, -1.0)] for strip, segment in _twice(usable)], tried)
    skew, gain = _least(tried, np.mean(limb + twice, axis=0))
    loss = np.mean(limb, axis=0)
    told = loss[len(tried) // 2] - np.interp(skew, tried, loss)
    return skew if min(gain, told) >= LEAST_GAIN and abs(skew) >= SMALLEST_SKEW else 0.0


def _losses(laws: Sequence[Law], tried: np.ndarray) -> list[np.ndarray]:
    """How far laws hold at the skews tried, dB each, of those whose leads share enough."""
    losses = [np.array([_residual(law, skew) for skew in tried]) for law in laws]
    return [loss for loss in losses if np.isfinite(loss).all()]


def _limb_laws(traces: Sequence[LeadTrace]) -> list[Law]:
    """The laws of the limb leads whose three leads are among the traces; short segments go before strips."""
    named = {trace.lead.name: trace for trace in sorted(traces, key=lambda trace: not trace.lead.strip)}
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
    left, here, right = 10 ** ((loss[best - 1 : best + 2] - loss[best]) / 10)  # power is a parabola there, dB a cusp
    place = tried[best] + (tried[1] - tried[0]) * 0.5 * (left - right) / max(left - 2 * here + right, 1e-9)
    return float(place), float(loss[len(tried) // 2] - loss[best])


def strips_in_step(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces, with every rhythm strip moved in time to where its lead's other print has the same beats."""
    usable, result = _usable(traces), []
    tried = np.linspace(-LARGEST_STEP, LARGEST_STEP, STEPS)
    others = {id(strip): segment for strip, segment in _twice(usable)}
    for trace in traces:
        segment, step = others.get(id(trace)), 0.0
        if segment is not None:
            loss = np.array([_residual([(trace.moved(at), 1.0), (segment, -1.0)], 0.0) for at in tried])
            place, gain = _least(tried, loss) if np.isfinite(loss).all() else (0.0, 0.0)
            step = place if gain >= LEAST_GAIN else 0.0
        result.append(trace.moved(step) if step else trace)
    return result


def limb_rows_in_step(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces, with the limb leads' rows moved in time, as little as may be, to where their sums are least.

    Three leads of a law together stay where they are, so that the time origin does not move.
    """
    moves: dict[int, float] = {}
    for law in _limb_laws(_usable(traces)):
        if len({trace.lead.start for trace, _ in law}) == 1:
            moves |= {id(trace): step for (trace, _), step in zip(law, _row_steps(law), strict=True) if step}
    return [trace.moved(moves[id(trace)]) if id(trace) in moves else trace for trace in traces]


def _row_steps(law: Law) -> np.ndarray:
    """Millimetres by which a law's three leads are to be moved, (3,), 0 on average; all 0 where nothing is told."""
    before = _residual(law, 0.0)
    if not np.isfinite(before):
        return np.zeros(3)

    def rest(steps: np.ndarray) -> float:
        """Power of the law's sum, and what the steps of its first two leads cost, over what it was."""
        moved: Law = [(trace.moved(at), sign) for (trace, sign), at in zip(law, [*steps, 0.0], strict=True)]
        return 10 ** ((_residual(moved, 0.0) - before) / 10) + PULL * float(np.sum((2 * steps / LARGEST_ROW_STEP) ** 2))

    start = np.array([[0.0, 0.0], [0.05, 0.0], [0.0, 0.05]])
    found = minimize(
        rest, start[0], method="Nelder-Mead", options={"initial_simplex": start, "xatol": STEP_ACCURACY, "fatol": 1e-4}
    )
    steps = np.append(found.x, 0.0)
    if np.ptp(steps) > LARGEST_ROW_STEP or not found.fun <= 10 ** (-LEAST_ROW_GAIN / 10):
        return np.zeros(3)
    return steps - steps.mean()


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


def _residual(law: Law, skew: float) -> float:
    """Power of a law's sum over that of its largest lead, dB; NaN where the leads share too little."""
    lines, first, last = [], -np.inf, np.inf
    for trace, _ in law:
        x = _sheared(trace, skew)
        there = x[trace.printed & (trace.x >= trace.lead.box[0]) & (trace.x <= trace.lead.box[2])]
        if not there.size:
            return float("nan")
        first, last = max(first, there[0] + MARGIN_MM), min(last, there[-1] - MARGIN_MM)
        lines.append(x)
    if last - first < SHORTEST_MM:
        return float("nan")
    places = np.arange(first, last, STEP_MM)
    seen = [np.interp(places, x, trace.printed.astype(float)) for (trace, _), x in zip(law, lines, strict=True)]
    places = places[np.min(seen, axis=0) > 0.5]
    if len(places) * STEP_MM < SHORTEST_MM:
        return float("nan")
    values = [
        sign * (-1 if trace.lead.inverted else 1) * np.interp(places, x, trace.zero - trace.y)
        for (trace, sign), x in zip(law, lines, strict=True)
    ]
    largest = max(float(np.var(value)) for value in values)
    return float(10 * np.log10((np.var(np.sum(values, axis=0)) + 1e-9) / (largest + 1e-9)))
