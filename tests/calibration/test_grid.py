"""The grid's measurement on paper drawn by formula, where every line's place is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.grid import GridSettings, frequencies_at, measure_grid
from ecgpage.calibration.lattice import fit_lattice
from ecgpage.calibration.tiles import HARMONICS, SHIFTS, Combs, track
from ecgpage.geometry import apply_homography
from ecgpage.recording import Page
from tests.page.drawn_paper import draw_paper, similarity


def page_of(image):
    return Page(image, image.shape[:2], np.eye(3), False)


def scatter(size):
    x, y = np.meshgrid(np.linspace(0.1, 0.9, 6) * size[1], np.linspace(0.1, 0.9, 5) * size[0])
    return np.stack([x.ravel(), y.ravel()], 1)


def error_mm(grid, paper_to_picture, square, size):
    """Largest distance, mm, between true and measured places after the best shift by whole squares."""
    points = scatter(size)
    true = apply_homography(np.linalg.inv(paper_to_picture), points)
    measured = apply_homography(grid.page_to_lattice, points) * square
    off = measured - true
    return np.abs(off - square * np.round(np.median(off, axis=0) / square)).max()


@settings(max_examples=7, deadline=None)
@given(
    pixels_per_mm=st.floats(2.4, 14.0),
    degrees=st.floats(-12.0, 12.0),
    noise=st.sampled_from([0.0, 8.0]),
    blur=st.sampled_from([0.0, 0.8]),
)
def test_pitch_and_angle_of_any_usual_page(pixels_per_mm, degrees, noise, blur):
    size = (int(min(600, 120 * pixels_per_mm)), int(min(800, 160 * pixels_per_mm)))
    truth = similarity(pixels_per_mm, degrees, size, (100.0, 80.0))
    grid = measure_grid(page_of(draw_paper(truth, size, noise=noise, blur=blur, seed=3)))
    assert grid.found
    square = 5.0 if grid.pitch[0] > 3 * pixels_per_mm else 1.0
    assert grid.pitch == pytest.approx((square * pixels_per_mm,) * 2, rel=0.002)
    angle = np.degrees(np.arctan2(grid.vectors[0, 1], grid.vectors[0, 0]))
    assert angle == pytest.approx(degrees, abs=0.05)
    assert error_mm(grid, truth, square, size) < 0.1


@pytest.mark.parametrize(("fine", "strong", "square"), [(0.12, 0.0, 1.0), (0.0, 0.2, 5.0)])
def test_fine_or_strong_lines_alone(fine, strong, square):
    size = (700, 900)
    truth = similarity(6.0, 3.0, size, (75.0, 60.0))
    grid = measure_grid(page_of(draw_paper(truth, size, fine=fine, strong=strong, noise=6)))
    assert error_mm(grid, truth, square, size) < 0.05
    assert not grid.nested


@pytest.mark.parametrize("degrees", [0.0, 2.0, -4.0])
def test_dots_are_not_taken_for_their_diagonals(degrees):
    """Crossings that are dark by themselves repeat along the diagonals too, closer by the square root of two."""
    size = (500, 700)
    truth = similarity(5.0, degrees, size, (70.0, 50.0))
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    paper = apply_homography(np.linalg.inv(truth), np.stack([x.ravel(), y.ravel()], 1)).reshape(*size, 2)
    near = np.abs(paper - np.round(paper)).max(axis=2) < 0.15
    image = cv2.GaussianBlur(np.where(near[..., None], (150, 170, 200), (250, 250, 250)).astype(np.uint8), (3, 3), 0.7)
    grid = measure_grid(page_of(image))
    assert grid.pitch == pytest.approx((5.0, 5.0), rel=0.002)
    assert np.degrees(np.arctan2(grid.vectors[0, 1], grid.vectors[0, 0])) == pytest.approx(degrees, abs=0.05)


@pytest.mark.parametrize("degrees", [1.8, 0.0, -1.2])
def test_a_pattern_fainter_than_its_diagonals_is_still_a_grid(degrees):
    """Whether there is one is decided by what is seen best, the diagonals; which one, by the pattern itself. It runs to
    the right and down whichever way the diagonals do: else what is read of the page would stand on its head."""
    size = (500, 700)
    truth = similarity(6.9, degrees, size, (50.0, 36.0))
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    paper = apply_homography(np.linalg.inv(truth), np.stack([x.ravel(), y.ravel()], 1)).reshape(*size, 2)
    phase = 2 * np.pi * paper
    waves = 12 * (np.cos(phase.sum(axis=2)) + np.cos(phase[..., 0] - phase[..., 1])) + 8 * np.cos(phase).sum(axis=2)
    light = 200 + waves + np.random.default_rng(0).normal(0, 20, size)
    grid = measure_grid(page_of(np.repeat(light[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)))
    assert grid.found and grid.strength < GridSettings().smallest_strength
    assert grid.pitch == pytest.approx((6.9, 6.9), rel=0.003)
    np.testing.assert_allclose(grid.vectors @ truth[:2, :2] / truth[2, 2], np.eye(2), atol=0.01)


@pytest.mark.parametrize("seed", range(12))
def test_faint_lines_halfway_between_those_expected_are_followed(seed):
    """In the noise some tiles see them half a unit to the left, some half a unit to the right."""
    size, rng = (500, 700), np.random.default_rng(seed)
    turn = np.deg2rad(rng.uniform(-3, 3))
    frequencies = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / 7.0
    middle, halfway = (np.array(size[::-1]) - 1) / 2, 0.5 + rng.uniform(-0.03, 0.03, 2)
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    units = (np.stack([x, y], axis=2) - middle) @ frequencies.T + halfway
    contrast = 0.12 * np.cos(2 * np.pi * units).sum(axis=2) + rng.normal(0, 0.35, size)
    lattice = fit_lattice(contrast.astype(np.float32), frequencies * [[1.004], [0.997]])
    off = apply_homography(np.linalg.inv(lattice.lattice_to_image), scatter(size))
    off -= (scatter(size) - middle) @ frequencies.T + halfway
    assert np.abs(off - np.round(np.median(off, axis=0))).max() < 0.1


def test_faint_lines_that_agree_all_over_the_page_are_a_grid():
    size, noise = (600, 800), np.random.default_rng(1)
    truth = similarity(7.0, 1.5, size, (57.0, 43.0))
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    paper = apply_homography(np.linalg.inv(truth), np.stack([x.ravel(), y.ravel()], 1)).reshape(*size, 2)
    lines = np.exp(-((np.abs(paper - np.round(paper)).min(axis=2) / 0.08) ** 2))
    image = np.repeat((215 - 9 * lines + noise.normal(0, 20, size))[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    grid = measure_grid(page_of(image))
    assert grid.found and grid.strength < GridSettings().smallest_strength
    assert grid.pitch == pytest.approx((7.0, 7.0), rel=0.005)
    bare = np.repeat((215 + noise.normal(0, 20, size))[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    assert not measure_grid(page_of(bare)).found


def test_lines_that_lie_at_45_degrees_stay_there():
    size = (600, 600)
    truth = similarity(6.0, 44.0, size, (60.0, 60.0))
    grid = measure_grid(page_of(draw_paper(truth, size, strong=0.0, noise=4)))
    assert grid.pitch == pytest.approx((6.0, 6.0), rel=0.002)


def test_sixty_dots_per_inch_keep_the_strong_lines():
    size = (510, 660)  # 11 x 8.5 in at 60 dpi: 2.36 px/mm, fine lines closer than two and a half pixels
    truth = similarity(60 / 25.4, -4.0, size, (140.0, 108.0))
    image = draw_paper(truth, size, noise=10, blur=0.7)
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    grid = measure_grid(page_of(cv2.imdecode(encoded, cv2.IMREAD_COLOR)))
    assert error_mm(grid, truth, 5.0, size) < 0.1


def test_perspective_is_measured_too():
    size = (900, 1200)
    truth = similarity(6.0, 4.0, size, (100.0, 75.0))
    middle = np.array([[1, 0, 600], [0, 1, 450], [0, 0, 1.0]])
    tilt = np.array([[1, 0, 0], [0, 1, 0], [2.5e-4, -2e-4, 1.0]])  # pitch changes by a third across the picture
    truth = middle @ tilt @ np.linalg.inv(middle) @ truth
    grid = measure_grid(page_of(draw_paper(truth, size, noise=5)))
    assert error_mm(grid, truth, 5.0, size) < 0.1
    assert grid.bend < 0.02


def test_curled_paper_is_followed_and_its_bend_reported():
    size = (800, 1200)
    truth = similarity(6.0, 0.0, size, (100.0, 66.0))
    flat = draw_paper(truth, size)
    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    bent = cv2.remap(flat, x, y + 12 * np.sin(np.pi * x / size[1]).astype(np.float32), cv2.INTER_LINEAR)
    grid = measure_grid(page_of(bent))
    assert grid.found
    assert grid.agreement > 0.9
    # An arch of 12 px, 2 mm, less what a tilted plane takes of it, in squares of 5 mm.
    assert 0.03 < grid.bend < 0.4
    assert np.ptp(grid.shifts[:, 1]) > 3 * np.ptp(grid.shifts[:, 0])


def combs_at(places, heights):
    """Combs of tiles in rows, with one peak each along either axis. places: (rows, columns); heights: alike."""
    rows, columns = places.shape
    x, y = np.meshgrid(np.arange(columns), np.arange(rows))
    tiles = np.stack([x.ravel(), y.ravel()], axis=1)
    shift = np.arange(SHIFTS) / SHIFTS - 0.5
    away = (shift - places.reshape(-1, 1) + 0.5) % 1 - 0.5
    along = heights.reshape(-1, 1) * np.exp(-((away / 0.05) ** 2))
    across = heights.max() * np.exp(-((shift / 0.05) ** 2)) * np.ones_like(along)
    levels = np.stack([along, across], axis=1).astype(np.float32)
    return Combs(tiles.astype(float), tiles, levels, np.zeros((2, HARMONICS + 1)), np.zeros((len(tiles), 2, 0)))


def test_tiles_reached_through_others_that_show_nothing_are_not_counted_a_line_off():
    """A region between faint tiles in which the lines seem to drift by a whole square."""
    places, heights = np.zeros((4, 15)), np.full((4, 15), 6.0)
    places[:, 5], places[:, 6], heights[:, 5:7] = -0.35, -0.65, 1.3
    shifts = track(combs_at(places, heights)).shifts.reshape(4, 15, 2)
    np.testing.assert_allclose(np.delete(shifts, (4, 5, 6, 7), axis=1), 0, atol=0.02)


def test_lines_that_drift_by_a_square_where_all_see_it_are_followed():
    places = np.broadcast_to(np.clip(np.arange(15) - 4, 0, 7) / 7, (4, 15))
    shifts = track(combs_at(places, np.full((4, 15), 6.0))).shifts.reshape(4, 15, 2)
    np.testing.assert_allclose(shifts[..., 0] - shifts[:, :1, 0], places, atol=0.03)


def test_large_and_reduced_pages_agree():
    size = (1000, 1400)
    truth = similarity(12.0, 2.0, size, (80.0, 60.0))
    image = draw_paper(truth, size)
    whole = measure_grid(page_of(image))
    reduced = measure_grid(page_of(image), GridSettings(longest=700))
    for grid in (whole, reduced):
        square = 5.0 if grid.pitch[0] > 36 else 1.0
        assert error_mm(grid, truth, square, size) < 0.03


def test_the_page_is_measured_not_the_picture():
    size = (700, 900)
    image = draw_paper(similarity(6.0, 10.0, size, (75.0, 60.0)), size)
    turned = similarity(1.0, 10.0, size, ((size[1] - 1) / 2, (size[0] - 1) / 2))
    grid = measure_grid(Page(image, size, turned, False))
    assert np.degrees(np.arctan2(grid.vectors[0, 1], grid.vectors[0, 0])) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_no_grid_is_ordinary(noise):
    size = (500, 700)
    truth = similarity(5.0, 0.0, size, (70.0, 50.0))
    grid = measure_grid(page_of(draw_paper(truth, size, fine=0, strong=0, noise=noise)))
    assert not grid.found and grid.pitch is None and len(grid.centers) == 0
    with pytest.raises(ValueError, match="no grid"):
        _ = grid.page_to_lattice


@pytest.mark.parametrize("image", [np.zeros((400, 500, 3), np.uint8), np.full((20, 900, 3), 255, np.uint8)])
def test_blank_and_tiny_pages_have_no_grid(image):
    assert not measure_grid(page_of(image)).found


def test_frequencies_of_a_plain_scaling():
    # One lattice step is 8 px in x and 4 px in y: 1/8 and 1/4 cycles per pixel, anywhere on the page.
    vectors, pitch = frequencies_at(np.diag([8.0, 4.0, 1.0]), np.array([17.0, 5.0]))
    assert vectors == pytest.approx(np.diag([0.125, 0.25]))
    assert pitch == pytest.approx((8.0, 4.0))


def test_moving_to_another_page_and_back_changes_nothing():
    size = (600, 800)
    grid = measure_grid(page_of(draw_paper(similarity(6.0, 5.0, size, (60.0, 50.0)), size)))
    there = np.array([[1.1, 0.2, 5], [-0.1, 0.9, 8], [1e-5, 2e-5, 1.0]])
    back = grid.moved(there, (700, 900)).moved(np.linalg.inv(there), size)
    assert back.lattice_to_page == pytest.approx(grid.lattice_to_page)
    assert back.centers == pytest.approx(grid.centers)


def test_region_is_where_the_grid_is_printed():
    """A gridded page in the middle of a blank picture, as large as one third of it."""
    y, x = np.mgrid[:1800, :2400]
    inside = (x >= 800) & (x < 1600) & (y >= 600) & (y < 1200)
    lines = inside & ((x % 20 < 2) | (y % 20 < 2))
    image = np.repeat(np.where(lines, 120, 240).astype(np.uint8)[..., None], 3, axis=2)
    grid = measure_grid(Page(image, image.shape[:2], np.eye(3), False))
    x0, y0, x1, y1 = grid.region
    assert 300 < x0 <= 810 and 100 < y0 <= 610 and 1590 <= x1 < 2100 and 1190 <= y1 < 1700


def test_settings_say_what_is_wrong():
    with pytest.raises(ValueError, match="longest must be at least 256"):
        GridSettings(longest=100)
