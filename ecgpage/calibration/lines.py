"""Whether a grid's lines stand where a bend has them, or anywhere: told by what all of the page says together.

In single tiles of a faint pattern noise looks like lines beside their places, and a polynomial or patches that follow
it bend a page that is flat. Together, tiles show lines more clearly where they are put right, and less where not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.coherence import CLEAR, LatticeTiles
from ecgpage.calibration.grid import GridEstimate
from ecgpage.calibration.ripple import LEFT, GridMaps, follow_grid, is_flat
from ecgpage.geometry import Bend
from ecgpage.recording import Page

FAINT = 4.0
"""Strength (see ``GridEstimate``) below which a pattern may be none. Of 181 drawn pages two showed such a one, with a
clearness of up to 6.6; that of all others, flat or bent, was 11.7 and more (``coherence.CLEAR``)."""

LEAST_GAIN = 4.0
"""How much clearer a polynomial makes them at least, both kinds of lines together, by all their harmonics and by those
from the second on: what follows noise in the first alone makes these less clear. Two of the same pages were bent by
half a millimetre and more wrongly, with less than 2; right bends have less where they move lines by hundredths."""

LEAST_KEPT = 0.9
"""Share of their clearness that lines keep at least where a ripple follows single patches. Right ones kept 0.96 or
more, wrong ones up to 0.8."""


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
    tiles = _tiles(maps, paper_to_page, square, bend)
    if tiles is None:
        return Lines(True, follow_grid(maps, grid, paper_to_page, square, bend))
    clear, bent = tiles.clearness(None), tiles.clearness(bend)
    if doubted and bent.sum() < clear.sum() + LEAST_GAIN:
        bend = None
    else:
        clear = bent
    if bend is not None or not is_flat(grid, square):
        found = follow_grid(maps, grid, paper_to_page, square, bend)
        followed = tiles.clearness(found)
        if followed.sum() >= LEAST_KEPT * clear.sum():
            bend, clear = found, followed
    return Lines(not faint or bool(clear[0].min() >= CLEAR), bend)


def _tiles(maps: GridMaps, paper_to_page: np.ndarray, square: float, bend: Bend | None) -> LatticeTiles | None:
    """The tiles of the map without traces or, where the grid was left out with them, of the whole one; None where these
    show too little to tell. bend: as lines may lie that are not flat."""
    image_to_lattice = np.linalg.inv(maps.page_to_image @ paper_to_page @ np.diag([square, square, 1.0]))
    bare, whole = (LatticeTiles.of(one, image_to_lattice, square) for one in (maps.bare, maps.whole))
    if bare is None or whole is None:
        return None
    shown = [max(float(tiles.clearness(one)[0].sum()) for one in (None, bend)) for tiles in (bare, whole)]
    return bare if shown[0] >= LEFT * shown[1] else whole
