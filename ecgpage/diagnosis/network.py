"""The page classifier: a ResNet of three residual blocks on the straightened 12-lead page."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INPUT_SIZE = (384, 512)
"""Height and width of the page image that the network reads: about 1.8 pixels per mm of a usual page."""

POOLED_REGIONS = (6, 4)
"""Rows and columns of regions over which features are averaged."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride),  # a strided convolution alone would skip most of a thin trace
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the block's features."""
        return self.residual(features).add_(self.shortcut(features)).relu_()


class PageClassifier(nn.Module):
    """Ink image of a page -> one logit per class and one for "abnormal".

    Features are pooled by their mean over 6 x 4 regions, about a lead each, since what is found means different things
    in different leads, and by their maximum over the page (a single ectopic beat).
    """

    def __init__(self, classes: int, width: int = 32, dropout: float = 0.3) -> None:
        super().__init__()
        self.outputs, self.shape = classes + 1, {"width": width}
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 7, 4, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.blocks = nn.Sequential(
            ResidualBlock(width, width, 2),
            ResidualBlock(width, 2 * width, 2),
            ResidualBlock(2 * width, 4 * width, 2),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width * (POOLED_REGIONS[0] * POOLED_REGIONS[1] + 1), classes + 1)

    def forward(self, pages: Tensor) -> Tensor:
        """pages: (B, 1, H, W) float, ink in [0, 1] -> logits (B, classes + 1), "abnormal" last."""
        features = self.blocks(self.stem(pages))  # (B, 4 width, H/32, W/32)
        regions = nn.functional.adaptive_avg_pool2d(features, POOLED_REGIONS).flatten(1)  # (B, 4 width * 24)
        pooled = torch.cat([regions, features.amax(dim=(2, 3))], dim=1)  # (B, 4 width * 25)
        return self.head(self.dropout(pooled))
