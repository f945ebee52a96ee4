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
    """A trace with what was thought of its vague heights.

    vague: (n,) indices of its points; log_probability: (R, n) over the heights ``heights``, (R,) paper millimetres.
    """

    vague: np.ndarray
    log_probability: np.ndarray
    heights: np.ndarray


def explain_away(traces: Sequence[LeadTrace]) -> list[LeadTrace]:
    """The traces, in their order, with vague heights told anew in the light of the other traces.

    A height loses probability as far as another trace is there: of two rows of ink that a lead may be, that is left
    which no other lead is. The network's own distribution stays the start, so a trace that crosses another is not
    driven off where it can be nowhere else. What is not a ``VagueTrace`` explains others and stays as it is.
    """
    read = [(trace.y, trace.spread) for trace in traces]
    if any(isinstance(trace, VagueTrace) for trace in traces):
        for _ in range(PASSES):
            read = [_told_anew(k, traces, read) for k in range(len(traces))]
    return [
        LeadTrace(trace.lead, trace.x, y, trace.presence, spread, trace.zero)
        for trace, (y, spread) in zip(traces, read, strict=True)
    ]


def _told_anew(
    index: int, traces: Sequence[LeadTrace], read: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Height and spread, (N,) each, of a trace, given those of all."""
    trace = traces[index]
    if not isinstance(trace, VagueTrace) or not len(trace.vague):
        return read[index]
    heights = trace.heights[:, None]
    own = np.exp(trace.log_probability.astype(np.float32))
    own /= own.sum(axis=0)
    left = own.copy()
    for other, (other_y, other_spread) in zip(traces, read, strict=True):
        if other is not trace:
            _take(left, heights, trace.x[trace.vague], other, other_y, other_spread)
    left /= left.sum(axis=0)
    mean = (left * heights).sum(axis=0)
    y, spread = trace.y.copy(), trace.spread.copy()
    y[trace.vague] += mean - (own * heights).sum(axis=0)
    spread[trace.vague] = np.sqrt((left * (heights - mean) ** 2).sum(axis=0))
    return y, spread


def _take(
    left: np.ndarray, heights: np.ndarray, x: np.ndarray, other: LeadTrace, y: np.ndarray, spread: np.ndarray
) -> None:
    """Take from what is ``left`` (R, n) at ``heights`` (R, 1) and ``x`` (n,) what another trace explains."""
    beside = np.clip(np.searchsorted(other.x, x), 0, len(other.x) - 1)
    there = (other.presence[beside] >= THERE) & (x >= other.x[0]) & (x <= other.x[-1])
    width = np.maximum(INK, spread[beside])
    there &= (y[beside] > heights.min() - 4 * width) & (y[beside] < heights.max() + 4 * width)
    if not there.any():
        return
    at, width = y[beside[there]], width[there]
    ink = np.exp(-(((heights - at) / width) ** 2) / 2)
    left[:, there] *= 1 - CERTAIN * INK / width * ink
