import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.diagnosis.beats import FS
from ecgpage.diagnosis.measurements import MEASUREMENTS, measure
from ecgpage.diagnosis.signal_view import view_signal
from ecgpage.leads import LEADS

NOISE = 0.002
"""mV; a signal without any has no slopes to tell."""


def bump(time: np.ndarray, middle: float, width: float) -> np.ndarray:
    """A wave of height 1, ``width`` s from end to end."""
    return np.clip(np.cos(np.pi * (time - middle) / width), 0, None) * (np.abs(time - middle) < width / 2)


def heart(sizes: np.ndarray, beats: np.ndarray, width: float = 0.08, st_level: float = 0.0) -> np.ndarray:
    """(5000, 12) mV at 500 Hz: P waves of 0.1 mV, R waves of ``sizes``, T waves of 0.3 mV, ST segments at a level."""
    time = np.arange(5000) / 500
    signal = np.random.default_rng(0).normal(0, NOISE, (5000, 12))
    for beat in beats:
        common = 0.1 * bump(time, beat - 0.16, 0.08) + 0.3 * bump(time, beat + 0.3, 0.14)
        common += st_level * ((time > beat + width / 2) & (time < beat + 0.23))
        signal += common[:, None] + bump(time, beat, width)[:, None] * sizes
    return signal.astype(np.float32)


def named(signal: np.ndarray) -> dict[str, float]:
    return dict(zip(MEASUREMENTS, measure(view_signal(signal, 500.0)).tolist(), strict=True))


EVERY_SECOND = np.arange(0.5, 10, 1.0)
SIZES = np.linspace(0.4, 1.5, 12)


def test_names_differ() -> None:
    assert len(set(MEASUREMENTS)) == len(MEASUREMENTS)


def test_waves_are_as_large_as_they_were_made() -> None:
    found = named(heart(SIZES, EVERY_SECOND))
    for lead, size in zip(LEADS, SIZES, strict=True):
        assert found[f"{lead} r"] == pytest.approx(size, rel=0.06)
        assert found[f"{lead} t"] == pytest.approx(0.3, abs=0.03)
        assert found[f"{lead} p"] == pytest.approx(0.1, abs=0.03)
        assert found[f"{lead} st 40"] == pytest.approx(0, abs=0.02)
    assert found["sokolow"] == pytest.approx(SIZES[LEADS.index("V6")], abs=0.1)
    assert found["early beats"] == 0
    assert found["p likeness"] > 0.9


@pytest.mark.parametrize("level", [-0.2, 0.2])
def test_a_raised_or_depressed_st_segment_is_seen(level: float) -> None:
    assert named(heart(SIZES, EVERY_SECOND, st_level=level))["V3 st 40"] == pytest.approx(level, abs=0.03)


def test_a_wide_complex_is_wider() -> None:
    narrow, wide = (named(heart(SIZES, EVERY_SECOND, width))["qrs seconds"] for width in (0.06, 0.14))
    assert wide - narrow == pytest.approx(0.08, abs=0.025)


@pytest.mark.parametrize(("degrees", "i", "avf"), [(0, 1.0, 0.0), (90, 0.0, 1.0), (-60, 0.5, -0.75), (180, -1.0, 0.0)])
def test_the_axis_is_that_of_limb_leads(degrees: float, i: float, avf: float) -> None:
    sizes = np.full(12, 0.8)
    sizes[LEADS.index("I")], sizes[LEADS.index("aVF")] = i, avf
    found = named(heart(sizes, EVERY_SECOND))["qrs axis"]
    assert abs((found - degrees + 180) % 360 - 180) < 8


def test_an_early_beat_is_counted_and_known_by_its_looks() -> None:
    beats = np.delete(EVERY_SECOND, 5)
    early = heart(SIZES, np.append(beats, 5.1))  # 0.6 s after the one before, then a pause
    found = named(early)
    assert found["early beats"] == 1 and found["pauses after early beats"] == 1
    assert found["early unlike beats"] == 0 and found["early beats' likeness"] > 0.9
    unlike = heart(SIZES, beats) + heart(-2 * SIZES, np.array([5.1]), 0.14)
    assert named(unlike)["early unlike beats"] == 1


def test_what_is_not_printed_is_unknown() -> None:
    signal = heart(SIZES, EVERY_SECOND)
    signal[:, LEADS.index("V2")] = np.nan
    found = named(signal)
    assert {name for name, value in found.items() if np.isnan(value) and "V2" not in name} <= {"early beats' likeness"}
    assert all(np.isnan(value) for name, value in found.items() if name.startswith("V2"))


@pytest.mark.parametrize("signal", [np.full((5000, 12), np.nan), np.zeros((5000, 12)), np.zeros((10, 12))])
def test_an_empty_signal_is_measured_without_a_word(signal: np.ndarray) -> None:
    assert measure(view_signal(signal.astype(np.float32), 500.0)).shape == (len(MEASUREMENTS),)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.5, 2.0))
def test_amplitudes_follow_the_gain_and_times_do_not(gain: float) -> None:
    signal = heart(SIZES, EVERY_SECOND)
    before, after = named(signal), named(signal * np.float32(gain))
    for lead in LEADS:
        assert after[f"{lead} r"] == pytest.approx(gain * before[f"{lead} r"], rel=1e-3)
        assert after[f"{lead} r time"] == before[f"{lead} r time"]
    assert after["qrs seconds"] == before["qrs seconds"]
    assert FS * after["qrs seconds"] == pytest.approx(round(FS * after["qrs seconds"]), abs=1e-3)
