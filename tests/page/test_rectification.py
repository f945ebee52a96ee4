"""Straightened pages: drawn ones against their formula, the shared ones against the places of their samples."""

import gzip
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.scale import calibrate
from ecgpage.geometry import apply_homography
from ecgpage.page.rectification import rotate_page, skew_of_rows, straighten, straighten_with_grid
from ecgpage.recording import LeadBox, Page, PageError
from tests.page.drawn_paper import draw_paper, similarity


def page_to_paper(page, truth):
    return np.linalg.inv(truth) @ page.page_to_picture


def unevenness(page, truth):
    """Degrees off level and upright, and how far page pixels are from square, over the page's middle half."""
    height, width = page.size
    x, y = np.meshgrid(np.linspace(0.25, 0.75, 5) * width, np.linspace(0.25, 0.75, 5) * height)
    at = np.stack([x.ravel(), y.ravel()], 1)
    here, right, below = (
        apply_homography(page_to_paper(page, truth), at + step) for step in ((0, 0), (10, 0), (0, 10))
    )
    along, down = right - here, below - here
    level = np.degrees(np.abs(np.arctan2(along[:, 1], along[:, 0]))).max()
    upright = np.degrees(np.abs(np.arctan2(down[:, 0], down[:, 1]))).max()
    return max(level, upright), np.abs(np.hypot(*along.T) / np.hypot(*down.T) - 1).max()


@settings(max_examples=4, deadline=None)
@given(degrees=st.floats(-40, 40), tilt=st.tuples(st.floats(-8e-5, 8e-5), st.floats(-8e-5, 8e-5)))
def test_grid_lines_come_level_upright_and_square(degrees, tilt):
    size = (800, 1000)
    middle = np.array([[1, 0, 500], [0, 1, 400], [0, 0, 1.0]])
    bend = np.array([[1, 0, 0], [0, 1, 0], [*tilt, 1.0]])
    truth = middle @ bend @ np.linalg.inv(middle) @ similarity(5.0, degrees, size, (100.0, 80.0))
    page = straighten(draw_paper(truth, size, noise=4))
    turned, stretched = unevenness(page, truth)
    assert turned < 0.05
    assert stretched < 0.002
    assert not page.outlined


def test_a_sheet_on_a_table_is_cut_out_and_straight():
    truth = similarity(4.0, 7.0, (900, 1200), (125.0, 90.0))
    truth = np.array([[1, 0, 0], [0.02, 1, 0], [1e-4, 5e-5, 1.0]]) @ truth
    truth = np.array([[0.95, 0, 20], [0, 0.9, 20], [0, 0, 1.0]]) @ truth
    page = straighten(draw_paper(truth, (900, 1200), (250.0, 180.0), noise=4))
    assert page.outlined
    turned, stretched = unevenness(page, truth)
    assert turned < 0.05 and stretched < 0.002
    corners = apply_homography(page_to_paper(page, truth), np.array([[0, 0], [page.size[1] - 1, page.size[0] - 1]]))
    assert corners == pytest.approx(np.array([[0, 0], [250, 180]]), abs=3.0)
    assert (corners[0] < 0).all() and (corners[1] > (250, 180)).all()  # nothing of the sheet is cut off


def test_without_a_grid_the_outline_alone_straightens():
    truth = similarity(4.0, 7.0, (900, 1200), (125.0, 90.0))
    image = draw_paper(truth, (900, 1200), (250.0, 180.0), fine=0, strong=0)
    page = straighten(image)
    turned, stretched = unevenness(page, truth)
    assert page.outlined and turned < 0.3 and stretched < 0.02


def test_without_a_grid_the_outline_of_a_sheet_that_the_picture_cuts_straightens():
    truth = np.array([[1, 0, 0], [0, 1, 0], [1e-4, 0, 1.0]]) @ similarity(4.0, 7.0, (900, 1200), (125.0, 90.0))
    image = draw_paper(truth, (900, 1200), (250.0, 180.0), fine=0, strong=0)[:, 200:]
    page = straighten(np.ascontiguousarray(image))
    turned, _ = unevenness(page, np.array([[1, 0, -200], [0, 1, 0], [0, 0, 1.0]]) @ truth)
    assert page.outlined and turned < 0.5


def test_without_grid_or_outline_rows_of_print_come_level():
    image = np.full((600, 800, 3), 250, np.uint8)
    for row in range(60, 580, 60):
        cv2.putText(image, "rate 72 /min PR 160 ms QRS 90 ms normal", (40, row), 0, 1.0, (20, 20, 20), 2)
    turn = cv2.getRotationMatrix2D((400, 300), -5.0, 1.0)  # clockwise on the screen
    image = cv2.warpAffine(image, turn, (800, 600), borderValue=(250, 250, 250))
    assert skew_of_rows(image) == pytest.approx(5.0, abs=0.5)
    page = straighten(image)
    along = apply_homography(page.page_to_picture, np.array([[100.0, 300], [600, 300]]))
    assert np.degrees(np.arctan2(*(along[1] - along[0])[::-1])) == pytest.approx(5.0, abs=0.5)


def test_a_plain_picture_is_its_own_page():
    image = np.full((300, 400, 3), 255, np.uint8)
    page = straighten(image)
    assert page.size == (300, 400) and np.allclose(page.page_to_picture, np.eye(3)) and page.image is image


def test_the_grid_that_comes_along_lies_in_page_pixels():
    size = (800, 1000)
    _, grid = straighten_with_grid(draw_paper(similarity(5.0, 20.0, size, (100.0, 80.0)), size))
    assert np.abs(grid.vectors[0, 1] / grid.vectors[0, 0]) < 1e-3
    assert grid.pitch[0] == pytest.approx(grid.pitch[1], rel=1e-3)


@given(st.integers(-8, 8), st.integers(-8, 8))
def test_quarter_turns_add_up(first, second):
    page = Page(np.zeros((30, 50, 3), np.uint8), (30, 50), np.array([[1, 0.1, 3], [0, 1, 2], [0, 0, 1.0]]), False)
    twice, once = rotate_page(rotate_page(page, first), second), rotate_page(page, first + second)
    assert twice.size == once.size
    assert twice.page_to_picture == pytest.approx(once.page_to_picture)


def test_a_quarter_turn_is_clockwise():
    image = np.zeros((3, 5, 3), np.uint8)
    page = rotate_page(Page(image, (3, 5), np.eye(3), False), 1)
    assert page.size == (5, 3)
    # The old bottom left corner (0, 2) is the new top left one.
    assert apply_homography(page.page_to_picture, np.array([[0, 0]]))[0] == pytest.approx([0, 2])
    x, y = np.meshgrid(np.arange(3.0), np.arange(5.0))
    back = apply_homography(page.page_to_picture, np.stack([x.ravel(), y.ravel()], 1)).astype(int)
    numbers = np.arange(15).reshape(3, 5)
    assert np.array_equal(numbers[back[:, 1], back[:, 0]].reshape(5, 3), np.rot90(numbers, -1))


@pytest.mark.parametrize(
    "image", [np.zeros((300, 400), np.uint8), np.zeros((300, 400, 3)), np.zeros((8, 400, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(PageError):
        straighten(image)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("clean", "00121_hr-0.png"), ("random", "17226_hr-0"), ("wrinkle", "05383_hr-0"), ("photo", "13849_hr-0")],
)
def test_shared_pages_have_25_mm_per_second_and_level_rows(shared, kind, name):
    record = name.split(".")[0]
    path = next((shared / "pages" / kind / "hidden").glob(f"{record}.*g"))
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    with gzip.open(shared / "pages" / kind / "truth" / f"{record}.json.gz") as file:
        truth = json.load(file)
    page, grid = straighten_with_grid(image)
    picture_to_page = np.linalg.inv(page.page_to_picture)
    samples = [np.array(lead["plotted_pixels"], float)[:, ::-1] for lead in truth["leads"]]
    on_page = [apply_homography(picture_to_page, points) for points in samples]
    boxes = [
        LeadBox("I", (*np.nanmin(points, 0), *np.nanmax(points, 0)), 1.0, start=0.0, duration=len(points) / 500)
        for points in on_page
    ]
    calibration = calibrate(page, boxes, grid)
    assert calibration.source == "grid"
    for points in on_page:
        mm = apply_homography(np.linalg.inv(calibration.paper_to_page), points)
        seconds = np.arange(len(mm)) / 500
        known = np.isfinite(mm).all(axis=1)
        speed, offset = np.polyfit(seconds[known], mm[known, 0], 1)
        assert speed == pytest.approx(25.0, rel=0.002)
        assert np.abs(mm[known, 0] - speed * seconds[known] - offset).max() < 0.05
