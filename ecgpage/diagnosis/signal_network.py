"""The signal classifier: 1-D residual networks over the leads' usual beats and over the page's ten seconds."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecgpage.diagnosis.signal_view import FIGURES
from ecgpage.leads import LEADS

FIGURE_FEATURES = 32


class SignalBatch(NamedTuple):
    """Signals as the network reads them; see ``signal_view.SignalView``.

    beat: (B, 24, BEAT_SAMPLES) and rhythm: (B, 24, RHYTHM_SAMPLES) float, each the 12 leads in mV, 0 where nothing is
    printed, then 12 masks of 0 and 1; figures: (B, len(FIGURES)).
    """

    beat: Tensor
    rhythm: Tensor
    figures: Tensor


class ResidualBlock1d(nn.Module):
    """Two convolutions over time and a shortcut: (B, C_in, T) -> (B, C_out, ceil(T / 2))."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        padding = kernel // 2
        self.residual = nn.Sequential(
            nn.Conv1d(channels_in, channels_out, kernel, 2, padding, bias=False),
            nn.BatchNorm1d(channels_out),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv1d(channels_out, channels_out, kernel, 1, padding, bias=False),
            nn.BatchNorm1d(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool1d(2, ceil_mode=True),
            nn.Conv1d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm1d(channels_out),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the block's features."""
        return self.residual(features).add_(self.shortcut(features)).relu_()


class SignalClassifier(nn.Module):
    """A signal -> one logit per class and one for "abnormal".

    Three readings of the same page side by side: the usual beat of every lead (conduction, infarction, hypertrophy),
    the ten seconds as they were printed (ectopic beats, flutter), and the rhythm's figures (rates, irregularity).
    """

    def __init__(self, classes: int, width: int = 32, dropout: float = 0.4, inner_dropout: float = 0.1) -> None:
        super().__init__()
        self.outputs, self.shape = classes + 1, {"width": width}
        channels = 2 * len(LEADS)
        self.beat = nn.Sequential(
            nn.Conv1d(channels, 2 * width, 7, 1, 3, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(inplace=True),
            ResidualBlock1d(2 * width, 2 * width, 5, inner_dropout),
            ResidualBlock1d(2 * width, 4 * width, 5, inner_dropout),
            ResidualBlock1d(4 * width, 4 * width, 5, inner_dropout),
        )
        self.rhythm = nn.Sequential(
            nn.Conv1d(channels, width, 11, 2, 5, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(2),
            ResidualBlock1d(width, 2 * width, 7, inner_dropout),
            ResidualBlock1d(2 * width, 3 * width, 7, inner_dropout),
            ResidualBlock1d(3 * width, 4 * width, 7, inner_dropout),
        )
        self.figures = nn.Sequential(
            nn.BatchNorm1d(len(FIGURES)),
            nn.Linear(len(FIGURES), FIGURE_FEATURES),
            nn.ReLU(inplace=True),
            nn.Linear(FIGURE_FEATURES, FIGURE_FEATURES),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(16 * width + FIGURE_FEATURES, classes + 1)

    def forward(self, signals: SignalBatch) -> Tensor:
        """Return logits (B, classes + 1), "abnormal" last."""
        parts = [_pool(self.beat(signals.beat)), _pool(self.rhythm(signals.rhythm)), self.figures(signals.figures)]
        return self.head(self.dropout(torch.cat(parts, dim=1)))


def _pool(features: Tensor) -> Tensor:
    """(B, C, T) -> (B, 2 C): mean and maximum over time."""
    return torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
