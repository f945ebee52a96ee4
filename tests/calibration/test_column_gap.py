"""Blanks between columns are told from where leads begin and end, and time leaves them out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.column_gap import column_gap, without_gap
from ecgpage.calibration.placement import place_traces
from ecgpage.leads import LEADS
from ecgpage.recording import LeadTrace
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
