"""Training signals of the classifier: what the digitizer read from pages, and the records' own behind a page's gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.signal_network import SignalBatch
from ecgpage.diagnosis.signal_view import SignalView, view_signal

ReadRecord = Callable[[Path], tuple[np.ndarray, float]]
"""From a record's path to its own signal: ((samples, 12) mV, fs)."""

MASKED_VIEWS = 4
"""Views of a record's own signal, each behind the gaps of another page."""

LEAST_COVERAGE = 0.15
"""Share of the samples that a page must show to lend its gaps."""

READING_SHARE = 0.5
"""How often training shows what was read from the record's page rather than its own signal behind gaps."""

MASKED_GAIN, MASKED_NOISE = 0.03, 0.02
"""Of the record's own signal behind gaps: relative error of each lead's gain, and noise, mV."""

LARGEST_VOLTAGE = 4.0
"""mV; what exceeds it is cut."""


@dataclass(frozen=True)
class SignalViews:
    """Views of records' signals; see ``signal_view.SignalView``.

    beat: (records, views, 12, BEAT_SAMPLES), rhythm: (records, views, 12, RHYTHM_SAMPLES), both float16 mV;
    figures: (records, views, figures) float32. Of a record's views the first ``read`` are what pages gave, possibly
    none; the others its own signal behind gaps.
    """

    beat: np.ndarray
    rhythm: np.ndarray
    figures: np.ndarray
    read: np.ndarray

    def __len__(self) -> int:
        return len(self.beat)

    def of_record(self, number: int) -> list[SignalView]:
        """All views of one record."""
        parts = zip(self.beat[number], self.rhythm[number], self.figures[number], strict=True)
        return [
            SignalView(beat.astype(np.float32), rhythm.astype(np.float32), figures) for beat, rhythm, figures in parts
        ]


def build_views(
    records: Sequence[Path],
    readings: Sequence[PageReading | None],
    read_record: ReadRecord,
    seed: int = 0,
    masked: int = MASKED_VIEWS,
) -> SignalViews:
    """Look at every record: one view of its page's reading, where there is one, and ``masked`` of its own signal.

    Gaps are those of readings chosen at random; without any reading the signal is shown whole.
    """
    gaps = [np.isfinite(reading.signal) for reading in readings if reading is not None]
    gaps = [known for known in gaps if known.mean() > LEAST_COVERAGE]
    views: list[list[SignalView]] = []
    for k, (path, reading) in enumerate(zip(records, readings, strict=True)):
        rng = np.random.default_rng([seed, k])
        own = [_masked_view(*read_record(path), gaps, rng) for _ in range(masked)] if masked else []
        first = view_signal(reading.signal, reading.fs) if reading is not None else own[0]
        views.append([first, *own])
    return SignalViews(
        np.array([[view.beat for view in one] for one in views], np.float16),
        np.array([[view.rhythm for view in one] for one in views], np.float16),
        np.array([[view.figures for view in one] for one in views], np.float32),
        np.array([reading is not None for reading in readings]),
    )


def _masked_view(signal: np.ndarray, fs: float, gaps: Sequence[np.ndarray], rng: np.random.Generator) -> SignalView:
    leads = signal.shape[1]
    noisy = signal * rng.normal(1, MASKED_GAIN, leads) + rng.normal(0, MASKED_NOISE, signal.shape)
    if gaps:
        known = gaps[int(rng.integers(len(gaps)))]
        places = np.arange(len(signal)) * len(known) // max(1, len(signal))
        noisy[~known[places]] = np.nan
    return view_signal(noisy.astype(np.float32), fs)


class SignalDataset(Dataset):
    """Whole batches of records' signals: (SignalBatch, the records' rows of targets (records, outputs)).

    In training (``augment``) records come in an order of chance, each as its page's reading or as its own signal
    behind gaps, changed a little; else in theirs, as what was read (its own signal where nothing was).
    """

    def __init__(
        self, views: SignalViews, indices: np.ndarray, targets: np.ndarray, batch_size: int, augment: bool = True
    ) -> None:
        self.views = views
        self.indices = np.asarray(indices)
        self.targets = targets
        self.batch_size = batch_size
        self.augment = augment
        self.order = self.indices

    def __len__(self) -> int:
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > 0 and not (self.augment and full))

    def __getitem__(self, number: int) -> tuple[SignalBatch, Tensor]:
        if not 0 <= number < len(self):
            raise IndexError(number)
        if self.augment and number == 0:
            self.order = self.indices[torch.randperm(len(self.indices)).numpy()]
        chosen = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        view = self._choose(chosen) if self.augment else np.zeros(len(chosen), int)
        beat, rhythm = (
            torch.from_numpy(part[chosen, view].astype(np.float32)) for part in (self.views.beat, self.views.rhythm)
        )
        batch = signal_batch(beat, rhythm, torch.from_numpy(self.views.figures[chosen, view]))
        return jitter_signals(batch) if self.augment else batch, torch.from_numpy(self.targets[chosen])

    def _choose(self, chosen: np.ndarray) -> np.ndarray:
        """Which view of each record is shown."""
        own = self.views.beat.shape[1] - 1
        if own == 0:
            return np.zeros(len(chosen), int)
        masked = 1 + torch.randint(own, (len(chosen),)).numpy()
        reading = (torch.rand(len(chosen)).numpy() < READING_SHARE) & self.views.read[chosen]
        return np.where(reading, 0, masked)


def signal_batch(beat: Tensor, rhythm: Tensor, figures: Tensor) -> SignalBatch:
    """Signals with NaN -> signals and masks: beat (B, 12, T), rhythm (B, 12, T), figures (B, F)."""
    return SignalBatch(_with_mask(beat), _with_mask(rhythm), figures)


def batch_of(view: SignalView) -> SignalBatch:
    """A batch of one."""
    return signal_batch(*(torch.from_numpy(part)[None] for part in (view.beat, view.rhythm, view.figures)))


def _with_mask(signals: Tensor) -> Tensor:
    """(B, 12, T) -> (B, 24, T)."""
    known = signals.isfinite().float()
    return torch.cat([signals.nan_to_num().clamp(-LARGEST_VOLTAGE, LARGEST_VOLTAGE), known], dim=1)


def jitter_signals(batch: SignalBatch) -> SignalBatch:
    """Change signals a little at random: size, level, noise, place in time, a lead that was not found."""
    count, leads = len(batch.beat), batch.beat.shape[1] // 2
    gain = torch.exp(0.10 * torch.randn(count, 1, 1) + 0.05 * torch.randn(count, leads, 1))
    found = (torch.rand(count, leads, 1) > 0.05).float()
    beat = _jitter(batch.beat, gain, found, level=0.03, noise=0.01, shift=3)
    rhythm = _jitter(batch.rhythm, gain, found, level=0.05, noise=0.02, shift=60)
    return SignalBatch(beat, rhythm, batch.figures + 0.02 * torch.randn_like(batch.figures))


def _jitter(signals: Tensor, gain: Tensor, found: Tensor, level: float, noise: float, shift: int) -> Tensor:
    voltage, mask = signals.chunk(2, dim=1)
    voltage = voltage * gain + level * torch.randn_like(gain) + noise * torch.randn_like(voltage)
    mask = mask * found
    moved = int(torch.randint(-shift, shift + 1, ()))
    return torch.roll(torch.cat([voltage * mask, mask], dim=1), moved, dims=2)
