"""run_model.py and train_model.py as the Challenge calls them, around a stand-in for team_code.py."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ecgpage.header import parse_header
from ecgpage.io import read_header, read_signal

TEAM_CODE = """
from pathlib import Path
import numpy as np

def train_models(data_folder, model_folder, verbose):
    Path(model_folder, "weights").write_text(data_folder)

def load_models(model_folder, verbose):
    return Path(model_folder, "weights").read_text(), "classifier"

def run_models(record, digitization_model, classification_model, verbose):
    assert classification_model == "classifier"
    name = Path(record).name
    if name == "broken":
        raise ValueError("no page found in broken-0.png")
    if name == "crash":
        raise KeyError("grid")
    if name == "short":
        return np.zeros((3, 2)), []
    if name == "silent":
        return None, ["CD"]
    signal = np.full((10, 2), 0.5)
    signal[5:, 1] = np.nan
    return signal, ["NORM", "Old MI"]
"""
HEADER = """{name} 2 100 10
{name}.dat 16 1000.0(0)/mV 16 0    aVR
{name}.dat 16 1000.0(0)/mV 16 0    i
# Image: {name}-0.png
"""


@pytest.fixture
def commands(tmp_path, root):
    """Copies of the commands beside a stand-in for team_code.py; returns a function that runs one."""
    folder = tmp_path / "code"
    folder.mkdir()
    for name in ("run_model.py", "train_model.py"):
        shutil.copy(root / name, folder)
    (folder / "team_code.py").write_text(TEAM_CODE)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("x")

    def run(command, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(root)}
        line = [sys.executable, str(folder / command), *map(str, arguments)]
        return subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def add_records(folder, *names):
    for name in names:
        path = folder / f"{name}.hea"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER.format(name=path.stem), encoding="utf-8")
    return folder


def test_run_writes_records_with_the_hidden_headers_fields(commands, tmp_path):
    data, out = add_records(tmp_path / "two words", "a", "ä/b", "silent"), tmp_path / "out put"
    result = commands("run_model.py", "-d", data, "-m", "model", "-o", out, "-v")
    assert result.returncode == 0, result.stderr
    assert "- 2/3: silent..." in result.stdout
    for record in ("a", "ä/b"):
        header = read_header(out / record)
        assert (header.fs, header.num_samples, header.names) == (100, 10, ("aVR", "i"))
        assert header.labels == ("NORM", "Old MI")
        assert header.items("Image") == (f"{record[-1]}-0.png",)
        signal = read_signal(out / record)[0]
        assert (signal[:5] == 0.5).all()
        assert np.isnan(signal[5:, 1]).all()
    assert read_header(out / "silent").labels == ("CD",)  # no signal: the header alone
    assert not (out / "silent.dat").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "no page found in broken-0.png"),
        ("crash", "KeyError: 'grid'"),
        ("short", "expected a signal of shape (samples, leads) (10, 2), the model gave (3, 2)"),
    ],
)
def test_a_failing_record_ends_the_run_or_not(commands, tmp_path, name, reason):
    data, out = add_records(tmp_path / "data", "a", name, "z"), tmp_path / "out"
    arguments = ("run_model.py", "-d", data, "-m", "model", "-o", out)
    result = commands(*arguments)
    assert result.returncode == 1
    assert f"record {name} failed: {reason}" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (out / "z.hea").exists()
    result = commands(*arguments, "-f")
    assert result.returncode == 0
    assert f"record {name} failed, going on: {reason}" in result.stderr
    assert read_header(out / "z").labels == ("NORM", "Old MI")
    assert parse_header((out / f"{name}.hea").read_text()).labels == ()
    assert not (out / f"{name}.dat").exists()


def test_broken_header_is_a_failing_record(commands, tmp_path):
    data = add_records(tmp_path / "data", "a")
    (data / "b.hea").write_text("b 2 fast\n")
    result = commands("run_model.py", "-d", data, "-m", "model", "-o", "out")
    assert result.returncode == 1
    assert "record b failed: b.hea: expected a first line" in result.stderr
    assert commands("run_model.py", "-d", data, "-m", "model", "-o", "out", "-f").returncode == 0


def test_train_hands_the_folders_on(commands, tmp_path):
    data = add_records(tmp_path / "data", "a")
    result = commands("train_model.py", "-d", data, "-m", "new/model", "-v")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new" / "model" / "weights").read_text() == str(data)


@pytest.mark.parametrize("command", [("run_model.py", "-o", "out"), ("train_model.py",)])
def test_folder_without_records_is_an_error(commands, command):
    result = commands(*command, "-d", "nothing", "-m", "model")
    assert result.returncode == 1
    assert f"{command[0]}: no records (*.hea) in nothing" in result.stderr
