"""The grid told by the parts of a page, on paper drawn by formula."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration import parts
from ecgpage.calibration.grid import frequencies_at, grid_contrast, measure_grid, nothing_found
from ecgpage.calibration.lattice import refined_lattice
from ecgpage.calibration.parts import find_grid, is_of_page, likelier, measure_parts
from ecgpage.recording import Page
from tests.page.drawn_paper import draw_paper, similarity

SIZE = (600, 800)


def page_of(image):
    return Page(image, image.shape[:2], np.eye(3), False)


def tilted(degrees, tilt):
    """Homography mm to picture pixels of paper seen from aside, about 4 pixels to the millimetre."""
    middle = np.array([[1, 0, 400], [0, 1, 300], [0, 0, 1.0]])
    bend = np.array([[1, 0, 0], [0, 1, 0], [*tilt, 1.0]])
    return middle @ bend @ np.linalg.inv(middle) @ similarity(4.0, degrees, SIZE, (100.0, 80.0))


def squares(grid, truth):
    """Millimetres that the grid's squares measure, by sides, at the middle and near the corners, (5, 2)."""
    places = np.array([[400.0, 300], [80, 60], [720, 60], [80, 540], [720, 540]])
    return np.array(
        [np.divide(frequencies_at(grid.lattice_to_page, at)[1], frequencies_at(truth, at)[1]) for at in places]
    )


@settings(max_examples=2, deadline=None)
@given(degrees=st.floats(-20, 20), tilt=st.tuples(st.floats(-4e-4, 4e-4), st.floats(-4e-4, 4e-4)))
def test_parts_of_a_tilted_page_tell_its_perspective(degrees, tilt):
    truth = tilted(degrees, tilt)
    grid = measure_parts(page_of(draw_paper(truth, SIZE, noise=6, blur=0.8)))
    assert grid.found
    measured = squares(grid, truth)
    assert measured == pytest.approx(np.full((5, 2), round(float(measured[0, 0]))), rel=0.01)
    assert round(float(measured[0, 0])) in (1, 5)


def test_a_grid_seen_on_one_side_is_that_of_the_page():
    truth = tilted(8.0, (3e-4, 1e-4))
    seen = cv2.GaussianBlur((np.arange(800) < 300).astype(float)[None].repeat(600, 0), (0, 0), 30)[..., None]
    image = draw_paper(truth, SIZE, blur=0.8, noise=6) * seen + 235 * (1 - seen)
    grid = measure_parts(page_of(image.astype(np.uint8)))
    assert squares(grid, truth) == pytest.approx(np.full((5, 2), 5.0), rel=0.03)


def test_lines_known_by_size_and_shape_are_fitted_where_they_lie_on_one_lattice():
    truth = tilted(2.0, (1e-4, 0.0))
    known = np.diag([0.2 * 1.004, 0.2, 1.0]) @ np.linalg.inv(truth)  # squares of 5 mm, a little off
    x, y = np.meshgrid(np.arange(800, dtype=np.float32), np.arange(600, dtype=np.float32))
    for waves, off in ((0.0, 0.001), (9.0, 0.005)):
        bent = (waves * np.sin(x / 55) * np.sin(y / 70)).astype(np.float32)
        image = cv2.remap(draw_paper(truth, SIZE, noise=4), x + bent, y + bent, cv2.INTER_LINEAR)
        lattice = refined_lattice(grid_contrast(image), known)
        vectors, _ = frequencies_at(lattice.lattice_to_image, np.array([400.0, 300]))
        expected, _ = frequencies_at(truth @ np.diag([5.0, 5.0, 1.0]), np.array([400.0, 300]))
        assert lattice.weights.any() == (waves == 0)
        assert np.abs(vectors @ np.linalg.inv(expected) - np.eye(2)).max() < off


def test_parts_are_asked_where_the_whole_shows_no_grid_of_a_page(monkeypatch):
    page = page_of(draw_paper(tilted(3.0, (0.0, 0.0)), SIZE, noise=4))
    whole = measure_grid(page)
    assert is_of_page(whole, page.size) and find_grid(page).pitch == whole.pitch
    other = replace(whole, pitch=(8.4, 12.1))  # of another pattern, which is not square
    coarse = whole.moved(np.diag([5.0, 5.0, 1.0]), page.size)
    for grid in (nothing_found(), other, coarse):
        assert not is_of_page(grid, page.size)
        monkeypatch.setattr(parts, "measure_grid", lambda page, settings, grid=grid: grid)
        assert find_grid(page).pitch == pytest.approx(whole.pitch, rel=0.01)
    bent = replace(whole, bend=0.3)  # the same pattern, followed over the whole page
    monkeypatch.setattr(parts, "measure_grid", lambda page, settings: bent)
    assert not is_of_page(bent, page.size) and find_grid(page) is bent


def test_what_was_seen_of_a_page_stays_where_its_parts_tell_nothing():
    weak = nothing_found(1.2)
    assert likelier(weak, nothing_found(), SIZE) is weak


def test_one_part_however_clear_is_no_page():
    def part(middle, pitch, clearness):
        frequencies = np.eye(2) / pitch
        return parts._Part(np.diag([1 / pitch, 1 / pitch, 1.0]), np.array(middle, float), frequencies, clearness)

    alike = [part((200, 150), 20.0, 1.0), part((600, 150), 20.4, 1.0), part((200, 450), 4.02, 1.0)]
    odd = part((600, 450), 31.0, 9.0)
    found = parts._most_alike([odd, *alike])
    assert [tuple(one.middle) for one in found] == [(200, 150), (600, 150), (200, 450)]
    assert found[2].frequencies == pytest.approx(np.eye(2) / 20.1, rel=1e-6)  # fine lines counted in fives
    assert parts._most_alike([odd]) == []


def test_lines_that_are_not_seen_are_not_told():
    image = draw_paper(tilted(2.0, (0.0, 0.0)), SIZE, fine=0.0, strong=0.0, noise=4)
    known = np.diag([0.2, 0.2, 1.0]) @ np.linalg.inv(tilted(2.0, (0.0, 0.0)))
    assert not refined_lattice(grid_contrast(image), known).weights.any()


def test_squares_too_large_for_a_page_are_another_pattern():
    grid = measure_grid(page_of(draw_paper(similarity(4.0, 0.0, SIZE, (100.0, 80.0)), SIZE, fine=0.0)))
    assert grid.pitch == pytest.approx((20.0, 20.0), rel=0.01)
    assert is_of_page(grid, SIZE)
    assert not is_of_page(grid, (300, 390))


@pytest.mark.parametrize("noise", [0.0, 12.0])
def test_no_grid_is_ordinary(noise):
    image = draw_paper(tilted(2.0, (0.0, 0.0)), SIZE, fine=0.0, strong=0.0, noise=noise)
    assert not measure_parts(page_of(image)).found


@pytest.mark.parametrize("size", [(16, 16), (90, 400), (400, 90)])
def test_tiny_pages_have_no_parts(size):
    assert not measure_parts(page_of(np.full((*size, 3), 200, np.uint8))).found
