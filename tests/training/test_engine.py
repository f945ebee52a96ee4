import math
from pathlib import Path

import pytest
import torch
from torch import nn

from ecgpage.training.configuration import StageSettings
from ecgpage.training.engine import to_device, train
from ecgpage.training.optimizer import learning_rate, make_optimizer
from yolov7.average import AveragedModel

SETTINGS = StageSettings(steps=60, seconds=60.0, learning_rate=0.05, warmup_steps=0, weight_decay=0.0, device="cpu")


def line_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 1))


def line_batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    x = torch.linspace(-1, 1, 16)[:, None]
    return [(x, 2 * x + 1)]


def squared_error(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    loss = (model(batch[0]) - batch[1]).square().mean()
    return loss, {"root": math.sqrt(loss.item())}


@pytest.mark.parametrize("precision", ["float32", "mixed"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_fits_a_line(tmp_path: Path, optimizer: str, precision: str) -> None:
    settings = StageSettings(
        steps=150,
        seconds=60.0,
        learning_rate=0.05,
        warmup_steps=5,
        optimizer=optimizer,
        precision=precision,
        device="cpu",
    )
    lines: list[str] = []
    model = train(line_model(), line_batches(), squared_error, settings, tmp_path / "state.safetensors", lines.append)
    assert not model.training
    assert squared_error(model, line_batches()[0])[0] < 0.01
    assert "step 150/150" in lines[-1] and "root" in lines[-1]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path, optimizer: str) -> None:
    """The rate stays the same all along (final share 1), so stopping after 20 of 60 steps must change nothing."""
    whole = StageSettings(
        steps=60, learning_rate=0.02, warmup_steps=0, final_lr_fraction=1.0, optimizer=optimizer, device="cpu"
    )
    part = StageSettings(
        steps=20, learning_rate=0.02, warmup_steps=0, final_lr_fraction=1.0, optimizer=optimizer, device="cpu"
    )
    expected = train(line_model(), line_batches(), squared_error, whole, tmp_path / "a", lambda line: None)
    train(line_model(), line_batches(), squared_error, part, tmp_path / "b", lambda line: None)
    lines: list[str] = []
    resumed = train(line_model(), line_batches(), squared_error, whole, tmp_path / "b", lines.append)
    assert "step 20" in lines[0]
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_a_finished_training_is_returned_without_a_step(tmp_path: Path) -> None:
    first = train(line_model(), line_batches(), squared_error, SETTINGS, tmp_path / "s", lambda line: None)
    again = train(line_model(), [], squared_error, SETTINGS, tmp_path / "s", lambda line: None)
    torch.testing.assert_close(again.state_dict(), first.state_dict())


def test_the_time_budget_counts_over_runs(tmp_path: Path) -> None:
    settings = StageSettings(steps=10**6, seconds=0.3, learning_rate=1e-3, device="cpu")
    lines: list[str] = []
    train(line_model(), line_batches(), squared_error, settings, tmp_path / "s", lines.append)
    train(line_model(), [], squared_error, settings, tmp_path / "s", lines.append)
    assert lines[-1].startswith("resumed")


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    def broken(model: nn.Module, batch: tuple) -> tuple[torch.Tensor, dict[str, float]]:
        return model(batch[0]).mean() * float("nan"), {}

    with pytest.raises(FloatingPointError, match="step 0"):
        train(line_model(), line_batches(), broken, SETTINGS, tmp_path / "s", lambda line: None)


def test_no_batches_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are there records"):
        train(line_model(), [], squared_error, SETTINGS, tmp_path / "s", lambda line: None)


def test_batches_of_any_nesting_reach_the_device() -> None:
    batch = {"image": torch.zeros(2), "boxes": [torch.zeros(1), (torch.zeros(3), "name")]}
    moved = to_device(batch, torch.device("meta"))
    assert moved["image"].is_meta and moved["boxes"][0].is_meta and moved["boxes"][1][0].is_meta
    assert moved["boxes"][1][1] == "name"


def test_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    settings = StageSettings(steps=1000, seconds=100.0, learning_rate=1.0, warmup_steps=9, final_lr_fraction=0.1)
    assert learning_rate(settings, 0, 0.0) == pytest.approx(0.1)  # one tenth: the first of nine warm-up steps
    assert learning_rate(settings, 9, 0.0) == pytest.approx(1.0, abs=1e-3)
    assert learning_rate(settings, 500, 0.0) == pytest.approx(0.55)  # half way down a cosine from 1 to 0.1
    assert learning_rate(settings, 10, 100.0) == pytest.approx(0.1)  # the time is up though the steps are not


def test_only_convolution_and_linear_weights_decay() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1))
    decayed, others = make_optimizer(model, StageSettings(weight_decay=0.1)).param_groups
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[2].weight)}
    assert decayed["weight_decay"] == 0.1 and others["weight_decay"] == 0
    assert len(others["params"]) == 4  # two biases, the norm's weight and bias


def test_the_average_follows_parameters_and_buffers() -> None:
    model = nn.BatchNorm1d(1)
    average = AveragedModel(model, decay=0.5)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(2.0)
        model.num_batches_tracked.fill_(7)
    average.update(model)
    decay = 0.5 * (1 - math.exp(-1 / 2000))
    assert average.module.weight.item() == pytest.approx(1 * decay + 3 * (1 - decay))
    assert average.module.running_mean.item() == pytest.approx(2 * (1 - decay))
    assert average.module.num_batches_tracked.item() == 7
