"""Leads' ends that separators hide are told by a strip that shows the same beats; all else stays as it was read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.lead_ends import END_SECONDS, tell_ends

FS = 500.0
FIRST, LAST = 1250, 2500
HIDDEN = 6


def beats(seconds, width):
    """Beats of a QRS complex and a T wave, (n,) mV."""
    phase = np.mod(seconds, 0.83)
    return np.exp(-(((phase - 0.2) / width) ** 2)) + 0.2 * np.exp(-(((phase - 0.45) / 0.06) ** 2))


def record(seed=0, fs=FS, late=0.0, noise=0.002):
    """A strip of 10 s in column 0, a lead of its heart from 2.5 to 5 s in column 1; truth and deviation of both."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(round(10 * fs)) / fs + late
    strip = beats(seconds, 0.02)
    lead = -0.7 * strip + 0.3 * np.gradient(strip) * fs * 0.004
    true = np.stack([strip, lead], axis=1)
    first, last = round(FIRST / FS * fs), round(LAST / FS * fs)
    true[:first, 1] = true[last:, 1] = np.nan
    deviation = np.where(np.isfinite(true), 0.01, np.nan)
    return (true + noise * rng.standard_normal(true.shape)).astype(np.float32), true, deviation.astype(np.float32)


def hide(signal, deviation, size, seed=0):
    """Hide the lead's ends: samples anywhere, said to be."""
    rng = np.random.default_rng(seed)
    for part in (slice(FIRST, FIRST + HIDDEN), slice(LAST - HIDDEN, LAST)):
        signal[part, 1] += size * rng.uniform(-1, 1)
        deviation[part, 1] = size
    return signal, deviation


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), late=st.floats(0.0, 0.83), size=st.floats(0.05, 0.5))
def test_hidden_ends_are_told_by_the_strip(seed, late, size):
    """Wherever the beats stand, an end within a QRS complex included."""
    signal, true, deviation = record(seed, late=late)
    hidden, deviation = hide(signal.copy(), deviation, size, seed)
    told, its_deviation = tell_ends(hidden, deviation, FS)
    for part in (slice(FIRST, FIRST + HIDDEN), slice(LAST - HIDDEN, LAST)):
        assert np.abs(told[part, 1] - true[part, 1]).max() < 0.04
        assert (its_deviation[part, 1] < 0.04).all()
    np.testing.assert_array_equal(told[:, 0], hidden[:, 0])
    count = round(END_SECONDS * FS)
    np.testing.assert_array_equal(told[FIRST + count : LAST - count, 1], hidden[FIRST + count : LAST - count, 1])
    np.testing.assert_array_equal(np.isfinite(told), np.isfinite(hidden))


@pytest.mark.parametrize("jump", [-30.0, 3.0, 30.0])
def test_ends_go_no_further_than_the_strip_inside(jump):
    """As where the strip is no lead's, and follows a frame's upright line at the lead's end."""
    signal, true, deviation = record()
    signal[FIRST - 8 : FIRST + 4, 0] += jump
    hidden, deviation = hide(signal, deviation, 0.05)
    told, _ = tell_ends(hidden, deviation, FS)
    assert np.abs(told[FIRST:LAST, 1]).max() < 2 * np.nanmax(np.abs(true[:, 1]))


def test_ends_that_are_read_surely_stay():
    signal, _, deviation = record()
    deviation[FIRST:LAST, 1] = 0.0001
    signal[FIRST : FIRST + HIDDEN, 1] = 0.8
    np.testing.assert_allclose(tell_ends(signal, deviation, FS).signal, signal, atol=0.01)


def test_what_is_given_is_not_changed():
    hidden, deviation = hide(*record()[::2], 0.3)
    before = hidden.copy(), deviation.copy()
    tell_ends(hidden, deviation, FS)
    np.testing.assert_array_equal(hidden, before[0])
    np.testing.assert_array_equal(deviation, before[1])


@pytest.mark.parametrize("until", [LAST, 3000])
def test_without_a_lead_that_is_printed_on_they_stay_as_they_were_read(until):
    """One that ends with the lead tells its beginning, one that begins with it nothing."""
    hidden, deviation = hide(*record()[::2], 0.3)
    hidden[until:, 0] = np.nan
    hidden[:FIRST, 0] = np.nan
    told, _ = tell_ends(hidden, deviation, FS)
    np.testing.assert_array_equal(told[: FIRST + 100], hidden[: FIRST + 100])
    assert (until == LAST) == np.array_equal(told, hidden, equal_nan=True)


@pytest.mark.parametrize("fs", [20.0, 100.0, 257.0, 1000.0])
def test_any_rate_will_do(fs):
    signal, true, deviation = record(fs=fs)
    told, its_deviation = tell_ends(signal, deviation, fs)
    assert told.shape == signal.shape and np.isfinite(told[np.isfinite(true)]).all()
    assert np.nanmax(np.abs(told - true)) < 0.05 and np.nanmax(its_deviation) <= 0.02


def test_a_flat_strip_tells_a_flat_lead():
    signal, _, deviation = record()
    flat = np.where(np.isfinite(signal), np.float32(0.0), np.float32(np.nan))
    np.testing.assert_allclose(tell_ends(flat, deviation, FS).signal, flat, atol=1e-6)


def test_records_without_samples_stay():
    empty = np.full((100, 3), np.nan, np.float32)
    told, _ = tell_ends(empty, empty, FS)
    assert np.isnan(told).all()
