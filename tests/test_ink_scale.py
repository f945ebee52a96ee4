"""Ink is measured between a page's paper and its traces, whatever their colours."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.geometry import Bend, bent_points
from ecgpage.ink_scale import InkScale
from ecgpage.recording import LeadBox, LeadTrace

SCALE = 6.0
PAPER_TO_PICTURE = np.diag([SCALE, SCALE, 1.0])


def traced(paper, ink, bend=None, points=600):
    """A page of one grey with a level trace 50 mm down of another, and the trace."""
    image = np.full((600, 900, 3), paper, np.uint8)
    x = np.linspace(20, 130, points)
    y = np.full(points, 50.0)
    pixels = np.rint(bent_points(PAPER_TO_PICTURE, np.column_stack([x, y]), bend)).astype(np.int32)
    cv2.polylines(image, [pixels], False, (ink, ink, ink), 5)
    return image, [LeadTrace(LeadBox("I", (20, 45, 130, 55), 1.0), x, y, np.ones(points), np.zeros(points))]


@given(st.integers(100, 255), st.integers(0, 80), st.booleans())
def test_paper_is_0_and_ink_1(paper, ink, bends):
    bend = Bend(np.array([[0.0, 0]] * 5 + [[0, 4.0]]), 2, (75.0, 50.0), (75.0, 50.0)) if bends else None
    scale = InkScale.of(*_with(traced(paper, ink, bend)), bend)
    assert (scale.paper, scale.ink) == pytest.approx((paper, ink), abs=1)
    patch = scale.patch((30.0, 45.0), (10 * 8 + 1, 90 * 8), 8)
    np.testing.assert_allclose(patch[40], 1, atol=0.05)
    np.testing.assert_allclose(patch[:20], 0, atol=0.05)


def _with(page):
    image, traces = page
    return image, PAPER_TO_PICTURE, traces


def test_beyond_the_picture_the_paper_is_that_of_its_edge():
    scale = InkScale.of(*_with(traced(230, 30)), None)
    assert not scale.patch((-20.0, -20.0), (60, 60), 2).any()


def test_no_scale_without_contrast_traces_or_points():
    assert InkScale.of(*_with(traced(200, 190)), None) is None
    assert InkScale.of(*_with(traced(230, 30, points=200)), None) is None
    assert InkScale.of(traced(230, 30)[0], PAPER_TO_PICTURE, [], None) is None


@given(st.floats(0.35, 0.6), st.booleans())
def test_paper_is_0_and_ink_1_in_uneven_light(dark, upwards):
    """As under a phone's own shadow: at one side of the page the paper is as dark as ink at the other."""
    image, traces = traced(230, 60)
    light = np.linspace(dark, 1.0, image.shape[1]) if upwards else np.linspace(1.0, dark, image.shape[1])
    shaded = (image * light[:, None]).astype(np.uint8)
    scale = InkScale.of(shaded, PAPER_TO_PICTURE, traces, None)
    patch = scale.patch((25.0, 45.0), (10 * 8 + 1, 100 * 8), 8)
    np.testing.assert_allclose(patch[40], 1, atol=0.1)
    np.testing.assert_allclose(patch[:20], 0, atol=0.1)


@pytest.mark.parametrize("zoom", [1e-9, 1e-3, 1e3, 1e12])
@pytest.mark.parametrize("where", [0.0, 1e12])
def test_absurd_millimetres_give_no_error(zoom, where):
    """Nor do traces outside the picture."""
    image, traces = traced(230, 60)
    paper_to_picture = np.array([[zoom, 0.0, where], [0.0, zoom, where], [0.0, 0.0, 1.0]])
    scale = InkScale.of(image, paper_to_picture, traces, None)
    assert scale is None or scale.paper > scale.ink


def test_light_that_is_nearly_even_is_left_as_it_is():
    image, traces = traced(230, 60)
    shaded = (image * np.linspace(0.9, 1.0, image.shape[1])[:, None]).astype(np.uint8)
    scale = InkScale.of(shaded, PAPER_TO_PICTURE, traces, None)
    np.testing.assert_array_equal(scale.grey, shaded[..., 0])
