"""Where traces cross or rows are crowded, ink that one trace explains is not another's: vague heights are told anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecgpage.recording import LeadTrace

VAGUE = 1.0
"""Millimetres of spread from which on a point's height is vague."""

INK = 1.2
"""Standard deviation, mm, of the ink about a trace that is read surely."""

CERTAIN = 0.995
"""How surely ink is a trace's own where that trace is read surely."""

THERE = 0.8
"""Presence from which on a trace takes ink."""

PASSES = 2
"""A trace that has become sure explains ink in the next pass."""


@dataclass(frozen=True, kw_only=True)
class VagueTrace(LeadTrace):
    """A trace with what the network makes of its vague heights.

    vague: (n,) int, indices of its points; log_probability: (R, n) float16, of each of them to lie at each of the
    heights; heights: (R,) paper millimetres.
    """

    vague: np.ndarray
    log_probability: np.ndarray
    heights: np.ndarray


def explain_away(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces of a page, in their order, with vague heights told anew in the light of the other traces.

    A height loses probability as far as another trace is there: of two rows of ink that a lead may be, that is left
    which no other lead is ("explaining away", Pearl 1988). The network's own distribution stays the start, so a trace
    that crosses another is not driven off where it can be nowhere else. A ``VagueTrace`` comes back as a ``LeadTrace``;
    any other trace explains others and comes back itself. What is given is not changed.
    """
    told = list(traces)
    for _ in range(PASSES):
        told = [
            _told_anew(trace, told[:k] + told[k + 1 :]) if isinstance(trace, VagueTrace) else trace
            for k, trace in enumerate(traces)
        ]
    return told


def _told_anew(trace: VagueTrace, others: Sequence[LeadTrace]) -> LeadTrace:
    """The trace with height and spread of its vague points as they are beside the other traces."""
    heights = trace.heights[:, None]
    own = np.exp(trace.log_probability.astype(np.float32))
    own /= own.sum(axis=0)
    left = own.copy()
    for other in others:
        _take(left, heights, trace.x[trace.vague], other)
    left /= left.sum(axis=0)
    mean = (left * heights).sum(axis=0)
    y, spread = trace.y.copy(), trace.spread.copy()
    y[trace.vague] += mean - (own * heights).sum(axis=0)
    spread[trace.vague] = np.sqrt((left * (heights - mean) ** 2).sum(axis=0))
    return LeadTrace(trace.lead, trace.x, y, trace.presence, spread, trace.zero, trace.cut)


def _take(left: np.ndarray, heights: np.ndarray, x: np.ndarray, other: LeadTrace) -> None:
    """Take from what is ``left`` (R, n) at ``heights`` (R, 1) and ``x`` (n,), mm, what another trace explains."""
    beside = np.clip(np.searchsorted(other.x, x), 0, len(other.x) - 1)
    y, width = other.y[beside], np.maximum(INK, other.spread[beside])
    there = (other.presence[beside] >= THERE) & (x >= other.x[0]) & (x <= other.x[-1])
    there &= (y > heights.min() - 4 * width) & (y < heights.max() + 4 * width)
    ink = np.exp(-(((heights - y[there]) / width[there]) ** 2) / 2)
    left[:, there] *= 1 - CERTAIN * INK / width[there] * ink
