from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpage.diagnosis.beats import BEAT_SAMPLES
from ecgpage.diagnosis.network import INPUT_SIZE
from ecgpage.diagnosis.reading import PageReading
from ecgpage.diagnosis.signal_dataset import SignalDataset, batch_of, build_views, jitter_signals, signal_batch
from ecgpage.diagnosis.signal_network import SignalBatch, SignalClassifier
from ecgpage.diagnosis.signal_view import FIGURES, RHYTHM_SAMPLES, view_signal

RECORDS = [Path(name) for name in "abc"]


def own_signal(path: Path) -> tuple[np.ndarray, float]:
    """(1250, 12) mV at 125 Hz: beats of 1, 2 or 3 mV."""
    time = np.arange(1250) / 125
    beat = np.exp(-(((time % 0.8 - 0.3) / 0.03) ** 2))
    return np.repeat(beat[:, None] * (1 + "abc".index(path.name)), 12, axis=1).astype(np.float32), 125.0


def reading(level: float) -> PageReading:
    """Half of the page, beats of ``level`` mV."""
    signal = own_signal(Path("a"))[0] * level
    signal[:, 6:] = np.nan
    return PageReading(signal, 125.0, np.zeros(INPUT_SIZE, np.uint8), "clean", np.zeros(12))


def make_views(readings: list[PageReading | None], masked: int = 2):
    return build_views(RECORDS, readings, own_signal, masked=masked)


def test_views_are_what_was_read_then_the_own_signal_behind_gaps() -> None:
    views = make_views([reading(5.0), None, reading(7.0)])
    assert views.beat.shape == (3, 3, 12, BEAT_SAMPLES) and views.rhythm.shape == (3, 3, 12, RHYTHM_SAMPLES)
    assert views.figures.shape == (3, 3, len(FIGURES))
    np.testing.assert_array_equal(views.read, [True, False, True])
    highest = np.nanmax(views.beat[:, :, 0].astype(float), axis=2)  # lead I, (records, views)
    np.testing.assert_allclose(highest[:, 0], [5, 2, 7], rtol=0.12)  # of the second, its own
    np.testing.assert_allclose(highest[:, 1:], [[1, 1], [2, 2], [3, 3]], rtol=0.15)
    assert np.isnan(views.beat[:, :, 6:]).all()  # every page lends the same gaps


def test_without_any_reading_the_whole_signal_is_shown() -> None:
    views = make_views([None] * 3)
    assert np.isfinite(views.rhythm).all() and not views.read.any()


def test_training_shows_every_record_once_an_epoch() -> None:
    torch.manual_seed(0)
    views = make_views([reading(5.0), None, reading(7.0)])
    targets = np.eye(3, dtype=np.float32)
    batches = SignalDataset(views, np.arange(3), targets, batch_size=1)
    for _ in range(3):
        shown = torch.cat([batches[k][1] for k in range(len(batches))])
        np.testing.assert_array_equal(shown.sum(dim=0), 1)
    with pytest.raises(IndexError):
        batches[3]


def test_the_last_records_are_not_lost_when_judging() -> None:
    views = make_views([reading(5.0), None, reading(7.0)])
    batches = SignalDataset(views, np.array([2, 0, 1]), np.arange(3, dtype=np.float32)[:, None], 2, augment=False)
    parts = [batches[k] for k in range(len(batches))]
    np.testing.assert_array_equal(torch.cat([targets for _, targets in parts])[:, 0], [2, 0, 1])
    first = parts[0][0]
    assert float(first.beat[0, 0].max()) == pytest.approx(4.0)  # 7 mV, cut at the largest voltage
    assert len(SignalDataset(views, np.arange(3), targets_of_three(), 2)) == 1  # training leaves an odd rest for later
    assert len(SignalDataset(views, np.arange(1), targets_of_three(), 2)) == 1


def targets_of_three() -> np.ndarray:
    return np.zeros((3, 1), np.float32)


def test_what_is_not_printed_is_zero_and_masked_even_when_jittered() -> None:
    torch.manual_seed(0)
    batch = batch_of(view_signal(reading(1.0).signal, 125.0))
    for one in (batch, jitter_signals(batch)):
        for signals in (one.beat, one.rhythm):
            voltage, mask = signals.chunk(2, dim=1)
            assert (voltage[mask == 0] == 0).all() and set(mask.unique().tolist()) <= {0.0, 1.0}
            assert (mask[:, 6:] == 0).all() and mask[:, :6].any()


def test_the_network_reads_any_batch_and_learns_from_every_part() -> None:
    torch.manual_seed(0)
    network = SignalClassifier(4, width=8)
    nothing = torch.full((2, 12, BEAT_SAMPLES), torch.nan), torch.full((2, 12, RHYTHM_SAMPLES), torch.nan)
    batch = signal_batch(*nothing, torch.zeros(2, len(FIGURES)))
    assert network(batch).shape == (2, 5) and network(batch).isfinite().all()
    full = SignalBatch(
        torch.randn(3, 24, BEAT_SAMPLES), torch.randn(3, 24, RHYTHM_SAMPLES), torch.randn(3, len(FIGURES))
    )
    network(full).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
