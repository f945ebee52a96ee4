"""From detected boxes to a consistent page: which lead stands where, and when it was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ecgpage.detection.arrangements import GRIDS, LeadGrid
from ecgpage.detection.grid_fit import GridFit, edge_at, fit_edges, fit_grid
from ecgpage.detection.lead_boxes import (
    LEAST_SCORE,
    Candidate,
    candidates,
    centers,
    height,
    middle,
    most_odds,
    seen_otherwise,
    short_ones,
    width,
)
from ecgpage.detection.unarranged import in_reading_order
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox, PixelsPerSecond

LEAST_SHARE = 0.55
"""Share of the boxes, by weight, whose names must agree with an arrangement."""

SURE_ALONE = 0.5
"""Score that the best box must have where no arrangement supports it: anything may look a little like a lead."""

LEAST_CELLS = 0.4
"""Share of an arrangement's cells that boxes must be found for, at least four."""

UNPLACED, MISSING = 2.0, 1.0
"""What a sure box without a cell, and a cell without a box, count against an arrangement, in log odds."""

PRESENCE = 4.0
"""What a box in a cell is worth, in log odds: even a wrong name says that there is a lead."""

DISTANCE = 6.0
"""What a box one cell away from its place loses, times the distance squared, in log odds."""

CERTAIN = 2.0
"""By how much the best arrangement must explain a page better than any other, in log odds."""

LEAST_STRIP_PRESENCE = 0.2
"""A rhythm strip may be seen less surely than a short lead, being of any lead; place and length are telling enough."""

MOST_STRIPS = 3
"""Below or above leads in columns; one beside leads in a single column, where it looks like one more of them."""

STRIP = 1.0
"""What a strip counts against an arrangement, in log odds: the same box may be a lead of another."""

LONG = 1.5
"""Widths of a column from which on a box is no short lead; on a page that is cut, a strip may be little longer."""

SHORT_COLUMNS = 0.5
"""Columns that are shorter than their share of the page last a multiple of so many seconds, within ``EVEN``."""

EVEN = 0.1
"""Seconds by which a measured length may be off."""

APART = 0.06
"""Widths of a column from which on a blank between columns is seen in their boxes, which say less than it is: 0.08 and
0.13 of blanks of 0.12 and 0.17. Of drawn pages without any one said 0.05, the others 0.035 at most."""

ROW_WITHOUT = 0.1
"""Rows, from the middle of a short lead, within which no strip runs: a wide box there is of a row's leads together."""

USUAL_STRIP = 1.0
"""Log odds that a strip is lead II, before it is read."""


def arrange(
    boxes: Sequence[LeadBox],
    seconds: float = 10.0,
    size: tuple[int, int] | None = None,
    per_second: PixelsPerSecond | None = None,
) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    """Arrange detected boxes into a page of ``seconds``: the leads in printing order, and warnings as sentences.

    Each cell of the arrangement holds at most one lead; a name that contradicts its place is put right; a lead that
    was not detected is put, with score 0, where the arrangement says it is. Where no arrangement is recognised, the
    boxes keep their names, stand in time by their place from left to right, and a warning says so; there are none if
    the best of them is not sure. A warning also says
    where another arrangement explains the page nearly as well.

    size: (height, width) of the page, beyond which no lead is expected. per_second: pixels along the page, where its
    grid is known: leads that each take all of the seconds are told from it, with times as if their columns followed
    each other, and, where it is sure, columns shorter than their share.
    """
    found = candidates(boxes)
    matches = _ranked(found, size)
    if not matches:
        seen = [one.box for one in found if one.box.score >= LEAST_SCORE]
        sure = any(box.score >= SURE_ALONE for box in seen)
        return in_reading_order(seen if sure else [], seconds, _sure(per_second))
    best = matches[0]
    leads, warnings = _arranged(best, seconds, size, per_second)
    leads = tuple(seen_otherwise(lead, found) for lead in leads)
    other = next((match for match in matches if match.reading != best.reading), None)
    if other is not None and best.value - other.value < CERTAIN:
        same = other.grid is best.grid
        doubt = "its leads may stand in other rows or columns" if same else f"it may be {other.grid.name}"
        warnings += (f"The layout is not certain: taken for {best.grid.name}, {doubt}.",)
    return leads, warnings


class Support(NamedTuple):
    """How well the best arrangement explains a page's boxes.

    value: log odds. share: of what boxes of as many leads, all sure, would have, at most 1.
    """

    value: float
    share: float


def support(boxes: Sequence[LeadBox], size: tuple[int, int] | None = None) -> Support:
    """How well boxes look like a page, of (height, width), whose arrangement is known; 0 where none is recognised, or
    where more speaks against the best than for it."""
    matches = _ranked(candidates(boxes), size)
    if not matches:
        return Support(0.0, 0.0)
    best, value = matches[0], max(0.0, matches[0].value)
    leads = len(best.placed) + best.missing + len(best.strips)
    return Support(value, value / (leads * most_odds(any(box.reading for box in boxes))))


@dataclass(frozen=True)
class _Match:
    """Boxes placed into an arrangement.

    strips: from top to bottom, with their names. missing: cells on the page without a box. value: log odds, how well
    the arrangement explains the boxes. share: of the boxes' weights, each by how likely its cell's name is beside its
    likeliest one.
    """

    grid: LeadGrid
    fit: GridFit
    placed: dict[tuple[int, int], Candidate]
    strips: tuple[tuple[Candidate, str], ...]
    missing: int
    value: float
    share: float

    @property
    def reading(self) -> dict[int, tuple[str, float]]:
        """What the arrangement says of each box: name, and place in time as a share of the page's."""
        columns = self.grid.shape[1]
        cells = {id(one): (self.grid.names[r][c], c / columns) for (r, c), one in self.placed.items()}
        return cells | {id(one): (name, -1.0) for one, name in self.strips}


def _ranked(found: Sequence[Candidate], size: tuple[int, int] | None) -> list[_Match]:
    """The boxes placed into every arrangement that they fit, best first; none where the best is not recognised."""
    matches = sorted((match for grid in GRIDS for match in _matches(grid, found, size)), key=lambda match: -match.value)
    return matches if matches and matches[0].share >= LEAST_SHARE else []


def _matches(grid: LeadGrid, found: Sequence[Candidate], size: tuple[int, int] | None) -> Iterator[_Match]:
    """The boxes placed into an arrangement, for each way to start; none where they do not fit it."""
    short = short_ones(found)
    sure = [one for one in short if one.box.score >= LEAST_SCORE]
    if len(sure) < _least(grid):
        return
    where = centers([one.box for one in sure])
    weights = np.array([one.weight for one in sure])
    column_width = float(np.median([width(one.box) for one in sure])) if grid.shape[1] == 1 else None
    for cells, known in (_cells_by_name(grid, sure), _cells_by_place(grid, where)):
        fit = fit_grid(where[known], cells[known], weights[known], column_width)
        for _ in range(2):
            if fit is None:
                break
            near = np.round(fit.cells(where))
            inside = np.all((near >= 0) & (near < grid.shape), axis=1)
            fit = fit_grid(where[inside], near[inside], weights[inside], column_width)
        if fit is not None:
            match = _match(grid, fit, found, size)
            if len(match.placed) >= _least(grid):
                yield match


def _least(grid: LeadGrid) -> float:
    """Fewer boxes than this do not show an arrangement."""
    return max(4.0, LEAST_CELLS * grid.shape[0] * grid.shape[1])


def _cells_by_name(grid: LeadGrid, sure: Sequence[Candidate]) -> tuple[np.ndarray, np.ndarray]:
    """Cells (N, 2) where the boxes' likeliest names belong, and for which of them (N,) there is one."""
    cells = grid.cells
    known = np.array([one.box.name in cells for one in sure])
    return np.array([cells.get(one.box.name, (0, 0)) for one in sure], np.float64), known


def _cells_by_place(grid: LeadGrid, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells (N, 2) of centres (N, 2) parted at their largest gaps into the grid's rows and columns."""
    cells = np.zeros((len(where), 2))
    for axis, count in ((1, grid.shape[0]), (0, grid.shape[1])):
        order = np.argsort(where[:, axis])
        gaps = np.diff(where[order, axis])
        steps = np.zeros(len(where))
        steps[1 + np.argsort(-gaps)[: count - 1]] = 1
        cells[order, 1 - axis] = np.cumsum(steps)
    return cells, np.ones(len(where), bool)


def _match(grid: LeadGrid, fit: GridFit, found: Sequence[Candidate], size: tuple[int, int] | None) -> _Match:
    """Place the boxes into an arrangement whose cells' places are known, and judge it by them."""
    rows, columns = grid.shape
    short = [one for one in found if columns == 1 or width(one.box) < LONG * fit.width]
    placed = _place(grid, fit, short)
    taken = {id(one) for one in placed.values()}
    long = 0.7 if columns == 1 else LONG
    rest = [one for one in found if id(one) not in taken and width(one.box) >= long * fit.width]
    strips = _choose_strips(grid, fit, rest, [middle(one.box) for one in placed.values()] if columns > 1 else [])
    taken |= {id(one) for one, _ in strips}
    value, agreeing = -grid.rarity, 0.0
    for (row, column), one in placed.items():
        name = grid.names[row][column]
        value += one.weight * float(one.odds[LEADS.index(name)])
        agreeing += one.weight * float(np.exp(one.odds[LEADS.index(name)] - one.odds.max()))
    value += sum(one.weight * float(one.odds[LEADS.index(name)]) - STRIP for one, name in strips)
    stray = sum(one.weight for one in short if id(one) not in taken and one.box.score >= LEAST_SCORE)
    missing = sum(_in_page(fit, cell, size) for cell in np.ndindex(rows, columns) if cell not in placed)
    value -= UNPLACED * stray + MISSING * missing
    weight = stray + sum(one.weight for one in placed.values())
    return _Match(grid, fit, placed, strips, missing, value, agreeing / max(1e-9, weight))


def _place(grid: LeadGrid, fit: GridFit, short: Sequence[Candidate]) -> dict[tuple[int, int], Candidate]:
    """At most one box for each cell, by place and by name, all together for the best."""
    cells = [(row, column) for row in range(grid.shape[0]) for column in range(grid.shape[1])]
    if not short:
        return {}
    offset = fit.cells(centers([one.box for one in short]))[:, None] - np.array(cells, np.float64)[None]  # (N, C, 2)
    # of a trace with deep waves the box's middle is far from its row
    tall = np.array([max(1.0, height(one.box) / fit.pitch) for one in short])[:, None]
    distance = np.hypot(offset[..., 0] / tall, 2 * offset[..., 1])
    names = [LEADS.index(grid.names[row][column]) for row, column in cells]
    odds = np.stack([one.odds[names] for one in short])  # (N, C)
    weights = np.array([one.weight for one in short])[:, None]
    value = weights * (PRESENCE + np.maximum(odds, -0.9 * PRESENCE)) - DISTANCE * distance**2
    value[distance > 0.95] = 0.0
    chosen = zip(*linear_sum_assignment(-np.maximum(value, 0.0)), strict=True)
    return {cells[cell]: short[index] for index, cell in chosen if value[index, cell] > 0}


def _choose_strips(
    grid: LeadGrid, fit: GridFit, long: Sequence[Candidate], rows: Sequence[float]
) -> tuple[tuple[Candidate, str], ...]:
    """Rhythm strips from top to bottom, each lead's at most once, none in the rows of the short leads.

    rows: y of what is placed in rows beside which no strip runs.
    """
    chosen: list[Candidate] = []
    most = MOST_STRIPS if grid.shape[1] > 1 else 1
    for one in sorted(long, key=lambda candidate: -candidate.box.score):
        row = fit.cells(centers([one.box]))[0][0]
        beside = row > grid.shape[0] - 0.6 or row < -0.4
        apart = all(abs(middle(one.box) - middle(other.box)) > 0.4 * fit.pitch for other in chosen)
        apart = apart and all(abs(middle(one.box) - y) > ROW_WITHOUT * fit.pitch for y in rows)
        if one.presence >= LEAST_STRIP_PRESENCE and beside and apart and len(chosen) < most:
            chosen.append(one)
    if not chosen:
        return ()
    chosen.sort(key=lambda candidate: middle(candidate.box))
    odds = np.stack([one.odds for one in chosen])
    odds[:, LEADS.index("II")] += USUAL_STRIP
    _, names = linear_sum_assignment(-odds)
    return tuple((one, LEADS[name]) for one, name in zip(chosen, names, strict=True))


def _in_page(fit: GridFit, cell: tuple[int, int], size: tuple[int, int] | None) -> bool:
    """Whether most of a cell lies on the page."""
    if size is None:
        return True
    x, y = fit.center(*cell)
    low, high = max(0.0, x - fit.width / 2), min(float(size[1]), x + fit.width / 2)
    return bool(0 < y < size[0] and high - low > 0.6 * fit.width)


def _arranged(
    match: _Match, seconds: float, size: tuple[int, int] | None, per_second: PixelsPerSecond | None
) -> tuple[tuple[LeadBox, ...], tuple[str, ...]]:
    """The leads of an accepted arrangement, in printing order with their times, and what was put right."""
    rows, columns = match.grid.shape
    above = sum(bool(match.fit.cells(centers([one.box]))[0][0] < 0) for one, _ in match.strips)
    lasting = None if per_second is None else match.fit.width / per_second.value
    # two columns as wide may be of 50 mm/s
    whole = columns > 2 and lasting is not None and abs(lasting / seconds - 1) < 0.15
    surely = lasting if _sure(per_second) else None
    duration = seconds if whole else _column_seconds(seconds / columns, surely)
    short = not whole and duration < seconds / columns
    leads, renamed, recovered = [], [], []
    for row in range(rows):
        for column in range(columns):
            name = match.grid.names[row][column]
            time = {"row": row + above, "column": column, "start": column * duration, "duration": duration}
            one = match.placed.get((row, column))
            if one is not None:
                if one.box.name != name:
                    renamed.append(f"{one.box.name} to {name}")
                leads.append(replace(one.named(name), **time))
            elif _in_page(match.fit, (row, column), size):
                recovered.append(name)
                leads.append(LeadBox(name, _expected_box(match, row, column), 0.0, **time))
    for k, (one, name) in enumerate(match.strips):
        row = k if k < above else rows + k
        time = {"row": row, "column": 0, "start": 0.0, "duration": seconds}
        if short:
            spanned = width(one.box) / match.fit.width  # columns; a strip may go on where they end
            time["duration"] = min(
                seconds, duration * (round(spanned) if abs(spanned - round(spanned)) < 0.1 else spanned)
            )
        leads.append(replace(one.named(name), strip=True, **time))
    warnings = []
    if renamed:
        warnings.append(f"Lead names were put right by their neighbours: {', '.join(renamed)}.")
    if recovered:
        warnings.append(f"Leads were not detected and taken where the layout has them: {', '.join(recovered)}.")
    return _align_edges(leads, columns, 0.0 if whole else duration), tuple(warnings)


def _sure(per_second: PixelsPerSecond | None) -> float | None:
    return per_second.value if per_second is not None and per_second.sure else None


def _column_seconds(share: float, lasting: float | None) -> float:
    """How long columns last, s: their share of the page, unless they are measured to be clearly shorter.

    So they are where a page prints more columns than the twelve leads take, such as V7 to V9. Columns of half the
    length may be of another paper speed.
    """
    if lasting is None or not 0.6 * share < lasting < 0.9 * share:
        return share
    even = round(lasting / SHORT_COLUMNS) * SHORT_COLUMNS
    return even if abs(lasting - even) < EVEN else lasting


def _expected_box(match: _Match, row: int, column: int) -> tuple[float, float, float, float]:
    """Where an undetected lead is: the cell's place, as high as its row's or the page's usual box."""
    x, y = match.fit.center(row, column)
    beside = [one.box for (other, _), one in match.placed.items() if other == row]
    beside = beside or [one.box for one in match.placed.values()]
    half = 0.5 * max(float(np.median([height(box) for box in beside])), 0.6 * match.fit.pitch)
    return float(x - match.fit.width / 2), float(y - half), float(x + match.fit.width / 2), float(y + half)


def _align_edges(leads: list[LeadBox], columns: int, step: float) -> tuple[LeadBox, ...]:
    """Take the boxes' left and right edges from all of them together: one edge alone is not exact.

    step: seconds from one column to the next, 0 where all show the same.
    """

    def ends_of(lead: LeadBox) -> tuple[float, float]:
        """Where a lead begins and ends, in columns."""
        if not lead.strip:
            return float(lead.column), lead.column + 1.0
        return 0.0, lead.duration / step if step else float(columns)

    def blanks_of(lead: LeadBox) -> tuple[int, int]:
        """How many blanks between columns lie left of a lead's ends; a strip has none within its time."""
        return (lead.column, lead.column) if not lead.strip else (0, 0 if step else columns - 1)

    sure = [lead for lead in leads if lead.score > 0]
    left, right = zip(*map(ends_of, sure), strict=True)
    heights = np.array([middle(lead) for lead in sure] * 2)
    edges = np.array([lead.box[0] for lead in sure] + [lead.box[2] for lead in sure])
    positions = np.array([*left, *right])
    blanks = np.array([blanks_of(lead) for lead in sure]).T.ravel()
    weights = np.array([lead.score for lead in sure] * 2)
    usual = np.median([width(lead) for lead in sure if not lead.strip])
    fit = fit_edges(positions, heights, edges, weights, blanks)
    if fit[-1] < APART * usual:
        fit = fit_edges(positions, heights, edges, weights, np.zeros_like(blanks))
    if np.median(np.abs(edge_at(fit, positions, heights, blanks) - edges)) > 0.05 * usual:
        return tuple(leads)
    aligned = []
    for lead in leads:
        x0, x1 = edge_at(fit, ends_of(lead), [middle(lead)] * 2, blanks_of(lead))
        aligned.append(replace(lead, box=(float(x0), lead.box[1], float(x1), lead.box[3])))
    return tuple(aligned)
