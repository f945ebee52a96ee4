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
"""Clearness (see ``coherence``) of upright and of level lines from which on, flat or bent, they are a grid's. Of 181
drawn pages the two whose pattern was none had up to 6.6, all others from 11.7 on."""

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
    told = _clearness(maps, paper_to_page, square, (None, bend))
    flat, bent = _in_better(told)
    if doubted and bent < flat + LEAST_GAIN:
        bend = None
    if bend is not None or not is_flat(grid, square):
        found = follow_grid(maps, grid, paper_to_page, square, bend)
        followed = _clearness(maps, paper_to_page, square, (bend, found))
        before, after = _in_better(followed)
        bend = found if after >= LEAST_KEPT * before else bend
        told += followed
    if faint and told and max(one[0].min(axis=1).max() for one in told) < CLEAR:
        return Lines(False, None)
    return Lines(True, bend)


def _clearness(
    maps: GridMaps, paper_to_page: np.ndarray, square: float, bends: tuple[Bend | None, Bend | None]
) -> list[np.ndarray]:
    """What ``bent_clearness`` tells of two bends, (2, 2, 2), in the map without traces and, where the grid was left out
    with them, in the whole one as well; none where the maps do not tell."""
    image_to_lattice = np.linalg.inv(maps.page_to_image @ paper_to_page @ np.diag([square, square, 1.0]))
    bare, whole = (bent_clearness(one, image_to_lattice, square, bends) for one in (maps.bare, maps.whole))
    if bare is None or whole is None:
        return []
    return [bare] if bare[0].sum() >= LEFT * whole[0].sum() else [bare, whole]


def _in_better(told: list[np.ndarray]) -> tuple[float, float]:
    """Clearness of both kinds of lines together as two bends have them, by all harmonics and by those from the second
    on, in the map that shows more of them; beyond doubt as the second has them where none tells."""
    flat, bent = max((one.sum(axis=(0, 2)) for one in told), key=np.sum, default=np.array([0.0, np.inf]))
    return float(flat), float(bent)
