"""A grid that begins anew in every panel: its squares are measured in each by itself, and put even."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgpage.calibration.grid import nothing_found
from ecgpage.calibration.patchwork import UNEVEN, Panel, even_patchwork, lead_panels, lie_elsewhere
from ecgpage.geometry import Bend, apply_homography
from ecgpage.leads import layout_3x4
from ecgpage.recording import Calibration, LeadBox, LeadTrace, Page

PER_MM = 6.0
WIDTH, HEIGHT = 62.5, 36.0  # mm of a panel
BLANK = (6.7, 5.9)  # mm between panels, across and down
UNEVEN_GRID = replace(nothing_found(), bend=1.5 * UNEVEN)


def corner(lead):
    """Upper left corner of a lead's panel, mm."""
    return np.array([12.0 + lead.column * (WIDTH + BLANK[0]), 9.0 + lead.row * (HEIGHT + BLANK[1])])


def figure(one_grid=False, fine=True, sway=0.0):
    """A picture of twelve panels with grids of 5 mm and, ``fine``, 1 mm, each from its own corner or all from the
    picture's, whose lines sway from side to side by ``sway`` mm."""
    width, height = round(PER_MM * 300), round(PER_MM * 145)
    image = np.full((height, width, 3), 255, np.uint8)
    x, y = np.meshgrid(np.arange(width) / PER_MM, np.arange(height) / PER_MM)
    x = x + sway * np.sin(x / 25)
    for lead in layout_3x4(()).leads:
        left, top = corner(lead)
        inside = (x >= left) & (x <= left + WIDTH) & (y >= top) & (y <= top + HEIGHT)
        begin = (0.0, 0.0) if one_grid else (left, top)
        for spacing, shade in ((1.0, 215), (5.0, 150))[0 if fine else 1 :]:
            beside = [
                np.abs((at - start + spacing / 2) % spacing - spacing / 2)
                for at, start in zip((x, y), begin, strict=True)
            ]
            image[inside & (np.minimum(*beside) < 0.5 / PER_MM)] = shade
    return Page(cv2.GaussianBlur(image, (0, 0), 0.6), (height, width), np.eye(3), False)


def traces_on(calibration):
    """Leads traced on the calibration's paper, flat, as long as their panels."""
    traces = []
    for lead in layout_3x4(()).leads:
        left, top = corner(lead)
        ends = np.array([[left, top + HEIGHT / 2], [left + WIDTH, top + HEIGHT / 2]]) * PER_MM
        (begin, zero), (end, _) = apply_homography(np.linalg.inv(calibration.paper_to_page), ends)
        x = np.arange(begin, end, 1 / 24)
        box = LeadBox(
            lead.name, (begin, zero - 5, end, zero + 5), 0.9, False, lead.row, lead.column, lead.start, lead.duration
        )
        traces.append(
            LeadTrace(box, x, np.full(len(x), zero), np.ones(len(x)), np.full(len(x), 0.1), zero),
        )
    return traces


def off_by(ratio, perspective=0.0, bend=None, leans=(0.0, 0.0), taller=1.0):
    """A calibration whose millimetres are too large by a ratio at the picture's middle, upright ones so many times more
    so, and by perspective, and whose upright and level lines lean."""
    to_middle = np.array([[1, 0, -150.0], [0, 1, -72.0], [0, 0, 1]])
    upright, level = leans
    moved = np.array([[ratio, ratio * upright, 0], [ratio * level, ratio * taller, 0], [perspective, 0, 1]])
    paper_to_page = np.diag([PER_MM, PER_MM, 1]) @ np.linalg.inv(to_middle) @ moved @ to_middle
    scale = (ratio * PER_MM, ratio * taller * PER_MM)
    return Calibration(paper_to_page / paper_to_page[2, 2], scale, "grid", bend=bend, line_spacing=5.0)


@pytest.mark.parametrize(("ratio", "perspective"), [(0.97, 0.0), (1.012, 0.0), (1.0, 2e-5), (1.025, -3e-5)])
@pytest.mark.parametrize("fine", [True, False])
def test_panels_tell_the_millimetre(ratio, perspective, fine):
    calibration = off_by(ratio, perspective)
    even = even_patchwork(figure(fine=fine), calibration, traces_on(calibration), UNEVEN_GRID)
    # slopes of time and voltage along the page
    places = np.array([[30.0, 20], [150, 70], [270, 120]]) * PER_MM
    on_paper = np.linalg.inv(even.paper_to_page)
    for axis in (0, 1):
        moved = places + 20 * np.eye(2)[axis]
        length = np.linalg.norm(apply_homography(on_paper, moved) - apply_homography(on_paper, places), axis=1)
        # the few strong level lines of a panel do not tell how high squares are, which stay as they were
        tolerance = 1e-3 if axis == 0 else 4e-3 if fine else 0.04
        np.testing.assert_allclose(length, 20 / PER_MM, rtol=tolerance)
    np.testing.assert_allclose(even.pixels_per_mm[0], PER_MM, rtol=5e-3)
    assert even.bend is None and np.isnan(even.line_spacing)


@pytest.mark.parametrize(("leans", "perspective"), [((0.008, 0.0), 0.0), ((-0.025, 0.0), 3e-5), ((0.012, -0.008), 0.0)])
def test_lines_that_lean_are_put_upright_and_level(leans, perspective):
    calibration = off_by(1.0, perspective, leans=leans)
    even = even_patchwork(figure(), calibration, traces_on(calibration), UNEVEN_GRID)
    on_paper = np.linalg.inv(even.paper_to_page)
    places = np.array([[30.0, 20], [150, 70], [270, 120]]) * PER_MM
    for axis in (0, 1):
        moved = places + 20 * np.eye(2)[axis]
        step = apply_homography(on_paper, moved) - apply_homography(on_paper, places)
        np.testing.assert_allclose(step[:, 1 - axis] / step[:, axis], 0.0, atol=1e-3)


@pytest.mark.parametrize(("taller", "grid"), [(0.8, nothing_found()), (1.2, UNEVEN_GRID)])
def test_rows_of_panels_taken_for_lines_are_told(taller, grid):
    calibration = off_by(1.0, taller=taller)
    even = even_patchwork(figure(), calibration, traces_on(calibration), grid)
    np.testing.assert_allclose(even.pixels_per_mm, PER_MM, rtol=5e-3)


def test_what_a_bend_made_of_them_is_left_out():
    """Lines of all panels taken for those of one grid by a bend that stretches each panel."""
    calibration = off_by(
        1.0, bend=Bend(np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 0.0]]), 1, (150.0, 72.0), (150.0, 72.0))
    )
    assert even_patchwork(figure(), calibration, traces_on(calibration), UNEVEN_GRID).bend is None


@pytest.mark.parametrize("case", ["one grid", "even grid", "no grid", "lines untold", "few panels", "sways"])
def test_else_the_calibration_holds(case):
    calibration, grid = off_by(1.0), UNEVEN_GRID
    page = figure(one_grid=case == "one grid", sway=1.0 * (case == "sways"))
    if case == "even grid":
        grid = replace(grid, bend=0.5 * UNEVEN)
    if case == "no grid":
        calibration = replace(calibration, source="layout")
    if case == "lines untold":
        calibration = replace(calibration, line_spacing=float("nan"))
    traces = traces_on(calibration)[: 3 if case == "few panels" else None]
    assert even_patchwork(page, calibration, traces, grid) is calibration


def test_panels_reach_half_of_the_way_to_the_next_rows():
    panels = lead_panels(traces_on(off_by(1.0)))
    assert len(panels) == 12
    np.testing.assert_allclose([panel.y1 - panel.y0 for panel in panels], HEIGHT + BLANK[1])
    np.testing.assert_allclose(panels[0].x1 - panels[0].x0, WIDTH, atol=0.1)
    assert lead_panels([]) == []


@pytest.mark.parametrize(("beside", "expected"), [(0.0, False), (0.1, False), (1.5, True)])
def test_lines_lie_elsewhere_where_columns_begin_between_them(beside, expected):
    panels = [Panel(k * (60 + beside), 0.0, k * (60 + beside) + 60, 40.0) for k in range(4)]
    # lines from each panel's left edge: its middle is six squares on
    assert lie_elsewhere(panels, np.zeros(4), 5.0) is expected
