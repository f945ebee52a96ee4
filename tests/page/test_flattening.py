"""Bent paper is laid flat as its bend says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.geometry import Bend, apply_homography, bent_points
from ecgpage.page.flattening import laid_flat
from ecgpage.recording import Calibration, Page
from yolov7.postprocess import FILL

SCALE = 4.0
PAPER_TO_PAGE = np.array([[SCALE, 0, 100], [0, SCALE, 80], [0, 0, 1.0]])


def waved(height: float) -> Bend:
    """Paper whose rows rise by as many mm in their middle, on a page of 100 x 80 mm."""
    coefficients = np.zeros((6, 2))
    coefficients[0, 1], coefficients[5, 1] = -height, height  # of 1 and x²
    return Bend(coefficients, 2, (25.0, 20.0), (50.0, 40.0))


@given(st.floats(-6.0, 6.0))
def test_a_row_that_bends_is_level_on_paper_laid_flat(height):
    """A line drawn where the row of y = 20 mm lies: dark in one row of pixels, as far as it was in the picture."""
    bend = waved(height)
    image = np.full((320, 400, 3), 250, np.uint8)
    row = np.column_stack([np.linspace(-20, 70, 1500), np.full(1500, 20.0)])
    places = np.round(bent_points(PAPER_TO_PAGE, row, bend)).astype(int)
    for down in (-1, 0, 1):
        image[places[:, 1] + down, places[:, 0]] = 0
    page = Page(image, (320, 400), np.eye(3), True)
    flat, flat_to_paper = laid_flat(page, Calibration(PAPER_TO_PAGE, (SCALE, SCALE), "grid", bend=bend))
    inside = apply_homography(np.linalg.inv(flat_to_paper), np.array([[-15.0, 20.0], [65.0, 20.0]])).round().astype(int)
    dark = flat.image[inside[0, 1], inside[0, 0] : inside[1, 0], 0]
    assert dark.max() < 125
    away = round(2 * SCALE)
    assert flat.image[inside[0, 1] - away, inside[0, 0] : inside[1, 0], 0].min() > 245


def test_paper_laid_flat_keeps_the_pages_resolution_and_is_grey_beyond_the_picture():
    page = Page(np.zeros((320, 400, 3), np.uint8), (320, 400), np.eye(3), True)
    flat, flat_to_paper = laid_flat(page, Calibration(PAPER_TO_PAGE, (SCALE, SCALE), "grid", bend=waved(3.0)))
    np.testing.assert_allclose(np.diag(flat_to_paper), [1 / SCALE, 1 / SCALE, 1])
    assert flat.size == flat.image.shape[:2] == (320, 400)
    assert (flat.image[0, 200] == FILL).all() and not flat.image[160, 200].any()


def test_paper_far_larger_than_the_page_is_not_laid_flat():
    page = Page(np.zeros((320, 400, 3), np.uint8), (320, 400), np.eye(3), True)
    steep = np.array([[SCALE, 0, 100], [0, SCALE, 80], [0.008, 0, 1.0]])
    assert laid_flat(page, Calibration(steep, (SCALE, SCALE), "grid", bend=waved(3.0))) is None
