"""Ink: exact coverage of traces, bars and words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.synthesis.ink import InkMask, lay_ink, trace_coverage
from ecgpage.synthesis.layout import FONTS, Bar, Word

SHAPE = (80, 120)


def paste(points, radius):
    """The coverage on a whole mask, share of each pixel."""
    top, left, part = trace_coverage(points, radius, SHAPE)
    mask = np.zeros(SHAPE)
    mask[top : top + part.shape[0], left : left + part.shape[1]] = part / 255
    return mask


@settings(deadline=None)
@given(st.floats(20, 60), st.floats(0.1, 3.0))
def test_a_level_trace_covers_its_width_around_its_height(y, radius):
    mask = paste(np.stack([np.linspace(10, 110, 300), np.full(300, y)], axis=1), radius)
    rows = np.arange(SHAPE[0])
    covered = np.clip(np.minimum(rows + 0.5, y + radius) - np.maximum(rows - 0.5, y - radius), 0, None)
    np.testing.assert_allclose(mask[:, 60], covered, atol=0.005)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.3, 2.0))
def test_a_sloping_trace_is_as_wide_across_as_the_pen(slope, radius):
    """Down a column, a line of width w and slope s covers w times the root of 1 + s^2; the pen's rim is sampled at
    quarters of a pixel or finer, which may cost a tenth."""
    x = np.linspace(40, 80, 400)
    mask = paste(np.stack([x, 40 + slope * (x - 60)], axis=1), radius)
    middle = mask[:, 55:66].sum(axis=0)
    inside = np.abs(slope) * 6 + radius * 4 < 35
    if inside:
        assert middle.mean() == pytest.approx(2 * radius * np.sqrt(1 + slope**2), rel=0.1)


def test_a_steep_spike_has_no_gaps():
    """One sample up by 50 px between level ones, with a hairline pen: ink in every row on the way."""
    y = np.full(100, 65.0)
    y[50] = 15.0
    mask = paste(np.stack([np.linspace(30, 90, 100), y], axis=1), 0.3)
    assert (mask[16:64].sum(axis=1) > 0.15).all()


def test_ends_are_round_and_nothing_lies_beyond():
    mask = paste(np.stack([np.linspace(30, 90, 200), np.full(200, 40.0)], axis=1), 2.0)
    covered = np.flatnonzero(mask.any(axis=0))
    assert (covered[0], covered[-1]) in ((28, 92), (28, 91), (29, 91), (29, 92))
    assert mask[:, 29].sum() < mask[:, 60].sum()


@pytest.mark.parametrize("radius", [0.2, 1.0, 3.1, 6.3])
@pytest.mark.parametrize("y", [-300.0, 400.0])
def test_traces_off_the_page_are_not_drawn(y, radius):
    assert not paste(np.stack([np.linspace(10, 110, 50), np.full(50, y)], axis=1), radius).any()
    assert not paste(np.stack([np.linspace(200, 300, 50), np.full(50, 40.0)], axis=1), radius).any()


def test_bars_cover_their_area():
    mask = InkMask(SHAPE, 4.0)
    mask.bar(Bar(10.3, 8.1, 0.3, 3.3))
    assert mask.coverage.sum() / 255 == pytest.approx(0.3 * 3.3 * 16, rel=0.02)
    rows, columns = np.indices(SHAPE)
    assert (mask.coverage * columns).sum() / mask.coverage.sum() == pytest.approx(10.3 * 4, abs=0.08)
    assert (mask.coverage * rows).sum() / mask.coverage.sum() == pytest.approx(8.1 * 4, abs=0.08)


@pytest.mark.parametrize("font", sorted(FONTS))
def test_words_are_as_high_as_asked_and_lie_in_their_box(font):
    mask = InkMask((200, 400), 8.0)
    x0, y0, x1, y1 = mask.word(Word("V1", 5.0, 12.0, 4.0, FONTS[font]))
    assert y1 - y0 == pytest.approx(4.0, rel=0.25)
    rows, columns = np.nonzero(mask.coverage)
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()]) / 8.0
    np.testing.assert_allclose(box, [x0, y0, x1, y1], atol=1e-9)
    assert abs(y1 - 12.0) < 0.5


def test_ink_is_blended_by_its_coverage():
    image = np.full((2, 2, 4), 200, np.uint8)
    lay_ink(image, np.array([[0, 255], [128, 0]], np.uint8), np.array([0.0, 50.0, 100.0]))
    assert image[0, 1].tolist() == [0, 50, 100, 255]
    assert image[0, 0].tolist() == image[1, 1].tolist() == [200] * 4
    np.testing.assert_allclose(image[1, 0, :3], [100, 125, 150], atol=1)
