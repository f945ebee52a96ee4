"""Paper that bends: where the printed grid lies beside the straight lines of one homography."""

from __future__ import annotations

import numpy as np

from ecgpage.calibration.grid import GridEstimate
from ecgpage.geometry import Bend, apply_homography, bend_terms

DEGREE = 5
"""Of the polynomial that follows the bend: a page curls or waves once or twice, not more."""

FEWEST_TILES = 30

SMALLEST_BEND, SMALLEST_BEND_OF_FEW, MANY_TILES = 0.04, 0.1, 84
"""Millimetres, root mean square, that a bend must explain: less is the measurement's own noise on a flat page, of which
the polynomial's 21 terms explain the more, the fewer tiles there are."""

LEAST_EXPLAINED = 0.5
"""Share of the grid's deviations, by power, that a bend must explain."""

_HOLD = 1e-4  # of the tiles' weight, against coefficients that they do not tell


def measure_bend(grid: GridEstimate, paper_to_page: np.ndarray) -> Bend | None:
    """The bend of a page whose grid was measured, or None for a flat page or one without enough grid in view.

    paper_to_page: the homography, mm to page pixels, beside which the bend is told.
    """
    if grid.lattice_to_page is None or len(grid.centers) < FEWEST_TILES:
        return None
    page_to_paper = np.linalg.inv(paper_to_page)
    seen = apply_homography(page_to_paper, grid.centers)
    lattice = apply_homography(grid.page_to_lattice, grid.centers)
    # where a line is seen to the right of its place, the paper there has smaller coordinates
    flat = apply_homography(page_to_paper @ grid.lattice_to_page, lattice - grid.shifts)
    away = seen - flat
    trust = np.clip(grid.weights - 1.0, 0.0, 6.0)
    told = np.count_nonzero(trust.min(axis=1))
    if told < FEWEST_TILES:
        return None
    low, high = flat.min(axis=0), flat.max(axis=0)
    middle, reach = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
    terms = bend_terms((flat - middle) / reach, DEGREE)
    solved = [fit_terms(terms, away[:, axis], trust[:, axis]) for axis in (0, 1)]
    coefficients = np.stack([coefficients for coefficients, _ in solved], axis=1)
    weights = np.stack([weights for _, weights in solved], axis=1)
    bent = terms @ coefficients
    explained = float((weights * (away**2 - (away - bent) ** 2)).sum() / max(1e-9, weights.sum()))
    whole = float((weights * away**2).sum() / max(1e-9, weights.sum()))
    smallest = SMALLEST_BEND if told >= MANY_TILES else SMALLEST_BEND_OF_FEW
    if explained < smallest**2 or explained < LEAST_EXPLAINED * whole:
        return None
    return Bend(coefficients, DEGREE, (float(middle[0]), float(middle[1])), (float(reach[0]), float(reach[1])))


def fit_terms(terms: np.ndarray, values: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (K,) and weights (N,) of terms (N, K) that make values (N,), trusted so far (N,).

    Least squares whose weights fall with the residual; coefficients that the values do not tell stay small.
    """
    weights = trust
    coefficients = np.zeros(terms.shape[1])
    for _ in range(5):
        root = np.sqrt(weights)[:, None]
        hold = np.sqrt(_HOLD * weights.sum()) * np.eye(terms.shape[1])
        design = np.concatenate([terms * root, hold])
        goal = np.concatenate([values * root[:, 0], np.zeros(terms.shape[1])])
        coefficients = np.linalg.lstsq(design, goal, rcond=None)[0]
        residual = np.abs(values - terms @ coefficients)
        scale = max(0.02, 1.5 * float(np.median(residual[trust > 0])))
        weights = trust / (1 + (residual / (2 * scale)) ** 2) ** 2
    return coefficients, weights
