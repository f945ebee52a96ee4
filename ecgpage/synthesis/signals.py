"""Hearts and recorders beyond the given records: rate, amplitude, noise, pacing, reversed and missing leads.

What is changed here is what the page prints and what its reference holds; where labels matter, draw records as they
are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecgpage.leads import LEADS
from ecgpage.synthesis.settings import Range, check

LARGEST_MILLIVOLT = 8.0
"""What no changed voltage exceeds, either side of zero."""


@dataclass(frozen=True)
class SignalSettings:
    """How a record's signal is changed before it is printed; everything at 0 leaves it as it is.

    rate: chance of another heart rate (the record played ``rate_factor`` times as fast); amplitude: chance of all
    leads times ``amplitude_factor``; extreme: chance of a few leads enlarged to several millivolt; inverted: chance of
    every lead upside down; reversed: chance of swapped limb or chest cables; wander, powerline, muscle: chances of
    such noise, of ``wander_size``, ``powerline_size`` and ``muscle_size`` mV; pacing: chance of pacemaker spikes;
    missing, flat: chances that one to three leads are not recorded, or are a straight line; clipped: chance of a
    recorder that cuts peaks off.
    """

    rate: float = 0.0
    rate_factor: Range = (0.6, 1.6)
    amplitude: float = 0.0
    amplitude_factor: Range = (0.5, 1.8)
    extreme: float = 0.0
    inverted: float = 0.0
    reversed: float = 0.0
    wander: float = 0.0
    wander_size: Range = (0.05, 0.5)
    powerline: float = 0.0
    powerline_size: Range = (0.01, 0.08)
    muscle: float = 0.0
    muscle_size: Range = (0.01, 0.08)
    pacing: float = 0.0
    missing: float = 0.0
    flat: float = 0.0
    clipped: float = 0.0

    def __post_init__(self) -> None:
        check(self)


AS_RECORDED = SignalSettings()
"""Records as they are."""

VARIED = SignalSettings(
    rate=0.3,
    amplitude=0.4,
    extreme=0.05,
    inverted=0.1,
    reversed=0.1,
    wander=0.15,
    powerline=0.1,
    muscle=0.15,
    pacing=0.05,
    missing=0.06,
    flat=0.04,
    clipped=0.05,
)
"""What training draws for detector and digitizer."""


def vary_signal(signal: np.ndarray, fs: float, settings: SignalSettings, rng: np.random.Generator) -> np.ndarray:
    """Change a signal, (samples, 12) float32 mV at ``fs`` Hz in the order of ``leads.LEADS``; returns a new array.

    NaN stays NaN (unless the record is played at another rate, which moves it in time with its lead).
    """
    signal = np.array(signal, np.float32)
    if settings == AS_RECORDED:
        return signal
    if rng.random() < settings.rate:
        signal = _play(signal, rng.uniform(*settings.rate_factor), rng)
    if rng.random() < settings.amplitude:
        signal *= np.float32(rng.uniform(*settings.amplitude_factor))
    if rng.random() < settings.inverted:
        signal *= np.float32(-1)
    if rng.random() < settings.reversed:
        signal = _swap_cables(signal, rng)
    if rng.random() < settings.extreme:
        _enlarge(signal, rng)
    if rng.random() < settings.pacing:
        signal += _pacing_spikes(signal.shape, fs, rng)
    signal += _noise(signal.shape, fs, settings, rng)
    if rng.random() < settings.clipped:
        limit = rng.uniform(0.5, 1.0) * max(0.5, float(np.nanmax(np.abs(signal), initial=0.0)))
        signal = np.clip(signal, -limit, limit)
    if rng.random() < settings.flat:
        for lead in rng.choice(len(LEADS), rng.integers(1, 4), replace=False):
            signal[np.isfinite(signal[:, lead]), lead] = 0.0
    if rng.random() < settings.missing:
        signal[:, rng.choice(len(LEADS), rng.integers(1, 4), replace=False)] = np.nan
    return np.clip(signal, -LARGEST_MILLIVOLT, LARGEST_MILLIVOLT)


def _play(signal: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Play a record ``factor`` times as fast, over again where it ends, back and forth so that nothing jumps."""
    count = len(signal)
    place = rng.uniform(0, count) + np.arange(count) * factor
    place = np.abs(np.mod(place + count - 1, 2 * (count - 1)) - (count - 1))  # there and back
    grid = np.arange(count)
    return np.stack([np.interp(place, grid, lead) for lead in signal.T], axis=1).astype(np.float32)


def _swap_cables(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Limb cables of right arm, left arm and foot, or two chest cables, put on each other's electrodes."""
    swapped = signal.copy()
    if rng.random() < 0.5:
        first, second = rng.choice(np.arange(6, 12), 2, replace=False)
        swapped[:, [first, second]] = signal[:, [second, first]]
        return swapped
    i, ii, iii, avr, avl, avf = signal.T[:6]
    kinds = (
        (-i, iii, ii, avl, avr, avf),  # right arm and left arm
        (-iii, -ii, -i, avf, avl, avr),  # right arm and foot
        (ii, i, -iii, avr, avf, avl),  # left arm and foot
    )
    swapped[:, :6] = np.stack(kinds[int(rng.integers(3))], axis=1)
    return swapped


def _enlarge(signal: np.ndarray, rng: np.random.Generator) -> None:
    """Bring one to four leads to 2.5-5 mV, in place."""
    for lead in rng.choice(len(LEADS), rng.integers(1, 5), replace=False):
        largest = float(np.nanmax(np.abs(signal[:, lead]), initial=0.0))
        if largest > 0.05:
            signal[:, lead] *= np.float32(rng.uniform(2.5, 5.0) / largest)


def _pacing_spikes(shape: tuple[int, int], fs: float, rng: np.random.Generator) -> np.ndarray:
    spikes = np.zeros(shape, np.float32)
    width = max(1, round(0.002 * fs))
    times = np.arange(rng.uniform(0, 1), shape[0] / fs, rng.uniform(0.6, 1.2))
    for first in np.round(times * fs).astype(int):
        spikes[first : first + width] = 1.0
    return spikes * rng.uniform(-2.0, 2.0, shape[1]).astype(np.float32)


def _noise(shape: tuple[int, int], fs: float, settings: SignalSettings, rng: np.random.Generator) -> np.ndarray:
    """Baseline wander, powerline hum and muscle noise, (samples, leads) mV."""
    count, leads = shape
    noise = np.zeros(shape, np.float32)
    time = np.arange(count)[:, None] / fs
    if rng.random() < settings.wander:
        for _ in range(2):
            phase = 2 * np.pi * (rng.uniform(0.1, 0.5) * time + rng.random(leads))
            noise += (rng.uniform(*settings.wander_size) * rng.random(leads) * np.sin(phase)).astype(np.float32)
    if rng.random() < settings.powerline:
        hum = np.sin(2 * np.pi * (rng.choice([50.0, 60.0]) * time + rng.random(leads)))
        noise += (rng.uniform(*settings.powerline_size) * rng.random(leads) * hum).astype(np.float32)
    if rng.random() < settings.muscle:
        tremor = gaussian_filter1d(rng.standard_normal(shape, np.float32), max(0.5, fs / 250), axis=0)
        tremor *= rng.uniform(*settings.muscle_size) / max(1e-6, float(tremor.std()))
        noise += tremor * rng.uniform(0.2, 1.5, leads).astype(np.float32)
    return noise
