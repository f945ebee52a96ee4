"""What a polynomial leaves of a bend, followed by the grid's own lines."""

from dataclasses import replace

import numpy as np
import pytest

from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.grid import grid_contrast, measure_grid, nothing_found, without_traces
from ecgpage.calibration.ripple import GridMaps, follow_grid
from ecgpage.geometry import FLAT, Ripple, bent_points, flat_points
from ecgpage.recording import Page
from tests.calibration.gridded_page import PER_MM, drawn


def errors(image: np.ndarray, across, bend, paper_to_page: np.ndarray) -> np.ndarray:
    """How far off the lines' places are in mm, (n,), their mean aside."""
    x, y = np.meshgrid(np.arange(20.0, 256, 9), np.arange(20.0, 193, 9))
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    seen = places + np.stack([across(*places.T), np.zeros(len(places))], axis=1)
    off = flat_points(paper_to_page, PER_MM * seen, bend)[:, 0] - places[:, 0]
    return off - np.median(off)


def wave(x, y):
    """0.3 mm with a length of 80 mm: too short for a polynomial over the page."""
    return 0.3 * np.sin(2 * np.pi * x / 80) * np.cos(np.pi * y / 300)


@pytest.mark.parametrize("fine", [True, False])
def test_a_wave_is_followed_to_a_few_hundredths_of_a_millimetre(fine):
    image = drawn(wave, fine)
    page = Page(image, (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    assert grid.found and grid.lattice_to_page is not None
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    bend = measure_bend(grid, paper_to_page)
    found = follow_grid(GridMaps.of(page), grid, paper_to_page, 5.0, bend)
    assert found is not None and found.ripple is not None
    before, after = (np.sqrt(np.mean(errors(image, wave, one, paper_to_page) ** 2)) for one in (bend, found))
    assert after < 0.05 < 0.1 < before


def test_a_flat_page_has_no_ripple():
    page = Page(drawn(lambda x, y: 0 * x), (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    assert follow_grid(GridMaps.of(page), grid, grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0]), 5.0, None) is None


def test_without_a_grid_nothing_is_followed():
    page = Page(np.full((400, 500, 3), 255, np.uint8), (400, 500), np.eye(3), False)
    assert follow_grid(GridMaps.of(page), nothing_found(), np.eye(3), 5.0, None) is None
    assert follow_grid(GridMaps.of(page), nothing_found(), np.eye(3), 5.0, FLAT) is FLAT


def test_lines_finer_than_the_pixels_and_planes_without_end_are_not_followed():
    page = Page(drawn(wave), (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    assert follow_grid(GridMaps.of(page), replace(grid, pitch=(1.5, 1.5)), paper_to_page, 5.0, FLAT) is FLAT
    endless = paper_to_page @ np.diag([1e-3, 1e-3, 1.0])
    assert follow_grid(GridMaps.of(page), grid, endless, 5.0, FLAT) is FLAT


def test_a_ripple_goes_through_its_nodes_and_stays_beyond_them():
    values = np.random.default_rng(0).normal(size=(5, 7, 2))
    ripple = Ripple.through(values, (10.0, -20.0), (7.0, 9.0))
    columns, rows = np.meshgrid(np.arange(7), np.arange(5))
    nodes = np.stack([10 + 7.0 * columns, -20 + 9.0 * rows], axis=-1)
    np.testing.assert_allclose(ripple(nodes), values, atol=1e-6)
    far = np.array([[-500.0, -500.0], [500.0, 500.0]])
    np.testing.assert_allclose(ripple(far), [values[0, 0], values[-1, -1]], atol=1e-6)
    moved = bent_points(np.eye(3), nodes.reshape(-1, 2), replace(FLAT, ripple=ripple))
    np.testing.assert_allclose(moved, (nodes + values).reshape(-1, 2), atol=1e-6)


def curled(x, y):
    """A corner that rises beyond the line x + y = 130 mm, 60 mm of it, to a slope of 0.3."""
    return 0.3 * np.clip(130 - x - y, 0, None) ** 2 / (2 * 130)


def folded(x, y):
    """A crease down the page, with slopes of 0.12 on either side that fade within 30 mm."""
    far = x - 120
    return 0.12 * np.exp(-np.abs(far) / 30) * (np.hypot(far, 3) - 3)


@pytest.mark.parametrize("across", [curled, folded])
def test_curls_and_folds_are_followed_where_a_polynomial_is_millimetres_off(across):
    image = drawn(across)
    page = Page(image, (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    bend = measure_bend(grid, paper_to_page)
    found = follow_grid(GridMaps.of(page), grid, paper_to_page, 5.0, bend)
    before, after = (np.abs(errors(image, across, one, paper_to_page)) for one in (bend, found))
    assert np.quantile(after, 0.95) < 0.1
    assert after.max() < 0.4 < 1.2 < before.max()


def test_a_page_that_curls_in_a_corner_alone_is_followed_though_it_was_taken_for_flat():
    def corner(x, y):
        return 0.1 * np.clip(90 - x - y, 0, None) ** 2 / 90

    page = Page(drawn(corner), (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    assert measure_bend(grid, paper_to_page) is None
    found = follow_grid(GridMaps.of(page), grid, paper_to_page, 5.0, None)
    assert found is not None
    assert np.abs(errors(page.image, corner, found, paper_to_page)).max() < 0.2


def test_noise_beside_a_grid_that_stands_straight_tells_no_ripple():
    image = drawn(lambda x, y: 0 * x)
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 25, image.shape), 0, 255).astype(np.uint8)
    page = Page(noisy, (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    assert grid.found
    assert follow_grid(GridMaps.of(page), grid, grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0]), 5.0, FLAT) is FLAT


def test_traces_are_left_out_of_the_map_of_a_grid():
    image = drawn(lambda x, y: 0 * x)
    for column in range(8):
        image[300:1500, 400 + column : 2000 : 120] = 30  # steep strokes, a millimetre wide
    contrast = grid_contrast(image)
    left = without_traces(contrast, image)
    strokes = np.zeros(image.shape[:2], bool)
    for column in range(8):
        strokes[310:1490, 400 + column : 2000 : 120] = True
    assert (np.abs(left[strokes]) < 1e-5).all() and np.abs(contrast[strokes]).mean() > 0.5
    assert np.mean(left[1550:] == contrast[1550:]) > 0.95
    assert (left[contrast != 0] != 0).all()  # still inside the picture


def test_steep_strokes_are_not_taken_for_lines():
    def slight(x, y):
        return 0.15 * np.sin(2 * np.pi * x / 90)

    image = drawn(slight)
    for column in range(6):
        image[400:1400, 300 + column : 2000 : 57] = 30  # every 7.1 mm
    page = Page(image, (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    bend = measure_bend(grid, paper_to_page)
    found = follow_grid(GridMaps.of(page), grid, paper_to_page, 5.0, bend)
    assert np.sqrt(np.mean(errors(image, slight, found, paper_to_page) ** 2)) < 0.05
