"""The demonstration, with a pipeline that looks the answers up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ecgpage import demo
from ecgpage.io import find_records, read_header, read_signal, write_record
from ecgpage.leads import LEADS
from ecgpage.recording import Diagnosis, DigitizedPage, Page, PageError, Recording
from ecgpage.reporting import save_picture

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FS, COUNT = 100.0, 300


class Oracle:
    """Answers every picture with a signal, whatever it shows; a picture of one grey level per answer."""

    def __init__(self, answers: dict[int, Recording]) -> None:
        self.answers = answers

    def digitize(self, image: np.ndarray, fs: float, num_samples: int, names: Sequence[str]) -> DigitizedPage:
        recording = self.answers[int(image[0, 0, 0])]
        assert (fs, num_samples, tuple(names)) == (recording.fs, len(recording.signal), recording.names)
        page = Page(image, image.shape[:2], np.eye(3), False)
        return DigitizedPage(page, (), None, (), recording)


def beats(seed: int) -> np.ndarray:
    phase = (np.arange(COUNT) / FS + 0.1 * seed) % 1.0
    shape = np.exp(-(((phase - 0.4) / 0.03) ** 2))
    return np.round(shape[:, None] * np.linspace(0.3, 1.4, 12), 3)


def write_sample(folder: Path, name: str, level: int, labels: str, images: str) -> None:
    comments = [f"Labels: {labels}", "Profile: clean", f"Image: {images}"]
    write_record(folder, name, beats(level), FS, LEADS, comments=comments)
    for image in images.split(", "):
        if "missing" not in image:
            save_picture(folder / image, np.full((40, 60, 3), level, np.uint8))


def answer(level: int, noise: float, labels: tuple[str, ...]) -> Recording:
    signal = beats(level) + noise * np.random.default_rng(level).standard_normal((COUNT, 12))
    return Recording(signal.astype(np.float32), FS, LEADS, Diagnosis(labels, {"abnormal": 0.3}, False))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Run three records: a perfect one, a noisy one with one picture missing, and one without any picture."""
    samples, output, lines = tmp_path_factory.mktemp("samples"), tmp_path_factory.mktemp("out"), []
    write_sample(samples, "a", 1, "NORM", "a-0.png")
    write_sample(samples, "b", 2, "CD", "b-missing.png, b-1.png")
    write_sample(samples, "c", 3, "NORM", "c-missing.png")
    oracle = Oracle({1: answer(1, 0.0, ("NORM",)), 2: answer(2, 0.1, ("HYP",))})
    results = demo.run_samples(samples, find_records(samples), oracle, output, lines.append)
    return results, output, "\n".join(lines)


def test_records_and_pictures_are_written(outcome):
    results, output, _ = outcome
    names = sorted(path.name for path in output.iterdir())
    assert names == ["a-0.report.png", "a.dat", "a.hea", "b-1.report.png", "b.dat", "b.hea", "scores.tsv"]
    signal, fs, leads = read_signal(output / "a")
    assert fs == FS
    assert leads == LEADS
    assert np.allclose(signal, beats(1), atol=6e-4)
    assert read_header(output / "b").labels == ("HYP",)
    assert cv2.imread(str(results[0].pictures[0])) is not None


def test_scores_are_those_of_the_challenge(outcome):
    results, _, _ = outcome
    perfect, noisy, failed = (result.snr for result in results)
    assert perfect["none"] > 60
    assert perfect["official"] > 60
    true = np.mean(beats(2) ** 2, axis=0)
    assert noisy["none"] == pytest.approx(np.mean(10 * np.log10(true / 0.1**2)), abs=0.3)
    assert failed == {"official": 0.0, "corrected": 0.0, "none": 0.0}


def test_table_ends_with_means_and_f_measure(outcome):
    results, _, _ = outcome
    header, rows = demo.score_rows(results)
    assert len(rows) == 4
    assert all(len(row) == len(header) for row in rows)
    total = dict(zip(header, rows[-1], strict=True))
    assert total["unaligned"] == pytest.approx(np.mean([result.snr["none"] for result in results]))
    assert demo.f_measure(results) == pytest.approx(((2 * 1) / (2 + 1) + 0) / 2)  # NORM: one of two; CD: not found


def test_failures_are_said_and_do_not_stop_the_run(outcome):
    results, output, text = outcome
    assert "c-missing.png" in results[2].failure
    assert "c-missing.png" in text
    assert results[1].failure == ""
    assert str(output.resolve()) in text


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(PageError, match="no records"):
        demo.run(tmp_path, tmp_path, tmp_path / "out")


def test_samples_are_whole():
    """Every shipped record has its pictures, its reference with unprinted parts, and at least one label."""
    records = find_records(SAMPLES)
    profiles = set()
    for record in records:
        header = read_header(SAMPLES / record)
        signal, fs, _ = read_signal(SAMPLES / record)
        assert header.images
        assert all(image.is_file() for image in header.images)
        assert header.labels
        assert signal.shape == (5000, 12)
        assert fs == 500
        assert 0.25 < np.isfinite(signal).mean() < 0.6  # a quarter of every lead, and whole strips
        profiles.update(header.items("Profile"))
    assert len(records) >= 4
    assert {"clean", "photo"} <= profiles
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 4_000_000
