"""A page as read, of a heart whose limb leads obey their laws."""

from dataclasses import replace

import numpy as np

from ecgpage.leads import LEADS, layout_3x4
from ecgpage.recording import LeadBox, LeadTrace

SPEED, GAIN, LEFT, PER_MM = 25.0, 10.0, 30.0, 24


def heart(seconds: np.ndarray) -> np.ndarray:
    """(n, 12) mV: two limb leads of different beats, the others after Einthoven and Goldberger, any chest leads."""
    beats = np.array([0.5, 1.3, 2.2, 3.1, 3.9, 4.8, 5.6, 6.5, 7.3, 8.2, 9.1])
    t = seconds[:, None] - beats
    one = (1.1 * np.exp(-((t / 0.018) ** 2)) + 0.2 * np.exp(-(((t - 0.25) / 0.06) ** 2))).sum(axis=1)
    two = (0.7 * np.exp(-(((t - 0.012) / 0.02) ** 2)) + 0.3 * np.exp(-(((t - 0.26) / 0.07) ** 2))).sum(axis=1)
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack(limb + [one * k - two for k in range(6)], axis=1)


def page(
    skew: float, strips: tuple[str, ...] = ("II",), strip_late: float = 0.0, upside_down: tuple[str, ...] = ()
) -> list[LeadTrace]:
    """A 3x4 page as read whose print leans by ``skew`` and whose strips stand ``strip_late`` mm to the right."""
    traces = []
    for lead in layout_3x4(strips).leads:
        x = np.arange(0, lead.duration * SPEED, 1 / PER_MM)
        up = -GAIN if lead.name in upside_down else GAIN
        y = 40.0 + 30 * lead.row - up * heart(lead.start + x / SPEED)[:, LEADS.index(lead.name)]
        x = x + LEFT + SPEED * lead.start + (strip_late if lead.strip else 0.0)
        leaning = np.maximum.accumulate(x + skew * y)
        even = np.arange(leaning[0], leaning[-1], 1 / PER_MM)
        y = np.interp(even, leaning, y)
        box = (float(even[0]), float(y.min()), float(even[-1]), float(y.max()))
        known = LeadBox(lead.name, box, 0.9, lead.strip, lead.row, lead.column, lead.start, lead.duration)
        known = replace(known, inverted=lead.name in upside_down)
        ones = np.ones(len(even))
        traces.append(LeadTrace(known, even, y, ones, 0.1 * ones, zero=40.0 + 30 * lead.row))
    return traces
