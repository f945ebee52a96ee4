"""The modules that YOLOv7's layer list is made of. Every tensor is (B, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.03


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with YOLOv7's constants."""
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, activation; 'same' padding for odd kernels."""

    def __init__(self, c1: int, c2: int, kernel: int = 1, stride: int = 1, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, kernel, stride, padding=kernel // 2, bias=False)
        self.bn: nn.Module = batch_norm(c2)
        self.act = nn.SiLU() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class RepConv(nn.Module):
    """Planned re-parameterized convolution: 3x3, 1x1 and, where the shapes allow it, identity branches, summed.

    `yolov7.reparameterize.fuse` replaces the branches by one 3x3 convolution, ``rbr_reparam``.
    """

    def __init__(self, c1: int, c2: int, stride: int = 1, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.rbr_dense = nn.Sequential(nn.Conv2d(c1, c2, 3, stride, padding=1, bias=False), batch_norm(c2))
        self.rbr_1x1 = nn.Sequential(nn.Conv2d(c1, c2, 1, stride, bias=False), batch_norm(c2))
        self.rbr_identity = batch_norm(c1) if c1 == c2 and stride == 1 else None
        self.rbr_reparam: nn.Conv2d | None = None
        self.act = nn.SiLU() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        if self.rbr_reparam is not None:
            return self.act(self.rbr_reparam(x))
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        if self.rbr_identity is not None:
            total = total + self.rbr_identity(x)
        return self.act(total)


class Concat(nn.Module):
    """Concatenation along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=1)


class SPPCSPC(nn.Module):
    """Spatial pyramid pooling (5, 9, 13) inside a cross-stage partial block with a 1x1 bypass."""

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.cv1 = Conv(c1, c2)
        self.cv2 = Conv(c1, c2)
        self.cv3 = Conv(c2, c2, 3)
        self.cv4 = Conv(c2, c2)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))
        self.cv5 = Conv(4 * c2, c2)
        self.cv6 = Conv(c2, c2, 3)
        self.cv7 = Conv(2 * c2, c2)

    def forward(self, x: Tensor) -> Tensor:
        main = self.cv4(self.cv3(self.cv1(x)))
        pooled = torch.cat([main, *(pool(main) for pool in self.pools)], dim=1)
        main = self.cv6(self.cv5(pooled))
        return self.cv7(torch.cat([main, self.cv2(x)], dim=1))


class ImplicitA(nn.Module):
    """Implicit knowledge, added: one learnt value per channel, N(0, 0.02) at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.implicit = nn.Parameter(0.02 * torch.randn(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.implicit + x


class ImplicitM(nn.Module):
    """Implicit knowledge, multiplied: one learnt value per channel, N(1, 0.02) at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.implicit = nn.Parameter(1 + 0.02 * torch.randn(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.implicit * x
