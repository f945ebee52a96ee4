"""The digitizer's loss: where the trace is in each sub-column, how high, and whether it is printed there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ecgpage.digitization.crop import COLUMNS_PER_MM, ROWS_PER_MM, SUBCOLUMNS
from ecgpage.digitization.network import STEM_STRIDE, DigitizerOutput

SMALLEST_SIGNAL_ROWS = 0.5 * ROWS_PER_MM
"""Standard deviation, in crop rows, below which a signal counts as flat."""

END_MM = 1.5

INK_ROWS, INK_WEIGHT = 2.0, 10.0
"""Rows to either side of the trace's middle that count as its ink; what an ink pixel weighs beside 1 elsewhere."""


@dataclass(frozen=True)
class DigitizerLossSettings:
    """Weights of the loss's terms.

    sigma: standard deviation of the Gaussian target, crop rows.
    cross_entropy: of the row distribution against the Gaussian target (no effect with the mean head).
    height: smooth L1 of the expected height, in units of ``beta`` crop rows.
    presence: binary cross-entropy of the presence logits.
    ends: what sub-columns within ``END_MM`` of where a trace begins or stops weigh in it beside 1 elsewhere: the time
        origin is read off there.
    snr: natural logarithm of error power over signal power, per crop (0 leaves it out).
    mask: binary cross-entropy of which pixels are ink, where the network has a head for it (0 leaves it out).
    """

    sigma: float = 1.6
    cross_entropy: float = 1.0
    height: float = 0.2
    beta: float = 2.0
    presence: float = 0.5
    ends: float = 5.0
    snr: float = 0.2
    mask: float = 1.0

    def __post_init__(self) -> None:
        if self.ends < 1:
            raise ValueError(f"ends must be at least 1, got {self.ends}")
        if self.sigma <= 0 or self.beta <= 0:
            raise ValueError(f"sigma and beta must be above 0 crop rows, got {self.sigma} and {self.beta}")


class DigitizerBatch(NamedTuple):
    """crops: (B, CHANNELS, H, W) float32; height: (B, T) crop rows; presence: (B, T) bool."""

    crops: Tensor
    height: Tensor
    presence: Tensor


class DigitizerLoss:
    """Weighted sum of the terms; heights count where the trace is printed, presence everywhere."""

    def __init__(self, settings: DigitizerLossSettings | None = None) -> None:
        self.settings = settings or DigitizerLossSettings()

    def __call__(self, output: DigitizerOutput, batch: DigitizerBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the loss, a scalar that can be differentiated even when nothing is printed, and its terms."""
        printed = batch.presence.to(output.height.dtype)
        terms = {
            "height": self._height(output.height, batch.height, printed),
            "presence": self._presence(output.presence, printed),
        }
        if output.log_probability is not None:
            terms["cross_entropy"] = self._cross_entropy(output.log_probability, batch.height, printed)
        if output.mask is not None and self.settings.mask:
            terms["mask"] = self._mask(output.mask, batch.height, batch.presence)
        if self.settings.snr:
            terms["snr"] = log_error_ratio(output.height - batch.height, batch.height, printed)
        total = sum(getattr(self.settings, name) * term for name, term in terms.items())
        return total, {name: float(term.detach()) for name, term in terms.items()}

    def _height(self, height: Tensor, target: Tensor, printed: Tensor) -> Tensor:
        beta = self.settings.beta
        losses = functional.smooth_l1_loss(height, target, reduction="none", beta=beta) / beta
        return _mean(losses, printed)

    def _presence(self, logits: Tensor, printed: Tensor) -> Tensor:
        losses = functional.binary_cross_entropy_with_logits(logits, printed, reduction="none")
        weights = 1 + (self.settings.ends - 1) * near_ends(printed)
        return (losses * weights).sum() / weights.sum()

    def _cross_entropy(self, log_probability: Tensor, target: Tensor, printed: Tensor) -> Tensor:
        """Log-probability (B, R, T) against heights (B, T), less the target's own entropy, so that 0 is perfect."""
        rows = torch.arange(log_probability.shape[1], device=target.device) * STEM_STRIDE
        squares = (rows[:, None] - target[:, None]) ** 2  # (B, R, T)
        expected = functional.softmax(-squares / (2 * self.settings.sigma**2), dim=1)
        return _mean(functional.kl_div(log_probability, expected, reduction="none").sum(dim=1), printed)

    def _mask(self, logits: Tensor, target: Tensor, presence: Tensor) -> Tensor:
        """Logits (B, R, T) against the ink around heights (B, T) where printed."""
        rows = torch.arange(logits.shape[1], device=target.device) * STEM_STRIDE
        ink = ((rows[:, None] - target[:, None]).abs() <= INK_ROWS) & presence[:, None]
        weight = torch.tensor(INK_WEIGHT, device=logits.device)
        return functional.binary_cross_entropy_with_logits(logits, ink.float(), pos_weight=weight)


def near_ends(printed: Tensor) -> Tensor:
    """1 within ``END_MM`` of a change of printed (B, T), which is 0 or 1, else 0."""
    reach = round(END_MM * COLUMNS_PER_MM * SUBCOLUMNS)
    window = {"kernel_size": 2 * reach + 1, "stride": 1, "padding": reach}
    return functional.max_pool1d(printed, **window) + functional.max_pool1d(1 - printed, **window) - 1


def _mean(losses: Tensor, printed: Tensor) -> Tensor:
    """Mean over what is printed, 0 where nothing is."""
    return (losses * printed).sum() / printed.sum().clamp_min(1)


def log_error_ratio(error: Tensor, height: Tensor, printed: Tensor, floor: float = 1e-3) -> Tensor:
    """Mean over crops of ln(error power / signal power + floor); (B, T) each, powers where printed is 1.

    Crops whose signal deviates by less than half a millimetre are measured against that; crops without a trace count 0.
    """
    count = printed.sum(dim=1).clamp_min(1)
    mean = (height * printed).sum(dim=1, keepdim=True) / count[:, None]
    signal = ((height - mean) ** 2 * printed).sum(dim=1) / count
    noise = (error**2 * printed).sum(dim=1) / count
    ratio = torch.log(noise / signal.clamp_min(SMALLEST_SIGNAL_ROWS**2) + floor)
    return torch.where(printed.any(dim=1), ratio, torch.zeros_like(ratio)).mean()
