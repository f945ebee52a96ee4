"""Fits a regular arrangement of rows and columns to boxes whose names may be wrong here and there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 8

LARGEST_SLANT = 0.6
"""How far columns may drop, and rows drift, from one to the next, as a share of the distance of rows."""


@dataclass(frozen=True)
class GridFit:
    """Centres of a page's cells: centre = origin + column * across + row * down, (x, y) page pixels each."""

    origin: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @property
    def width(self) -> float:
        """Width of a column, page pixels."""
        return float(self.across[0])

    @property
    def pitch(self) -> float:
        """Distance of rows, page pixels."""
        return float(self.down[1])

    @property
    def usable(self) -> bool:
        """Whether columns run to the right and rows down, more or less straight."""
        slant = max(abs(self.across[1]) / max(self.pitch, 1e-9), abs(self.down[0]) / max(self.pitch, 1e-9))
        return min(self.width, self.pitch) > 1 and slant < LARGEST_SLANT

    def center(self, row: float, column: float) -> np.ndarray:
        """(2,) centre of a cell."""
        return self.origin + column * self.across + row * self.down

    def cells(self, centers: np.ndarray) -> np.ndarray:
        """Rows and columns (N, 2), not rounded, of centres (N, 2)."""
        basis = np.stack([self.down, self.across], axis=1)
        return (centers - self.origin) @ np.linalg.inv(basis).T


def fit_grid(
    centers: np.ndarray, cells: np.ndarray, weights: np.ndarray, column_width: float | None = None
) -> GridFit | None:
    """Fit a grid to centres (N, 2) with their supposed (row, column) (N, 2), so that a minority of wrong ones matters
    little (least absolute deviations).

    column_width: of a page of one column, where the boxes' centres do not show it. None where the cells do not span two
    rows and two columns (two rows of one column), or not in the usual directions.
    """
    parts = [np.ones(len(cells)), cells[:, 0]] + ([] if column_width else [cells[:, 1]])
    design = np.column_stack(parts)
    if len(cells) < len(parts) or np.linalg.matrix_rank(design) < len(parts):
        return None
    weight = np.asarray(weights, dtype=np.float64)
    solution = np.zeros((len(parts), 2))
    for _ in range(ROUNDS):
        root = np.sqrt(weight)[:, None]
        solution = np.linalg.lstsq(design * root, centers * root, rcond=None)[0]
        residual = np.linalg.norm(centers - design @ solution, axis=1)
        weight = weights / np.maximum(residual, 1 + 0.05 * np.median(residual))
    across = np.array([column_width, 0.0]) if column_width else solution[2]
    fit = GridFit(solution[0], across, solution[1])
    return fit if fit.usable else None


def fit_edges(
    positions: np.ndarray, heights: np.ndarray, edges: np.ndarray, weights: np.ndarray, blanks: np.ndarray
) -> np.ndarray:
    """Smooth the x of vertical box edges measured at column positions (N,) and heights y (N,).

    edges: (N,) page pixels; blanks: (N,) how many blanks between columns lie left of them, 0 everywhere where columns
    do not stand apart. The model is a parabola over the columns, for perspective, a slope over the height, for tilt,
    and one width of all blanks; a few edges far off do not matter. Returns the coefficients (5,) for `edge_at`, the
    last the blanks' width, page pixels, 0 where there are none.
    """
    design = _edge_design(positions, heights, blanks)
    weight = np.asarray(weights, dtype=np.float64)
    coefficients = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        root = np.sqrt(weight)
        coefficients = np.linalg.lstsq(design * root[:, None], edges * root, rcond=None)[0]
        residual = np.abs(edges - design @ coefficients)
        weight = weights / np.maximum(residual, 1.0)
    return coefficients


def edge_at(coefficients: np.ndarray, positions: np.ndarray, heights: np.ndarray, blanks: np.ndarray) -> np.ndarray:
    """x of edges at column positions (N,) and heights y (N,), right of so many blanks (N,), page pixels."""
    return _edge_design(positions, heights, blanks) @ coefficients


def _edge_design(positions: np.ndarray, heights: np.ndarray, blanks: np.ndarray) -> np.ndarray:
    positions, heights = np.asarray(positions, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    return np.column_stack([np.ones_like(positions), positions, positions**2, heights, blanks])
