"""The quick alignment against a plain one, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from ecgpage.alignment import LEVELS, SIGMA, Shift, align, find_shift

FS = 100.0


def beats(n: int = 400, seed: int = 0) -> np.ndarray:
    """A lead with irregular beats and a wandering baseline, mV."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / FS
    peaks = np.cumsum(rng.uniform(0.6, 1.1, size=20))
    r = sum(1.2 * np.exp(-0.5 * ((t - peak) / 0.015) ** 2) for peak in peaks)
    wave = sum(0.3 * np.exp(-0.5 * ((t - peak - 0.25) / 0.05) ** 2) for peak in peaks)
    return r + wave + 0.05 * np.sin(2 * np.pi * 0.3 * t)


def plain_shift(reference: np.ndarray, estimate: np.ndarray) -> tuple[int, float]:
    """Samples late and millivolts high by the dense correlation of both whole pictures."""
    low = min(np.nanmin(reference), np.nanmin(estimate))
    high = max(np.nanmax(reference), np.nanmax(estimate))
    pictures = []
    for values in (reference, estimate):
        known = np.flatnonzero(np.isfinite(values))
        picture = np.zeros((LEVELS, len(values)))
        picture[np.round((LEVELS - 1) * (values[known] - low) / (high - low) + 1).astype(int) - 1, known] = 1
        pictures.append(gaussian_filter(picture, SIGMA))
    correlation = fftconvolve(pictures[0], pictures[1][::-1, ::-1])
    row, column = np.unravel_index(np.argmax(correlation), correlation.shape)
    return len(reference) - 1 - column, (LEVELS - 1 - row) / (LEVELS - 1) * (high - low)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("late", [-30, 0, 7])
def test_shift_is_that_of_the_dense_correlation(noise, late):
    reference = beats()
    estimate = np.roll(reference, late) + 0.1 + noise * np.random.default_rng(late + 50).normal(size=len(reference))
    reference[300:] = np.nan
    estimate[:50] = np.nan
    samples, millivolts = plain_shift(reference, estimate)
    shift = find_shift(reference, estimate, FS)
    if abs(samples) > 0.5 * FS or abs(millivolts) > 1:
        assert shift is None
    else:
        assert shift.samples == samples
        assert shift.millivolts == pytest.approx(millivolts, abs=1e-12)


@given(late=st.integers(-50, 50), high=st.floats(-0.9, 0.9))
@settings(max_examples=20, deadline=None)
def test_shift_is_found_within_reach(late, high):
    whole = beats(600)
    shift = find_shift(whole[100:500], whole[100 - late : 500 - late] + high, FS)
    assert shift.samples == late
    level = (whole.max() - whole.min() + abs(high)) / (LEVELS - 1)
    assert shift.millivolts == pytest.approx(high, abs=level)


@pytest.mark.parametrize(("late", "high"), [(51, 0.0), (-51, 0.0), (0, 1.2)])
def test_shift_beyond_reach_is_not_used(late, high):
    whole = beats(600)
    estimate = whole[100 - late : 500 - late] + high
    assert find_shift(whole[100:500], estimate, FS) is None
    assert align(whole[100:500], estimate, FS) is estimate


@pytest.mark.parametrize(
    ("reference", "estimate"),
    [
        (np.full(50, np.nan), np.zeros(50)),
        (np.zeros(50), np.full(50, np.nan)),
        (np.ones(50), np.ones(50)),
    ],
)
def test_without_samples_or_voltage_there_is_no_shift(reference, estimate):
    assert find_shift(reference, estimate, FS) is None


def test_flat_estimate_that_fits_anywhere_is_left_alone():
    reference = np.full(1000, np.nan)
    reference[100:200] = beats(100)
    assert find_shift(reference, np.zeros(1000), FS) is None


def test_late_estimate_loses_its_first_samples():
    reference = beats()
    late = np.concatenate([np.full(5, np.nan), reference[:-5]])
    assert find_shift(reference, late, FS) == Shift(5, 0.0)
    moved = align(reference, late, FS)
    np.testing.assert_array_equal(moved[:-5], reference[:-5])
    assert np.isnan(moved[-5:]).all()


def test_early_estimate_keeps_its_first_samples_only_unless_corrected():
    reference = beats()
    early = np.concatenate([reference[3:], np.full(3, np.nan)])
    official = align(reference, early, FS)
    assert np.isfinite(official).sum() == 3  # early by three samples: three are kept
    np.testing.assert_array_equal(official[3:6], reference[3:6])
    corrected = align(reference, early, FS, corrected=True)
    np.testing.assert_array_equal(corrected[3:], reference[3:])
    assert np.isnan(corrected[:3]).all()
