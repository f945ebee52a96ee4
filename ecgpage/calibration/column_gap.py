"""Blanks between the columns of a page: time stands still in them.

Most electrocardiographs print each column where the one before ended; some leave a blank of millimetres. Where each
lead begins and where it ends tells it: without the blanks, all of them put the page's time 0 at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.calibration.assembly import lead_origins
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import LeadTrace

WIDEST, STEP = 10.0, 0.1
"""Widest blank looked for, mm, and the steps between those tried."""

NARROWEST = 0.7
"""Narrower ones, mm, are not told from leads whose ends are read too early or too late."""

AGREEMENT = 0.6
"""How far apart, mm, origins may be that agree."""

ROUNDS = 4
"""In which the blank is fitted to the ends that agree."""

SHARP = 1.0
"""Standard deviation, mm, from which on down ends count alike: one column's sharp ones must not decide alone."""

LEAST_AGREEING, LEAST_GAIN = 0.52, 0.14
"""Share of the ends, by weight, that must agree for a blank to be believed, and how much more than without one."""


def column_gap(traces: Sequence[LeadTrace], speed: float = MILLIMETERS_PER_SECOND) -> float:
    """Width of the blank between columns, mm, 0 where none is told.

    traces: of one page, in flat paper's millimetres, with the times of columns that follow each other; speed: mm/s.
    """
    shorts = [trace for trace in traces if not trace.lead.strip]
    if len({trace.lead.column for trace in shorts}) < 2:
        return 0.0
    origins, deviations = lead_origins(shorts, speed)
    weights = 1 / (SHARP**2 + np.square(deviations))
    weights /= weights.sum()
    columns = np.repeat([trace.lead.column for trace in shorts], 2)
    tried = np.arange(0, WIDEST + STEP / 2, STEP)
    # beginnings and ends each by themselves: beside a blank a lead may be read too long at both
    sides = [slice(0, None, 2), slice(1, None, 2)]
    shares = [_agreeing(origins[side] - tried[:, None] * columns[side], weights[side]) for side in sides]
    total = sum(share.max(axis=1) for share in shares)
    best = int(np.argmax(total))
    if tried[best] < NARROWEST or total[best] < max(LEAST_AGREEING, total[0] + LEAST_GAIN):
        return 0.0
    return _fitted(origins, weights, columns, float(tried[best]), [share[best] for share in shares])


def _fitted(
    origins: np.ndarray, weights: np.ndarray, columns: np.ndarray, gap: float, shares: Sequence[np.ndarray]
) -> float:
    """The gap fitted to the ends that agree, from a first guess and each end's share of ends that agree with it."""
    design = np.column_stack([columns, np.tile(np.eye(2), (len(columns) // 2, 1))])  # gap; origins of either side
    places = [
        origins[side + 2 * int(np.argmax(share))] - gap * columns[side + 2 * int(np.argmax(share))]
        for side, share in enumerate(shares)
    ]
    solution = np.array([gap, *places])
    for _ in range(ROUNDS):
        root = np.sqrt(weights * _biweight(origins - design @ solution))
        solution = np.linalg.lstsq(design * root[:, None], origins * root, rcond=None)[0]
    return float(solution[0])


def _agreeing(origins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What share of the ends' weights (n,) agrees with each of them: (k, n) for their origins (k, n), mm."""
    return _biweight(origins[:, :, None] - origins[:, None, :]) @ weights


def _biweight(apart: np.ndarray) -> np.ndarray:
    """Tukey's: 1 where nothing is apart, 0 from ``AGREEMENT`` mm on."""
    return np.clip(1 - (apart / AGREEMENT) ** 2, 0, None) ** 2


def without_gap(traces: Sequence[LeadTrace], gap: float) -> list[LeadTrace]:
    """The traces as they would stand on paper without a blank of ``gap`` mm between columns."""
    return [trace.moved(-gap * trace.lead.column) if gap and not trace.lead.strip else trace for trace in traces]
