"""The optimizer and its learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from ecgpage.training.configuration import StageSettings

MOMENTUM = 0.937


def make_optimizer(model: nn.Module, settings: StageSettings) -> torch.optim.Optimizer:
    """Return the optimizer, with weight decay on convolution and linear weights only (not on norms and biases)."""
    decayed = [
        module.weight
        for module in model.modules()
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear))
    ]
    decayed = [weight for weight in dict.fromkeys(decayed) if weight.requires_grad]
    known = {id(weight) for weight in decayed}
    others = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in known]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(settings: StageSettings, step: int, elapsed: float) -> float:
    """Return the learning rate of step ``step`` (from 0), ``elapsed`` seconds into the budget.

    Linear warm-up, then a cosine over the share of the training that is done: of the steps or of the time, whichever
    is further on, so that the schedule ends with the training.
    """
    done = max(step / settings.steps, elapsed / settings.seconds if settings.seconds > 0 else 1.0)
    cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    return settings.learning_rate * warmup * (settings.final_lr_fraction + (1 - settings.final_lr_fraction) * cosine)
