"""Grids too faint to be found anywhere, found where they must be; and none where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.faint_grid import find_faint_grid
from ecgpage.calibration.grid import grid_contrast, measure_grid
from ecgpage.calibration.lattice import fit_lattice
from ecgpage.geometry import apply_homography
from ecgpage.recording import Page
from tests.page.drawn_paper import similarity

SIZE, PIXELS = (560, 800), 5.0
LEADS = (20.0, 20.0, 130.0, 90.0)


def noisy_page(truth, depth, seed, square=1.0):
    """Lines every ``square`` mm, ``depth`` grey levels deep, on paper whose noise is deeper."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    paper = apply_homography(np.linalg.inv(truth), np.stack([x.ravel(), y.ravel()], 1)).reshape(*SIZE, 2) / square
    lines = np.exp(-((np.abs(paper - np.round(paper)).min(axis=2) * square / 0.12) ** 2))
    light = 215 - depth * lines + np.random.default_rng(seed).normal(0, 20, SIZE)
    image = np.repeat(light[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    return Page(image, SIZE, np.eye(3), False)


def about(truth, along=1.0, across=1.0):
    """The true paper with millimetres that are wrong by these factors."""
    return truth @ np.diag([along, across, 1.0])


@settings(max_examples=6, deadline=None)
@given(along=st.floats(0.98, 1.02), across=st.floats(0.92, 1.08), degrees=st.floats(-1.0, 1.0), seed=st.integers(0, 99))
def test_a_grid_that_leads_tell_the_pitch_of(along, across, degrees, seed):
    truth = similarity(PIXELS, degrees, SIZE, (75.0, 55.0))
    grid = find_faint_grid(
        noisy_page(truth, 7.0, seed), about(similarity(PIXELS, 0, SIZE, (75.0, 55.0)), along, across), LEADS
    )
    assert grid.found
    assert grid.pitch == pytest.approx((PIXELS, PIXELS), rel=0.003)


def test_it_is_seen_where_a_search_without_a_clue_finds_none():
    truth = similarity(PIXELS, 0.4, SIZE, (75.0, 55.0))
    pages = [noisy_page(truth, 3.5, seed) for seed in range(6)]
    assert sum(measure_grid(page).found for page in pages) == 0
    assert sum(find_faint_grid(page, about(truth, 1.01, 0.95), LEADS).found for page in pages) >= 4


@pytest.mark.parametrize("seed", range(6))
def test_upright_lines_alone_are_no_grid(seed):
    """They tell nothing of the squares' height; yet all that is seen at the true squares agrees."""
    truth = similarity(PIXELS, 0.0, SIZE, (75.0, 55.0))
    x = (np.arange(SIZE[1]) - truth[0, 2]) / PIXELS
    lines = 30 * np.exp(-((np.abs(x - np.round(x)) / 0.12) ** 2))
    image = np.clip(noisy_page(truth, 0.0, seed).image - lines[:, None], 0, 255).astype(np.uint8)
    assert fit_lattice(grid_contrast(image), np.eye(2) / PIXELS).agreement > 0.9
    assert not find_faint_grid(Page(image, SIZE, np.eye(3), False), truth, LEADS).found


@settings(max_examples=15, deadline=None)
@given(along=st.floats(0.9, 1.1), across=st.floats(0.9, 1.1), seed=st.integers(0, 999))
def test_noise_is_no_grid(along, across, seed):
    truth = similarity(PIXELS, 0.0, SIZE, (75.0, 55.0))
    assert not find_faint_grid(noisy_page(truth, 0.0, seed), about(truth, along, across), LEADS).found


@pytest.mark.parametrize("depth", [10.0, 40.0])
@pytest.mark.parametrize("square", [0.5, 0.78, 1.35, 2.0])
def test_lines_of_another_pitch_are_not_taken(square, depth):
    """Nor every second one of closer lines, nor lines of which every second one would be missing."""
    truth = similarity(9.0, 0.0, SIZE, (44.0, 31.0))
    assert find_faint_grid(noisy_page(truth, depth, 1), truth, (10.0, 10.0, 80.0, 50.0)).found
    assert not find_faint_grid(noisy_page(truth, depth, 1, square), truth, (10.0, 10.0, 80.0, 50.0)).found


def test_a_picture_of_few_pixels_has_none():
    """Eight times the same lines, on a page that is reduced to 40 pixels across."""
    truth = similarity(PIXELS, 0.0, SIZE, (75.0, 55.0))
    page, stamp = noisy_page(truth, 60.0, 1), (71.0, 51.0, 79.0, 59.0)
    assert find_faint_grid(page, truth, stamp).found
    small = Page(page.image[:40, :60], (40, 60), np.eye(3), False)
    assert not find_faint_grid(small, np.diag([0.3, 0.3, 1.0]), (0.0, 0.0, 100.0, 80.0)).found


@pytest.mark.parametrize("seed", range(3))
def test_where_lines_every_millimetre_are_finer_than_pixels_show_those_every_5_mm_are_told(seed):
    truth = similarity(2.05, 0.3, SIZE, (190.0, 135.0))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    paper = apply_homography(np.linalg.inv(truth), np.stack([x.ravel(), y.ravel()], 1)).reshape(*SIZE, 2)
    light = np.random.default_rng(seed).normal(215, 20, SIZE)
    for square, depth in ((1.0, 6.0), (5.0, 14.0)):
        light -= depth * np.exp(-((np.abs(paper - square * np.round(paper / square)).min(axis=2) / 0.3) ** 2))
    page = Page(np.repeat(light[..., None], 3, axis=2).clip(0, 255).astype(np.uint8), SIZE, np.eye(3), False)
    grid = find_faint_grid(page, about(truth, 1.01, 0.97), (20.0, 20.0, 360.0, 250.0))
    assert grid.found
    assert grid.pitch == pytest.approx((10.25, 10.25), rel=0.003)
