"""Bent paper followed outwards from where its grid is certain, patch by patch.

Each patch is laid as its neighbours lead one to expect, place, turn and shear, so that its lines stand straight in it
however far the paper is bent from where the search began; clear ones go first, and what they tell leads to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ecgpage.calibration.patches import Laid, PatchReader, Seen

SEED_HEIGHT, SEED_STEP, FEWEST_SEEDS = 2.2, 0.1, 12
"""Comb height from which on patches begin; how far, mm on squares of 1 mm (with the square's root), they lie off their
neighbours at most; and how many of them must lie together."""

STAGES = ((2.6, 0.18, 3), (1.9, 0.27, 2), (1.3, 0.36, 2))
"""(comb height, squares off the expected place at most, known neighbours at least) by which a patch is believed: a
later one is asked only while no patch passes those before it."""

MOST_ROUNDS = 400
"""How often patches are taken in, at most: several times the rings around a seed on the largest page."""

SWEEPS = 2
"""How often all patches are read again when their neighbours on all sides are known."""

STRAY = 0.15
"""Squares beside their place among neighbours on all sides from which on a patch's lines are not believed."""

_REACH = 2  # nodes around from which a patch is foretold
_RIDGE = 0.1  # of a neighbour's weight, against changes of slope that few neighbours tell
_FINE_RIDGE = 0.05
_AROUND = np.ones((3, 3), np.float32)


@dataclass
class Sheet:
    """Nodes of flat paper and what is known of where each lies.

    nodes: (R, C, 2) even places, mm; away: (N, 2) mm, slopes: (N, 2, 2), see ``Laid``, N = R * C in row order; heights:
    (N, 2) of the combs; known: (N,).
    """

    nodes: np.ndarray
    away: np.ndarray
    slopes: np.ndarray
    heights: np.ndarray
    known: np.ndarray

    def learn(self, which: np.ndarray, laid: Laid, seen: Seen) -> None:
        """Take what patches show as known of their nodes."""
        self.away[which], self.slopes[which], self.heights[which] = seen.away(laid), laid.slopes, seen.heights
        self.known[which] = True

    @property
    def neighbours(self) -> np.ndarray:
        """How many of the eight nodes around each are known, and itself, (N,)."""
        known = self.known.reshape(self.nodes.shape[:2]).astype(np.float32)
        return cv2.filter2D(known, -1, _AROUND, borderType=cv2.BORDER_CONSTANT).ravel().round().astype(int)


def follow(reader: PatchReader, nodes: np.ndarray, laid: Laid, seen: Seen) -> Sheet | None:
    """Follow the grid over nodes (R, C, 2), mm; None where it is not certain anywhere.

    laid: how the N = R * C nodes' patches lay, in row order, in which ``seen`` was seen.
    """
    sheet = _seeds(reader.square, nodes, laid, seen)
    if sheet is None:
        return None
    _grow(reader, sheet)
    for sweep in range(SWEEPS):
        which = np.flatnonzero(sheet.known)
        trust = sheet.known * np.clip(sheet.heights.min(axis=1) - 1, 0.1, 4)
        foretold = _foretold(sheet, which, trust, own=sweep > 0, ridge=_FINE_RIDGE)
        again = Laid(laid.places[which], foretold.away, foretold.slopes)
        seen = reader.read(again)
        sheet.learn(which, again, seen)
        sheet.known[which] = np.abs(seen.shifts).max(axis=1) < STRAY * reader.square
    return sheet


def _seeds(square: float, nodes: np.ndarray, laid: Laid, seen: Seen) -> Sheet | None:
    """The largest region of clear patches that lie where their neighbours have them."""
    clear = seen.heights.min(axis=1) > SEED_HEIGHT
    sheet = Sheet(nodes, seen.away(laid), laid.slopes.copy(), seen.heights.copy(), clear)
    foretold = _foretold(sheet, np.arange(len(clear)), clear * 1.0)
    off = np.abs(sheet.away - foretold.away).max(axis=1)
    good = clear & (off < SEED_STEP * max(1.0, square**0.5)) & (foretold.weight > 0.6)
    count, regions = cv2.connectedComponents(good.reshape(nodes.shape[:2]).astype(np.uint8), connectivity=4)
    sizes = np.bincount(regions.ravel(), minlength=2)[1:]
    if count < 2 or sizes.max() < FEWEST_SEEDS:
        return None
    sheet.known = regions.ravel() == 1 + int(sizes.argmax())
    return sheet


def _grow(reader: PatchReader, sheet: Sheet) -> None:
    """Take in patches next to those known, while any is believed."""
    laid = Laid(sheet.nodes.reshape(-1, 2), sheet.away.copy(), sheet.slopes.copy())
    seen = Seen(*np.zeros((3, *sheet.away.shape)))
    asked = np.full(len(sheet.known), -1)
    stage = 0
    for _ in range(MOST_ROUNDS):
        neighbours = sheet.neighbours
        edge = ~sheet.known & (neighbours >= STAGES[-1][2])
        new = np.flatnonzero(edge & (neighbours > asked))
        if len(new):
            foretold = _foretold(sheet, new, sheet.known * 1.0)
            laid.away[new], laid.slopes[new], asked[new] = foretold.away, foretold.slopes, neighbours[new]
            for known, read in zip(seen, reader.read(_part(laid, new)), strict=True):
                known[new] = read
        height, step, fewest = STAGES[stage]
        near = np.abs(seen.shifts).max(axis=1) < step * reader.square
        believed = np.flatnonzero(edge & near & (seen.heights.min(axis=1) > height) & (neighbours >= fewest))
        if len(believed):
            sheet.learn(believed, _part(laid, believed), Seen(*(one[believed] for one in seen)))
            stage = 0
        elif stage + 1 < len(STAGES):
            stage += 1
        else:
            return


def _part(laid: Laid, which: np.ndarray) -> Laid:
    return Laid(*(one[which] for one in laid))


class Foretold(NamedTuple):
    """What neighbours tell of nodes: away (n, 2), slopes (n, 2, 2), and by how much weight (n,)."""

    away: np.ndarray
    slopes: np.ndarray
    weight: np.ndarray


def _foretold(sheet: Sheet, which: np.ndarray, trust: np.ndarray, own: bool = False, ridge: float = _RIDGE) -> Foretold:
    """Where nodes lie by those around them, each trusted by ``trust`` (N,): a plane through them.

    own: count the nodes themselves, and only those next to them.
    """
    rows, columns = sheet.nodes.shape[:2]
    reach = 1 if own else _REACH
    down, right = (k.ravel() for k in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    if not own:
        down, right = down[(down != 0) | (right != 0)], right[(down != 0) | (right != 0)]
    row, column = which[:, None] // columns + down, which[:, None] % columns + right  # (n, M)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    near = np.clip(row, 0, rows - 1) * columns + np.clip(column, 0, columns - 1)
    weights = trust[near] * inside / (1 + down**2 + right**2)
    total = weights.sum(axis=1)
    usual = np.einsum("nm,nmij->nij", weights, sheet.slopes[near]) / np.maximum(1e-9, total)[:, None, None]
    step = sheet.nodes[0, 1, 0] - sheet.nodes[0, 0, 0]
    steps = np.stack([right, down], axis=1).astype(float)  # (M, 2)
    rest = sheet.away[near] - np.einsum("nij,mj->nmi", usual, step * steps)
    terms = np.concatenate([np.ones((len(steps), 1)), steps], axis=1)  # (M, 3)
    normal = np.einsum("nm,ma,mb->nab", weights, terms, terms) + np.diag([1e-6, ridge + 1e-6, ridge + 1e-6])
    fitted = np.linalg.solve(normal, np.einsum("nm,ma,nmi->nai", weights, terms, rest))  # (n, 3, 2)
    return Foretold(fitted[:, 0], usual + fitted[:, 1:].transpose(0, 2, 1) / step, total)
