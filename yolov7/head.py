"""The detection head: three levels, three anchors each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from yolov7.blocks import ImplicitA, ImplicitM

STRIDES = (8, 16, 32)
ANCHORS_PER_LEVEL = 3


class DetectionHead(nn.Module):
    """Maps three feature maps to raw predictions (B, 3, H, W, 5 + nc): x, y, w, h, objectness, class logits.

    channels: of the three feature maps. anchors: nine (w, h) in input pixels, small to large.
    implicit: the training form, with learnt offsets and factors around each 1x1 convolution; False is the deploy form.
    Buffers: ``anchors`` (3, 3, 2) divided by stride, ``anchor_grid`` (3, 1, 3, 1, 1, 2) in pixels.
    """

    anchors: Tensor
    anchor_grid: Tensor

    def __init__(
        self, channels: Sequence[int], classes: int, anchors: Sequence[tuple[float, float]], implicit: bool = True
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a detector needs at least 1 class, got {classes}")
        self.classes = classes
        self.outputs = 5 + classes
        self.register_buffer("anchors", torch.zeros(3, ANCHORS_PER_LEVEL, 2))
        self.register_buffer("anchor_grid", torch.zeros(3, 1, ANCHORS_PER_LEVEL, 1, 1, 2))
        self.set_anchors(torch.tensor(anchors, dtype=torch.float32))
        self.m = nn.ModuleList(nn.Conv2d(c, ANCHORS_PER_LEVEL * self.outputs, 1) for c in channels)
        self.ia = nn.ModuleList(ImplicitA(c) for c in channels) if implicit else None
        width = ANCHORS_PER_LEVEL * self.outputs
        self.im = nn.ModuleList(ImplicitM(width) for _ in channels) if implicit else None
        self.reset_bias()

    def set_anchors(self, anchors: Tensor) -> None:
        """Take nine anchors (9, 2), w and h in input pixels, small to large, three per level."""
        if anchors.shape != (9, 2):
            raise ValueError(f"expected nine anchors as (9, 2), got {tuple(anchors.shape)}")
        pixels = anchors.to(self.anchors).reshape(3, ANCHORS_PER_LEVEL, 2)
        strides = pixels.new_tensor(STRIDES)[:, None, None]
        with torch.no_grad():
            self.anchors.copy_(pixels / strides)
            self.anchor_grid.copy_(pixels.reshape(3, 1, ANCHORS_PER_LEVEL, 1, 1, 2))

    def reset_bias(self, objects: float = 8.0) -> None:
        """Start from the prior of ``objects`` objects on a 640 px image and 0.6 as the classes' total probability."""
        for convolution, stride in zip(self.m, STRIDES, strict=True):
            with torch.no_grad():
                bias = convolution.bias.view(ANCHORS_PER_LEVEL, self.outputs)
                bias[:, 4] = math.log(objects / (640 / stride) ** 2)
                bias[:, 5:] = math.log(0.6 / (self.classes - 0.99))

    @property
    def pixel_anchors(self) -> Tensor:
        """Anchors (3, 3, 2) in input pixels: level, anchor, (w, h)."""
        return self.anchor_grid.reshape(3, ANCHORS_PER_LEVEL, 2)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        # Never in half precision under autocast: it would cost a wide box several pixels.
        with torch.autocast(features[0].device.type, enabled=False):
            return [self._predict(level, x.to(self.m[level].weight.dtype)) for level, x in enumerate(features)]

    def _predict(self, level: int, x: Tensor) -> Tensor:
        x = self.m[level](x if self.ia is None else self.ia[level](x))
        if self.im is not None:
            x = self.im[level](x)
        batch, _, height, width = x.shape
        x = x.view(batch, ANCHORS_PER_LEVEL, self.outputs, height, width)
        return x.permute(0, 1, 3, 4, 2).contiguous()  # (B, 3, 5 + nc, H, W) -> (B, 3, H, W, 5 + nc)
