"""From detected boxes to a consistent page: which lead stands where, and when it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgpage.detection.grid_fit import GridFit, edge_at, fit_edges, fit_grid
from ecgpage.detection.lead_boxes import LEAST_SCORE, centers, height, middle, remove_duplicates, split_strips, width
from ecgpage.detection.unarranged import in_reading_order
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox


@dataclass(frozen=True)
class LeadGrid:
    """A page's arrangement of short leads: names[row][column]; successive columns follow each other in time."""

    name: str
    names: tuple[tuple[str, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.names), len(self.names[0])

    def cell(self, name: str) -> tuple[int, int]:
        """(row, column) of a lead."""
        return next((r, row.index(name)) for r, row in enumerate(self.names) if name in row)


GRIDS = (LeadGrid("3x4", tuple(tuple(LEADS[3 * column + row] for column in range(4)) for row in range(3))),)
"""The arrangements that can be recognised; the one that explains a page's boxes best is taken."""

LEAST_BOXES = 5
"""Fewer short leads than this do not show an arrangement."""

LEAST_SHARE = 0.6
"""Share of the boxes' scores whose names must agree with an arrangement."""

LEAST_STRIP_SCORE = 0.15
"""A rhythm strip may score lower than a short lead, being of any lead; its place and length are telling enough."""


def arrange(boxes: Sequence[LeadBox], seconds: float = 10.0) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    """Arrange detected boxes into a page of ``seconds``: the leads in printing order, and warnings as sentences.

    Each cell of the arrangement holds at most one lead; a name that contradicts its place is put right; a lead that
    was not detected is put, with score 0, where the arrangement says it is. Where no arrangement is recognised, the
    boxes keep their names, stand in time by their place from left to right, and a warning says so.
    """
    boxes = remove_duplicates(boxes)
    short, strips = split_strips(boxes)
    found = [result for grid in GRIDS if (result := _match(grid, short)) is not None]
    if not found:
        return in_reading_order([box for box in boxes if box.score >= LEAST_SCORE], seconds)
    best = max(found, key=lambda match: match.share)
    return _arranged(best, strips, seconds)


@dataclass(frozen=True)
class _Match:
    """Boxes placed into an arrangement; share: of the scores, whose names agree with their cells."""

    grid: LeadGrid
    fit: GridFit
    placed: dict[tuple[int, int], LeadBox]
    share: float


def _match(grid: LeadGrid, boxes: Sequence[LeadBox]) -> _Match | None:
    """Place the boxes into an arrangement; None where they do not fit it."""
    sure = [box for box in boxes if box.score >= LEAST_SCORE]
    if len(sure) < LEAST_BOXES:
        return None
    cells = np.array([grid.cell(box.name) for box in sure], dtype=np.float64)
    scores = np.array([box.score for box in sure])
    fit = fit_grid(centers(sure), cells, scores)
    if fit is None:
        return None
    near = np.round(fit.cells(centers(sure)))
    inside = np.all((near >= 0) & (near < grid.shape), axis=1)
    refit = fit_grid(centers(sure)[inside], near[inside], scores[inside]) if inside.any() else None
    fit = refit or fit
    placed = _place(grid, fit, boxes)
    agreeing = sum(box.score for cell, box in placed.items() if grid.cell(box.name) == cell)
    share = agreeing / max(1e-9, float(scores.sum()))
    return _Match(grid, fit, placed, share) if share >= LEAST_SHARE and len(placed) >= LEAST_BOXES else None


def _place(grid: LeadGrid, fit: GridFit, boxes: Sequence[LeadBox]) -> dict[tuple[int, int], LeadBox]:
    """The best box of each cell. A name that agrees counts half a point, distance from the cell's middle against."""
    best: dict[tuple[int, int], tuple[float, LeadBox]] = {}
    for box, (row, column) in zip(boxes, fit.cells(centers(boxes)), strict=True):
        expected = grid.cell(box.name)
        own = abs(expected[0] - row) < 0.8 and abs(expected[1] - column) < 0.4
        cell = expected if own else (round(float(row)), round(float(column)))
        if not (0 <= cell[0] < grid.shape[0] and 0 <= cell[1] < grid.shape[1]):
            continue
        distance = float(np.hypot(cell[0] - row, 2 * (cell[1] - column)))
        value = box.score + 0.5 * own - 0.5 * distance
        if distance < 0.9 and (cell not in best or value > best[cell][0]):
            best[cell] = (value, box)
    return {cell: box for cell, (_, box) in best.items()}


def _arranged(match: _Match, strips: Sequence[LeadBox], seconds: float) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    rows, columns = match.grid.shape
    duration = seconds / columns
    leads, renamed, recovered = [], [], []
    for row in range(rows):
        for column in range(columns):
            name = match.grid.names[row][column]
            box = match.placed.get((row, column))
            if box is None:
                recovered.append(name)
                box = LeadBox(name, _expected_box(match, row, column), 0.0)
            elif box.name != name:
                renamed.append(f"{box.name} to {name}")
            leads.append(replace(box, name=name, row=row, column=column, start=column * duration, duration=duration))
    leads += _choose_strips(match, strips, seconds)
    warnings = []
    if renamed:
        warnings.append(f"Lead names were put right by their neighbours: {', '.join(renamed)}.")
    if recovered:
        warnings.append(f"Leads were not detected and taken where the layout has them: {', '.join(recovered)}.")
    return _align_edges(leads, columns), tuple(warnings)


def _expected_box(match: _Match, row: int, column: int) -> tuple[float, float, float, float]:
    """Where an undetected lead is: the cell's place, as high as its row's or the page's usual box."""
    x, y = match.fit.center(row, column)
    beside = [box for (other, _), box in match.placed.items() if other == row] or list(match.placed.values())
    half = 0.5 * max(float(np.median([height(box) for box in beside])), 0.6 * match.fit.pitch)
    return float(x - match.fit.width / 2), float(y - half), float(x + match.fit.width / 2), float(y + half)


def _choose_strips(match: _Match, strips: Sequence[LeadBox], seconds: float) -> list[LeadBox]:
    """Rhythm strips from top to bottom, each lead's at most once, none in the rows of the short leads."""
    rows, columns = match.grid.shape
    chosen: list[LeadBox] = []
    for box in sorted(strips, key=lambda candidate: -candidate.score):
        row, _ = match.fit.cells(centers([box]))[0]
        long_enough = width(box) > 0.7 * columns * match.fit.width
        apart = all(abs(middle(box) - middle(other)) > 0.4 * match.fit.pitch for other in chosen)
        new = all(box.name != other.name for other in chosen)
        if box.score >= LEAST_STRIP_SCORE and row > rows - 0.6 and long_enough and apart and new:
            chosen.append(box)
    chosen.sort(key=middle)
    return [
        replace(box, strip=True, row=rows + k, column=0, start=0.0, duration=seconds) for k, box in enumerate(chosen)
    ]


def _align_edges(leads: list[LeadBox], columns: int) -> tuple[LeadBox, ...]:
    """Take the boxes' left and right edges from all of them together: one edge alone is not exact."""
    sure = [lead for lead in leads if lead.score > 0]
    left = [0.0 if lead.strip else float(lead.column) for lead in sure]
    right = [float(columns) if lead.strip else lead.column + 1.0 for lead in sure]
    heights = np.array([middle(lead) for lead in sure] * 2)
    edges = np.array([lead.box[0] for lead in sure] + [lead.box[2] for lead in sure])
    positions = np.array(left + right)
    fit = fit_edges(positions, heights, edges, np.array([lead.score for lead in sure] * 2))
    usual = np.median([width(lead) for lead in sure if not lead.strip])
    if np.median(np.abs(edge_at(fit, positions, heights) - edges)) > 0.05 * usual:
        return tuple(leads)
    aligned = []
    for lead in leads:
        ends = (0, columns) if lead.strip else (lead.column, lead.column + 1)
        x0, x1 = edge_at(fit, ends, [middle(lead)] * 2)
        aligned.append(replace(lead, box=(float(x0), lead.box[1], float(x1), lead.box[3])))
    return tuple(aligned)
