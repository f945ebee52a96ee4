"""Grids that begin anew in every panel of a figure: what they have in common is the size of their squares alone.

Lines followed from panel to panel come out a little too narrow or too wide, by what the blanks between panels are off
whole squares. The lattice then fits no tile well, as on bent paper, but every lead is too long, or too short, alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ecgpage.calibration.assembly import PRINTED_FS, UNSEEN, printed_ends
from ecgpage.calibration.grid import GridEstimate
from ecgpage.recording import Calibration, LeadTrace

UNEVEN = 0.1
"""Bend (see ``GridEstimate``) from which on a grid may be a patchwork."""

LEAST_OFF, MOST_OFF = 0.005, 0.05
"""Share by which leads are longer or shorter than the time they last where a grid is a patchwork."""

FEWEST, ALIKE = 6, 0.006
"""Leads whose both ends are seen at least, and share by which the lengths of the middle half of them may differ."""


def even_patchwork(calibration: Calibration, traces: Sequence[LeadTrace], grid: GridEstimate) -> Calibration:
    """The calibration with millimetres by the leads' lengths where the grid's lines are a patchwork; else itself.

    traces: of the page's leads, on the calibration's paper.
    """
    if calibration.source != "grid" or grid.bend < UNEVEN:
        return calibration
    ratio = _longer(traces, calibration.speed)
    if ratio is None or not LEAST_OFF < abs(ratio - 1) < MOST_OFF:
        return calibration
    across, down = calibration.pixels_per_mm
    return replace(
        calibration,
        paper_to_page=calibration.paper_to_page @ np.diag([ratio, ratio, 1.0]),
        pixels_per_mm=(ratio * across, ratio * down),
        bend=None,
        line_spacing=float("nan"),
    )


def _longer(traces: Sequence[LeadTrace], speed: float) -> float | None:
    """By which factor leads are longer than they last at a speed, mm/s; None where too few tell, or not alike."""
    ratios = []
    for trace in traces:
        (begin, first), (end, last) = printed_ends(trace)
        if max(first, last) < UNSEEN and np.isfinite(trace.lead.duration):
            ratios.append((end - begin) / (speed * (trace.lead.duration - 1 / PRINTED_FS)))
    if len(ratios) < FEWEST:
        return None
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    return float(middle) if high - low < ALIKE else None
