import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgpage import crossvalidation
from ecgpage.crossvalidation import cross_validate, read_unseen
from ecgpage.diagnosis import load_classifier
from ecgpage.diagnosis.folds import DATABASE
from ecgpage.diagnosis.network import INPUT_SIZE
from ecgpage.diagnosis.reading import PageReading
from ecgpage.io import write_record
from ecgpage.leads import LEADS
from ecgpage.training import DrawingSettings, StageSettings, TrainingSettings

LABELS = [("NORM",), ("CD", "PVC"), ("NORM",), ("CD",), ("CD",), ("NORM",), ("CD", "PVC"), (), ("NORM",)]


def heart(seed: int, fs: float = 100.0, seconds: float = 2.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    phase = (np.arange(round(seconds * fs)) / fs) % rng.uniform(0.6, 1.1)
    return np.exp(-(((phase - 0.3) / 0.02) ** 2))[:, None] * rng.uniform(-1, 1.5, 12)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Nine records of eight patients (0 and 1 are one), the eighth without labels."""
    folder = tmp_path / "kleine Daten"
    for number, labels in enumerate(LABELS):
        write_record(folder, f"{number:05d}_hr", heart(number), 100.0, LEADS, labels)
    rows = [f"{number},{max(1, number)},\n" for number in range(len(LABELS))]
    (folder / DATABASE).write_text("ecg_id,patient_id,strat_fold\n" + "".join(rows))
    return folder


def smallest(folds: int = 3) -> TrainingSettings:
    stage = StageSettings(batch_size=2, steps=2, seconds=60.0, warmup_steps=0)
    none = StageSettings(seconds=0.0)
    return TrainingSettings(none, none, none, none, stage, DrawingSettings(("clean",), 1, folds))


@pytest.fixture
def read_by(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Readings as if pages had been read; the folders of the models that were asked for them."""
    asked: list[Path] = []

    def read(paths, model, folder, settings, report, jobs, seconds):
        asked.append(model)
        signal = np.full((250, 12), np.nan, np.float32)
        signal[:, :6] = 1.0
        page = PageReading(signal, 100.0, np.zeros(INPUT_SIZE, np.uint8), "clean", np.full(12, 15.0, np.float32))
        return [page if k % 4 else None for k in range(len(paths))]

    monkeypatch.setattr(crossvalidation, "read_pages", read)
    return asked


def test_every_record_is_judged_once_and_the_figures_are_written(records, read_by, tmp_path) -> None:
    output = tmp_path / "out"
    found = cross_validate(records, output, smallest(), tmp_path / "model", report=lambda _: None)
    assert read_by == [tmp_path / "model"]
    assert len(found.names) == 9 and found.unseen is not None and len(found.unseen.names) == 5
    assert found.folds[0] == found.folds[1]  # one patient
    np.testing.assert_array_equal(np.isfinite(found.snr), [k % 4 > 0 for k in range(9)])
    assert np.nanmean(found.snr) == 15.0
    kept = read_unseen(output)
    assert (kept.names, kept.classes) == (found.unseen.names, found.unseen.classes)
    np.testing.assert_array_equal(kept.stacked(tuple(kept.logits)), found.unseen.stacked(tuple(found.unseen.logits)))
    text = (output / "crossvalidation.json").read_text()
    figures = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert figures["records"] == 9 and figures["judged"] == 5 and len(figures["folds"]) == 3
    assert figures["classes"] == ["NORM", "CD"]  # two PVC, fewer than three folds
    for judged in figures["members"].values():
        assert sum(fold["records"] for fold in judged["folds"]) == 5
        for counts in judged["classes"].values():
            assert sum(count for name, count in counts.items() if name != "f") == 5
        for groups in (judged["profiles"], judged["qualities"]):
            assert sum(group["records"] for group in groups.values()) == 5
    text = (output / "crossvalidation.md").read_text()
    assert "## signal + image" in text and "| abnormal |" in text and "0.8721" in text
    assert load_classifier(output / "model") is not None


def test_a_stopped_run_goes_on(records, read_by, tmp_path) -> None:
    lines: list[str] = []
    first = cross_validate(records, tmp_path / "out", smallest(), tmp_path / "model", report=lambda _: None)
    (tmp_path / "out" / "networks" / "image-2.safetensors").unlink()
    again = cross_validate(records, tmp_path / "out", smallest(), tmp_path / "model", report=lines.append)
    assert sum("resumed" in line for line in lines) == 5  # six networks, one gone
    np.testing.assert_allclose(again.unseen.logits["signal"], first.unseen.logits["signal"], atol=1e-5)


def test_records_without_labels_give_the_snr_alone(tmp_path, read_by) -> None:
    for number in range(3):
        write_record(tmp_path / "data", f"r{number}", heart(number), 100.0, LEADS, ())
    lines: list[str] = []
    found = cross_validate(tmp_path / "data", tmp_path / "out", smallest(), tmp_path / "model", report=lines.append)
    assert found.unseen is None and np.isfinite(found.snr).sum() == 2
    assert any("own patient" in line for line in lines)
    assert "members" not in json.loads((tmp_path / "out" / "crossvalidation.json").read_text())


def test_without_a_model_stages_are_trained_on_the_other_folds(records, read_by, tmp_path, monkeypatch) -> None:
    trained: dict[Path, list[str]] = {}

    def train(data, model, settings, report, only):
        assert settings.classifier.seconds == 0
        trained[model] = [path.name for path in only]

    monkeypatch.setattr(crossvalidation, "train_stages", train)
    found = cross_validate(records, tmp_path / "out", smallest(), report=lambda _: None)
    assert read_by == list(trained) == [tmp_path / "out" / f"fold-{fold}" / "model" for fold in range(3)]
    for fold, names in enumerate(trained.values()):
        held_out = {name for name, part in zip(found.names, found.folds, strict=True) if part == fold}
        assert held_out and not held_out & set(names) and len(held_out) + len(names) == 9


@pytest.mark.slow
def test_one_command_cross_validates_from_pages_to_figures(records, root, tmp_path) -> None:
    settings = tmp_path / "tiny.toml"
    stages = "".join(
        f"[{stage}]\nseconds = 60.0\nsteps = 2\nbatch_size = 2\n"
        for stage in ("detector", "name_reader", "scale_reader", "digitizer", "classifier")
    )
    settings.write_text(stages + '[drawing]\nprofiles = ["clean"]\npages_per_record = 1\n')
    command = [sys.executable, "-m", "ecgpage", "crossvalidate", "-d", records, "-o", tmp_path / "out", "--folds", "2"]
    for more in ([], ["-m", root / "model"]):
        run = subprocess.run([*command, "--settings", settings, *more], cwd=root, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert "# Cross-validation" in run.stdout
