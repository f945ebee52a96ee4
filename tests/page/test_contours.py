"""The sheet's outline on paper drawn by formula."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.geometry import apply_homography
from ecgpage.page.contours import OutlineSettings, find_cut_outline, find_outline, order_corners
from tests.page.drawn_paper import draw_paper, similarity

SHEET = (250.0, 180.0)
CORNERS = np.array([[0, 0], [250, 0], [250, 180], [0, 180]], float)


def seen(degrees, tilt=(0.0, 0.0), size=(900, 1200), pixels_per_mm=3.6):
    truth = similarity(pixels_per_mm, degrees, size, (125.0, 90.0))
    middle = np.array([[1, 0, size[1] / 2], [0, 1, size[0] / 2], [0, 0, 1.0]])
    bend = np.array([[1, 0, 0], [0, 1, 0], [*tilt, 1.0]])
    return middle @ bend @ np.linalg.inv(middle) @ truth


@settings(max_examples=5, deadline=None)
@given(
    degrees=st.floats(-10, 10),
    tilt=st.tuples(st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4)),
    table=st.sampled_from([(60, 70, 80), (20, 90, 40), (120, 30, 30), (5, 5, 5)]),
)
def test_corners_of_a_sheet_on_a_table(degrees, tilt, table):
    truth = seen(degrees, tilt)
    image = draw_paper(truth, (900, 1200), SHEET, table=table, noise=4)
    outline = find_outline(image)
    assert outline is not None
    assert np.hypot(*(outline - apply_homography(truth, CORNERS)).T).max() < 2.0  # half a millimetre


def test_a_shadow_across_the_sheet_does_not_cut_it():
    truth = seen(3.0)
    image = draw_paper(truth, (900, 1200), SHEET).astype(float)
    shade = np.where(np.arange(1200) < 500, 0.5, 1.0)
    shade = cv2.GaussianBlur(shade[None].repeat(900, 0), (0, 0), 25)[..., None]
    outline = find_outline((image * shade).astype(np.uint8))
    assert outline is not None
    assert np.hypot(*(outline - apply_homography(truth, CORNERS)).T).max() < 3.0


def test_a_sheet_on_white_padding_is_found_by_its_colour():
    image = np.full((700, 900, 3), 255, np.uint8)
    image[100:600, 120:800] = draw_paper(similarity(4.0, 0.0, (500, 680), (80, 60)), (500, 680)) * np.array(
        [0.75, 0.7, 0.9]
    )
    outline = find_outline(image)
    assert outline == pytest.approx(np.array([[119.5, 99.5], [799.5, 99.5], [799.5, 599.5], [119.5, 599.5]]), abs=1.5)


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_a_page_that_fills_the_picture_has_no_outline(degrees):
    truth = similarity(5.0, degrees, (700, 900), (120.0, 90.0))
    assert find_outline(draw_paper(truth, (700, 900))) is None


def test_a_sheet_cut_by_the_picture_has_no_outline():
    image = draw_paper(seen(5.0), (900, 1200), SHEET)
    assert find_outline(np.ascontiguousarray(image[:, 300:])) is None


@settings(max_examples=4, deadline=None)
@given(degrees=st.floats(12, 20), tilt=st.tuples(st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4)))
def test_a_sheet_whose_corner_is_cut_off_is_completed(degrees, tilt):
    truth = seen(degrees, tilt)
    image = draw_paper(truth, (900, 1200), SHEET, noise=4)
    corners = apply_homography(truth, CORNERS)
    cut = int(corners[:, 0].min()) + 60  # the leftmost corner
    outline = find_cut_outline(np.ascontiguousarray(image[:, cut:]))
    assert outline is not None
    assert np.hypot(*(outline - (corners - (cut, 0))).T).max() < 6.0


@pytest.mark.parametrize("degrees", [-6.0, 0.0, 5.0])
def test_a_sheet_whose_side_is_cut_off_is_as_long_as_the_picture(degrees):
    truth = seen(degrees, (1e-4, 0.0))
    image = draw_paper(truth, (900, 1200), SHEET, noise=4)
    outline = find_cut_outline(np.ascontiguousarray(image[:, :800]))
    assert outline is not None
    corners = apply_homography(truth, CORNERS)
    assert np.hypot(*(outline - corners)[[0, 3]].T).max() < 2.0  # the two in view
    for seen_side, side in ((corners[[0, 1]], outline[[0, 1]]), (corners[[3, 2]], outline[[3, 2]])):
        along, measured = seen_side[1] - seen_side[0], side[1] - side[0]
        assert np.degrees(np.arctan2(*along[::-1]) - np.arctan2(*measured[::-1])) == pytest.approx(0, abs=0.2)
        assert side[1, 0] > 790  # nothing of it is left out


@pytest.mark.parametrize("lines", [0.0, 0.2])
def test_a_sheet_cut_off_along_its_own_lines_reaches_to_the_border(lines):
    truth = seen(0.0)
    image = draw_paper(truth, (900, 1200), SHEET, fine=lines, strong=lines, traces=False)
    outline = find_cut_outline(np.ascontiguousarray(image[:, :792]))
    assert outline is not None
    assert np.hypot(*(outline - apply_homography(truth, CORNERS))[[0, 3]].T).max() < 2.0
    assert outline[[1, 2], 0] == pytest.approx(791.0, abs=2.0)


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_a_page_that_fills_the_picture_is_not_completed(degrees):
    assert find_cut_outline(draw_paper(similarity(5.0, degrees, (700, 900), (120.0, 90.0)), (700, 900))) is None


@pytest.mark.parametrize("image", [np.zeros((300, 400, 3), np.uint8), np.full((16, 16, 3), 200, np.uint8)])
def test_blank_pictures_have_no_outline(image):
    assert find_outline(image) is None
    assert find_cut_outline(image) is None


@given(st.permutations(range(4)))
def test_corners_are_ordered_from_the_top_left_clockwise(order):
    corners = np.array([[10.0, 12], [90, 5], [95, 70], [4, 66]])
    assert np.array_equal(order_corners(corners[list(order)]), corners)


def test_settings_say_what_is_wrong():
    with pytest.raises(ValueError, match="smallest_fill must lie between 0 and 1"):
        OutlineSettings(smallest_fill=1.5)
