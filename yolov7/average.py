"""The running average of a network's weights, which is evaluated and kept instead of the last ones."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

RAMP_STEPS = 2000.0


class AveragedModel:
    """An exponential moving average over a model's parameters and buffers.

    After n updates the decay is ``decay * (1 - exp(-n / 2000))``: the average follows closely while the weights
    still change fast.
    """

    def __init__(self, model: nn.Module, decay: float = 0.9999) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's weights. Whole-number buffers are copied."""
        self.updates += 1
        decay = self.decay * (1 - math.exp(-self.updates / RAMP_STEPS))
        current = model.state_dict()
        for name, value in self.module.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(current[name].to(value.dtype), 1 - decay)
            else:
                value.copy_(current[name])
