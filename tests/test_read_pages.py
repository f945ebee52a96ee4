from pathlib import Path

import numpy as np
import pytest

from ecgpage import read_pages as reading
from ecgpage.io import write_record
from ecgpage.leads import LEADS
from ecgpage.read_pages import ReadingSettings, read_pages
from ecgpage.training import CheckpointError


def heart(fs: float = 250.0, seconds: float = 10.0) -> np.ndarray:
    """(samples, 12) mV, a beat and a T wave every 0.85 s."""
    phase = (np.arange(round(seconds * fs)) / fs) % 0.85
    beat = np.exp(-(((phase - 0.3) / 0.015) ** 2)) + 0.25 * np.exp(-(((phase - 0.55) / 0.05) ** 2))
    return beat[:, None] * np.linspace(0.4, 1.2, 12)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("read pages ö")
    write_record(folder, "good", heart(), 250.0, LEADS, ("NORM",))
    write_record(folder, "short", heart(seconds=1.0), 250.0, LEADS, ("NORM",))
    return [folder / "good", folder / "short"]


def test_pages_are_drawn_read_scored_and_kept(records: list[Path], root: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    arguments = (records, root / "model", tmp_path / "kept", ReadingSettings(("kit",), seed=3), lines.append)
    good, short = read_pages(*arguments, jobs=1)
    assert short is None and any("short" in line and "at least 2 s" in line for line in lines)
    assert good.profile == "kit" and good.signal.shape == (2500, 12) and good.fs == 250.0
    assert np.isfinite(good.signal).any(axis=0).sum() == 12
    assert np.nanmean(good.snr) > 10
    made = (tmp_path / "kept" / "good.npz").stat().st_mtime_ns
    again, _ = read_pages(*arguments, jobs=1)
    assert (tmp_path / "kept" / "good.npz").stat().st_mtime_ns == made
    np.testing.assert_array_equal(again.signal, good.signal)


def test_readings_of_other_settings_are_made_anew(tmp_path: Path) -> None:
    lines: list[str] = []
    for made_of, left in (("a", True), ("a", True), ("b", False)):
        reading._keep_or_drop(tmp_path, made_of, lines.append)
        assert not (tmp_path / "x.npz").exists() or left
        (tmp_path / "x.npz").write_bytes(b"")
    assert len(lines) == 1 and "reading anew" in lines[0]


def test_names_must_differ_and_stages_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different names"):
        read_pages([Path("a/1"), Path("b/1")], tmp_path, tmp_path, ReadingSettings())
    with pytest.raises(CheckpointError, match="detector"):
        read_pages([Path("a/1")], tmp_path, tmp_path, ReadingSettings())
