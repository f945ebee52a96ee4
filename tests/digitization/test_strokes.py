"""Strokes that a trace's reading leaves out, on drawn rows whose traces are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.digitization import strokes as module
from ecgpage.digitization.strokes import FEWEST, GRID, Ink, Stroke, find_strokes, follow_strokes, off_grid
from ecgpage.geometry import Bend, bent_points
from ecgpage.recording import LeadBox, LeadTrace

SCALE = 8.0
PAPER_TO_PICTURE = np.diag([SCALE, SCALE, 1.0])
ROWS = (40.0, 75.0)
LEFT, RIGHT = 20.0, 145.0
POINTS = 3001


def drawn(*lines, bend=None, noise=4.0):
    """Two rows with low waves, and further lines of paper points, in ink; with the rows' traces."""
    image = np.full((960, 1280, 3), (255, 250, 245), np.uint8)
    traces = []
    for row, zero in enumerate(ROWS):
        x = np.linspace(LEFT, RIGHT, POINTS)
        y = zero - 1.5 * np.sin(x / 3) ** 8
        ink(image, np.column_stack([x, y]), bend)
        lead = LeadBox("I", (LEFT, zero - 2, RIGHT, zero + 1), 0.9, row=row, start=0.0, duration=5.0)
        traces.append(LeadTrace(lead, x, y, np.ones(POINTS), np.full(POINTS, 0.1), zero))
    for line in lines:
        ink(image, np.array(line, float), bend)
    noisy = image + np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), traces


def ink(image, points, bend=None, width=3):
    pixels = np.rint(bent_points(PAPER_TO_PICTURE, points, bend) * SCALE).astype(np.int32)
    cv2.polylines(image, [pixels], False, (40, 40, 50), width, cv2.LINE_AA, 3)


def spike(x, base, end):
    return [(x, base), (x, end)]


@settings(deadline=None, max_examples=25)
@given(st.floats(25.0, 140.0), st.floats(7.0, 18.0), st.booleans())
def test_a_spike_is_followed_to_its_end(x, length, upward):
    away = -length if upward else length
    image, traces = drawn(spike(x, ROWS[0], ROWS[0] + away))
    followed, other = follow_strokes(image, PAPER_TO_PICTURE, traces)
    assert other is traces[1]
    furthest = np.argmin(followed.y) if upward else np.argmax(followed.y)
    assert followed.y[furthest] == pytest.approx(ROWS[0] + away, abs=0.35)
    assert followed.x[furthest] == pytest.approx(x, abs=0.1)
    assert np.count_nonzero(np.abs(followed.y - traces[0].y) > 0.5) < 12  # half a millimetre
    _, top, _, bottom = followed.lead.box
    assert (top if upward else bottom) == pytest.approx(ROWS[0] + away, abs=0.35)


def test_spikes_of_bent_paper_are_followed_on_it():
    bend = Bend(np.array([[0.0, 0]] * 5 + [[0, 6.0]]), 2, (80.0, 60.0), (80.0, 60.0))
    image, traces = drawn(spike(50.0, ROWS[0], ROWS[0] - 12), bend=bend)
    followed, _ = follow_strokes(image, PAPER_TO_PICTURE, traces, bend)
    assert followed.y.min() == pytest.approx(ROWS[0] - 12, abs=0.4)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="nothing"),
        pytest.param([[(60, 5), (60, 115)]], id="a line across the page"),
        pytest.param([spike(60, ROWS[0] - 10, ROWS[0] + 10)], id="a line across the trace"),
        pytest.param([spike(60, ROWS[0], ROWS[1] - 1)], id="from one trace to the other"),
        pytest.param([spike(60, ROWS[0] - 4, ROWS[0] - 14)], id="beside the trace"),
        pytest.param([spike(LEFT + 0.5, ROWS[0], ROWS[0] - 10)], id="a separator"),
        pytest.param([spike(60 + 0.2 * k, ROWS[0], ROWS[0] - 10) for k in range(8)], id="a block"),
        pytest.param([spike(60, ROWS[0], ROWS[0] - 3)], id="a short one"),
        pytest.param([[(60, ROWS[0]), (64, ROWS[0] - 10)]], id="an oblique one"),
    ],
)
def test_other_ink_is_left(lines):
    image, traces = drawn(*lines)
    followed = follow_strokes(image, PAPER_TO_PICTURE, traces)
    assert all(one is other for one, other in zip(followed, traces, strict=True))


def test_a_spike_that_was_read_is_left():
    image, traces = drawn(spike(60, ROWS[0], ROWS[0] - 12))
    followed = follow_strokes(image, PAPER_TO_PICTURE, traces)
    again = follow_strokes(image, PAPER_TO_PICTURE, followed)
    assert followed[0] is not traces[0] and all(one is other for one, other in zip(again, followed, strict=True))


def test_lines_of_a_grid_as_dark_as_the_traces_are_left_but_a_spike_between_them_is_followed():
    """Lines above the first row alone, so that each might be a spike of it."""
    lines = [spike(GRID * k, ROWS[0], ROWS[0] - 13) for k in range(5, 29)]
    image, traces = drawn(*lines, spike(62.0, ROWS[0], ROWS[0] + 12))
    followed, _ = follow_strokes(image, PAPER_TO_PICTURE, traces)
    assert followed.y.min() > ROWS[0] - 2 and followed.y.max() == pytest.approx(ROWS[0] + 12, abs=0.35)


@given(st.floats(0, GRID), st.floats(0.7, GRID - 0.7), st.integers(FEWEST, 60))
def test_strokes_on_a_grids_lines_are_told_by_their_places(phase, off, count):
    lines = [Stroke(phase + GRID * k, 0.0, 10.0) for k in range(count)]
    between = Stroke(phase + off, 0.0, 10.0)
    assert off_grid([*lines, between]) == [between]
    assert off_grid(lines[: FEWEST - 1]) == lines[: FEWEST - 1]


@given(st.integers(0, 1000))
def test_strokes_that_stand_anywhere_are_kept(seed):
    places = np.sort(np.random.default_rng(seed).uniform(0, 200, 200))
    strokes = [Stroke(float(x), 0.0, 8.0) for x in places]
    assert off_grid(strokes) == strokes


@pytest.mark.parametrize("apart", [10.0, 15.0, 20.0, 25.0, 30.0, 21.3])
def test_spikes_of_a_steady_pace_are_no_grid(apart):
    """At 150, 100, 75, 60 and 50 a minute they stand whole squares apart; each in five rows, some in one."""
    spikes = [Stroke(7.0 + apart * k, 0.0, 10.0) for k in range(8) for _ in range(5)]
    assert off_grid(spikes) == spikes and off_grid(spikes[::5] * 3) == spikes[::5] * 3


@settings(max_examples=30)
@given(st.integers(60, 200), st.integers(80, 200), st.integers(1, 4))
def test_strokes_are_found_where_they_are(left, top, width):
    share = np.zeros((400, 600), np.float32)
    share[top : top + 160, left : left + width] = 1.0
    share[80:240, 300:320] = 1.0  # too wide
    (stroke,) = find_strokes(Ink(share, (10.0, 20.0)))
    assert stroke.x == pytest.approx(10 + (left + (width - 1) / 2) / 8, abs=1e-6)
    assert (stroke.top, stroke.bottom) == pytest.approx((20 + (top - 0.5) / 8, 20 + (top + 159.5) / 8), abs=1e-6)


def test_a_stroke_between_two_traces_that_may_be_eithers_is_left():
    image, traces = drawn(spike(60, ROWS[0], ROWS[0] - 12))
    beside = LeadTrace(traces[0].lead, traces[0].x, traces[0].y + 0.6, *np.ones((2, POINTS)), ROWS[0])
    followed = follow_strokes(image, PAPER_TO_PICTURE, [*traces, beside])
    assert followed[0] is traces[0] and followed[2] is beside


def test_a_trace_that_ends_at_a_stroke_is_not_led_along_it():
    image, (first, other) = drawn(spike(60, ROWS[0], ROWS[0] - 12))
    ended = LeadTrace(first.lead, first.x, first.y, (first.x < 60.0).astype(float), first.spread, first.zero)
    assert follow_strokes(image, PAPER_TO_PICTURE, [ended, other])[0] is ended


def test_without_ink_nothing_is_followed():
    blank, traces = np.full((960, 1280, 3), 255, np.uint8), drawn()[1]
    assert follow_strokes(blank, PAPER_TO_PICTURE, traces) == traces
    assert follow_strokes(blank, PAPER_TO_PICTURE, []) == []


@pytest.mark.parametrize("most", [1000, 10**9])
def test_paper_without_end_is_not_looked_at(monkeypatch, most):
    image, traces = drawn(spike(60, ROWS[0], ROWS[0] - 12))
    monkeypatch.setattr(module, "MOST_PIXELS", most)
    followed = follow_strokes(image, PAPER_TO_PICTURE, traces)
    assert (followed[0] is traces[0]) == (most == 1000)


def test_a_trace_far_off_its_box_and_a_box_of_no_width_do_no_harm():
    image, (first, other) = drawn(spike(60, ROWS[0], ROWS[0] - 12))
    far = LeadTrace(first.lead, first.x, first.y - 60, first.presence, first.spread, first.zero)
    assert follow_strokes(image, PAPER_TO_PICTURE, [far, other])[0] is far
    thin = [
        LeadTrace(LeadBox("I", (60, 30, 60, 40), 1.0), t.x, t.y, t.presence, t.spread, t.zero) for t in (first, other)
    ]
    assert follow_strokes(image, PAPER_TO_PICTURE, thin) == thin
