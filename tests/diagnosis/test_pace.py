"""Beats at half their pace, as of a page at 50 mm/s read at 25, are told from slow hearts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.cli import HERE
from ecgpage.diagnosis.pace import pace_figures, runs_at_half_pace
from ecgpage.synthesis.records import read_standard_leads
from tests.diagnosis.test_beats import columns_only

FS = 250.0


def heart(rate: float, slower: float = 1.0, seconds: float = 10.0) -> np.ndarray:
    """(samples, 12) mV of beats at a rate (1/min) whose T waves follow it by Bazett's formula, then made slower."""
    interval = 60 / rate
    t = np.arange(round(seconds * FS))[:, None] / FS / slower - np.arange(0.2, seconds, interval)
    peak = 0.30 * np.sqrt(interval)
    beat = np.exp(-((t / 0.018) ** 2)) - 0.4 * np.exp(-(((t - 0.035) / 0.015) ** 2))
    beat = (beat + 0.3 * np.exp(-(((t - peak) / 0.06) ** 2))).sum(axis=1)
    return (beat[:, None] * np.linspace(0.4, 1.6, 12) * np.where(np.arange(12) % 3, 1, -1)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(60, 95), noise=st.sampled_from([0.0, 0.01]))
def test_a_page_at_twice_the_speed_is_told(rate: float, noise: float) -> None:
    signal = columns_only(heart(rate, slower=2.0))
    assert runs_at_half_pace(signal + np.random.default_rng(1).normal(0, noise, signal.shape), FS)


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(28, 180), noise=st.sampled_from([0.0, 0.01]))
def test_slow_hearts_are_left_as_they_are(rate: float, noise: float) -> None:
    signal = columns_only(heart(rate))
    assert not runs_at_half_pace(signal + np.random.default_rng(1).normal(0, noise, signal.shape), FS)


@pytest.mark.parametrize("signal", [np.full((2500, 12), np.nan), np.zeros((2500, 12)), heart(20.0)[:900]])
def test_too_little_tells_nothing(signal: np.ndarray) -> None:
    """Nothing printed, flat lines, two beats."""
    assert not runs_at_half_pace(signal, FS)
    assert pace_figures(np.where(np.arange(12) < 2, heart(70.0), np.nan), FS) is None


def test_a_slow_heart_with_broad_complexes_is_left_as_it_is() -> None:
    """A record with a block at 53 beats a minute; its beats look the more like slowed ones the better they are read."""
    signal, fs = read_standard_leads(HERE / "samples" / "01564_hr")
    assert not runs_at_half_pace(signal, fs)
    assert runs_at_half_pace(signal, fs / 2)
