"""Paper that bends: what is measured from a grid's deviations, and what it is worth to a crop."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.grid import GridEstimate, measure_grid, nothing_found
from ecgpage.digitization.crop import CropPadding, crop_lead
from ecgpage.geometry import Bend, apply_homography, bent_box, bent_points, flat_box, flat_points, largest_rise
from ecgpage.recording import Page

PITCH = 40.0
"""Page pixels between lines 5 mm apart."""

LATTICE_TO_PAGE = np.array([[PITCH, 0, 1100.0], [0, PITCH, 850.0], [0, 0, 1.0]])
PAPER_TO_PAGE = LATTICE_TO_PAGE @ np.diag([0.2, 0.2, 1.0])


def grid_of(shift, noise=0.0, seed=0, weight=6.0):
    """A grid seen in tiles 4 units apart whose lines lie ``shift(x, y)`` lattice units off."""
    x, y = np.meshgrid(np.arange(-24.0, 25.0, 4), np.arange(-16.0, 17.0, 4))
    lattice = np.stack([x.ravel(), y.ravel()], axis=1)
    shifts = np.stack(shift(lattice[:, 0] / 24, lattice[:, 1] / 16), axis=1) * np.ones((len(lattice), 2))
    shifts = shifts + np.random.default_rng(seed).normal(0, noise, shifts.shape)
    centers = apply_homography(LATTICE_TO_PAGE, lattice)
    weights = np.full(shifts.shape, weight)
    return GridEstimate(LATTICE_TO_PAGE, (PITCH, PITCH), np.eye(2) / PITCH, True, 9, 1, 0.1, centers, shifts, weights)


@settings(deadline=None, max_examples=25)
@given(*(st.floats(-0.3, 0.3) for _ in range(4)))
def test_a_curl_is_measured_to_a_fraction_of_a_millimetre(a, b, c, d):
    def shift(x, y):
        return a * x**2 + b * x * y**2, c * x**3 + d * y**2

    grid = grid_of(shift)
    bend = measure_bend(grid, PAPER_TO_PAGE)
    if bend is None:
        assert 5 * np.sqrt(np.mean(grid.shifts**2)) < 0.041  # mm: too little to count
        return
    flat = apply_homography(np.linalg.inv(LATTICE_TO_PAGE), grid.centers) - grid.shifts  # true lattice coordinates
    seen = bent_points(PAPER_TO_PAGE, 5 * flat, bend)
    assert np.abs(seen - grid.centers).max() / (PITCH / 5) < 0.03  # mm


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_no_bend_and_does_not_hide_one(seed):
    assert measure_bend(grid_of(lambda x, y: (0 * x, 0 * y), noise=0.02, seed=seed), PAPER_TO_PAGE) is None
    bend = measure_bend(grid_of(lambda x, y: (0.2 * x**2, 0 * y), noise=0.02, seed=seed), PAPER_TO_PAGE)
    middle, edge = bend(np.array([[0.0, 0.0], [118.0, 0.0]]))
    assert edge[0] - middle[0] == pytest.approx(1.0, abs=0.2)  # a fifth of 5 mm


def test_too_little_grid_tells_no_bend():
    assert measure_bend(nothing_found(), PAPER_TO_PAGE) is None
    assert measure_bend(grid_of(lambda x, y: (0.2 * x**2, 0 * y), weight=0.9), PAPER_TO_PAGE) is None


def test_beyond_what_was_seen_a_bend_stays_what_it_was():
    bend = Bend(np.eye(21)[:, :2], 5, (10.0, 20.0), (5.0, 5.0))
    np.testing.assert_allclose(bend(np.array([[100.0, 0.0]])), bend(np.array([[15.0, 15.0]])))


def curled_picture():
    """Lines 5 mm apart at 8 pixels a millimetre whose upright ones are displaced by a curl of up to 1.2 mm."""
    x, y = np.meshgrid(np.arange(2200.0), np.arange(1700.0))
    flat = x - 9.6 * np.cos(np.pi * x / 2200) ** 2
    image = np.full((1700, 2200, 3), 255, np.uint8)
    image[(np.abs((flat + 20) % 40 - 20) < 1.5) | (np.abs((y + 20) % 40 - 20) < 1.5)] = (230, 120, 120)
    fine = (np.abs((flat + 4) % 8 - 4) < 0.6) | (np.abs((y + 4) % 8 - 4) < 0.6)
    image[fine & (image[..., 1] == 255)] = (250, 205, 205)
    return image


def test_a_crop_of_curled_paper_has_straight_lines_at_their_places():
    image = curled_picture()
    page = Page(image, (1700, 2200), np.eye(3), False)
    grid = measure_grid(page)
    assert grid.nested
    paper_to_page = grid.lattice_to_page @ np.diag([0.2, 0.2, 1.0])
    bend = measure_bend(grid, paper_to_page)
    errors = []
    for shape in (None, bend):
        off = []
        for left in (-90.0, -40.0, 0.0, 40.0, 80.0):
            crop = crop_lead(image, paper_to_page, (left, -4, left + 20, 4), CropPadding(0, 0), bend=shape)
            dark = 255.0 - cv2.blur(crop.image[..., 1], (3, 41))[len(crop.image) // 2 + 20]
            places = crop.origin[0] + np.arange(len(dark)) / 8
            wave = np.exp(-2j * np.pi * places / 5)  # its phase tells where the lines are
            off.append(np.angle((dark - dark.mean()) @ wave) / (2 * np.pi) * 5)
        errors.append(np.abs(off).max())
    assert errors[1] < 0.15 < 0.5 < errors[0]


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_bent_points_come_back_to_flat_paper(a, b):
    """Of a bend of up to 3 mm over a page 200 mm long."""
    coefficients = np.zeros((21, 2))
    coefficients[[3, 8]] = [[a, b], [b, a]]
    bend = Bend(coefficients, 5, (0.0, 0.0), (100.0, 80.0))
    points = np.array([[-90.0, 40.0], [0.0, 0.0], [77.0, -70.0], [130.0, 10.0]])
    for shape in (None, bend):
        there = bent_points(PAPER_TO_PAGE, points, shape)
        np.testing.assert_allclose(flat_points(PAPER_TO_PAGE, there, shape), points, atol=1e-3)


def test_a_box_is_carried_back_with_the_bend():
    shift = Bend(np.array([[2.0, -1.0]]), 0, (0.0, 0.0), (1.0, 1.0))
    assert flat_box(np.diag([8.0, 8.0, 1.0]), (80.0, 160.0, 240.0, 200.0), shift) == pytest.approx((8, 21, 28, 26))


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_a_box_around_a_bent_one_holds_all_of_it_and_no_more(a, b):
    coefficients = np.zeros((21, 2))
    coefficients[[3, 8]] = [[a, b], [b, a]]
    bend = Bend(coefficients, 5, (0.0, 0.0), (100.0, 80.0))
    x0, y0, x1, y1 = -70.0, -20.0, 60.0, 30.0
    inside = np.stack(np.meshgrid(np.linspace(x0, x1, 200), np.linspace(y0, y1, 80)), axis=-1).reshape(-1, 2)
    points = bent_points(PAPER_TO_PAGE, inside, bend)
    around = bent_box(PAPER_TO_PAGE, (x0, y0, x1, y1), bend)
    np.testing.assert_allclose(around, (*points.min(axis=0), *points.max(axis=0)), atol=0.2)


def test_the_largest_rise_is_that_of_the_row_that_bends_most():
    coefficients = np.zeros((6, 2))
    coefficients[5] = [4.0, 3.0]  # x², mm
    bend = Bend(coefficients, 2, (0.0, 0.0), (100.0, 80.0))
    long, short = (-100.0, -30.0, 100.0, 10.0), (-50.0, 10.0, 50.0, 20.0)
    assert largest_rise(bend, [short]) == pytest.approx(0.75)
    assert largest_rise(bend, [short, long]) == pytest.approx(3.0)
    assert largest_rise(None, [long]) == largest_rise(bend, []) == 0.0
