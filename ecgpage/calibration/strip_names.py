"""Names of rhythm strips, told by the leads that they repeat.

A strip is of any lead; print too small to be read leaves only that lead II is usual. But it runs along below the short
leads and repeats one of them beat for beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecgpage.calibration.in_step import law_residual
from ecgpage.leads import LEADS
from ecgpage.recording import RULED, LeadTrace

LIKE, LIKER = -10.0, 4.0
"""dB of a strip's difference to a short lead, over the larger of the two, below which it may be named after it, and by
which another lead must be nearer to it than the one it is named after; leads' beats look alike. Of 264 strips of drawn
pages these name 259 rightly, -12 and 3 dB 257."""

STEPS = np.arange(-0.4, 0.41, 0.1)
"""mm by which a strip may stand out of step with the rows above it on any paper: the places tried."""

ASIDE = np.arange(-2.0, 2.1, 0.2)
"""mm by which it may where it repeats none of them there, as on curled paper."""

READ = 2.0
"""dB that a name is worth which is surely read, in proportion."""

SHORTEST = 20.0
"""mm that a strip and a short lead must both show to be compared."""

FLATTER = 0.25
"""Share of its lead's sway that a strip has at most which is a ruled line or an axis."""


def name_strips(traces: Sequence[LeadTrace]) -> tuple[list[LeadTrace], tuple[str, ...]]:
    """Name rhythm strips after the short leads that they repeat; also what was renamed, "I to V1".

    traces: of one page, in paper millimetres, those of one instant at one x. Two strips get different names; one that
    repeats no short lead for sure keeps its name unless another strip takes it.
    """
    strips = [k for k, trace in enumerate(traces) if trace.lead.strip]
    if not strips:
        return list(traces), ()
    evidence = np.stack([_evidence(traces[k], traces) for k in strips])  # (strips, 12)
    for row, k in zip(evidence, strips, strict=True):
        row[LEADS.index(traces[k].lead.name)] += LIKER
        row += READ * np.array(traces[k].lead.reading[: len(LEADS)] or np.zeros(len(LEADS)))
    _, chosen = linear_sum_assignment(-evidence)
    named, renamed = list(traces), []
    for k, index in zip(strips, chosen, strict=True):
        name = LEADS[index]
        if name != traces[k].lead.name:
            renamed.append(f"{traces[k].lead.name} to {name}")
            named[k] = _named(traces[k], name)
    return named, tuple(renamed)


def part_ruled(traces: Sequence[LeadTrace]) -> tuple[list[LeadTrace], list[LeadTrace]]:
    """Part traces, in their order, into leads and those that are ruled lines: strips, flat though their lead is not.

    traces: of one page, strips under the names of the leads that they repeat.
    """
    short = {trace.lead.name: trace.sway for trace in traces if not trace.lead.strip}
    parts: tuple[list[LeadTrace], list[LeadTrace]] = ([], [])
    for trace in traces:
        most = min(RULED, FLATTER * short.get(trace.lead.name, 0.0))
        parts[trace.lead.strip and trace.sway < most].append(trace)
    return parts


def _named(strip: LeadTrace, name: str) -> LeadTrace:
    """The strip under a name, upside down only as aVR, which alone is printed so."""
    lead = replace(strip.lead, name=name, inverted=strip.lead.inverted and name == strip.lead.name)
    return replace(strip, lead=lead)


def _evidence(strip: LeadTrace, traces: Sequence[LeadTrace]) -> np.ndarray:
    """How near a strip is to each of LEADS, dB below the larger of both, (12,); all 0 where it is ``LIKE`` none."""
    shorts = [trace for trace in traces if not trace.lead.strip and np.isfinite(trace.zero)]
    if not np.isfinite(strip.zero):
        return np.zeros(len(LEADS))
    differences = _differences(strip, shorts, STEPS)
    if not (differences < LIKE).any():
        differences = _differences(strip, shorts, ASIDE)
    return np.maximum(-differences, 0.0) if (differences < LIKE).any() else np.zeros(len(LEADS))


def _differences(strip: LeadTrace, shorts: Sequence[LeadTrace], places: Sequence[float] | np.ndarray) -> np.ndarray:
    """Least difference of a strip, moved to each of the places (mm), to the short prints of LEADS, dB, (12,)."""
    least = np.full(len(LEADS), np.inf)
    for short in shorts:
        index = LEADS.index(short.lead.name)
        least[index] = min(least[index], least_difference(_named(strip, short.lead.name), short, places))
    return least


def least_difference(strip: LeadTrace, short: LeadTrace, places: Sequence[float] | np.ndarray = ASIDE) -> float:
    """Least difference of a strip, moved to each of the places (mm), to a short print of its lead: dB over the larger
    of the two, infinite where they share too little."""
    losses = [law_residual([(strip.moved(float(at)), 1.0), (short, -1.0)], shortest=SHORTEST) for at in places]
    return min((loss for loss in losses if np.isfinite(loss)), default=np.inf)
