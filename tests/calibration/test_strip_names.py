"""Rhythm strips are named after the short leads that they repeat."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.strip_names import name_strips, part_ruled
from ecgpage.leads import LEADS
from ecgpage.recording import LeadTrace
from tests.calibration.beating_page import SPEED, page


def misnamed(traces: list[LeadTrace], names: list[str]) -> list[LeadTrace]:
    """The traces with other names for the strips, in their order."""
    left = list(names)
    return [
        replace(trace, lead=replace(trace.lead, name=left.pop(0))) if trace.lead.strip else trace for trace in traces
    ]


def strip_names(traces: list[LeadTrace]) -> list[str]:
    return [trace.lead.name for trace in traces if trace.lead.strip]


@settings(deadline=None, max_examples=25)
@given(st.permutations(LEADS), st.permutations(LEADS), st.integers(1, 3))
def test_strips_get_the_names_of_the_leads_that_they_repeat(true, wrong, count):
    traces, renamed = name_strips(misnamed(page(0.0, tuple(true[:count])), wrong[:count]))
    assert strip_names(traces) == list(true[:count])
    changed = [f"{w} to {t}" for w, t in zip(wrong[:count], true[:count], strict=True) if w != t]
    assert list(renamed) == changed


@pytest.mark.parametrize("late", [-1.6, 0.0, 1.6])
def test_a_strip_that_stands_off_the_rows_above_is_named(late):
    traces, _ = name_strips(misnamed(page(0.0, ("V1",), strip_late=late), ["II"]))
    assert strip_names(traces) == ["V1"]


@pytest.mark.parametrize("late", [-0.3, 0.3])
def test_a_strip_slightly_out_of_step_keeps_its_name_beside_a_lead_that_is_much_alike(late):
    traces = page(0.0, ("II",), strip_late=late)
    strip = next(trace for trace in traces if trace.lead.strip)
    alike = [
        replace(trace, y=trace.zero + 0.85 * (np.interp(trace.x, strip.x, strip.y) - strip.zero))
        if trace.lead.name == "V6"
        else trace
        for trace in traces
    ]
    named, renamed = name_strips(alike)
    assert strip_names(named) == ["II"] and not renamed


def test_a_strip_below_columns_of_the_same_seconds_is_named():
    """Each column shows the strip's first seconds, and stands where columns that follow each other would."""
    whole = {trace.lead.name: trace for trace in page(0.0, LEADS) if trace.lead.strip}
    traces = []
    for trace in page(0.0, ("aVR",)):
        first = whole[trace.lead.name]
        shown = np.interp(trace.x - SPEED * trace.lead.start, first.x, first.y) - first.zero + trace.zero
        traces.append(trace if trace.lead.strip else replace(trace, y=shown))
    placed = place_traces(misnamed(traces, ["II"]), SPEED)
    assert strip_names(placed.traces) == ["aVR"]
    as_printed = placed.named(traces)
    assert strip_names(as_printed) == ["aVR"] and [trace.lead.start for trace in as_printed] == [
        trace.lead.start for trace in traces
    ]


def test_a_strip_of_another_rhythm_keeps_its_name():
    traces = page(0.0, ("V1",))
    rng = np.random.default_rng(3)
    other = [replace(trace, y=trace.zero + 5 * rng.standard_normal(len(trace.y))) for trace in traces]
    given = [noise if trace.lead.strip else trace for trace, noise in zip(traces, other, strict=True)]
    named, renamed = name_strips(given)
    assert strip_names(named) == ["V1"] and renamed == ()


def test_a_strip_taken_for_one_upside_down_is_named_as_it_stands():
    traces = [
        replace(trace, lead=replace(trace.lead, name="aVR", inverted=True)) if trace.lead.strip else trace
        for trace in page(0.0, ("V1",))
    ]
    named = name_strips(traces)[0]
    assert [(trace.lead.name, trace.lead.inverted) for trace in named if trace.lead.strip] == [("V1", False)]


def test_a_strip_that_repeats_nothing_gives_its_name_to_one_that_does():
    traces = [trace for trace in page(0.0, ("V1", "II")) if trace.lead.strip or trace.lead.name != "V1"]
    named = strip_names(name_strips(misnamed(traces, ["II", "V5"]))[0])
    assert named[1] == "II" and named[0] != "II"


def test_a_page_without_strips_stays_as_it_is():
    traces = page(0.0, ())
    assert name_strips(traces) == (traces, ())
    assert name_strips([]) == ([], ())


def test_a_strip_without_a_trace_keeps_its_name():
    traces = [
        replace(trace, presence=np.zeros(len(trace.x)), zero=float("nan")) if trace.lead.strip else trace
        for trace in page(0.0, ("II",))
    ]
    assert strip_names(name_strips(traces)[0]) == ["II"]


def ruled(trace: LeadTrace, deviation: float) -> LeadTrace:
    """A line where the trace was, read with some deviation, mm."""
    rng = np.random.default_rng(0)
    return replace(trace, y=trace.zero + deviation * rng.standard_normal(len(trace.y)))


def test_an_axis_taken_for_a_strip_is_left_out():
    traces = [ruled(trace, 0.06) if trace.lead.strip else trace for trace in page(0.0, ("II",))]
    placed = place_traces(traces, SPEED)
    assert [trace.lead.strip for trace in placed.left_out] == [True]
    assert len(placed.traces) == 12


def test_a_frame_taken_for_a_strip_is_left_out():
    """Its lower edge, from which reading jumps up the upright ones."""
    traces = page(0.0, ("II",))
    strip = next(trace for trace in traces if trace.lead.strip)
    frame = ruled(strip, 0.06)
    count = len(frame.y)
    for upright in (0.0, 0.25, 0.5, 0.75):
        frame.y[round(upright * count) : round((upright + 0.01) * count)] -= 30.0
    kept, left = part_ruled([frame if trace is strip else trace for trace in traces])
    assert [trace.lead.strip for trace in left] == [True] and len(kept) == 12


def test_the_strip_of_a_flat_lead_stays():
    traces = [ruled(trace, 0.06) if trace.lead.name == "II" else trace for trace in page(0.0, ("II",))]
    kept, left = part_ruled(traces)
    assert len(kept) == 13 and not left


def test_a_strip_with_waves_stays():
    kept, left = part_ruled(page(0.0, ("II", "V1", "V5")))
    assert len(kept) == 15 and not left
