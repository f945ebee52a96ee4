"""Official-style checkpoints and anchors."""

import sys
import types
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from yolov7 import yolov7_full, yolov7_tiny
from yolov7.anchors import anchor_fitness, cluster_anchors
from yolov7.checkpoint import CheckpointError, build_model, read_checkpoint, transfer


@pytest.fixture
def foreign_checkpoint(tmp_path, monkeypatch):
    """A file like the official ones: half-precision module objects of classes that are gone when it is read."""
    module = types.ModuleType("models.foreign")

    class Conv(nn.Module):
        def __init__(self, like):
            super().__init__()
            self.conv, self.bn = like.conv, like.bn
            self.extra = {"np": 1}

    class Model(nn.Module):
        def __init__(self, tiny):
            super().__init__()
            self.model = nn.Sequential(Conv(tiny.model[0]), Conv(tiny.model[1]))
            self.names = ["a"]

    for cls in (Conv, Model):
        cls.__module__, cls.__qualname__ = "models.foreign", cls.__name__
        setattr(module, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    monkeypatch.setitem(sys.modules, "models.foreign", module)
    torch.manual_seed(1)
    tiny = yolov7_tiny(2)
    path = tmp_path / "official.pt"
    content = {"epoch": 3, "best_fitness": np.array([0.5]), "score": np.float64(0.5), "ema": None, "optimizer": None}
    torch.save(content | {"model": Model(tiny).half()}, path)
    monkeypatch.delitem(sys.modules, "models.foreign")
    return path, tiny


def test_foreign_checkpoint_is_read_without_its_code(foreign_checkpoint):
    path, tiny = foreign_checkpoint
    state = read_checkpoint(path)
    assert len(state) == 12
    assert state["model.1.conv.weight"].dtype == torch.float32
    torch.testing.assert_close(state["model.0.conv.weight"], tiny.model[0].conv.weight.detach().float())
    model = yolov7_tiny(5)
    report = transfer(model, state)
    assert len(report.taken) == 12 and len(report.left) == 332
    torch.testing.assert_close(model.model[1].conv.weight.detach(), state["model.1.conv.weight"])


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"model": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(CheckpointError, match="builtins.exec"):
        read_checkpoint(tmp_path / "trap.pt")
    assert not (tmp_path / "ran").exists()


def test_names_that_no_network_needs_are_refused(tmp_path):
    torch.save({"model": yolov7_tiny(1).state_dict(), "more": Fraction(1, 2)}, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="fractions.Fraction"):
        read_checkpoint(tmp_path / "odd.pt")


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("build", [yolov7_tiny, yolov7_full])
def test_network_is_told_from_its_weights(build, implicit):
    original = build(3, implicit=implicit).eval()
    model = build_model(original.state_dict()).eval()
    x = torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        for mine, others in zip(model(x), original(x), strict=True):
            torch.testing.assert_close(mine, others)


def test_weights_of_something_else_build_nothing():
    with pytest.raises(CheckpointError, match="head at layer 77 or 105"):
        build_model({"model.0.weight": torch.zeros(1)})
    broken = yolov7_tiny(2).state_dict()
    del broken["model.3.conv.weight"]
    with pytest.raises(CheckpointError, match="YOLOv7"):
        build_model(broken)


def test_safetensors_are_read_too(tmp_path):
    save_file({"model.0.conv.weight": torch.ones(2).half()}, tmp_path / "weights.safetensors")
    assert read_checkpoint(tmp_path / "weights.safetensors")["model.0.conv.weight"].dtype == torch.float32
    (tmp_path / "no.safetensors").write_bytes(b"hello")
    with pytest.raises(CheckpointError, match="no.safetensors"):
        read_checkpoint(tmp_path / "no.safetensors")


def test_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(CheckpointError, match="text.pt"):
        read_checkpoint(tmp_path / "text.pt")


def test_transfer_skips_other_shapes_and_keeps_own_anchors(tmp_path):
    source = yolov7_tiny(80)
    torch.save(source.state_dict(), tmp_path / "plain.pt")
    state = read_checkpoint(tmp_path / "plain.pt")
    model = yolov7_tiny(12)
    model.head.set_anchors(torch.arange(1.0, 19).reshape(9, 2))
    report = transfer(model, state, anchors=False)
    shaped_by_classes = {
        f"model.77.{part}" for k in range(3) for part in (f"m.{k}.weight", f"m.{k}.bias", f"im.{k}.implicit")
    }
    assert set(report.left) == shaped_by_classes | {"model.77.anchors", "model.77.anchor_grid"}
    assert model.head.pixel_anchors[0, 0].tolist() == [1, 2]


def test_anchors_find_the_clusters():
    rng = np.random.default_rng(0)
    kinds = np.array([(110, 20), (110, 40), (460, 30), (60, 15), (230, 15), (90, 60), (300, 60), (500, 60), (20, 20)])
    sizes = np.repeat(kinds, 30, axis=0) * rng.uniform(0.97, 1.03, (270, 2))
    anchors = cluster_anchors(sizes, rng)
    assert anchors.shape == (9, 2)
    assert (np.diff(anchors.prod(1)) >= 0).all()
    assert anchor_fitness(sizes, anchors) > 0.85


def test_fitness_by_hand():
    """Half as wide: 1/2. Five times as wide: outside the ratio test, 0."""
    assert anchor_fitness(np.array([[5.0, 10.0]]), np.array([[10.0, 10.0]])) == pytest.approx(0.5)
    assert anchor_fitness(np.array([[50.0, 10.0]]), np.array([[10.0, 10.0]])) == 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 600), st.floats(1, 600)), min_size=1, max_size=20))
def test_any_boxes_give_nine_anchors(rows):
    anchors = cluster_anchors(np.array(rows), np.random.default_rng(0), restarts=2)
    assert anchors.shape == (9, 2) and np.isfinite(anchors).all() and (anchors > 0).all()


def test_no_boxes_give_no_anchors():
    with pytest.raises(ValueError, match="expected box sizes"):
        cluster_anchors(np.zeros((0, 2)), np.random.default_rng(0))
