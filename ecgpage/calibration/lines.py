"""Whether a grid's lines stand where a bend has them, or anywhere: told by what all of the page says together.

In single tiles of a faint pattern noise looks like lines beside their places, and a polynomial or patches that follow
it bend a page that is flat. Together, tiles show lines more clearly where they are put right, and less where not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.coherence import bent_clearness
from ecgpage.calibration.grid import GridEstimate
from ecgpage.calibration.ripple import LEFT, GridMaps, follow_grid, is_flat
from ecgpage.geometry import Bend
from ecgpage.recording import Page

FAINT = 4.0
"""Strength (see ``GridEstimate``) below which a pattern may be none."""

CLEAR = 9.0
"""Clearness (see ``coherence``) of upright and of level lines from which on they are a grid's. Of 110 drawn pages the
two whose pattern was none had up to 6.6, all others from 12 on."""

LEAST_GAIN = 4.0
"""How much clearer, both kinds of lines together, a polynomial makes them at least. Of 94 drawn pages those that it
bent wrongly gained up to 3.5; right ones gain less where they move lines by hundredths of a millimetre alone."""

MOST_LOST = 1.5
"""How much less clear a ripple may leave them: it follows single patches. Right ones took up to 0.9, wrong ones from 5
on."""


class Lines(NamedTuple):
    """stand: whether a pattern's lines are a grid's. bend: of the paper, as far as they tell."""

    stand: bool
    bend: Bend | None


def read_lines(page: Page, grid: GridEstimate, paper_to_page: np.ndarray, square: float, doubted: bool = True) -> Lines:
    """What a pattern's lines tell of the paper.

    paper_to_page: (3, 3) homography of the flat paper, millimetres to page pixels, in which the grid's lines are
    ``square`` millimetres apart; doubted: whether a faint pattern may be none, and its bend noise.
    """
    bend = measure_bend(grid, paper_to_page)
    faint = doubted and grid.tells_lines and grid.strength < FAINT
    if bend is None and not faint and is_flat(grid, square):
        return Lines(True, None)
    maps = GridMaps.of(page)
    flat, bent = _clearness(maps, paper_to_page, square, (None, bend))
    if faint and max(flat.min(), bent.min()) < CLEAR:
        return Lines(False, None)
    if doubted and bent.sum() < flat.sum() + LEAST_GAIN:
        bend = None
    if bend is None and is_flat(grid, square):
        return Lines(True, None)
    found = follow_grid(maps, grid, paper_to_page, square, bend)
    before, after = _clearness(maps, paper_to_page, square, (bend, found))
    return Lines(True, found if after.sum() >= before.sum() - MOST_LOST else bend)


def _clearness(
    maps: GridMaps, paper_to_page: np.ndarray, square: float, bends: tuple[Bend | None, Bend | None]
) -> np.ndarray:
    """Clearness (2, 2) of upright and of level lines as two bends have them, in the map without traces unless the grid
    was left out with them; beyond doubt as the second has them where neither map tells."""
    image_to_lattice = np.linalg.inv(maps.page_to_image @ paper_to_page @ np.diag([square, square, 1.0]))
    bare, whole = (bent_clearness(one, image_to_lattice, square, bends) for one in (maps.bare, maps.whole))
    if bare is None or whole is None:
        return np.array([[0.0, 0.0], [np.inf, np.inf]])
    return bare if bare.sum() >= LEFT * whole.sum() else whole
