from pathlib import Path

import numpy as np
import pytest

from ecgpage.diagnosis.network import INPUT_SIZE
from ecgpage.diagnosis.reading import PageReading, ReadingError, read_reading, write_reading


def reading() -> PageReading:
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 1, (500, 12)).astype(np.float32)
    signal[:100, 3] = np.nan
    signal[0, 0] = 40.0  # beyond what is kept
    ink = np.zeros(INPUT_SIZE, np.uint8)
    ink[100:110] = 200
    return PageReading(signal, 250.0, ink, "photo", np.array([*range(11), np.nan], np.float32))


def test_a_reading_comes_back_from_its_file(tmp_path: Path) -> None:
    there = reading()
    back = read_reading(write_reading(tmp_path / "page ä.npz", there))
    np.testing.assert_allclose(back.signal[1:], there.signal[1:], atol=0.51e-3, equal_nan=True)
    assert back.signal[0, 0] == pytest.approx(32.767)
    assert (back.fs, back.profile) == (250.0, "photo")
    assert np.abs(back.ink.astype(int) - there.ink).mean() < 2  # what JPEG changes
    np.testing.assert_array_equal(back.snr, there.snr)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ReadingError, match=r"x\.npz"):
        read_reading(tmp_path / "x.npz")
    with pytest.raises(ReadingError, match="missing"):
        read_reading(tmp_path / "missing.npz")


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", signal=np.array([{"a": 1}], dtype=object), fs=1.0, ink=1, profile="", snr=1)
    with pytest.raises(ReadingError):
        read_reading(tmp_path / "p.npz")
