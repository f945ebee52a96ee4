"""What lines say together of a pattern and of bends told by its tiles."""

from dataclasses import replace

import numpy as np
import pytest

import ecgpage.calibration.lines as lines
from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.coherence import LatticeTiles
from ecgpage.calibration.grid import measure_grid
from ecgpage.calibration.lines import FAINT, LEAST_GAIN, read_lines
from ecgpage.calibration.ripple import GridMaps
from ecgpage.geometry import Ripple
from ecgpage.recording import Page
from tests.calibration.gridded_page import drawn

SQUARE = 5.0


def bowed(x, y):
    """0.6 mm to either side, once over the page."""
    return 0.6 * np.sin(2 * np.pi * x / 275)


def level(x, y):
    return 0 * x


def gridded(across):
    """A page whose grid is displaced, its grid as measured, and its homography, mm to page pixels."""
    page = Page(drawn(across), (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    assert grid.found
    return page, grid, grid.lattice_to_page @ np.diag([1 / SQUARE, 1 / SQUARE, 1.0])


def shifted(grid, by):
    """The estimate with its tiles' lines seen beside their places, as in noise: ``by`` (N, 2) lattice units."""
    return replace(grid, shifts=grid.shifts + by, weights=np.full_like(grid.weights, 5.0), bend=0.2)


def test_lines_stand_out_where_the_bend_has_them():
    page, grid, paper_to_page = gridded(bowed)
    bend = measure_bend(grid, paper_to_page)
    maps = GridMaps.of(page)
    to_lattice = np.linalg.inv(maps.page_to_image @ grid.lattice_to_page)
    tiles = LatticeTiles.of(maps.whole, to_lattice, SQUARE)
    bends = (None, bend, replace(bend, coefficients=-bend.coefficients))
    for flat, bent, wrong in zip(*map(tiles.clearness, bends), strict=True):
        assert wrong[0] < flat[0] < bent[0] - LEAST_GAIN / 2
        assert bent[1] == pytest.approx(flat[1], abs=1.0)  # level lines are straight


def test_a_bend_of_the_paper_is_kept():
    page, grid, paper_to_page = gridded(bowed)
    told = read_lines(page, replace(grid, strength=FAINT - 1), paper_to_page, SQUARE)
    assert told.stand and told.bend is not None


def test_a_bend_that_no_line_follows_is_dropped():
    page, grid, paper_to_page = gridded(level)
    x = grid.centers[:, :1] / 2200
    bent = shifted(grid, np.hstack([0.3 * np.sin(np.pi * x), 0.2 * x**2]))
    assert measure_bend(bent, paper_to_page) is not None
    told = read_lines(page, bent, paper_to_page, SQUARE)
    assert told.stand and (
        told.bend is None or np.abs(told.bend(np.mgrid[0:260:20, 0:200:20].reshape(2, -1).T)).max() < 0.1
    )
    # where a grid was looked for by what leads tell, its bend is taken as it was found
    assert read_lines(page, bent, paper_to_page, SQUARE, doubted=False).bend is not None


def test_a_faint_pattern_whose_lines_do_not_stand_together_is_no_grid():
    page, grid, paper_to_page = gridded(level)
    noise = np.random.default_rng(1).normal(200, 20, (1700, 2200, 3)).clip(0, 255).astype(np.uint8)
    empty = replace(page, image=noise)
    faint = replace(grid, strength=FAINT - 1)
    assert not read_lines(empty, faint, paper_to_page, SQUARE).stand
    assert read_lines(page, faint, paper_to_page, SQUARE).stand
    # a pattern that is clear, or tells the squares' size alone, is not asked, nor one that leads told
    for other in (replace(grid, strength=FAINT + 1), replace(faint, weights=np.zeros_like(grid.weights))):
        assert read_lines(empty, other, paper_to_page, SQUARE).stand
    assert read_lines(empty, faint, paper_to_page, SQUARE, doubted=False).stand


def test_a_ripple_that_leaves_lines_less_clear_is_dropped(monkeypatch):
    page, grid, paper_to_page = gridded(bowed)
    bend = measure_bend(grid, paper_to_page)
    values = np.random.default_rng(2).normal(0, 1.0, (12, 15, 2))
    torn = replace(bend, ripple=Ripple.through(values, (0.0, 0.0), (20.0, 20.0)))
    monkeypatch.setattr(lines, "follow_grid", lambda *_: torn)
    told = read_lines(page, grid, paper_to_page, SQUARE)
    assert told.stand and told.bend is not None and told.bend.ripple is None


def test_a_map_that_shows_too_little_refutes_nothing():
    small = Page(np.full((40, 40, 3), 255, np.uint8), (40, 40), np.eye(3), False)
    assert LatticeTiles.of(GridMaps.of(small).bare, np.diag([0.02, 0.02, 1.0]), SQUARE) is None
    _, grid, paper_to_page = gridded(level)
    assert read_lines(small, replace(grid, strength=FAINT - 1), paper_to_page, SQUARE).stand
