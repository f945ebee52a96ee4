"""Assembly: a drawn trace comes back at its place in time and in millivolts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.assembly import assemble, is_trusted, limb_lead_quality, time_origin
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox, LeadTrace

ORIGIN, ZERO = 17.3, 42.0


def printed(name, start, duration, values, *, row=0, strip=False, spread=0.1, origin=ORIGIN, box_error=0.0):
    """A trace on paper of values (mV) spread evenly over its duration, with 3 mm of nothing on both sides."""
    x0, x1 = origin + 25 * start, origin + 25 * (start + duration - 1 / 500)  # its last sample
    x = np.linspace(x0 - 3, x1 + 3, round(24 * (x1 - x0 + 6)))
    time = np.linspace(x0, x1, len(values))
    y = ZERO - 10 * np.interp(x, time, values)
    presence = ((x >= x0) & (x <= x1)).astype(float)
    box = (x0 + box_error, ZERO - 10, x1 - box_error, ZERO + 10)
    lead = LeadBox(name, box, 1.0, strip, row, 0, start, duration)
    return LeadTrace(lead, x, y, presence, np.full(len(x), spread), ZERO)


def wave(seconds, fs=1000):
    time = np.arange(round(seconds * fs)) / fs
    return np.sin(2 * np.pi * 4 * time)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([100.0, 250.0, 500.0, 1000.0]), st.sampled_from([0.0, 2.5, 5.0, 7.5]))
def test_a_lead_stands_at_its_time_at_any_sampling_rate(fs, start):
    trace = printed("V1", start, 2.5, wave(2.5))
    signal = assemble([trace], ["V1"], fs, round(10 * fs)).signal[:, 0]
    known = np.flatnonzero(np.isfinite(signal))
    assert abs(known[0] / fs - start) <= 0.04
    assert abs((known[-1] + 1) / fs - (start + 2.5)) <= 0.04
    expected = np.sin(2 * np.pi * 4 * (known / fs - start))
    assert np.abs(signal[known] - expected)[3:-3].max() < 0.03


def test_names_may_come_in_any_order_and_case():
    traces = [printed("aVR", 0, 2.5, wave(2.5)), printed("V6", 0, 2.5, -wave(2.5), row=1)]
    signal = assemble(traces, ["V6", "AVR", "II"], 500, 5000).signal
    assert np.nanmean(signal[:100, 0]) < 0 < np.nanmean(signal[:100, 1])
    assert np.isnan(signal[:, 2]).all()


def test_a_lead_printed_upside_down_is_put_upright():
    trace = printed("aVR", 0, 2.5, -wave(2.5))
    trace = replace(trace, lead=replace(trace.lead, inverted=True))
    upright = assemble([printed("aVR", 0, 2.5, wave(2.5))], ["aVR"], 500, 5000).signal
    np.testing.assert_allclose(assemble([trace], ["aVR"], 500, 5000).signal, upright, atol=0.02)


def test_a_lead_printed_twice_takes_the_sharper_one_where_both_are_printed():
    short = printed("II", 0, 2.5, np.concatenate([np.zeros(2000), np.full(500, 0.5)]), row=1, spread=0.01)
    strip = printed("II", 0, 10, np.concatenate([np.zeros(9000), np.full(1000, 0.8)]), row=3, strip=True, spread=0.5)
    signal = assemble([strip, short], ["II"], 500, 5000).signal[:, 0]
    assert signal[1150] == pytest.approx(0.5, abs=0.02)  # the short segment, sharper
    assert signal[4800] == pytest.approx(0.8, abs=0.02)  # only the strip is printed here
    assert np.isfinite(signal[20:4980]).all()


def test_readings_of_a_lead_that_agree_are_joined_by_how_well_they_are_known():
    """0.52 and 0.50 mV, known to 0.05 and 0.1 mV: their mean counts the first four times."""
    short = printed("II", 0, 2.5, np.full(2500, 0.52), row=1, spread=0.5)
    strip = printed("II", 0, 10, np.full(10000, 0.50), row=3, strip=True, spread=1.0)
    result = assemble([strip, short], ["II"], 500, 5000)
    assert result.signal[600, 0] == pytest.approx(0.516, abs=1e-3)
    assert result.deviation[600, 0] == pytest.approx(0.05, abs=1e-3)
    assert result.signal[3000, 0] == pytest.approx(0.5, abs=1e-3)


def test_one_wrong_box_does_not_move_the_page():
    traces = [printed("I", k * 2.5, 2.5, wave(2.5)) for k in range(4)]
    outlier = printed("V1", 0, 2.5, wave(2.5), origin=ORIGIN + 20)
    assert time_origin([*traces, outlier]) == pytest.approx(ORIGIN, abs=0.7)


def test_sharp_ends_outweigh_vague_ones():
    """Three of four leads are seen to begin and end 0.4 mm late, but not surely; one is where it is."""
    sharp = printed("I", 0, 2.5, wave(2.5))
    late = [printed("I", k * 2.5, 2.5, wave(2.5), origin=ORIGIN + 0.4) for k in range(1, 4)]
    kernel = np.ones(60) / 60  # over 2.5 mm
    vague = [replace(trace, presence=np.convolve(trace.presence, kernel, mode="same")) for trace in late]
    assert time_origin([sharp, *late]) == pytest.approx(ORIGIN + 0.3, abs=0.05)
    assert time_origin([sharp, *vague]) == pytest.approx(ORIGIN, abs=0.1)


def test_a_cut_page_begins_where_its_later_columns_say():
    """Three leads begin sharply 12 mm late, where the page is cut; nine others are seen less sharply."""
    kernel = np.ones(60) / 60  # over 2.5 mm
    traces = []
    for column in range(4):
        trace = printed("I", column * 2.5, 2.5, wave(2.5))
        presence = np.convolve(trace.presence, kernel, mode="same")
        if not column:
            presence = np.where(trace.x < ORIGIN + 12, 0.0, presence)
            trace = replace(trace, lead=replace(trace.lead, box=(ORIGIN + 12, *trace.lead.box[1:])))
        traces += [replace(trace, presence=presence)] * 3
    assert time_origin(traces) == pytest.approx(ORIGIN, abs=0.1)


@pytest.mark.parametrize("said", [False, True])
def test_an_end_at_the_pictures_edge_is_none(said):
    """Three leads of the last column, as sharp as can be, end 10 mm early; boxes alone say otherwise."""
    shown = printed("V4", 7.5, 2.5 - 10 / 25, wave(2.1))
    last = [replace(shown, lead=replace(shown.lead, name=name, duration=2.5), cut=(True, said)) for name in LEADS[9:]]
    nothing = np.zeros(0)
    boxes = [replace(printed("I", 2.5 * k, 2.5, wave(2.5)), presence=nothing, x=nothing) for k in range(3)]
    assert (abs(time_origin(boxes + last) - ORIGIN) < 0.2) == said


@given(st.floats(-0.5, 0.5), st.floats(0.0, 2.0))
def test_an_end_is_known_to_a_fraction_of_a_column_however_vague(shift, width):
    trace = printed("I", 0, 2.5, wave(2.5), origin=ORIGIN + shift)
    inside = np.minimum(trace.x - ORIGIN - shift, ORIGIN + shift + 62.45 - trace.x)
    ramp = np.clip(0.5 + inside / max(width, 0.04), 0, 1)
    assert time_origin([replace(trace, presence=ramp)]) == pytest.approx(ORIGIN + shift, abs=0.03)


def test_a_lead_stops_one_sample_before_the_next_begins():
    """At 500 Hz the last of 2.5 s of samples lies 2.498 s after the first."""
    trace = printed("I", 0, 2.5, wave(2.5))
    printed_x = trace.x[trace.presence > 0]
    assert np.ptp(printed_x) == pytest.approx(62.45, abs=0.05)
    assert time_origin([trace]) == pytest.approx(ORIGIN, abs=0.005)


def test_box_edges_serve_where_presence_says_nothing():
    trace = printed("I", 2.5, 2.5, wave(2.5))
    blind = replace(trace, presence=np.zeros_like(trace.presence))
    assert time_origin([blind]) == pytest.approx(ORIGIN)
    assert np.isnan(assemble([blind], ["I"], 500, 5000).signal).all()


def test_expected_errors_stand_with_their_samples():
    """0.1 mm at 10 mm/mV in one lead, 0.3 mm at 5 in the other."""
    traces = [printed("I", 0, 2.5, wave(2.5)), printed("V1", 5.0, 2.5, wave(2.5), spread=0.3)]
    for limb, chest in ((10.0, 10.0), (5.0, 5.0), (10.0, 5.0)):
        signal, deviation = assemble(traces, ["V1", "I", "II"], 500, 5000, gains=(limb, chest))
        np.testing.assert_array_equal(np.isfinite(deviation), np.isfinite(signal))
        assert np.nanmax(deviation[:, 0]) == pytest.approx(0.3 / chest)
        assert np.nanmin(deviation[:, 1]) == pytest.approx(0.1 / limb)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([12.5, 25.0, 50.0]), st.sampled_from([5.0, 10.0, 20.0]))
def test_speed_and_gain_scale_time_and_voltage(speed, gain):
    trace = printed("I", 0, 4.0, wave(4.0))  # 100 mm
    lead = replace(trace.lead, duration=100 / speed)
    signal = assemble([replace(trace, lead=lead)], ["I"], 500, 5000, speed=speed, gains=(gain, gain)).signal[:, 0]
    assert np.isfinite(signal).sum() / 500 == pytest.approx(100 / speed, abs=0.1)
    assert np.nanmax(signal) == pytest.approx(10 / gain, rel=0.05)


def test_a_trace_as_uncertain_as_it_is_high_or_off_its_row_is_not_trusted():
    trace = printed("I", 0, 2.5, wave(2.5))  # a sine of 10 mm: 7 mm rms
    assert is_trusted(trace)
    assert is_trusted(printed("I", 0, 2.5, wave(2.5), spread=6.5))
    assert not is_trusted(printed("I", 0, 2.5, wave(2.5), spread=7.5))
    assert is_trusted(printed("I", 0, 2.5, 0 * wave(2.5), spread=0.4))  # flat and clear
    assert not is_trusted(printed("I", 0, 2.5, 0 * wave(2.5), spread=0.6))
    assert is_trusted(replace(trace, zero=ZERO + 5))
    assert not is_trusted(replace(trace, zero=ZERO + 7))
    assert is_trusted(replace(trace, zero=float("nan")))
    assert is_trusted(replace(trace, presence=0 * trace.presence, spread=trace.spread + 99))  # nothing to distrust


def test_no_traces_give_an_empty_record():
    assert np.isnan(assemble([], ["I", "II"], 500, 5000).signal).all()
    with pytest.raises(ValueError, match="at least one trace"):
        time_origin([])


def test_samples_beyond_the_records_length_are_cut():
    assert assemble([printed("V6", 7.5, 2.5, wave(2.5))], ["V6"], 500, 4000).signal.shape == (4000, 1)


def test_limb_lead_quality_counts_the_noise():
    rng = np.random.default_rng(0)
    one, three = rng.standard_normal(5000), rng.standard_normal(5000)
    two = one + three
    assert limb_lead_quality(np.stack([one, two, three], 1), ["I", "II", "III"]) == 60.0
    noisy = two + rng.standard_normal(5000) * np.sqrt(two.var() / 100)  # 1% of the power: 20 dB
    assert limb_lead_quality(np.stack([one, noisy, three], 1), ["i", "ii", "iii"]) == pytest.approx(20, abs=0.5)
    assert np.isnan(limb_lead_quality(np.stack([one, two], 1), ["I", "II"]))
