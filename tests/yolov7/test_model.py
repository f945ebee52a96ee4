"""The networks' shape, parameters and folding, against figures of the published model."""

import pytest
import torch
from torch import nn

from yolov7 import fuse, yolov7_full, yolov7_tiny
from yolov7.blocks import RepConv


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def randomize_statistics(model: nn.Module) -> None:
    """Give batch normalisation statistics that folding cannot get right by chance."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)


@pytest.mark.parametrize(("classes", "count"), [(1, 6_014_988), (13, 6_047_460), (80, 6_228_762)])
def test_tiny_parameters(classes, count):
    model = yolov7_tiny(classes)
    assert parameters(model) == count
    assert len(model.state_dict()) == 344


def test_tiny_deploy_form_parameters():
    model = yolov7_tiny(80, implicit=False)
    assert parameters(model) == 6_227_101
    assert len(model.state_dict()) == 338
    assert parameters(fuse(model)) == 6_219_709


def test_full_parameters_and_keys():
    model = yolov7_full(80)
    state = model.state_dict()
    assert parameters(model) == 37_622_682
    assert len(state) == 566
    assert state["model.37.conv.weight"].shape == (1024, 1024, 1, 1)
    assert state["model.51.cv1.conv.weight"].shape == (512, 1024, 1, 1)
    assert state["model.51.cv7.conv.weight"].shape == (512, 1024, 1, 1)
    assert state["model.104.rbr_dense.0.weight"].shape == (1024, 512, 3, 3)
    assert state["model.102.rbr_1x1.1.running_var"].shape == (256,)
    assert state["model.105.m.2.weight"].shape == (255, 1024, 1, 1)
    assert parameters(fuse(model)) == 36_905_341


def test_tiny_keys():
    state = yolov7_tiny(13).state_dict()
    assert state["model.0.conv.weight"].shape == (32, 3, 3, 3)
    assert state["model.37.conv.weight"].shape == (256, 512, 1, 1)
    assert state["model.77.anchors"].shape == (3, 3, 2)
    assert state["model.77.anchor_grid"].shape == (3, 1, 3, 1, 1, 2)
    assert state["model.77.anchors"][1, 0].tolist() == [30 / 16, 61 / 16]
    assert state["model.77.m.0.weight"].shape == (54, 128, 1, 1)
    assert state["model.77.ia.2.implicit"].shape == (1, 512, 1, 1)
    assert state["model.77.im.1.implicit"].shape == (1, 54, 1, 1)


def test_rectangular_output_shapes():
    raw = yolov7_tiny(2).eval()(torch.rand(1, 3, 96, 160))
    assert [tuple(level.shape) for level in raw] == [(1, 3, 12, 20, 7), (1, 3, 6, 10, 7), (1, 3, 3, 5, 7)]


def test_size_that_is_no_multiple_of_32_is_refused():
    with pytest.raises(ValueError, match="multiples of 32"):
        yolov7_tiny(1)(torch.rand(1, 3, 64, 100))


@pytest.mark.parametrize("implicit", [True, False])
def test_fused_tiny_agrees(implicit):
    torch.manual_seed(0)
    model = yolov7_tiny(3, implicit=implicit).double().eval()
    randomize_statistics(model)
    x = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    before = parameters(model)
    with torch.no_grad():
        for plain, fused in zip(model(x), fuse(model)(x), strict=True):
            torch.testing.assert_close(plain, fused, rtol=1e-9, atol=1e-9)
    assert parameters(model) == before


@pytest.mark.parametrize(("c1", "c2"), [(4, 4), (4, 6)])
def test_fused_rep_conv_agrees(c1, c2):
    """Equal channels have the identity branch too."""
    torch.manual_seed(0)

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = RepConv(c1, c2)

        def forward(self, x):
            return self.block(x)

    holder = Holder().double().eval()
    randomize_statistics(holder)
    assert (holder.block.rbr_identity is not None) == (c1 == c2)
    x = torch.randn(2, c1, 7, 9, dtype=torch.float64)
    fused = fuse(holder)
    assert list(fused.state_dict()) == ["block.rbr_reparam.weight", "block.rbr_reparam.bias"]
    torch.testing.assert_close(holder(x), fused(x), rtol=1e-9, atol=1e-9)


def test_new_anchors_reach_both_buffers():
    head = yolov7_tiny(1).head
    anchors = torch.arange(1.0, 19).reshape(9, 2)
    head.set_anchors(anchors)
    torch.testing.assert_close(head.pixel_anchors.reshape(9, 2), anchors)
    torch.testing.assert_close(head.anchors[2, 0], anchors[6] / 32)
    with pytest.raises(ValueError, match="nine anchors"):
        head.set_anchors(anchors[:8])
