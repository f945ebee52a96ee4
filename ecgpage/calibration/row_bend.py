"""What rows tell of the paper's bend: what lifts them all alike is the paper, not a heart.

It is the bend of paper whose grid is not followed, and refutes one that was taken from a grid wrongly. A breath that
moves all leads alike, once over the page and by more than ``SMALLEST``, is taken for the paper's as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ecgpage.calibration.bend import fit_terms
from ecgpage.geometry import Bend, apply_homography, bend_terms
from ecgpage.recording import Calibration, LeadTrace

PIECE = 6.0
"""Millimetres of a lead whose median height is one level of its row."""

FEWEST_POINTS = 20
"""Printed points of a piece that tell its level."""

DEGREE = 4
"""Of the polynomial that follows the bend."""

FEWEST_ROWS, LEAST_SPAN = 3, 0.6
"""Rows that tell a bend at least, and the share of the printed width that each must span."""

LEAST_EXPLAINED = 0.5
"""Share of a row's unevenness, by power, that what the other rows tell must explain, in most rows."""

SMALLEST = 0.5
"""Millimetres, root mean square, by which a bend must leave straight rows: baselines wander by as much."""

REFUTED = 0.5
"""Millimetres, mean over the levels, by which rows must run less level with a bend than without to refute it."""

_POWERS = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]  # of x and y, as in ``bend_terms``
_FREE = np.array([i > 0 and j < 2 for i, j in _POWERS])  # heights alone, and spacings of rows, are no bend
_STRAIGHT = np.array([i == 1 for (i, _), free in zip(_POWERS, _FREE, strict=True) if free])


def bend_of_rows(traces: Sequence[LeadTrace], to_paper: np.ndarray) -> Bend | None:
    """The bend, up and down, that several rows have in common; None where they have none.

    to_paper: (3, 3) homography from the millimetres of the traces to those of the paper that the bend is told on. A row
    is level on flat paper but for its own waves, which others do not share: the bend is believed where each row's is
    foretold by the other rows'.
    """
    places, rows = _levels(traces, lambda points: apply_homography(to_paper, points))
    wide = [row for row in np.unique(rows) if np.ptp(places[rows == row, 0]) > LEAST_SPAN * np.ptp(places[:, 0])]
    chosen = np.isin(rows, wide)
    if len(wide) < FEWEST_ROWS:
        return None
    places, rows = places[chosen], np.unique(rows[chosen], return_inverse=True)[1]
    middle, reach = (places.min(axis=0) + places.max(axis=0)) / 2, np.maximum(np.ptp(places, axis=0) / 2, 1.0)
    terms = bend_terms((places - middle) / reach, DEGREE)[:, _FREE]
    found = _fit(terms, places[:, 1], rows)
    foretold = [_explained(terms, places[:, 1], rows, row) for row in range(len(wide))]
    told, straight = terms @ found, np.column_stack([np.ones(len(rows)), terms[:, _STRAIGHT]])
    curved = told - straight @ np.linalg.lstsq(straight, told, rcond=None)[0]
    if np.median(foretold) < LEAST_EXPLAINED or np.std(curved) < SMALLEST:
        return None
    coefficients = np.zeros((len(_FREE), 2))
    coefficients[_FREE, 1] = found
    return Bend(coefficients, DEGREE, (float(middle[0]), float(middle[1])), (float(reach[0]), float(reach[1])))


def rows_refute(traces: Sequence[LeadTrace], calibration: Calibration) -> bool:
    """Whether rows run clearly less level on paper that a calibration's bend lays flat than on the page without it.

    Lines of a grid that were miscounted bend flat paper by whole squares. traces: in the calibration's millimetres. No
    bend, and no trace, refutes nothing.
    """
    bend = calibration.bend
    if bend is None:
        return False
    with_it, without = _levels(traces, lambda points: points), _levels(traces, lambda points: points + bend(points))
    return _unevenness(*with_it) > REFUTED + _unevenness(*without)


def _unevenness(places: np.ndarray, rows: np.ndarray) -> float:
    """Mean distance of levels (N, 2) from their rows (N,), all alike as far askew as they are together; mm."""
    if not len(places):
        return 0.0
    slope = _fit(places[:, :1] / 100, places[:, 1], rows)[0] / 100
    heights = places[:, 1] - slope * places[:, 0]
    return float(np.mean([np.abs(own - np.median(own)).mean() for own in (heights[rows == row] for row in set(rows))]))


def _levels(traces: Sequence[LeadTrace], to_paper: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the leads' pieces, (N, 2) mm of the paper, and the rows (N,) that they belong to.

    to_paper: from the traces' points (M, 2) to those of the paper.
    """
    places, rows = [], []
    for trace in traces:
        x, y = to_paper(np.column_stack([trace.x, trace.y])[trace.printed]).T
        if not len(x):
            continue
        for part in np.array_split(np.arange(len(x)), max(1, round((x[-1] - x[0]) / PIECE))):
            if len(part) >= FEWEST_POINTS:
                places.append((np.median(x[part]), np.median(y[part])))
                rows.append(trace.lead.row)
    return np.array(places).reshape(-1, 2), np.array(rows, int)


def _fit(terms: np.ndarray, heights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Coefficients (K,) of terms (N, K) that, with a height for each row, make the heights (N,); robust."""
    alone = (rows[:, None] == np.unique(rows)).astype(float)
    design = np.column_stack([terms, 100 * alone])  # so large that `fit_terms` does not hold rows near 0
    coefficients, _ = fit_terms(design, heights - np.median(heights), np.ones(len(heights)))
    return coefficients[: terms.shape[1]]


def _explained(terms: np.ndarray, heights: np.ndarray, rows: np.ndarray, row: int) -> float:
    """The share of a row's unevenness, by power, that a bend told by the other rows explains."""
    own = rows == row
    left = heights[own] - terms[own] @ _fit(terms[~own], heights[~own], rows[~own])
    whole = heights[own] - np.median(heights[own])
    return 1 - float(np.median((left - np.median(left)) ** 2)) / max(1e-9, float(np.median(whole**2)))
