"""The calibration pulse, on hand-drawn pages whose millimetres are known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ecgpage.calibration.pulse import HEIGHTS, WIDTHS, Pulse, find_pulse
from ecgpage.geometry import Bend
from ecgpage.recording import LeadBox, LeadTrace

SCALE = 7.0
PAPER_TO_PICTURE = np.diag([SCALE, SCALE, 1.0])
ROWS = (40.0, 70.0, 100.0)
LEFT, RIGHT = 40.0, 165.0


def page(height=None, width=5.0, *, right=False, rows=ROWS, noise=0.0, seed=0):
    """Squared paper with rows of traces and, unless ``height`` is None, a pulse beside each."""
    image = np.full((910, 1400, 3), (255, 250, 245), np.uint8)
    for k in range(0, 200):
        colour, thick = ((235, 130, 130), 2) if k % 5 == 0 else ((250, 215, 210), 1)
        at = round(k * SCALE)
        cv2.line(image, (at, 0), (at, 910), colour, thick)
        cv2.line(image, (0, at), (1400, at), colour, thick)
    traces = []
    for row, zero in enumerate(rows):
        x = np.linspace(LEFT, RIGHT, 3000)
        y = zero - 3 * np.sin(x / 2) ** 8
        draw(image, np.stack([x, y], axis=1))
        lead = LeadBox("I", (LEFT, zero - 3, RIGHT, zero), 0.9, row=row, start=0.0, duration=5.0)
        traces.append(LeadTrace(lead, x, y, np.ones(3000), np.full(3000, 0.1), zero))
        if height is not None:
            at = RIGHT + 4 if right else LEFT - width - 5
            outline = [(at - 1, zero), (at, zero), (at, zero - height), (at + width, zero - height), (at + width, zero)]
            draw(image, np.array([*outline, (at + width + 1, zero)]))
    noisy = image + np.random.default_rng(seed).normal(0, noise, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), traces


def draw(image, points):
    pixels = np.rint(points * SCALE).astype(np.int32)
    cv2.polylines(image, [pixels], False, (30, 30, 40), 2, cv2.LINE_AA)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_pulse_is_measured_on_either_side(height, width, right):
    image, traces = page(height, width, right=right, noise=12.0)
    assert find_pulse(image, PAPER_TO_PICTURE, traces) == Pulse(height, width)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("height", HEIGHTS)
def test_a_pulse_is_measured_though_boxes_end_within_it(height, right):
    image, traces = page(height, right=right, noise=12.0)
    near = RIGHT + 4 if right else LEFT - 5  # the flank beside the leads
    box = (LEFT, near + 2.5) if right else (near - 2.5, RIGHT)
    boxed = [
        replace(trace, lead=replace(trace.lead, box=(box[0], trace.zero - 3, box[1], trace.zero))) for trace in traces
    ]
    assert find_pulse(image, PAPER_TO_PICTURE, boxed) == Pulse(height, 5.0)


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_pulse_in_a_shadow_is_measured(height):
    """The paper around it is as dark as ink is in the light."""
    image, traces = page(height, noise=3.0)
    shadow = np.clip(np.linspace(0.1, 1.9, image.shape[1]), 0.3, 1.0)
    assert find_pulse((image * shadow[:, None]).astype(np.uint8), PAPER_TO_PICTURE, traces) == Pulse(height, 5.0)


@pytest.mark.parametrize("apart", [16.5, 18.5, 21.0])
def test_pulses_that_reach_into_the_row_above_are_measured(apart):
    rows = tuple(40.0 + apart * k for k in range(5))
    assert find_pulse(*with_paper(page(20.0, rows=rows, noise=12.0))) == Pulse(20.0, 5.0)


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("apart", [1.6, 3.0])
def test_pulses_of_close_rows_are_not_taken_for_taller_ones(height, apart):
    rows = tuple(40.0 + (height + apart) * k for k in range(4))
    assert find_pulse(*with_paper(page(height, rows=rows, noise=12.0))) == Pulse(height, 5.0)


@pytest.mark.parametrize("height", HEIGHTS)
def test_pulses_that_nearly_touch_the_row_above_are_not_taken_for_others(height):
    rows = tuple(40.0 + (height + 0.8) * k for k in range(4))
    assert find_pulse(*with_paper(page(height, rows=rows, noise=12.0))) in (None, Pulse(height, 5.0))


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_pulse_that_stands_half_below_the_zero_line_is_not_half_a_pulse(height):
    """As one program centres it on its rows: it is of another height than it has above them, and low ones alone end so
    near to their rows that they are told, rightly."""
    image, traces = page()
    for zero in ROWS:
        low, high, at = zero + height / 2, zero - height / 2, LEFT - 10
        draw(image, np.array([(at - 1, low), (at, low), (at, high), (at + 5, high), (at + 5, low), (at + 6, low)]))
    assert find_pulse(image, PAPER_TO_PICTURE, traces) == (Pulse(height, 5.0) if height == 5.0 else None)


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_pulse_is_measured_where_traces_wander(height, seed):
    """They tell the zero lines, each by up to 2.3 mm off."""
    image, traces = page(height, noise=12.0)
    astray = np.random.default_rng(seed).uniform(-2.3, 2.3, len(traces))
    told = [replace(trace, zero=trace.zero + off) for trace, off in zip(traces, astray, strict=True)]
    assert find_pulse(image, PAPER_TO_PICTURE, told) == Pulse(height, 5.0)


@pytest.mark.parametrize("left", [31.0, 33.0])
@pytest.mark.parametrize("height", HEIGHTS)
def test_a_pulse_that_the_pictures_edge_cuts_tells_its_height(height, left):
    """Its flanks stand at 30 and 35 mm."""
    image, traces = page(height, noise=12.0)
    start = round(left * SCALE)
    to_picture = np.array([[1, 0, -start], [0, 1, 0], [0, 0, 1.0]]) @ PAPER_TO_PICTURE
    pulse = find_pulse(np.ascontiguousarray(image[:, start:]), to_picture, traces)
    assert pulse is not None and pulse.height == height


@pytest.mark.parametrize("rows", [ROWS, tuple(40.0 + 21.0 * k for k in range(5))])
@pytest.mark.parametrize("left", np.arange(25.0, 39.0, 1.7))
def test_dark_grid_lines_that_the_pictures_edge_cuts_are_no_pulse(rows, left):
    """Nor are they with the stroke of a printed I between two of them."""
    image, traces = page(rows=rows, noise=12.0)
    for zero in rows:
        draw(image, np.array([(LEFT - 2, zero - 4.4), (LEFT - 2, zero - 1.0)]))
    for k in range(0, 200, 5):
        at = round(k * SCALE)
        cv2.line(image, (at, 0), (at, 910), (40, 40, 50), 2)
        cv2.line(image, (0, at), (1400, at), (40, 40, 50), 2)
    start = round(left * SCALE)
    to_picture = np.array([[1, 0, -start], [0, 1, 0], [0, 0, 1.0]]) @ PAPER_TO_PICTURE
    assert find_pulse(np.ascontiguousarray(image[:, start:]), to_picture, traces) is None


@pytest.mark.parametrize("seed", range(3))
def test_grid_lines_alone_are_no_pulse(seed):
    assert find_pulse(*with_paper(page(noise=20.0, seed=seed))) is None


def test_no_trace_and_no_contrast_are_no_pulse():
    image, traces = page(10.0)
    assert find_pulse(image, PAPER_TO_PICTURE, []) is None
    assert find_pulse(np.full_like(image, 200), PAPER_TO_PICTURE, traces) is None


def with_paper(drawn):
    image, traces = drawn
    return image, PAPER_TO_PICTURE, traces


def test_a_pulse_is_found_on_paper_that_bends():
    """The homography is 6 mm off in height at the left edge, less to the right; the bend knows."""
    image, traces = page(5.0)
    bend = Bend(np.array([[0.0, 3.0], [0.0, 0.0], [0.0, -3.0]]), 1, (LEFT + 60, 70.0), (100.0, 60.0))
    moved = [replace(trace, y=trace.y - bend(np.stack([trace.x, trace.y], axis=1))[:, 1]) for trace in traces]
    level = [replace(trace, zero=trace.zero - bend(np.array([LEFT, trace.zero]))[1]) for trace in moved]
    assert find_pulse(image, PAPER_TO_PICTURE, level, bend) == Pulse(5.0, 5.0)
    assert find_pulse(image, PAPER_TO_PICTURE, level) is None
