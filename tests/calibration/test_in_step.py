"""Rows out of step: how far is told by leads that must agree, and put right."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.assembly import assemble, limb_lead_quality
from ecgpage.calibration.in_step import print_skew, strips_in_step, without_skew
from ecgpage.calibration.placement import place_traces
from ecgpage.leads import LEADS
from ecgpage.recording import LeadTrace
from tests.calibration.beating_page import SPEED, page


def quality(traces: list[LeadTrace]) -> float:
    return limb_lead_quality(assemble(traces, LEADS, 500.0, 5000).signal, LEADS)


@settings(deadline=None, max_examples=15)
@given(st.floats(0.002, 0.012), st.sampled_from([-1, 1]), st.sampled_from([(), ("II",), ("II", "V1")]))
def test_a_skew_is_told_to_a_tenth_of_a_millisecond_a_row_and_put_right(size, sign, strips):
    skew = sign * size
    traces = page(skew, strips)
    found = print_skew(traces)
    assert found == pytest.approx(skew, abs=1e-4)  # mm per mm: 0.003 mm, 0.12 ms, from row to row
    assert quality(traces) < 25 < quality(without_skew(traces, found))


@pytest.mark.parametrize("strips", [(), ("II",)])
def test_straight_print_stays_as_it_is(strips):
    traces = page(0.0, strips)
    assert print_skew(traces) == 0
    placed = place_traces(traces, SPEED)
    assert placed.notes == () and placed.left_out == []
    for before, after in zip(traces, placed.traces, strict=True):
        np.testing.assert_array_equal(before.x, after.x)


@pytest.mark.parametrize("missing", ["aVL", "III"])
def test_either_law_of_the_limb_leads_tells_a_skew(missing):
    traces = [trace for trace in page(0.006) if trace.lead.name != missing]
    assert print_skew(traces) == pytest.approx(0.006, abs=1e-4)


def test_without_three_leads_of_a_law_no_skew_is_told():
    """A strip by itself may as well stand out of step."""
    traces = [trace for trace in page(0.006) if trace.lead.name not in ("aVL", "III")]
    assert print_skew(traces) == 0
    assert print_skew([]) == 0
    unknown = [replace(trace, zero=float("nan")) for trace in page(0.006)]
    assert print_skew(unknown) == 0


def smooth_noise(rng: np.random.Generator, count: int, size: float) -> np.ndarray:
    return np.convolve(rng.normal(0, size, count), np.ones(5) / np.sqrt(5), mode="same")


@pytest.mark.parametrize("late", [0.2, 0.5])
@pytest.mark.parametrize("seed", range(2))
def test_a_late_strip_is_not_taken_for_a_leaning_page(late, seed):
    """With traces read to 0.4 mm: only the strip is moved, and the limb leads agree as well as they did."""
    rng = np.random.default_rng(seed)
    traces = [replace(trace, y=trace.y + smooth_noise(rng, len(trace.y), 0.4)) for trace in page(0.0, ("II",), late)]
    placed = place_traces(traces, SPEED)
    assert placed.notes == ()
    for before, after in zip(traces, placed.traces, strict=True):
        np.testing.assert_allclose(after.x, before.x - (late if before.lead.strip else 0.0), atol=0.06)


def test_a_sheared_trace_stays_ascending_and_whole():
    """Beside a stroke that shearing folds over, beyond its ends, and without a zero line."""
    trace = page(0.0, ())[0]
    y, presence = trace.y.copy(), trace.presence.copy()
    y[700:720] -= 30.0
    y[-40:], presence[-40:] = 999.0, 0.0
    y[5], presence[:10] = np.nan, 0.0
    for zero in (trace.zero, float("nan")):
        [moved] = without_skew([replace(trace, y=y, presence=presence, zero=zero)], 0.016)
        assert np.isfinite(moved.x).all() and (np.diff(moved.x) > 0).all()
        assert np.abs(moved.x - trace.x + 0.016 * 45).max() < 0.016 * 50


def test_leads_printed_upside_down_obey_the_law_as_well():
    assert print_skew(page(0.006, (), upside_down=("aVR",))) == pytest.approx(0.006, abs=1e-4)
    assert print_skew(page(0.0, (), upside_down=("aVR",))) == 0


@pytest.mark.parametrize("late", [-0.4, 0.23, 0.5])
def test_a_strip_is_moved_to_its_other_print(late):
    traces = page(0.0, ("II", "V1"), late)
    moved = strips_in_step(traces)
    for before, after in zip(traces, moved, strict=True):
        shift = -late if before.lead.strip else 0.0
        np.testing.assert_allclose(after.x, before.x + shift, atol=0.01)
        assert after.lead.box[0] == pytest.approx(before.lead.box[0] + shift, abs=0.01)
        assert after.lead.box[1::2] == before.lead.box[1::2]


def test_what_is_out_of_step_says_so():
    placed = place_traces(page(0.007), SPEED)
    assert placed.notes == ("by leads that must agree, the print stands +0.40 degrees askew on its grid",)
    assert quality(placed.traces) > 30


def test_noise_tells_no_skew():
    rng = np.random.default_rng(3)
    for size in (0.3, 1.0, 8.0):
        noisy = [replace(trace, y=trace.y + smooth_noise(rng, len(trace.y), size)) for trace in page(0.0)]
        assert print_skew(noisy) == 0
