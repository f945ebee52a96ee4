from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ecgpage import read_pages as reading
from ecgpage.diagnosis.reading import read_reading
from ecgpage.io import read_header, read_image, write_record
from ecgpage.leads import LEADS
from ecgpage.read_pages import ReadingSettings, read_pages
from ecgpage.recording import DigitizedPage, Page, Recording
from ecgpage.synthesis.export import ExportSettings, export_pages
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


def test_pages_drawn_before_are_read_as_they_are(records: list[Path], tmp_path: Path, monkeypatch) -> None:
    export_pages(records[0], tmp_path, ExportSettings("kit", seed=5), report=lambda _: None)
    seen: list[np.ndarray] = []

    def digitize(image: np.ndarray, fs: float, samples: int, names: tuple[str, ...]) -> DigitizedPage:
        seen.append(image)
        signal = np.full((samples, len(names)), np.nan, np.float32)
        return DigitizedPage(Page(image, image.shape[:2], np.eye(3), True), (), None, (), Recording(signal, fs, names))

    monkeypatch.setattr(reading, "_pipeline", SimpleNamespace(digitize=digitize))
    settings = ReadingSettings(drawn_before=True)
    assert reading._read_page(tmp_path / "good", tmp_path / "kept", settings) == ""
    [picture] = read_header(tmp_path / "good").images
    np.testing.assert_array_equal(seen[0], read_image(picture))
    assert read_reading(tmp_path / "kept" / "good.npz").profile == "kit"


def test_names_must_differ_and_stages_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different names"):
        read_pages([Path("a/1"), Path("b/1")], tmp_path, tmp_path, ReadingSettings())
    with pytest.raises(CheckpointError, match="detector"):
        read_pages([Path("a/1")], tmp_path, tmp_path, ReadingSettings())
