"""Blanks between columns are told from where leads begin and end, and time leaves them out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.column_gap import FARTHEST, begin_on_lines, column_gap, without_gap
from ecgpage.calibration.placement import place_traces
from ecgpage.leads import LEADS
from ecgpage.recording import ColumnLines, LeadTrace
from tests.calibration.beating_page import SPEED, page


def parted(gap: float, strips: tuple[str, ...] = ("II",)) -> list[LeadTrace]:
    """A page whose columns stand ``gap`` mm apart; its strip runs through."""
    return without_gap(page(0.0, strips), -gap)


def signal_of(traces: list[LeadTrace]) -> np.ndarray:
    return assemble(place_traces(traces, SPEED).traces, LEADS, 500.0, 5000).signal


@settings(deadline=None, max_examples=20)
@given(st.floats(0.8, 9.0), st.sampled_from([(), ("II",), ("V1", "II")]))
def test_a_gap_is_told_and_left_out(gap, strips):
    traces = parted(gap, strips)
    assert column_gap(traces, SPEED) == pytest.approx(gap, abs=0.01)
    placed = place_traces(traces, SPEED)
    assert any("apart" in note for note in placed.notes) and placed.gap == pytest.approx(gap, abs=0.01)
    error = signal_of(traces) - signal_of(page(0.0, strips))
    assert np.nanmax(np.abs(error)) < 0.02  # mV


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_columns_that_meet_have_none_however_roughly_their_ends_are_read(seed):
    rng = np.random.default_rng(seed)
    traces = []
    for trace in page(0.0):
        late, early = rng.uniform(0, 1.5, 2)  # mm of it that are not seen
        seen = (trace.x > trace.x[0] + late) & (trace.x < trace.x[-1] - early)
        traces.append(replace(trace, presence=seen.astype(float)))
    assert column_gap(traces, SPEED) == 0


def test_a_page_of_one_column_has_none():
    strips = [trace for trace in page(0.0, LEADS) if trace.lead.strip]
    alone = [replace(trace, lead=replace(trace.lead, strip=False)) for trace in strips]
    assert column_gap(alone, SPEED) == 0 and column_gap([], SPEED) == 0 and column_gap(strips, SPEED) == 0


def test_strips_are_named_below_columns_with_gaps():
    traces = [
        replace(trace, lead=replace(trace.lead, name="II")) if trace.lead.strip else trace
        for trace in parted(4.0, ("V1",))
    ]
    placed = place_traces(traces, SPEED)
    assert [trace.lead.name for trace in placed.traces if trace.lead.strip] == ["V1"]
    assert any("II to V1" in note for note in placed.notes)


def beginnings(traces):
    """Where each column's paths begin less the time at which they do, mm."""
    shorts = {trace.lead.column: trace for trace in traces if not trace.lead.strip}
    return np.array([shorts[k].x[0] - SPEED * shorts[k].lead.start for k in sorted(shorts)])


def late(traces, by):
    """Each column's leads seen to begin so many mm late."""
    return [
        trace
        if trace.lead.strip
        else replace(trace, presence=(trace.x > trace.x[0] + by[trace.lead.column]).astype(float))
        for trace in traces
    ]


def lines_where_columns_begin(gap, beside=0.0):
    """Lines 5 mm apart, ``beside`` mm of where columns begin that stand ``gap`` mm apart."""
    starts = {trace.lead.column: trace.x[0] for trace in parted(gap) if not trace.lead.strip}
    return ColumnLines({column: x + beside - 15.0 for column, x in starts.items()}, 5.0)


@settings(deadline=None, max_examples=20)
@given(st.floats(1.0, 9.0), st.floats(-0.3, 0.3), st.lists(st.floats(0.0, 0.8), min_size=4, max_size=4))
def test_columns_begin_on_the_lines_of_their_own_grids(gap, off, by):
    """However roughly ends tell the blanks' width and where columns begin."""
    apart = late(without_gap(parted(gap), gap + off / 3), by)
    told = begin_on_lines(apart, gap + off / 3, lines_where_columns_begin(gap), SPEED)
    np.testing.assert_allclose(np.diff(beginnings(told)), 0.0, atol=1e-6)
    placed = place_traces(late(parted(gap), by), SPEED, lines_where_columns_begin(gap))
    np.testing.assert_allclose(np.diff(beginnings(placed.traces)), 0.0, atol=1e-6)


@pytest.mark.parametrize("beside", [2.5, FARTHEST + 0.1, -1.5])
def test_columns_that_begin_between_lines_stay(beside):
    traces = without_gap(parted(3.0), 3.2)
    told = begin_on_lines(traces, 3.2, lines_where_columns_begin(3.0, beside), SPEED)
    np.testing.assert_allclose(beginnings(told), beginnings(traces))


def test_columns_whose_lines_are_not_told_stay():
    traces, lines = without_gap(parted(3.0), 3.2), lines_where_columns_begin(3.0)
    fewer = ColumnLines({column: place for column, place in lines.places.items() if column != 2}, 5.0)
    np.testing.assert_allclose(beginnings(begin_on_lines(traces, 3.2, fewer, SPEED)), beginnings(traces))
    assert begin_on_lines([], 3.0, lines, SPEED) == []
