"""Rows taken for a grid's lines: the grid of squares behind them is found, a figure's own squares are left."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgpage.calibration import behind_rows
from ecgpage.calibration.behind_rows import grid_behind_rows
from ecgpage.leads import LEADS
from ecgpage.recording import Calibration, LeadBox, LeadTrace, Page

PER_MM = 4.0
LEFT, TOP, PITCH = 12.0, 20.0, 18.0  # mm; rows are three times 6 mm apart
LENGTH = 250.0  # mm, ten seconds


def gridded(height=5.0, noise=12.0):
    """A noisy picture of a grid of squares 5 mm wide and so many high: where not as high, in twelve bands."""
    size = round(PER_MM * (TOP + 12 * PITCH)), round(PER_MM * (LENGTH + 2 * LEFT))
    y, x = np.mgrid[: size[0], : size[1]] / PER_MM
    in_row = (y - TOP + PITCH / 2) % PITCH if height != 5.0 else y
    image = np.full(size, 235.0)
    for part, shade in ((5, 210.0), (1, 170.0)):
        for at, spacing in ((x, 5.0 / part), (in_row, height / part)):
            image[np.abs((at + spacing / 2) % spacing - spacing / 2) < 0.5 / PER_MM] = shade
    image = cv2.GaussianBlur(image, (0, 0), 0.6) + np.random.default_rng(3).normal(0, noise, size)
    return Page(np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, axis=2), size, np.eye(3), False)


def taken(down):
    """A calibration whose millimetres down are so many of the picture's, and leads and traces in twelve rows."""
    calibration = Calibration(
        np.diag([PER_MM, PER_MM * down, 1.0]), (PER_MM, PER_MM * down), "grid", line_spacing=5.0, usual_squares=True
    )
    leads, traces = [], []
    for row, name in enumerate(LEADS):
        zero = TOP + PITCH * row
        box = np.array([LEFT, zero - 6, LEFT + LENGTH, zero + 6])
        lead = LeadBox(name, tuple(box * PER_MM), 0.9, False, row, 0, 0.0, 10.0)
        x = np.arange(LEFT, LEFT + LENGTH, 0.1)
        on_paper = replace(lead, box=tuple(box / [1, down, 1, down]))
        at = np.full(len(x), zero / down)
        traces.append(LeadTrace(on_paper, x, at, np.ones(len(x)), np.full(len(x), 0.1), zero / down))
        leads.append(lead)
    return calibration, leads, traces


@pytest.mark.parametrize("down", [1.2, 0.9])
def test_a_grid_behind_rows_is_found(down):
    calibration, leads, traces = taken(down)
    found = grid_behind_rows(gridded(), leads, traces, calibration)
    assert found.source == "grid"
    np.testing.assert_allclose(found.pixels_per_mm, PER_MM, rtol=2e-3)


@pytest.mark.parametrize("case", ["square", "no grid", "layout", "untold", "nothing printed"])
def test_else_the_calibration_holds(case):
    calibration, leads, traces = taken(1.0 if case == "square" else 1.2)
    page = gridded()
    if case == "no grid":
        page = replace(page, image=np.full_like(page.image, 235))
    if case == "layout":
        calibration = replace(calibration, source="layout")
    if case == "untold":
        calibration = replace(calibration, line_spacing=float("nan"))
    if case == "nothing printed":
        traces = [replace(trace, presence=np.zeros_like(trace.presence)) for trace in traces]
    assert grid_behind_rows(page, leads, traces, calibration) is calibration


@pytest.mark.parametrize(("height", "holds"), [(6.0, True), (5.0, False)])
def test_rows_whose_own_lines_are_higher_than_wide_hold_it(monkeypatch, height, holds):
    """Whatever the page as a whole shows."""
    calibration, leads, traces = taken(1.2)
    square, _, _ = taken(1.0)
    monkeypatch.setattr(behind_rows, "by_faint_grid", lambda *_: square)
    found = grid_behind_rows(gridded(height), leads, traces, calibration)
    assert found is (calibration if holds else square)
