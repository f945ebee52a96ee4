"""The digitizer: a residual network with non-square kernels whose last layer pools over height and keeps time."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.features import CHANNELS

HEADS = ("distribution", "mean")

STEM_STRIDE = 2
"""Crop rows to one row of the network's output."""


@dataclass(frozen=True)
class DigitizerSettings:
    """Shape of the network.

    head: "mean" is the published pooling, the mean over height; "distribution", the one shipped, is the expected
    height under a softmax over each column.
    channels: width of each resolution level, finest first; each level halves height and time.
    kernel: (height, time) of the residual blocks, longer in time as a lead is.
    blocks: residual blocks of each level on the way down (one more on the way up).
    refiner: whether heights are corrected along time by their neighbours (with the distribution head).
    mask: whether a further head says which pixels are the lead's ink (with the distribution head); it serves training
        alone, and what is shipped comes without it.
    """

    head: str = "distribution"
    channels: tuple[int, ...] = (16, 24, 32, 48, 64)
    kernel: tuple[int, int] = (3, 5)
    blocks: tuple[int, ...] = (1, 1, 2, 2, 2)
    refiner: bool = True
    mask: bool = False

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"head must be one of {HEADS}, got {self.head!r}")
        if (self.refiner or self.mask) and self.head != "distribution":
            raise ValueError(f"refiner and mask need the distribution head, got {self.head!r}")
        if len(self.channels) != len(self.blocks) or not self.channels:
            raise ValueError(f"channels and blocks must have one entry per level, got {self.channels}, {self.blocks}")
        if any(size % 2 == 0 for size in self.kernel):
            raise ValueError(f"kernel sizes must be odd, got {self.kernel}")

    @property
    def height_multiple(self) -> int:
        """Crop heights must be a multiple of this."""
        return STEM_STRIDE * 2 ** (len(self.channels) - 1)

    @property
    def width_multiple(self) -> int:
        """Crop widths must be a multiple of this."""
        return 2 ** (len(self.channels) - 1)


class DigitizerOutput(NamedTuple):
    """Per sub-column, time ascending, T = width * SUBCOLUMNS.

    height: (B, T) crop rows; presence: (B, T) logits, printed or not; log_probability: (B, R, T) over the R output
    rows, None with the mean head; spread: (B, T) crop rows, standard deviation of that distribution, NaN with the
    mean head; mask: (B, R, T) logits, the lead's ink or not, given in training
    by a network with such a head, else None. A refiner changes heights alone.
    """

    height: Tensor
    presence: Tensor
    log_probability: Tensor | None
    spread: Tensor
    mask: Tensor | None = None


class ResidualBlock(nn.Module):
    """Two convolutions and a short cut, normalized."""

    def __init__(self, channels: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.first = nn.Conv2d(channels, channels, kernel, padding=padding, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, kernel, padding=padding, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        inner = self.first_norm(self.first(x)).relu_()  # in place: memory is what takes the time
        return self.second_norm(self.second(inner)).add_(x).relu_()

    def fold(self) -> None:
        """Let the convolutions do the normalization."""
        self.first, self.first_norm = fuse_conv_bn_eval(self.first, self.first_norm), nn.Identity()
        self.second, self.second_norm = fuse_conv_bn_eval(self.second, self.second_norm), nn.Identity()


class DistributionHead(nn.Module):
    """Softmax over the rows of every sub-column; the height is its expected value, and so is the presence's logit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, SUBCOLUMNS, (3, 3), padding=1)
        self.presence = nn.Conv2d(channels, SUBCOLUMNS, (1, 3), padding=(0, 1))

    def forward(self, features: Tensor) -> DigitizerOutput:
        """(B, C, R, W) -> DigitizerOutput."""
        scores = _subcolumns_in_time(self.score(features).float())  # (B, S, R, W) -> (B, R, T)
        log_probability = functional.log_softmax(scores, dim=1)
        probability = log_probability.exp()
        rows = _row_positions(scores.shape[1], scores)
        height = (probability * rows[:, None]).sum(dim=1)
        variance = (probability * (rows[:, None] - height[:, None]) ** 2).sum(dim=1)
        presence = (probability * _subcolumns_in_time(self.presence(features).float())).sum(dim=1)
        return DigitizerOutput(height, presence, log_probability, variance.clamp_min(1e-12).sqrt())


class MeanHead(nn.Module):
    """The published pooling: the mean over height of what each row adds to the height and to the presence."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.height = nn.Conv2d(channels, SUBCOLUMNS, (3, 3), padding=1)
        self.presence = nn.Conv2d(channels, SUBCOLUMNS, (3, 3), padding=1)

    def forward(self, features: Tensor) -> DigitizerOutput:
        """(B, C, R, W) -> DigitizerOutput."""
        rows = features.shape[2]
        offset = _subcolumns_in_time(self.height(features).float()).mean(dim=1)
        presence = _subcolumns_in_time(self.presence(features).float()).mean(dim=1)
        middle = _row_positions(rows, offset).mean()
        height = middle + offset * (STEM_STRIDE * rows / 2)
        return DigitizerOutput(height, presence, None, torch.full_like(height, float("nan")))


class Refiner(nn.Module):
    """Corrects heights along time by their neighbours, their spread and their presence; at first it changes nothing."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, width, 9, padding=4),
            nn.ReLU(),
            nn.Conv1d(width, width, 9, padding=8, dilation=2),
            nn.ReLU(),
            nn.Conv1d(width, 1, 9, padding=4),
        )
        last = self.layers[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, output: DigitizerOutput) -> DigitizerOutput:
        """The output with corrected heights, (B, T) crop rows."""
        level = output.height.mean(dim=1, keepdim=True)
        seen = torch.stack([(output.height - level) / 32, output.spread / 8, output.presence.sigmoid()], dim=1)
        return output._replace(height=output.height + 8 * self.layers(seen.detach()).float()[:, 0])


class LeadDigitizer(nn.Module):
    """Heights, presence and spread of the trace in lead crops of any size divisible by the settings' multiples."""

    def __init__(self, settings: DigitizerSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or DigitizerSettings()
        channels, kernel, blocks = self.settings.channels, self.settings.kernel, self.settings.blocks
        self.stem = nn.Conv2d(CHANNELS, channels[0], (7, 3), stride=(STEM_STRIDE, 1), padding=(3, 1), bias=False)
        self.stem_norm = nn.BatchNorm2d(channels[0])
        self.down = nn.ModuleList(_down(a, b) for a, b in zip(channels, channels[1:], strict=False))
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width, kernel) for _ in range(count)))
            for width, count in zip(channels, blocks, strict=True)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(channels, channels[1:], strict=False))
        self.decoder = nn.ModuleList(ResidualBlock(width, kernel) for width in channels[:-1])
        self.head = (DistributionHead if self.settings.head == "distribution" else MeanHead)(channels[0])
        self.refiner = Refiner() if self.settings.refiner else None
        self.mask = nn.Conv2d(channels[0], SUBCOLUMNS, (3, 3), padding=1) if self.settings.mask else None

    def forward(self, crops: Tensor) -> DigitizerOutput:
        """crops: (B, CHANNELS, H, W) as made by ``crop_features``."""
        self._check(crops)
        features = self.stem_norm(self.stem(crops)).relu_()
        levels = [self.encoder[0](features)]
        for down, encoder in zip(self.down, self.encoder[1:], strict=True):
            levels.append(encoder(down(levels[-1])))
        features = levels.pop()
        for up, decoder in zip(reversed(self.up), reversed(self.decoder), strict=True):
            features = functional.interpolate(up(features), scale_factor=2, mode="nearest")
            features = decoder(features.add_(levels.pop()))
        output = self.head(features)
        if self.refiner is not None:
            output = self.refiner(output)
        if self.mask is not None and self.training:
            output = output._replace(mask=_subcolumns_in_time(self.mask(features).float()))
        return output

    def folded(self) -> LeadDigitizer:
        """A copy in evaluation mode whose convolutions do the normalization: the same output, sooner."""
        folded = copy.deepcopy(self).eval()
        folded.stem, folded.stem_norm = fuse_conv_bn_eval(folded.stem, folded.stem_norm), nn.Identity()
        folded.down = nn.ModuleList(
            nn.Sequential(fuse_conv_bn_eval(convolution, norm), *others) for convolution, norm, *others in folded.down
        )
        for module in folded.modules():
            if isinstance(module, ResidualBlock):
                module.fold()
        return folded

    def _check(self, crops: Tensor) -> None:
        rows, columns = self.settings.height_multiple, self.settings.width_multiple
        if crops.ndim != 4 or crops.shape[1] != CHANNELS or crops.shape[2] % rows or crops.shape[3] % columns:
            raise ValueError(
                f"expected crops (B, {CHANNELS}, H, W) with H a multiple of {rows} and W of {columns}, "
                f"got {tuple(crops.shape)}"
            )


def _down(channels_in: int, channels_out: int) -> nn.Module:
    """Halve height and time."""
    conv = nn.Conv2d(channels_in, channels_out, (2, 2), stride=(2, 2), bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


def _subcolumns_in_time(x: Tensor) -> Tensor:
    """(B, S, R, W) -> (B, R, W * S), sub-columns in their order in time."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _row_positions(rows: int, like: Tensor) -> Tensor:
    """Crop row of each output row's centre, (rows,): with stride 2 and a centred kernel, output row r looks at 2r."""
    return torch.arange(rows, device=like.device, dtype=like.dtype) * STEM_STRIDE
