"""Training through the Challenge's contract: from a folder of records to a model folder that runs."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from ecgpage import cli
from ecgpage.detection import load_detector
from ecgpage.diagnosis import LabelledRecord
from ecgpage.digitization.digitizer import load_digitizer, save_digitizer
from ecgpage.digitization.network import LeadDigitizer
from ecgpage.header import RecordError
from ecgpage.io import read_signal, write_record, write_text
from ecgpage.leads import LEADS
from ecgpage.synthesis.export import ExportSettings, export_pages
from ecgpage.train import find_training_records, train_diagnosis, train_stages
from ecgpage.training import DrawingSettings, StageSettings, TrainingSettings
from yolov7 import yolov7_tiny

CLASSES = (("NORM",), ("STTC", "CD"), ("NORM",), ("STTC",), (), ("AFIB/AFL", "CD"), ("NORM",), ("HYP",))


def heartbeats(seed, fs=500, seconds=10):
    """A crude record (samples, 12) mV: a beat and a wave, of a height and rate of its own."""
    rng = np.random.default_rng(seed)
    time = np.arange(seconds * fs) / fs
    phase = (time * rng.uniform(0.8, 1.8)) % 1
    beat = np.exp(-(((phase - 0.3) / 0.015) ** 2)) + 0.2 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    return beat[:, None] * rng.uniform(-1, 1.5, 12)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Eight labelled records in a folder with a blank and an umlaut in its name."""
    folder = tmp_path_factory.mktemp("train") / "kleine Übung"
    for number, labels in enumerate(CLASSES):
        write_record(folder, f"record{number}", heartbeats(number), 500, LEADS, labels)
    return folder


@pytest.fixture(scope="module")
def trained(records, root):
    """(model folder, what the training printed), trained twice: the second run goes on where the first one ended."""
    model = records.parent / "model"
    command = [sys.executable, root / "train_model.py", "-d", records, "-m", model, "-v"]
    environment = os.environ | {"ECGPAGE_TRAINING": "smallest", "OMP_NUM_THREADS": "1"}
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=False) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    return model, [run.stdout for run in runs]


def test_training_shows_progress_and_resumes(trained):
    _, (first, second) = trained
    for stage in ("detector", "name reader", "scale reader", "digitizer", "classifier"):
        assert stage in first
    assert "step 6/6" in first
    assert "resumed from" in second
    assert "step 1/6" not in second


def test_the_model_folder_is_whole_and_readable(trained):
    model, _ = trained
    description = json.loads((model / "model.json").read_text())
    assert set(description) == {"detector", "name_reader", "scale_reader", "digitizer", "classifier"}
    assert description["detector"]["classes"] == list(LEADS)
    assert description["classifier"]["classes"] == ["NORM", "STTC", "CD"]  # of the others one record each, in two folds
    assert description["digitizer"]["records"] == 8
    assert {file.suffix for file in model.rglob("*") if file.is_file()} == {".json", ".safetensors", ".npz"}


def test_a_trained_model_runs_through_the_command_line(trained, root, tmp_path):
    """Barely trained, it finds nothing, but every record must be written, at its length and in its order."""
    model, _ = trained
    data, output = tmp_path / "data", tmp_path / "output"
    header = "page 3 100 1000\n" + "".join(f"page.dat 16 1000.0(0)/mV 16 0    {name}\n" for name in ("V2", "AVR", "i"))
    write_text(data / "page.hea", header + "# Image: page-0.png\n")
    from PIL import Image

    Image.fromarray(np.full((340, 440, 3), 240, np.uint8)).save(data / "page-0.png")
    command = [sys.executable, root / "run_model.py", "-d", data, "-m", model, "-o", output]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    signal, fs, names = read_signal(output / "page")
    assert signal.shape == (1000, 3) and fs == 100 and names == ("V2", "AVR", "i")
    assert "# Labels:" in (output / "page.hea").read_text()


def test_broken_records_are_left_out_and_named(records, tmp_path):
    write_record(tmp_path, "whole", heartbeats(1), 500, LEADS, ("NORM",))
    write_text(tmp_path / "broken.hea", "broken\n")
    write_text(tmp_path / "hidden.hea", "hidden 1 500 5000\nhidden.dat 16 1000.0(0)/mV 16 0    I\n")
    write_record(tmp_path, "short", heartbeats(1, seconds=1), 500, LEADS, ("NORM",))
    write_record(tmp_path, "cut", heartbeats(1), 500, LEADS, ("NORM",))
    (tmp_path / "cut.dat").write_bytes(b"\0" * 100)
    lines = []
    found = find_training_records(tmp_path, lines.append)
    assert [record.path.name for record in found] == ["whole"]
    assert any("broken" in line for line in lines)
    assert any("hidden has no signal file" in line for line in lines)
    assert any("cut.dat: expected 60000 samples" in line for line in lines)
    assert any("short lasts 1 s, a page needs 2 s" in line for line in lines)
    with pytest.raises(RecordError, match="found none to train on"):
        find_training_records(tmp_path / "nowhere", lines.append)


@pytest.mark.parametrize("labels", [[], [("NORM",)], [("NORM",), ("CD",)]])
def test_fewer_than_two_labelled_patients_train_no_classifier(labels, tmp_path):
    """Two records of one patient in the third case; nothing is read for it, so no stage need be there."""
    table = tmp_path / "ptbxl_database.csv"
    table.write_text("ecg_id,patient_id,strat_fold\n" + "".join(f"{k},7,{k}\n" for k in range(len(labels))))
    records = [LabelledRecord(tmp_path / str(k), names) for k, names in enumerate([*labels, ()])]
    lines = []
    assert train_diagnosis(records, tmp_path, tmp_path, TrainingSettings(), lines.append, table) is None
    assert len(lines) == 1 and "no classifier is trained" in lines[0]


def test_the_product_does_not_lean_on_the_challenges_scripts(root):
    """The organisers replace these by theirs."""
    scripts = {"helper_code", "train_model", "run_model", "evaluate_model"}
    for file in [root / "team_code.py", *(root / "ecgpage").rglob("*.py"), *(root / "yolov7").rglob("*.py")]:
        tree = ast.parse(file.read_text())
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not modules & scripts, file


def test_the_detector_knows_nothing_of_ecgs(root):
    for file in (root / "yolov7").rglob("*.py"):
        assert "ecgpage" not in file.read_text(), file


@pytest.mark.parametrize("workers", [0, 1])
def test_pages_drawn_before_are_trained_on(records, tmp_path, workers):
    """Pages that stand beside the records are shown, here or by a worker: the synthesizer is not asked again."""
    pages = tmp_path / "pages"
    export_pages(records, pages, ExportSettings("kit", number=2), report=lambda _: None)
    stage = StageSettings(steps=2, batch_size=2, warmup_steps=1, workers=workers, device="cpu")
    off = replace(stage, seconds=0.0)
    drawing = DrawingSettings(drawn_before=True, pages_per_record=2)
    settings = TrainingSettings(stage, stage, stage, stage, off, drawing)
    lines = []
    with patch("ecgpage.synthesis.records.draw_page", side_effect=AssertionError("a page was drawn")):
        train_stages(pages, tmp_path / "model", settings, lines.append)
    assert sum("step 2/2" in line for line in lines) == 4


def test_one_stage_is_trained_by_its_command_from_given_weights(records, tmp_path, capsys):
    """A published checkpoint of 80 classes gives all but what depends on the classes; the other stages stay away."""
    write_text(tmp_path / "one step.toml", "[detector]\nsteps = 1\nbatch_size = 1\n[drawing]\npages_per_record = 1\n")
    command = ["train", "detection", "-d", str(records), "-m", str(tmp_path / "model"), "--seconds", "60"]
    command += ["--settings", str(tmp_path / "one step.toml"), "--height", "64", "--width", "96"]
    torch.save(yolov7_tiny(80).state_dict(), tmp_path / "official.pt")
    assert cli.main([*command, "--weights", str(tmp_path / "official.pt")]) == 0
    assert "333 tensors taken from" in capsys.readouterr().out
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert set(description) == {"detector"} and description["detector"]["weights"] == "official.pt"
    assert load_detector(tmp_path / "model").settings.size == (64, 96)
    assert cli.main(["export", "--model", str(tmp_path / "model"), "-o", str(tmp_path / "out" / "d.onnx")]) == 0
    assert (tmp_path / "out" / "d.onnx").stat().st_size > 20e6
    assert cli.main([*command, "--weights", str(tmp_path / "nothing.pt")]) == 1
    assert "nothing.pt" in capsys.readouterr().err


def test_the_digitizer_goes_on_from_given_weights(records, tmp_path, capsys):
    write_text(tmp_path / "one step.toml", "[digitizer]\nsteps = 1\nbatch_size = 1\n[drawing]\npages_per_record = 1\n")
    save_digitizer(tmp_path / "before", LeadDigitizer())
    command = ["train", "digitization", "-d", str(records), "-m", str(tmp_path / "model"), "--seconds", "60"]
    command += ["--settings", str(tmp_path / "one step.toml")]
    assert cli.main([*command, "--weights", str(tmp_path / "before" / "digitizer.safetensors")]) == 0
    assert (
        json.loads((tmp_path / "model" / "model.json").read_text())["digitizer"]["weights"] == "digitizer.safetensors"
    )
    before, after = (load_digitizer(tmp_path / folder).network.state_dict() for folder in ("before", "model"))
    moved = [float((before[name] - after[name]).abs().max()) for name in before if name.endswith("weight")]
    assert 0 < max(moved) < 0.02  # one step, not other random weights
    capsys.readouterr()
    write_text(tmp_path / "broken.safetensors", "nothing")
    assert cli.main([*command, "--weights", str(tmp_path / "broken.safetensors")]) == 1
    assert "expected weights (safetensors)" in capsys.readouterr().err
    assert cli.main(["train", "diagnosis", *command[2:], "--weights", str(tmp_path / "one step.toml")]) == 1
    assert "--weights is for the detection and digitization stages" in capsys.readouterr().err
