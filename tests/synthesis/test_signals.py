"""Signals beyond the given records."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.leads import LEADS
from ecgpage.synthesis.signals import AS_RECORDED, LARGEST_MILLIVOLT, VARIED, SignalSettings, vary_signal

FS = 250.0
TIME = np.arange(2500) / FS


def limb_and_chest():
    """Twelve leads that obey Einthoven's and Goldberger's laws, (2500, 12) mV."""
    i, ii = 0.6 * np.sin(2 * np.pi * 1.1 * TIME) ** 5, 0.9 * np.sin(2 * np.pi * 1.1 * TIME + 0.2) ** 5
    limb = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    return np.stack([*limb, *(0.2 * (k + 1) * i for k in range(6))], axis=1).astype(np.float32)


def beats_per_second(signal):
    """The strongest frequency of a signal (samples,), Hz."""
    power = np.abs(np.fft.rfft(signal - signal.mean(), 8 * len(signal)))
    return np.argmax(power) / (8 * len(signal) / FS)


def test_as_recorded_changes_nothing():
    signal = limb_and_chest()
    signal[5:9, 3] = np.nan
    assert np.array_equal(vary_signal(signal, FS, AS_RECORDED, np.random.default_rng(0)), signal, equal_nan=True)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_varied_signals_stay_signals(seed):
    signal = limb_and_chest()
    kept = signal.copy()
    varied = vary_signal(signal, FS, VARIED, np.random.default_rng(seed))
    assert np.array_equal(signal, kept)
    assert varied.shape == signal.shape and varied.dtype == np.float32
    assert np.nanmax(np.abs(varied), initial=0.0) <= LARGEST_MILLIVOLT
    missing = np.isnan(varied).any(axis=0)
    assert missing.sum() <= 3 and np.isnan(varied).all(axis=0)[missing].all()


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_another_rate_is_that_much_faster(factor):
    only = SignalSettings(rate=1.0, rate_factor=(factor, factor))
    varied = vary_signal(limb_and_chest(), FS, only, np.random.default_rng(1))
    assert beats_per_second(varied[:, 0]) == pytest.approx(1.1 * factor, rel=0.05)
    assert np.abs(np.diff(varied, axis=0)).max() < 2 * np.abs(np.diff(limb_and_chest(), axis=0)).max()  # no jump


@pytest.mark.parametrize("seed", range(6))
def test_reversed_cables_keep_the_laws_of_the_limb_leads(seed):
    signal = limb_and_chest()
    varied = vary_signal(signal, FS, SignalSettings(reversed=1.0), np.random.default_rng(seed))
    i, ii, iii, avr, avl, avf = varied.T[:6]
    assert not np.array_equal(varied, signal)
    np.testing.assert_allclose(i + iii, ii, atol=1e-5)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-5)
    np.testing.assert_allclose(avl, i - ii / 2, atol=1e-5)


def test_each_change_does_what_it_says():
    signal = limb_and_chest()

    def vary(**chances):
        return vary_signal(signal, FS, SignalSettings(**chances), np.random.default_rng(3))

    assert np.allclose(vary(inverted=1.0), -signal)
    assert np.allclose(vary(amplitude=1.0, amplitude_factor=(1.3, 1.3)), 1.3 * signal)
    assert 2.5 <= np.abs(vary(extreme=1.0)).max() <= 5.0 + 1e-5
    assert 1 <= np.isnan(vary(missing=1.0)).all(axis=0).sum() <= 3
    assert 1 <= (vary(flat=1.0) == 0).all(axis=0).sum() <= 3
    clipped = vary(clipped=1.0)
    assert np.count_nonzero(clipped == clipped.max()) > 5
    hum = vary(powerline=1.0, powerline_size=(0.05, 0.05)) - signal
    assert round(beats_per_second(hum[:, np.argmax(hum.std(axis=0))])) in (50, 60)
    drift = vary(wander=1.0) - signal
    assert beats_per_second(drift[:, np.argmax(drift.std(axis=0))]) < 0.6
    tremor = vary(muscle=1.0, muscle_size=(0.05, 0.05)) - signal
    assert 0.005 < tremor.std() < 0.1
    spikes = np.abs(vary(pacing=1.0) - signal).max(axis=1) > 0.1
    assert 5 <= np.count_nonzero(np.diff(spikes.astype(int)) == 1) <= 17  # every 0.6 to 1.2 s


def test_unprinted_samples_stay_unprinted():
    signal = limb_and_chest()
    signal[:, LEADS.index("V2")] = np.nan
    for seed in range(10):
        varied = vary_signal(signal, FS, replace(VARIED, reversed=0.0), np.random.default_rng(seed))
        assert np.isnan(varied[:, LEADS.index("V2")]).all()
