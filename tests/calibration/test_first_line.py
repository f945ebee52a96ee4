"""Traces begin on a line of the grid: found to a hundredth of a millimetre, and left where no line is near."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.first_line import NEAR, begin_on_line, line_widths
from ecgpage.recording import Calibration, Page

PER_MM = 7.874
SIZE = (300, 1200)


def drawn(line, snapped=True, per_mm=PER_MM, left=20.3, spacing=5.0):
    """A page with upright lines ``line`` pixels wide, on whole pixels as Matplotlib puts them, or anywhere.

    Returns the picture and the homography from millimetres whose multiples of 5 are the lines' true places.
    """
    light = np.full(SIZE[1], 255.0)
    edges = np.arange(SIZE[1] + 1)  # a pixel's edges
    for k in range(int(SIZE[1] / per_mm / spacing)):
        place = left + per_mm * spacing * k + 0.5  # from the picture's edge
        middle = np.floor(place + 0.5) + (0.5 if round(line) % 2 else 0.0) if snapped else place
        covered = np.diff(np.clip(edges, middle - line / 2, middle + line / 2))
        light -= 155 * covered
    picture = np.repeat(light[None], SIZE[0], axis=0)
    picture = np.repeat(np.round(picture)[:, :, None], 3, axis=2).astype(np.uint8)
    return picture, np.array([[per_mm, 0, left], [0, per_mm, 10.0], [0, 0, 1.0]])


def page_of(picture):
    return Page(picture, picture.shape[:2], np.eye(3), False)


def calibration_of(paper_to_page, spacing=5.0, per_mm=PER_MM):
    return Calibration(paper_to_page, (per_mm, per_mm), "grid", line_spacing=spacing)


@settings(deadline=None, max_examples=60)
@given(
    line=st.sampled_from([1.0, 1.39, 1.7, 2.2, 2.6]),
    per_mm=st.floats(4.0, 12.0),
    left=st.floats(5, 40),
    off=st.floats(-0.1, 0.1),
    number=st.integers(1, 8),
)
def test_traces_begin_where_the_program_meant_its_line(line, per_mm, left, off, number):
    """Measured lines are where they are drawn: half a pixel to the right, if they are an odd number of pixels wide."""
    picture, meant = drawn(line, per_mm=per_mm, left=left)
    right = 0.5 if round(line) % 2 else 0.0
    measured = meant + np.array([[0, 0, right], [0, 0, 0], [0, 0, 0]])
    true = 5.0 * number - right / per_mm  # of the paper as measured
    found = begin_on_line(true + off, page_of(picture), calibration_of(measured, per_mm=per_mm), 15.0)
    assert found == pytest.approx(true, abs=1e-6)


def test_lines_anywhere_are_where_they_are_meant():
    picture, meant = drawn(1.0, snapped=False)
    assert begin_on_line(15.07, page_of(picture), calibration_of(meant), 15.0) == pytest.approx(15.0)


@given(off=st.floats(NEAR + 0.01, 2.5))
def test_what_begins_between_lines_stays(off):
    picture, meant = drawn(2.0)
    for origin in (20.0 + off, 20.0 - off):
        assert begin_on_line(origin, page_of(picture), calibration_of(meant), 15.0) == origin


def test_without_a_line_told_time_stays_where_the_traces_tell():
    picture, meant = drawn(2.0)
    unknown = replace(calibration_of(meant), line_spacing=float("nan"))
    assert begin_on_line(15.01, page_of(picture), unknown, 15.0) == 15.01


@pytest.mark.parametrize(("per_mm", "off", "left"), [(6.0, -0.02, 0.5), (6.0, 0.02, 0.0), (12.0, -0.02, 0.0)])
def test_turned_pictures_may_have_usual_lines(per_mm, off, left):
    """Half a point is one pixel wide at 150 dpi and two at 300; then traces begin on lines, or left of them."""
    turn = np.deg2rad(3.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.0]])
    paper_to_page = rotation @ np.diag([per_mm, per_mm, 1.0])
    blank = page_of(np.full((*SIZE, 3), 255, np.uint8))
    found = begin_on_line(15.0 + off, blank, calibration_of(paper_to_page, per_mm=per_mm), 15.0)
    assert found == pytest.approx(15.0 - left / per_mm)


@pytest.mark.parametrize("line", [1.0, 1.39, 2.6])
def test_odd_lines_on_whole_pixels_have_their_width(line):
    picture, meant = drawn(line)
    widths = line_widths(picture, meant + np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, 0]]), 5.0)
    assert len(widths) >= 8
    np.testing.assert_allclose(widths, line, atol=0.03)


def test_a_blank_picture_and_paper_too_small_show_no_lines():
    blank = np.full((*SIZE, 3), 255, np.uint8)
    assert not len(line_widths(blank, np.diag([PER_MM, PER_MM, 1.0]), 5.0))
    assert not len(line_widths(blank, np.diag([1.5, 1.5, 1.0]), 1.0))
