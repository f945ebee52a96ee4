import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.diagnosis.beats import BEAT_SAMPLES, FS, LEADING_SAMPLES, find_beats, gap_median, median_beat
from ecgpage.diagnosis.signal_view import FIGURES, RHYTHM_SAMPLES, resample_gapped, view_signal

SEEN = FIGURES.index("rate of the median interval, 100/min")


def heart(times: np.ndarray, fs: float = FS, seconds: float = 10.0) -> np.ndarray:
    """(samples, 12) mV: a narrow QRS complex and a T wave at each time, of another height in each lead."""
    t = np.arange(round(seconds * fs))[:, None] / fs - times
    beat = np.exp(-((t / 0.015) ** 2)) + 0.25 * np.exp(-(((t - 0.25) / 0.05) ** 2))
    return (beat.sum(axis=1)[:, None] * np.linspace(-1.5, 1.5, 12)).astype(np.float32)


def columns_only(signal: np.ndarray, strip: int | None = None) -> np.ndarray:
    """What a 3x4 page prints of a signal."""
    printed = np.full_like(signal, np.nan)
    quarter = len(signal) // 4
    for lead in range(12):
        there = slice((lead // 3) * quarter, (lead // 3 + 1) * quarter)
        printed[there, lead] = signal[there, lead]
    if strip is not None:
        printed[:, strip] = signal[:, strip]
    return printed


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(40, 170), first=st.floats(0.1, 0.3), strip=st.sampled_from([None, 1, 6]))
def test_beats_are_found_behind_a_pages_gaps(rate: float, first: float, strip: int | None) -> None:
    times = np.arange(first, 9.9, 60 / rate)
    beats, of_leads = find_beats(columns_only(heart(times), strip))
    inside = beats[(beats > 0.05 * FS) & (beats < 9.8 * FS)] / FS
    expected = times[(times > 0.05) & (times < 9.8)]
    assert np.abs(inside[:, None] - expected).min(axis=1).max() < 0.03
    assert np.mean(np.abs(inside[:, None] - expected).min(axis=0) < 0.03) > 0.85  # one may lie where columns meet
    assert len(of_leads) == 12


def test_columns_that_all_show_the_same_seconds_keep_their_own_beats() -> None:
    """Every column shows the record's first 2.5 s: at places where the strip has no beat."""
    times = np.array([0.4, 1.3, 2.2, 3.3, 4.0, 4.9, 5.7, 6.9, 7.7, 8.5, 9.3])
    signal = heart(times)
    page = np.full_like(signal, np.nan)
    quarter = len(signal) // 4
    for lead in range(12):
        page[(lead // 3) * quarter : (lead // 3 + 1) * quarter, lead] = signal[:quarter, lead]
    page[:, 1] = signal[:, 1]
    beats, of_leads = find_beats(page)
    np.testing.assert_allclose(beats / FS, times, atol=0.02)
    np.testing.assert_allclose(of_leads[9] / FS, 7.5 + times[:3], atol=0.03)
    figures = view_signal(page, FS).figures
    assert figures[SEEN] == pytest.approx(0.6 / np.median(np.diff(times)), rel=0.03)


def test_the_median_beat_is_each_leads_beat() -> None:
    """A lead of height h has h at the QRS complex's middle and nothing before it; an unprinted one stays NaN."""
    signal = heart(np.arange(0.5, 10, 0.8))
    signal[:, 4] = np.nan
    _, of_leads = find_beats(signal)
    beat = median_beat(signal, of_leads)
    assert beat.shape == (12, BEAT_SAMPLES)
    known = [lead for lead in range(12) if lead != 4]
    np.testing.assert_allclose(beat[known, LEADING_SAMPLES], np.linspace(-1.5, 1.5, 12)[known], atol=0.12)
    np.testing.assert_allclose(beat[known, : LEADING_SAMPLES - 8], 0, atol=0.02)
    assert np.isnan(beat[4]).all()


@pytest.mark.parametrize(
    "signal",
    [
        np.full((5000, 12), np.nan, np.float32),
        np.zeros((5000, 12), np.float32),
        np.zeros((1, 12), np.float32),
        np.full((0, 12), np.nan, np.float32),
    ],
    ids=["nothing printed", "flat", "one sample", "empty"],
)
def test_a_signal_without_beats_is_ordinary(signal: np.ndarray) -> None:
    view = view_signal(signal, 500.0)
    assert view.beat.shape == (12, BEAT_SAMPLES) and np.isnan(view.beat).all()
    assert view.rhythm.shape == (12, RHYTHM_SAMPLES)
    np.testing.assert_array_equal(view.figures, 0)


def test_a_premature_beat_shows_in_the_figures() -> None:
    regular = view_signal(heart(np.arange(0.5, 10, 0.8)), FS).figures
    early = view_signal(heart(np.delete(np.sort(np.append(np.arange(0.5, 10, 0.8), 4.1)), 6)), FS).figures
    shortest, pause = FIGURES.index("shortest interval"), FIGURES.index("largest pause after a short interval")
    assert regular[shortest] > 0.97 and early[shortest] < 0.6
    assert early[pause] > 1 > regular[pause]


@pytest.mark.parametrize("fs", [100.0, 125.0, 250.0, 360.0, 500.0, 1000.0])
def test_resampling_keeps_time_and_voltage_and_gaps(fs: float) -> None:
    time = np.arange(round(4 * fs)) / fs
    signal = np.sin(2 * np.pi * time)[:, None].repeat(2, axis=1)
    signal[time >= 2, 1] = np.nan
    coarse = resample_gapped(signal, fs)
    there = np.arange(len(coarse)) / FS
    assert len(coarse) == 500
    np.testing.assert_allclose(coarse[:, 0], np.sin(2 * np.pi * there), atol=0.035)
    assert np.isnan(coarse[there > 2.01, 1]).all() and np.isfinite(coarse[there < 1.99, 1]).all()


@given(st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), max_size=9))
def test_the_median_of_what_is_there(values: list[float]) -> None:
    known = [value for value in values if np.isfinite(value)]
    found = gap_median(np.array(values).reshape(-1, 1))[0, 0] if values else np.nan
    assert np.isnan(found) if not known else found == pytest.approx(np.median(known))
