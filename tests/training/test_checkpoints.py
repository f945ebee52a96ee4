from pathlib import Path

import pytest
import torch
from torch import nn

from ecgpage.cli import main
from ecgpage.training.checkpoints import (
    CheckpointError,
    average_weights,
    holds_weights,
    keep_or_drop,
    load_model,
    save_model,
)


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width))


@pytest.mark.parametrize("half", [True, False])
def test_weights_survive_the_disk(tmp_path: Path, half: bool) -> None:
    model, other = network(), network()
    save_model(tmp_path / "new" / "m.safetensors", model, half=half, metadata={"classes": ["NORM", "STTC"]})
    metadata = load_model(tmp_path / "new" / "m.safetensors", other)
    assert metadata == {"classes": ["NORM", "STTC"]}
    for name, value in model.state_dict().items():
        stored = value.half().float() if half and value.dtype.is_floating_point else value
        assert other.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(other.state_dict()[name], stored, rtol=0, atol=0)


def test_writing_leaves_one_file(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", network())
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", network(4))
    with pytest.raises(CheckpointError, match=r"m\.safetensors does not fit this Sequential"):
        load_model(tmp_path / "m.safetensors", network(5))


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_a_missing_or_broken_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="expected weights"):
        load_model(path, network())


def test_a_file_tells_which_weights_it_holds(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", network())
    assert holds_weights(tmp_path / "m.safetensors", "0.")
    assert not holds_weights(tmp_path / "m.safetensors", "refiner.")


def saved(path: Path, weight: float, count: int = 3) -> Path:
    """A network of one weight with a normalization that has counted its batches."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    nn.init.constant_(module[0].weight, weight)
    module[1].num_batches_tracked.fill_(count)
    save_model(path, module, metadata={"of": weight})
    return path


@pytest.mark.parametrize(("shares", "expected"), [(None, 2.5), ([3.0, 1.0], 1.75), ([0.25, 0.75], 3.25)])
def test_the_mean_of_weights_is_weighted_by_shares(tmp_path: Path, shares: list[float] | None, expected: float) -> None:
    files = [saved(tmp_path / "ü 1.safetensors", 1.0), saved(tmp_path / "2.safetensors", 4.0, count=9)]
    output = tmp_path / "new" / "mean.safetensors"
    average_weights(files, output, shares)
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    assert load_model(output, module) == {"of": 1.0}
    assert module[0].weight.item() == pytest.approx(expected) and module[1].num_batches_tracked.item() == 3


def test_the_command_line_averages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, output = [saved(tmp_path / f"{k}.safetensors", k) for k in (1.0, 2.0)], tmp_path / "mean.safetensors"
    assert main(["average", *map(str, files), "--shares", "1", "3", "-o", str(output)]) == 0
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    load_model(output, module)
    assert module[0].weight.item() == pytest.approx(1.75) and "2 weights files" in capsys.readouterr().out
    assert main(["average", str(files[0]), "--shares", "1", "2", "-o", str(output)]) == 1
    assert "share above 0" in capsys.readouterr().err


def test_no_mean_of_different_networks_or_without_shares(tmp_path: Path) -> None:
    one, output = saved(tmp_path / "1.safetensors", 1.0), tmp_path / "mean.safetensors"
    save_model(tmp_path / "other.safetensors", nn.Conv2d(1, 2, 1))
    with pytest.raises(CheckpointError, match=r"other\.safetensors"):
        average_weights([one, tmp_path / "other.safetensors"], output)
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        average_weights([one, tmp_path / "missing.safetensors"], output)
    for files, shares in (([], None), ([one], [0.5, 0.5]), ([one, one], [1.0, 0.0]), ([one], [float("nan")])):
        with pytest.raises(ValueError, match="share above 0"):
            average_weights(files, output, shares)
    assert not output.exists()


def test_results_of_something_else_are_dropped_with_a_line(tmp_path):
    lines = []

    def look(made_of):
        keep_or_drop(tmp_path, made_of, ["*.safetensors", "pages"], lines.append)
        return {path.name for path in tmp_path.iterdir()} - {"made-of.json"}

    assert look("these") == set()
    (tmp_path / "detector.safetensors").write_bytes(b"state")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "1.jpg").write_bytes(b"page")
    (tmp_path / "notes.txt").write_text("mine")
    assert look("these") == {"detector.safetensors", "pages", "notes.txt"} and not lines
    assert look("others") == {"notes.txt"}
    assert len(lines) == 1 and "starting anew" in lines[0]
