"""Displacements made smooth as a stiff sheet is: by the energy of its bending."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack
from scipy.sparse.linalg import spsolve

STIFFNESS = 1.5
"""Of the sheet, against the pull of a node that is trusted to 1: what a second difference of 1 mm costs, where a node
missed by 1 mm costs 1."""

_PASSES = 3  # of weights that fall with what is left
_LEAST_SPREAD = 0.08  # mm, below which a node is no outlier
_HELD = 1e-6  # trust of every node, which holds a sheet that is told nothing at 0


def smooth_sheet(values: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Displacements (R, C, 2) of a stiff sheet whose nodes are pulled to ``values`` (R, C, 2), mm, by their ``trust``.

    Values far off the sheet count less; where none is trusted the sheet goes on straight.
    """
    bending = STIFFNESS * _bending(*values.shape[:2])
    return np.stack([_settled(values[..., k], trust[..., k], bending) for k in (0, 1)], axis=-1)


def _settled(values: np.ndarray, trust: np.ndarray, bending: csr_matrix) -> np.ndarray:
    """One coordinate (R, C) of the sheet."""
    goal, pull = values.ravel(), trust.ravel()
    weights, sheet = pull, goal
    for _ in range(_PASSES):
        sheet = spsolve((diags(weights + _HELD) + bending).tocsc(), weights * goal)
        off = np.abs(sheet - goal)
        usual = max(_LEAST_SPREAD, 1.5 * float(np.median(off[pull > 0]))) if (pull > 0).any() else 1.0
        weights = pull / (1 + (off / (2 * usual)) ** 2) ** 2
    return sheet.reshape(values.shape)


def _bending(rows: int, columns: int) -> csr_matrix:
    """(N, N) quadratic form of the energy of a sheet of N nodes, row by row: second differences along and across."""
    nodes = np.arange(rows * columns).reshape(rows, columns)
    along = _differences((nodes[:, :-2], nodes[:, 1:-1], nodes[:, 2:]), (1, -2, 1), nodes.size)
    down = _differences((nodes[:-2], nodes[1:-1], nodes[2:]), (1, -2, 1), nodes.size)
    corners = nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, :-1], nodes[1:, 1:]
    twist = np.sqrt(2) * _differences(corners, (1, -1, -1, 1), nodes.size)
    terms = vstack([along, down, twist]).tocsr()
    return (terms.T @ terms).tocsr()


def _differences(nodes: tuple[np.ndarray, ...], signs: tuple[int, ...], count: int) -> csr_matrix:
    """(M, N) sums of nodes' values with signs; nodes: arrays of one shape, of M node numbers each."""
    terms = nodes[0].size
    rows = np.tile(np.arange(terms), len(nodes))
    values = np.repeat(np.array(signs, float), terms)
    return csr_matrix((values, (rows, np.concatenate([one.ravel() for one in nodes]))), shape=(terms, count))
