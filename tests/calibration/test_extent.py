"""Paper from its leads' ends and rows: traces seen on paper that is wrong in a known way tell how."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.extent import even_paper
from ecgpage.geometry import apply_homography
from ecgpage.recording import LeadBox, LeadTrace

ROWS, COLUMNS, SECONDS = 4, 4, 2.5
TO_PICTURE = np.array([[7.0, 0, 150.0], [0, 7.0, 90.0], [0, 0, 1.0]])


def rough_paper(scale=1.0, taller=1.0, degrees=0.0, tilt=(0.0, 0.0)):
    """From true paper to what is taken for it: of another size, turned, seen from aside; (125, 60) mm stays."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    there = np.array([[1, 0, 125.0], [0, 1, 60.0], [0, 0, 1.0]])
    change = np.array([[scale * cos, -taller * sin, 0], [scale * sin, taller * cos, 0], [*tilt, 1.0]])
    return there @ change @ np.linalg.inv(there)


def traces_on(true_to_rough, late=None, seed=0, gap=0.0, drifts=(0.0, 0.0, 0.0, 0.0)):
    """Four rows of four leads, noisy waves, as they lie on rough paper.

    late: {(row, column): mm an end is off}; gap: mm between columns; drifts: mm that baselines of each row sink.
    """
    rng, result = np.random.default_rng(seed), []
    for row in range(ROWS):
        for column in range(COLUMNS):
            start = SECONDS * column
            x = np.arange(25 * start - 3, 25 * (start + SECONDS) + 3, 1 / 24)
            zero = 30 + 25.0 * row + drifts[row] * (x / 250 - 0.5)
            wave = 4 * np.exp(-(((x % 20 - 10) / 0.8) ** 2)) + 0.3 * np.sin(x / 9 + rng.uniform(0, 6))
            end = 25 * (start + SECONDS - 1 / 500) + (late or {}).get((row, column), 0.0)
            points = apply_homography(true_to_rough, np.stack([x + gap * column, zero - wave], axis=1))
            places = np.arange(points[0, 0], points[-1, 0], 1 / 24)
            back = np.interp(places, points[:, 0], x)
            y = np.interp(places, points[:, 0], points[:, 1])
            presence = ((back >= 25 * start) & (back <= end)).astype(float)
            seen = places[presence > 0.5]
            box = (seen[0], y.min() - 3, seen[-1], y.max() + 3)
            lead = LeadBox("I", box, 1.0, row=row, column=column, start=start, duration=SECONDS)
            result.append(LeadTrace(lead, places, y, presence, np.full(len(places), 0.1), float(np.median(y))))
    return result


def places_found(traces, true_to_rough):
    """True points of the leads' middle and corners, and where they lie on the paper that was found."""
    found = even_paper(traces, TO_PICTURE @ np.linalg.inv(true_to_rough))
    points = np.array([[125.0, 60], [0, 30], [250, 30], [250, 105], [0, 105]])
    return points, apply_homography(np.linalg.inv(found) @ TO_PICTURE, points)


@settings(max_examples=15, deadline=None)
@given(
    scale=st.floats(0.95, 1.05),
    taller=st.floats(0.92, 1.08),
    degrees=st.floats(-3.0, 3.0),
    tilt=st.tuples(st.floats(-4e-4, 4e-4), st.floats(-4e-4, 4e-4)),
)
def test_size_turn_and_perspective_are_undone(scale, taller, degrees, tilt):
    rough = rough_paper(scale, taller, degrees, tilt)
    true, found = places_found(traces_on(rough), rough)
    np.testing.assert_allclose(found[:, 0], true[:, 0], atol=0.5)
    np.testing.assert_allclose(np.ptp(found[:, 1]) / np.ptp(true[:, 1]), 1.0, atol=0.02)
    assert found[1, 1] == pytest.approx(found[2, 1], abs=1.0)  # rows are level


@pytest.mark.parametrize("drifts", [(4.0, 4.0, 4.0, 4.0), (-3.0, 0.0, 2.0, 5.0)])
@pytest.mark.parametrize("degrees", [0.0, 1.5])
def test_baselines_that_wander_on_flat_paper_neither_turn_it_nor_see_it_from_aside(drifts, degrees):
    rough = rough_paper(1.01, 1.0, degrees)
    true, found = places_found(traces_on(rough, drifts=drifts), rough)
    np.testing.assert_allclose(found - found[0], true - true[0], atol=0.6)


def test_ends_that_are_seen_wrongly_do_not_count():
    rough = rough_paper(1.02, 1.05, 1.0)
    true, found = places_found(traces_on(rough, late={(0, 3): -3.5, (2, 3): -3.5, (1, 1): 2.5}), rough)
    np.testing.assert_allclose(found[:, 0], true[:, 0], atol=0.6)


def length_found(traces, true_to_rough):
    """What a length of 100 true millimetres at the page's middle measures on the paper that was found."""
    found = even_paper(traces, TO_PICTURE @ np.linalg.inv(true_to_rough))
    places = apply_homography(np.linalg.inv(found) @ TO_PICTURE, np.array([[20.0, 60.0], [120.0, 60.0]]))
    return places[1, 0] - places[0, 0]


@pytest.mark.parametrize("gap", [1.0, 2.0, 4.0, 6.0, 12.0])
def test_gaps_between_columns_are_no_time(gap):
    rough = rough_paper(1.02)
    assert length_found(traces_on(rough, gap=gap), rough) == pytest.approx(100.0, rel=0.004)


def test_traces_that_run_on_into_their_neighbours_do_not_make_columns_overlap():
    """Where no separator stands a trace goes on into the next column's."""
    late = {(row, column): 2.5 for row in range(ROWS) for column in range(COLUMNS - 1)}
    assert length_found(traces_on(np.eye(3), late=late), np.eye(3)) == pytest.approx(100.0, rel=0.002)


def test_where_the_picture_cuts_traces_off_none_begins():
    """Its edge stands 1.5 mm within the first column, whose traces would have begun there."""
    traces = traces_on(np.eye(3))
    for k, trace in enumerate(traces):
        if trace.lead.column == 0:
            trace.presence[trace.x < 1.5] = 0.0
            x0, y0, x1, y1 = trace.lead.box
            traces[k] = replace(trace, lead=replace(trace.lead, box=(x0 + 1.5, y0, x1, y1)), cut=(True, False))
    assert length_found(traces, np.eye(3)) == pytest.approx(100.0, rel=0.002)


def test_print_that_hides_where_leads_begin_hides_it_in_no_two_alike():
    """Beside its name each row's presence is doubtful for a few millimetres, in another part of them."""
    traces = traces_on(np.eye(3))
    for trace in traces:
        if trace.lead.column == 0:
            trace.presence[(trace.x >= 0) & (trace.x < 1.5 + trace.lead.row)] = 0.45
    assert length_found(traces, np.eye(3)) == pytest.approx(100.0, rel=0.002)


def test_one_lead_tells_nothing():
    assert even_paper(traces_on(np.eye(3))[:1], TO_PICTURE) is None
    assert even_paper([], TO_PICTURE) is None


def test_leads_that_no_camera_sees_so_tell_nothing():
    """Each row half as long as the one above it, for the same ten seconds."""
    traces = []
    for row in range(4):
        x = np.arange(-3, 250 * 0.5**row + 3, 1 / 24)
        presence = ((x >= 0) & (x <= 250 * 0.5**row)).astype(float)
        box = (0.0, 20.0 * row - 3, 250 * 0.5**row, 20.0 * row + 3)
        lead = LeadBox("II", box, 1.0, row=row, start=0.0, duration=10.0)
        traces.append(LeadTrace(lead, x, np.full(len(x), 20.0 * row), presence, np.full(len(x), 0.1), 20.0 * row))
    assert even_paper(traces, TO_PICTURE) is None
