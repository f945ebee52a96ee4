"""Millimetres from grid and leads, by hand-made grids whose numbers can be derived on paper."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.calibration.grid import GridEstimate, nothing_found
from ecgpage.calibration.scale import (
    by_squares_alone,
    calibrate,
    calibrate_again,
    pixels_per_second,
    runs_at,
    square_millimeters,
)
from ecgpage.geometry import apply_homography, map_box
from ecgpage.recording import LeadBox, Page, PageError
from tests.calibration.test_extent import TO_PICTURE, rough_paper, traces_on
from tests.page.drawn_paper import draw_paper

PAGE = Page(np.zeros((1700, 2200, 3), np.uint8), (1700, 2200), np.eye(3), False)


def even_grid(pitch, nested=False, tiles=20):
    """A lattice of `pitch` pixels over the whole page."""
    lattice_to_page = np.array([[pitch, 0, 1100.0], [0, pitch, 850.0], [0, 0, 1.0]])
    centers = np.stack([np.linspace(100, 2100, tiles), np.full(tiles, 850.0)], 1)
    vectors = np.eye(2) / pitch
    zero = np.zeros((tiles, 2))
    return GridEstimate(lattice_to_page, (pitch, pitch), vectors, nested, 9.0, 1.0, 0.0, centers, zero, zero + 9)


def lead(pixels_per_mm, seconds=2.5, stretch=1.0, x0=100.0):
    width = seconds * 25 * pixels_per_mm * stretch
    return LeadBox("I", (x0, 400.0, x0 + width, 500.0), 0.9, duration=seconds, start=0.0)


@given(pixels_per_mm=st.floats(2.0, 20.0), square=st.sampled_from([1.0, 5.0]), stretch=st.floats(0.92, 1.09))
def test_leads_tell_one_from_five_millimetres(pixels_per_mm, square, stretch):
    grid = even_grid(square * pixels_per_mm)
    calibration = calibrate(PAGE, (lead(pixels_per_mm, stretch=stretch),), grid)
    # The boxes' error is no error of the scale: that is the grid's.
    assert calibration.pixels_per_mm == pytest.approx((pixels_per_mm, pixels_per_mm))
    assert calibration.source == "grid"
    mm = apply_homography(np.linalg.inv(calibration.paper_to_page), np.array([[0.0, 0.0], [pixels_per_mm * 25, 0.0]]))
    assert np.hypot(*(mm[1] - mm[0])) == pytest.approx(25.0)


def test_lines_every_two_millimetres_are_taken_when_nothing_usual_fits():
    assert square_millimeters((lead(8.0),), even_grid(16.0)) == 2.0


def test_ten_millimetres_are_taken_of_clear_lines_alone():
    grid = even_grid(80.0)
    assert square_millimeters((lead(8.0),), grid) == 10.0
    assert square_millimeters((lead(8.0),), replace(grid, strength=1.7)) is None


def test_a_faint_pattern_must_agree_better_with_the_leads():
    """Squares and leads differ by 9 %: a clear pattern is believed, a faint one is found by chance in any picture."""
    clear = even_grid(40.0)
    faint = replace(clear, strength=1.9)
    assert square_millimeters((lead(8.0, stretch=0.915),), clear) == 5.0
    assert square_millimeters((lead(8.0, stretch=0.915),), faint) is None
    assert square_millimeters((lead(8.0, stretch=0.96),), faint) == 5.0
    assert calibrate(PAGE, (lead(8.0, stretch=0.915),), faint).source == "layout"


@pytest.mark.parametrize(
    ("tiles", "agreement", "bend", "told"),
    [(90, 1.0, 0.0, True), (9, 1.0, 0.0, False), (90, 0.96, 0.0, False), (90, 1.0, 0.07, False)],
)
def test_a_faint_pattern_that_is_even_all_over_the_page_is_clear(tiles, agreement, bend, told):
    faint = replace(even_grid(40.0, tiles=tiles), strength=1.9, agreement=agreement, bend=bend)
    assert (square_millimeters((lead(8.0, stretch=0.915),), faint) == 5.0) == told


def test_squares_alone_tell_the_millimetre_though_lines_do_not_stand_together():
    """As the lines of many panels' own grids do not."""
    clear, leads = even_grid(8.0), (lead(8.0),)
    for grid in (clear, replace(clear, strength=1.9)):
        told = by_squares_alone(PAGE, leads, grid)
        assert told.pixels_per_mm == pytest.approx((8.0, 8.0)) and told.line_spacing == 1.0 and told.bend is None
    untold = (nothing_found(), replace(clear, weights=np.zeros_like(clear.weights)), even_grid(11.0))
    assert [by_squares_alone(PAGE, leads, grid) for grid in untold] == [None] * 3


def test_a_faint_pattern_that_traces_led_to_is_not_doubted():
    faint = replace(even_grid(40.0), strength=0.9)
    assert square_millimeters((lead(8.0, stretch=0.915),), faint, doubted=False) == 5.0
    assert calibrate(PAGE, (lead(8.0, stretch=0.915),), faint, doubted=False).source == "grid"


@pytest.mark.parametrize(("seen", "square"), [(2.5, 5.0), (0.5, 1.0)])
def test_half_the_usual_squares_are_those_of_a_page_at_twice_the_speed(seen, square):
    """8 px/mm if it ran at 25 mm/s."""
    calibration = calibrate(PAGE, (lead(8.0),), even_grid(8.0 * seen))
    assert calibration.speed == 50.0 and calibration.usual_squares
    assert calibration.pixels_per_mm == pytest.approx((4.0, 4.0))
    assert square_millimeters((lead(8.0),), even_grid(8.0 * seen)) == square


def test_a_contradicted_grid_gives_way_to_the_layout():
    calibration = calibrate(PAGE, (lead(8.0),), even_grid(8.0 * 3.4))  # 3.4 mm: no paper has such squares
    assert calibration.source == "layout"
    assert calibration.pixels_per_mm == pytest.approx((8.0, 8.0))


def test_without_a_grid_the_layout_scales_and_a_strip_outweighs_a_bad_column():
    leads = (lead(8.0, stretch=0.7), lead(8.0, seconds=10.0))
    calibration = calibrate(PAGE, leads, nothing_found())
    assert calibration.source == "layout"
    assert calibration.pixels_per_mm == pytest.approx((8.0, 8.0))


def test_leads_of_unknown_duration_do_not_count():
    unknown = replace(lead(8.0, stretch=3.0), duration=float("nan"))
    assert square_millimeters((unknown, lead(8.0)), even_grid(40.0)) == 5.0


@pytest.mark.parametrize(("pitch", "nested", "square"), [(39.4, False, 5.0), (7.9, False, 1.0), (12.0, True, 5.0)])
def test_without_leads_nesting_or_the_page_width_decides(pitch, nested, square):
    # 2000 px of tiles are 254 mm at 7.9 px/mm, the width of a page.
    assert square_millimeters((), even_grid(pitch, nested)) == square


def test_neither_grid_nor_leads_is_an_error_that_says_so():
    with pytest.raises(PageError, match="no grid and no lead of known duration"):
        calibrate(PAGE, (), nothing_found())


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(("strength", "agreement"), [(5.0, 1.0), (2.1, 1.0), (5.0, 0.8), (1.9, 1.0)])
def test_seconds_are_sure_where_strong_lines_hold_finer_ones(nested, strength, agreement):
    """Strong lines 40 px apart are 5 mm: 8 px per mm, 200 px per second. Lines of one strength may be of 1 or 5 mm."""
    grid = replace(nothing_found(), pitch=(40.0, 40.0), nested=nested, strength=strength, agreement=agreement)
    told = nested or (strength > 2.0 and agreement == 1.0)
    assert pixels_per_second(grid) == ((pytest.approx(200.0), nested) if told else None)
    assert pixels_per_second(nothing_found()) is None


@pytest.mark.parametrize(("speed", "stretch"), [(50.0, 2.0), (12.5, 0.5), (25.0, 1.0)])
def test_sure_squares_tell_the_paper_speed(speed, stretch):
    calibration = calibrate(PAGE, (lead(8.0, stretch=1.03 * stretch),), even_grid(40.0, nested=True))
    assert calibration.pixels_per_mm == pytest.approx((8.0, 8.0))
    assert calibration.speed == speed


@pytest.mark.parametrize("seen", [2.0, 10.0])
def test_squares_of_unsure_size_leave_the_usual_speed(seen):
    """Those that would be usual at 12.5 mm/s, where no finer lines tell."""
    calibration = calibrate(PAGE, (lead(8.0),), even_grid(8.0 * seen))
    assert calibration.speed == 25.0 and not calibration.usual_squares


def looked_at_again(picture, grid=None):
    """A page of four by four leads, calibrated 3 % too small by boxes that are 3 % too long, then by its traces."""
    size = picture.shape[:2]
    page, rough = Page(picture, size, np.eye(3), False), rough_paper(1.03, 1.03)
    first = calibrate(page, (lead(7.0, stretch=1.0),), nothing_found())
    first = replace(first, paper_to_page=TO_PICTURE @ np.linalg.inv(rough))
    traces = traces_on(rough)
    boxes = [replace(trace.lead, box=map_box(first.paper_to_page, trace.lead.box)) for trace in traces]
    return calibrate_again(page, boxes, traces, first, grid or nothing_found())


def test_traces_tell_the_scale_of_a_page_without_a_grid():
    bare = np.full((1000, 2000, 3), 230, np.uint8)
    calibration = looked_at_again(bare)
    assert calibration.source == "layout"
    assert calibration.pixels_per_mm == pytest.approx((7.0, 7.0), rel=0.003)


def test_and_where_to_look_for_a_grid():
    paper = draw_paper(TO_PICTURE, (1000, 2000), noise=12)
    calibration = looked_at_again(paper)
    assert calibration.source == "grid"
    assert calibration.pixels_per_mm == pytest.approx((7.0, 7.0), rel=1e-3)


def test_but_not_where_one_was_seen_that_contradicts_the_leads():
    """Multiples and fractions of lines that are seen look like lines every millimetre."""
    paper = draw_paper(TO_PICTURE @ np.diag([3, 3, 1]), (1000, 2000), noise=6)
    assert looked_at_again(paper, even_grid(7.0 * 3.4)).source == "layout"


def test_a_pattern_that_is_no_grid_does_not_hide_the_page_s_own():
    paper = draw_paper(TO_PICTURE, (1000, 2000), noise=12)
    calibration = looked_at_again(paper, even_grid(7.0 * 3.4))
    assert calibration.source == "grid"
    assert calibration.pixels_per_mm == pytest.approx((7.0, 7.0), rel=1e-3)


def test_a_grid_that_was_found_and_traces_that_tell_nothing_change_nothing():
    found = calibrate(PAGE, (lead(8.0),), even_grid(40.0))
    assert calibrate_again(PAGE, (lead(8.0),), traces_on(np.eye(3)), found, even_grid(40.0)) is found
    scaled = calibrate(PAGE, (lead(8.0),), nothing_found())
    assert calibrate_again(PAGE, (lead(8.0),), (), scaled, nothing_found()) is scaled


def test_a_grid_that_tells_no_lines_is_set_on_those_that_are_seen_where_they_must_be():
    """Squares known within a percent, as parts of a page tell them."""
    page = Page(draw_paper(TO_PICTURE, (1000, 2000), noise=12), (1000, 2000), np.eye(3), False)
    told = even_grid(35.35)
    grid = replace(told, weights=np.zeros_like(told.weights))
    found = calibrate(page, (lead(7.0),), grid)
    assert found.source == "grid" and found.pixels_per_mm == pytest.approx((7.07, 7.07))
    traces = traces_on(np.linalg.inv(found.paper_to_page) @ TO_PICTURE)
    boxes = [replace(trace.lead, box=map_box(found.paper_to_page, trace.lead.box)) for trace in traces]
    again = calibrate_again(page, boxes, traces, found, grid)
    assert again.source == "grid" and again.pixels_per_mm == pytest.approx((7.0, 7.0), rel=1e-3)


def test_a_grid_that_tells_no_lines_takes_the_bend_that_rows_tell():
    told = even_grid(40.0)
    grid = replace(told, weights=np.zeros_like(told.weights))
    found = calibrate(PAGE, (lead(8.0),), grid)
    assert found.source == "grid" and found.bend is None
    traces = traces_on(np.eye(3))
    assert calibrate_again(PAGE, (lead(8.0),), traces, found, grid) is found
    curled = [replace(trace, y=trace.y + 5 * ((trace.x - 125) / 125) ** 2) for trace in traces]
    again = calibrate_again(PAGE, (lead(8.0),), curled, found, grid)
    assert again.bend is not None and replace(again, bend=None) == found
    assert calibrate_again(PAGE, (lead(8.0),), curled, found, told) is found


@pytest.mark.parametrize(("speed", "runs"), [(25.0, True), (27.0, True), (50.0, False), (12.5, False)])
def test_leads_run_at_the_speed_that_their_lengths_show(speed, runs):
    leads = [LeadBox(name, (0.0, 0.0, 62.5, 10.0), 1.0, start=0.0, duration=2.5) for name in ("I", "II", "III")]
    assert runs_at(speed, leads) == runs
    assert not runs_at(speed, [replace(lead, duration=float("nan")) for lead in leads])
