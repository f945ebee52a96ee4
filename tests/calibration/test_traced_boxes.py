"""Boxes go where their traces are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.traced_boxes import FLATTENED, NEAR, SHORT, VAGUE, boxes_of_all_their_time, traced_boxes
from ecgpage.geometry import map_box
from ecgpage.recording import Calibration, LeadBox, LeadTrace, Page
from tests.calibration.beating_page import page

PER_MM = 6.0
PAPER_TO_PAGE = np.array([[PER_MM, 0, 20.0], [0, PER_MM, 35.0], [0, 0, 1.0]])
CALIBRATION = Calibration(PAPER_TO_PAGE, (PER_MM, PER_MM), "grid")


def true_box(trace: LeadTrace) -> np.ndarray:
    """The box around a trace and what its spread adds, page pixels, at least 4 mm high."""
    x0, _, x1, _ = trace.lead.box
    y0, y1 = trace.y.min() - FLATTENED * 0.1, trace.y.max() + FLATTENED * 0.1
    missing = max(0.0, 4.0 - (y1 - y0)) / 2
    return np.array(map_box(PAPER_TO_PAGE, (x0, y0 - missing, x1, y1 + missing)))


def found(traces: list[LeadTrace], off: np.ndarray) -> list[LeadBox]:
    """Boxes as detected, ``off`` (N, 4) mm from true."""
    return [
        replace(trace.lead, box=tuple(true_box(trace) + PER_MM * move)) for trace, move in zip(traces, off, strict=True)
    ]


def traced_in(boxes: list[LeadBox], traces: list[LeadTrace]) -> list[LeadTrace]:
    """The traces as if they were read in these boxes, page pixels."""
    page_to_paper = np.linalg.inv(PAPER_TO_PAGE)
    leads = [replace(trace.lead, box=map_box(page_to_paper, box.box)) for box, trace in zip(boxes, traces, strict=True)]
    return [replace(trace, lead=lead) for trace, lead in zip(traces, leads, strict=True)]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_boxes_that_are_a_little_off_are_put_right(seed):
    traces = page(0.0, ("II",))
    off = np.random.default_rng(seed).uniform(-0.95, 0.95, (len(traces), 4)) * np.tile(NEAR, 2)
    given = found(traces, off)
    boxes = traced_boxes(given, traced_in(given, traces), CALIBRATION)
    for box, trace in zip(boxes, traces, strict=True):
        # ends by their printed edges, a column's width of 1/24 mm; heights exactly
        np.testing.assert_allclose(box.box, true_box(trace), atol=0.12 * PER_MM)
        np.testing.assert_allclose(box.box[1::2], true_box(trace)[1::2], atol=1e-6)


@pytest.mark.parametrize("edge", [0, 2])
def test_an_edge_far_from_where_the_leads_time_ends_stays(edge):
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3, edge] = 2 * NEAR[0]
    given = found(traces, off)
    boxes = traced_boxes(given, traced_in(given, traces), CALIBRATION)
    assert boxes[3].box[edge] == given[3].box[edge]


@pytest.mark.parametrize("edge", [1, 3])
@pytest.mark.parametrize(("spread", "distance", "moved"), [(0.1, 2.0, True), (3.0, 2.0, False), (0.1, 1.0, False)])
def test_an_edge_far_inside_its_trace_goes_there_if_it_is_clear_and_no_other_trace_is_near(
    edge, spread, distance, moved
):
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3, edge] = 2 * NEAR[1] * (2 - edge)
    given = found(traces, off)
    traces[3] = replace(traces[3], spread=np.full_like(traces[3].spread, spread))
    traces[2] = replace(traces[3], y=traces[3].y + distance, lead=traces[2].lead)
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[3].box
    assert box[edge] == (pytest.approx(true_box(traces[3])[edge], abs=0.12 * PER_MM) if moved else given[3].box[edge])


@pytest.mark.parametrize("edge", [1, 3])
@pytest.mark.parametrize(("score", "spread", "moved"), [(0.5, 0.1, True), (0.5, 3.0, False), (0.9, 0.1, False)])
def test_an_edge_far_outside_its_trace_goes_there_if_that_is_clear_and_the_lead_was_not_sure(
    edge, score, spread, moved
):
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3, edge] = 2 * NEAR[1] * (edge - 2)
    given = found(traces, off)
    given[3] = replace(given[3], score=score)
    traces[3] = replace(traces[3], spread=np.full_like(traces[3].spread, spread))
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[3].box
    assert box[edge] == (pytest.approx(true_box(traces[3])[edge], abs=0.12 * PER_MM) if moved else given[3].box[edge])


@pytest.mark.parametrize(("nearer", "taken"), [(9.0, True), (0.5, False)])
def test_of_boxes_that_show_the_same_lead_the_one_that_ends_where_its_trace_does_is_taken(nearer, taken):
    """The first misses waves by 10 mm, vague ones, so that the trace itself moves no edge."""
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3, 1] = 10.0
    given = found(traces, off)
    x0, y0, x1, y1 = given[3].box
    other = (x0 + 3.0, y0 - nearer * PER_MM, x1 - 2.0, y1)
    given[3] = replace(given[3], others=((x0, y0 + 6.0, x1, y1 + 90.0), other))
    traces[3] = replace(traces[3], spread=np.full_like(traces[3].spread, 3.0))
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[3].box
    assert box[1] == (other if taken else given[3].box)[1]
    assert box[3] == y1
    np.testing.assert_allclose(box[::2], (x0, x1), atol=0.12 * PER_MM)


def test_times_are_those_of_the_traces():
    """As of a page at 50 mm/s that was taken for one at 25: boxes go by where the leads are then, half as long."""
    traces = page(0.0, ("II",))
    fast = Calibration(PAPER_TO_PAGE, (PER_MM, PER_MM), "grid", speed=50.0)
    half = [
        replace(trace, lead=replace(trace.lead, start=trace.lead.start / 2, duration=trace.lead.duration / 2))
        for trace in traces
    ]
    given = found(traces, np.full((len(traces), 4), [1.0, -3.0, -1.0, 3.0]))
    for box, trace in zip(traced_boxes(given, traced_in(given, half), fast), half, strict=True):
        assert (box.start, box.duration) == (trace.lead.start, trace.lead.duration)
        np.testing.assert_allclose(box.box, true_box(trace), atol=0.12 * PER_MM)


def test_a_lead_that_was_traced_in_another_box_than_its_own_gets_that_traces_extent():
    """A box far too high, as a fold across the page makes them: the trace was read in one of the usual height."""
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3] = (0.0, -4 * NEAR[1], 0.0, 9 * NEAR[1])
    boxes = traced_boxes(found(traces, off), traces, CALIBRATION)
    np.testing.assert_allclose(boxes[3].box, true_box(traces[3]), atol=0.12 * PER_MM)


@pytest.mark.parametrize(("edge", "moved"), [(0, True), (1, False), (2, True), (3, False)])
def test_edges_are_moved_further_along_time_than_up_and_down(edge, moved):
    """Time is told by all leads together, heights by one trace alone: 8.5 mm."""
    traces = page(0.0, ())
    off = np.zeros((len(traces), 4))
    off[3, edge] = 8.5 * (-1 if edge < 2 else 1)
    given = found(traces, off)
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[3].box
    assert box[edge] == (pytest.approx(true_box(traces[3])[edge], abs=0.12 * PER_MM) if moved else given[3].box[edge])


def test_no_box_is_turned_inside_out_by_a_trace_below_it():
    """The trace begins 4.9 mm below the box's upper edge and ends far below the lower one, which it does not move, as
    another is beside it."""
    traces = page(0.0, ())
    traces[2] = replace(traces[3], y=traces[3].y + 1.0, lead=traces[2].lead)
    height = (true_box(traces[3])[3] - true_box(traces[3])[1]) / PER_MM
    off = np.zeros((len(traces), 4))
    off[3, 1::2] = (-4.9, -height - 0.9)
    given = found(traces, off)
    assert given[3].box[3] - given[3].box[1] == pytest.approx(4 * PER_MM)
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[3].box
    assert box[1::2] == given[3].box[1::2]


def test_one_vague_point_moves_an_edge_by_little():
    traces = page(0.0, ())
    spread = np.where(np.arange(len(traces[0].x)) == 100, 10.0, traces[0].spread)
    vague = [replace(traces[0], spread=spread), *traces[1:]]
    box = traced_boxes(found(traces, np.zeros((len(traces), 4))), vague, CALIBRATION)[0].box
    np.testing.assert_allclose(box[1::2], true_box(traces[0])[1::2], atol=FLATTENED * VAGUE * PER_MM)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize(("spread", "further", "moved"), [(0.1, 5.0, True), (3.0, 5.0, False), (3.0, 1.0, True)])
def test_an_edge_that_points_between_two_heights_tell_alone_stays(spread, further, moved, upper):
    traces = page(0.0, ())
    given = found(traces, np.zeros((len(traces), 4)))
    stray = traces[5]
    y, vague = stray.y.copy(), stray.spread.copy()
    y[300:306] = stray.y.min() - further if upper else stray.y.max() + further
    vague[300:306] = spread
    traces[5] = replace(stray, y=y, spread=vague)
    box = traced_boxes(given, traced_in(given, traces), CALIBRATION)[5].box
    edge, other = (1, 3) if upper else (3, 1)
    away = (further + FLATTENED * (min(spread, VAGUE) - 0.1)) * (-PER_MM if upper else PER_MM)
    assert box[edge] == pytest.approx(given[5].box[edge] + moved * away, abs=0.1 * PER_MM)
    assert box[other] == pytest.approx(given[5].box[other], abs=0.1 * PER_MM)


def test_a_trace_whose_points_all_lie_between_two_heights_moves_no_edge_up_or_down():
    traces = page(0.0, ())
    given = found(traces, np.full((len(traces), 4), [0.0, -3.0, 0.0, 3.0]))
    vague = [replace(trace, spread=np.full_like(trace.spread, 3.0)) for trace in traces]
    for box, lead in zip(traced_boxes(given, traced_in(given, vague), CALIBRATION), given, strict=True):
        assert box.box[1::2] == lead.box[1::2]


def test_the_score_falls_to_the_share_of_the_box_that_is_sure():
    """Spreads of 2 and 3 mm at the highest and lowest point, 9 elsewhere; a lead without a point keeps its score."""
    traces = page(0.0, ())
    y = traces[0].y.copy()
    y[100], y[200] = y.min() - 6, y.max() + 6
    spread = np.full(len(y), 9.0)
    spread[100], spread[200] = 2.0, 3.0
    unsure = [replace(traces[0], y=y, spread=spread), replace(traces[1], presence=0 * traces[1].presence), *traces[2:]]
    boxes = traced_boxes(found(unsure, np.zeros((len(traces), 4))), unsure, CALIBRATION)
    height = (boxes[0].box[3] - boxes[0].box[1]) / PER_MM
    assert boxes[0].score == pytest.approx(traces[0].lead.score * height / (height + 5))
    assert boxes[1].score == traces[1].lead.score
    assert boxes[2].score == pytest.approx(traces[2].lead.score, rel=0.06)  # 0.1 mm at either point


def test_a_stray_point_moves_no_edge():
    traces = page(0.0, ())
    stray = traces[0].y.copy()
    stray[100] = traces[0].lead.box[1] - 2.0
    unsure = np.where(np.arange(len(stray)) == 100, 0.5, 1.0)
    strays = [replace(traces[0], y=stray, presence=unsure), *traces[1:]]
    box = traced_boxes(found(traces, np.zeros((len(traces), 4))), strays, CALIBRATION)[0].box
    assert box[1] == pytest.approx(true_box(traces[0])[1])


def test_names_are_those_of_the_traces():
    traces = page(0.0, ("II",))
    leads = [replace(box, name="I") for box in found(traces, np.zeros((len(traces), 4)))]
    assert [box.name for box in traced_boxes(leads, traces, CALIBRATION)] == [trace.lead.name for trace in traces]


def test_without_traces_boxes_stay():
    lead = LeadBox("II", (10.0, 10.0, 60.0, 20.0), 0.9, start=0.0, duration=10.0)
    assert traced_boxes([lead], [], CALIBRATION) == (lead,)
    nothing = LeadTrace(
        replace(lead, box=map_box(np.linalg.inv(PAPER_TO_PAGE), lead.box)), *(np.zeros(0) for _ in range(4))
    )
    assert traced_boxes([lead], [nothing], CALIBRATION) == (lead,)


def picture(width_mm: float = 400.0) -> Page:
    size = (round(200 * PER_MM), round(width_mm * PER_MM))
    return Page(np.full((*size, 3), 255, np.uint8), size, np.eye(3), False)


@pytest.mark.parametrize("edge", [0, 2])
@pytest.mark.parametrize("inside", [SHORT - 0.5, SHORT + 0.5, 20.0])
def test_a_lead_whose_box_ends_inside_its_time_gets_all_of_it(edge, inside):
    """The other leads tell its time; what it shows beyond its box was not read."""
    traces = page(0.0, ("II",))
    lead = traces[5].lead
    ends = list(lead.box)
    ends[edge] += inside if edge == 0 else -inside
    shown = (traces[5].x >= ends[0]) & (traces[5].x <= ends[2])
    traces[5] = replace(traces[5], lead=replace(lead, box=tuple(ends)), presence=traces[5].presence * shown)
    longer = boxes_of_all_their_time(traces, picture(), CALIBRATION)
    if inside < SHORT:
        assert longer is None
        return
    assert [one == trace.lead for one, trace in zip(longer, traces, strict=True)].count(False) == 1
    np.testing.assert_allclose(longer[5].box, lead.box, atol=0.2)
    again = replace(traces[5], lead=longer[5], presence=np.ones_like(traces[5].x))
    boxes = traced_boxes(found(traces, np.zeros((len(traces), 4))), [*traces[:5], again, *traces[6:]], CALIBRATION)
    np.testing.assert_allclose(boxes[5].box[::2], true_box(replace(traces[5], lead=lead))[::2], atol=0.2 * PER_MM)


def test_a_lead_that_the_picture_cuts_goes_as_far_as_it():
    traces = page(0.0, ())
    last = [k for k, trace in enumerate(traces) if trace.lead.column == 3]
    cut = traces[last[0]].lead.box[2] - 15.0
    for k in last:
        box = traces[k].lead.box
        shown = traces[k].x <= cut - 5.0
        lead = replace(traces[k].lead, box=(box[0], box[1], cut - 5.0, box[3]))
        traces[k] = replace(traces[k], lead=lead, presence=traces[k].presence * shown)
    right = np.array(map_box(PAPER_TO_PAGE, (0.0, 0.0, cut, 1.0)))[2] / PER_MM
    longer = boxes_of_all_their_time(traces, picture(right), CALIBRATION)
    assert all(cut - 1.5 <= longer[k].box[2] <= cut + 0.5 for k in last)


def test_without_traces_no_box_is_longer():
    assert boxes_of_all_their_time([], picture(), CALIBRATION) is None
