"""The paper's recipe, and the folder's own instructions."""

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from yolov7 import (
    AveragedModel,
    CandidateAssigner,
    DetectionLoss,
    LossSettings,
    Recipe,
    detect,
    export_onnx,
    fit,
    validate,
    yolov7_full,
    yolov7_tiny,
)
from yolov7.postprocess import decode
from yolov7.training import Schedule, parameter_groups

README = Path(__file__).parents[2] / "yolov7" / "README.md"


def test_each_parameter_is_in_one_group_and_only_convolution_weights_decay():
    model = yolov7_tiny(2)
    weights, others, biases = parameter_groups(model, 5e-4)
    assert sorted(map(id, weights["params"] + others["params"] + biases["params"])) == sorted(
        map(id, model.parameters())
    )
    assert all(weight.ndim == 4 for weight in weights["params"]) and weights["weight_decay"] == 5e-4
    assert len(weights["params"]) == 58 and others["weight_decay"] == biases["weight_decay"] == 0
    implicit = {id(p) for name, p in model.named_parameters() if "implicit" in name}
    assert len(implicit) == 6 and implicit <= set(map(id, others["params"]))


def optimizer_of(model):
    return torch.optim.SGD(parameter_groups(model, 0.0), lr=0.01, momentum=0.937, nesterov=True)


def rates(schedule, optimizer, step):
    accumulated = schedule(optimizer, step)
    return [group["lr"] for group in optimizer.param_groups], optimizer.param_groups[0]["momentum"], accumulated


def test_schedule_warms_up_and_falls_along_a_cosine():
    """100 steps an epoch: the warm-up takes 1000 steps; epoch 150 of 300 is the cosine's middle: (1 + 0.1) / 2."""
    optimizer = optimizer_of(yolov7_tiny(1))
    schedule = Schedule(Recipe(), steps_per_epoch=100, batch_size=16)
    assert rates(schedule, optimizer, 0) == ([0.0, 0.0, 0.1], 0.8, 1)
    (weights, _, biases), momentum, accumulated = rates(schedule, optimizer, 500)
    assert weights == pytest.approx(0.005, rel=0.01) and biases == pytest.approx(0.055, rel=0.01)
    assert momentum == pytest.approx(0.8685) and accumulated == 2
    values, momentum, accumulated = rates(schedule, optimizer, 15_000)
    assert values == pytest.approx([0.0055] * 3) and momentum == 0.937 and accumulated == 4


def test_warm_up_is_at_least_three_epochs():
    assert Schedule(Recipe(), 1000, 64).warmup == 3000
    assert Schedule(Recipe(), 10, 64).warmup == 1000


def test_average_follows_closely_at_first():
    """After one update of decay 0.9999 (1 - exp(-1 / 2000)), next to nothing of the start is left."""
    model = yolov7_tiny(1)
    average = AveragedModel(model)
    with torch.no_grad():
        model.model[0].conv.weight.add_(1.0)
    average.update(model)
    difference = (average.module.model[0].conv.weight - model.model[0].conv.weight).abs().max()
    assert 1e-4 < difference < 1e-3


def test_training_finds_the_box():
    """A white rectangle on black."""
    torch.manual_seed(0)
    images = torch.zeros(4, 3, 64, 64)
    images[:, :, 20:40, 28:44] = 1.0
    batches = [(images, torch.tensor([[k, 0, 36, 30, 16, 20.0] for k in range(4)]))]
    model, reports = yolov7_tiny(1), []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of so short a training would lag behind
    recipe = Recipe(50, 0.03, 0.01, warmup_epochs=0, warmup_steps=5, ema_decay=0.9, nominal_batch=4)
    trained = fit(model, batches, DetectionLoss(LossSettings()), 4, recipe, lambda *report: reports.append(report))
    precision, parts = validate(trained, batches, DetectionLoss(LossSettings(), CandidateAssigner()))
    assert [epoch for epoch, _ in reports] == list(range(50))
    assert set(parts) == set(reports[0][1]) == {"box", "objectness", "classes"}
    assert reports[-1][1]["objectness"] < 0.5 * reports[0][1]["objectness"]
    assert 0 <= precision.map50_95 <= precision.map50 <= 1
    [found] = detect(trained, [images[0].mul(255).byte().permute(1, 2, 0).numpy()], confidence=0.05)
    x0, y0, x1, y1 = found.boxes[0]
    assert abs((x0 + x1) / 2 - 36) < 8 and abs((y0 + y1) / 2 - 30) < 8


def test_gradients_left_at_the_end_are_used():
    """Three batches of 1 for a nominal batch of 64: none is full, and the weights move all the same."""
    model = yolov7_tiny(1)
    before = model.model[0].conv.weight.clone()
    batches = [(torch.rand(1, 3, 64, 64), torch.tensor([[0, 0, 32.0, 32, 24, 24]]))]
    fit(model, batches, DetectionLoss(LossSettings()), 1, Recipe(epochs=3, warmup_epochs=0, warmup_steps=0))
    assert not torch.equal(before, model.model[0].conv.weight)
    with pytest.raises(ValueError, match="got none"):
        fit(model, [], DetectionLoss(LossSettings()), 1)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("momentum", 1.5), ("ema_decay", 1.0), ("warmup_steps", -5), ("final", -0.1)]
)
def test_recipe_refuses_what_cannot_be(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Recipe(**{name: value})


def test_no_warm_up_starts_at_the_full_rate():
    optimizer = optimizer_of(yolov7_tiny(1))
    schedule = Schedule(Recipe(warmup_epochs=0, warmup_steps=0), 100, 64)
    assert rates(schedule, optimizer, 0) == (pytest.approx([0.01] * 3), 0.937, 1)


def test_onnx_gives_the_same_predictions_for_any_batch(tmp_path):
    torch.manual_seed(0)
    model = yolov7_tiny(3).eval()
    export_onnx(model, tmp_path / "model.onnx", (64, 96))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = decode(model(images), model.head.anchor_grid).numpy()
    np.testing.assert_allclose(session.run(None, {"images": images.numpy()})[0], expected, atol=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    with pytest.raises(ValueError, match="multiples of 32"):
        export_onnx(model, tmp_path / "other.onnx", (64, 100))


def test_readme_examples_run(tmp_path, monkeypatch, capsys):
    """It trains and detects; then starts from a published file."""
    train, start = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    torch.manual_seed(0)
    exec(train, names)
    assert names["found"].boxes.shape[1:] == (4,) and "model" in names
    assert not torch.equal(names["trained"].model[0].conv.weight, yolov7_tiny(2).model[0].conv.weight)
    monkeypatch.chdir(tmp_path)
    torch.save(yolov7_full(80).state_dict(), "yolov7_training.pt")
    exec(start, names)
    assert names["published"].head.classes == 80
    assert "model.105.m.0.weight" in capsys.readouterr().out
