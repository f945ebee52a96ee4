"""Assembly: a drawn trace comes back at its place in time and in millivolts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.assembly import assemble, limb_lead_quality, time_origin
from ecgpage.recording import LeadBox, LeadTrace

ORIGIN, ZERO = 17.3, 42.0


def printed(name, start, duration, values, *, row=0, strip=False, spread=0.1, origin=ORIGIN, box_error=0.0):
    """A trace on paper of values (mV) spread evenly over its duration, with 3 mm of nothing on both sides."""
    x0, x1 = origin + 25 * start, origin + 25 * (start + duration)
    x = np.linspace(x0 - 3, x1 + 3, round(24 * (x1 - x0 + 6)))
    time = np.linspace(x0, x1, len(values))
    y = ZERO - 10 * np.interp(x, time, values)
    presence = ((x >= x0) & (x <= x1)).astype(float)
    box = (x0 + box_error, ZERO - 10, x1 - box_error, ZERO + 10)
    lead = LeadBox(name, box, 1.0, strip, row, 0, start, duration)
    return LeadTrace(lead, x, y, presence, np.full(len(x), spread))


def wave(seconds, fs=1000):
    time = np.arange(round(seconds * fs)) / fs
    return np.sin(2 * np.pi * 4 * time)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([100.0, 250.0, 500.0, 1000.0]), st.sampled_from([0.0, 2.5, 5.0, 7.5]))
def test_a_lead_stands_at_its_time_at_any_sampling_rate(fs, start):
    trace = printed("V1", start, 2.5, wave(2.5))
    signal = assemble([trace], ["V1"], fs, round(10 * fs))[:, 0]
    known = np.flatnonzero(np.isfinite(signal))
    assert abs(known[0] / fs - start) <= 0.04
    assert abs((known[-1] + 1) / fs - (start + 2.5)) <= 0.04
    expected = np.sin(2 * np.pi * 4 * (known / fs - start))
    assert np.abs(signal[known] - expected)[3:-3].max() < 0.03


def test_names_may_come_in_any_order_and_case():
    traces = [printed("aVR", 0, 2.5, wave(2.5)), printed("V6", 0, 2.5, -wave(2.5), row=1)]
    signal = assemble(traces, ["V6", "AVR", "II"], 500, 5000)
    assert np.nanmean(signal[:100, 0]) < 0 < np.nanmean(signal[:100, 1])
    assert np.isnan(signal[:, 2]).all()


def test_a_lead_printed_upside_down_is_put_upright():
    trace = printed("aVR", 0, 2.5, -wave(2.5))
    trace = replace(trace, lead=replace(trace.lead, inverted=True))
    upright = assemble([printed("aVR", 0, 2.5, wave(2.5))], ["aVR"], 500, 5000)
    np.testing.assert_allclose(assemble([trace], ["aVR"], 500, 5000), upright, atol=0.02)


def test_a_lead_printed_twice_takes_the_sharper_one_where_both_are_printed():
    short = printed("II", 0, 2.5, np.concatenate([np.zeros(2000), np.full(500, 0.5)]), row=1, spread=0.01)
    strip = printed("II", 0, 10, np.concatenate([np.zeros(9000), np.full(1000, 0.8)]), row=3, strip=True, spread=0.5)
    signal = assemble([strip, short], ["II"], 500, 5000)[:, 0]
    assert signal[1150] == pytest.approx(0.5, abs=0.02)  # the short segment, sharper
    assert signal[4800] == pytest.approx(0.8, abs=0.02)  # only the strip is printed here
    assert np.isfinite(signal[20:4980]).all()


def test_one_wrong_box_does_not_move_the_page():
    traces = [printed("I", k * 2.5, 2.5, wave(2.5)) for k in range(4)]
    outlier = printed("V1", 0, 2.5, wave(2.5), origin=ORIGIN + 20)
    assert time_origin([*traces, outlier]) == pytest.approx(ORIGIN, abs=0.7)


def test_ends_in_view_outweigh_ends_inside_the_page():
    """The inner boundaries of this row are all seen 1.5 mm late, its first start and last end where they are."""
    true = [printed("I", k * 2.5, 2.5, wave(2.5)) for k in range(4)]
    late = [printed("I", k * 2.5, 2.5, wave(2.5), origin=ORIGIN + 1.5) for k in range(1, 3)]
    assert time_origin([true[0], *late, true[3]]) == pytest.approx(ORIGIN, abs=0.2)


def test_box_edges_serve_where_presence_says_nothing():
    trace = printed("I", 2.5, 2.5, wave(2.5))
    blind = LeadTrace(trace.lead, trace.x, trace.y, np.zeros_like(trace.presence), trace.spread)
    assert time_origin([blind]) == pytest.approx(ORIGIN)
    assert np.isnan(assemble([blind], ["I"], 500, 5000)).all()


def test_no_traces_give_an_empty_record():
    assert np.isnan(assemble([], ["I", "II"], 500, 5000)).all()
    with pytest.raises(ValueError, match="at least one trace"):
        time_origin([])


def test_samples_beyond_the_records_length_are_cut():
    assert assemble([printed("V6", 7.5, 2.5, wave(2.5))], ["V6"], 500, 4000).shape == (4000, 1)


def test_limb_lead_quality_counts_the_noise():
    rng = np.random.default_rng(0)
    one, three = rng.standard_normal(5000), rng.standard_normal(5000)
    two = one + three
    assert limb_lead_quality(np.stack([one, two, three], 1), ["I", "II", "III"]) == 60.0
    noisy = two + rng.standard_normal(5000) * np.sqrt(two.var() / 100)  # 1% of the power: 20 dB
    assert limb_lead_quality(np.stack([one, noisy, three], 1), ["i", "ii", "iii"]) == pytest.approx(20, abs=0.5)
    assert np.isnan(limb_lead_quality(np.stack([one, two], 1), ["I", "II"]))
