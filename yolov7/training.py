"""The paper's training: SGD with Nesterov momentum, warm-up, cosine, accumulated batches, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from yolov7.average import AveragedModel
from yolov7.loss import DetectionLoss
from yolov7.metrics import Precision, mean_average_precision
from yolov7.model import DetectionModel
from yolov7.postprocess import decode, select

Batches = Collection[tuple[Tensor, Tensor]]
"""Images (B, 3, H, W), uint8 or in [0, 1], and targets (T, 6): image index, class, cx, cy, w, h in input pixels."""


@dataclass(frozen=True)
class Recipe:
    """The published settings; ``final`` is 0.1 for the full network and 0.01 for the tiny one.

    learning_rate: after the warm-up; it falls along a cosine over the epochs to ``final`` of it. weight_decay: of
    convolution weights, for the nominal batch. warmup_epochs, warmup_steps: the longer of both; in it the learning rate
    of biases comes from ``warmup_bias``, all others' from 0, and the momentum from ``warmup_momentum``. nominal_batch:
    images per optimizer step, reached by accumulating smaller batches.
    """

    epochs: int = 300
    learning_rate: float = 0.01
    final: float = 0.1
    momentum: float = 0.937
    weight_decay: float = 5e-4
    warmup_epochs: float = 3.0
    warmup_steps: int = 1000
    warmup_bias: float = 0.1
    warmup_momentum: float = 0.8
    ema_decay: float = 0.9999
    nominal_batch: int = 64

    def __post_init__(self) -> None:
        for name in ("epochs", "nominal_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "final", "weight_decay", "warmup_epochs", "warmup_steps", "warmup_bias"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("momentum", "warmup_momentum", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Three groups: convolution weights, decayed; norms and implicit knowledge; biases."""
    decayed = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]
    biases = [module.bias for module in model.modules() if isinstance(getattr(module, "bias", None), nn.Parameter)]
    known = {id(parameter) for parameter in decayed + biases}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [
        {"params": decayed, "weight_decay": weight_decay, "name": "weights"},
        {"params": others, "weight_decay": 0.0, "name": "others"},
        {"params": biases, "weight_decay": 0.0, "name": "biases"},
    ]


class Schedule:
    """Sets learning rates and momentum of an optimizer made of `parameter_groups` before each batch."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int, batch_size: int) -> None:
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch
        self.warmup = max(round(recipe.warmup_epochs * steps_per_epoch), recipe.warmup_steps)
        self.accumulated = max(1, round(recipe.nominal_batch / batch_size))

    def __call__(self, optimizer: torch.optim.Optimizer, step: int) -> int:
        """Prepare batch ``step`` (from 0); returns over how many batches gradients are accumulated there."""
        recipe = self.recipe
        epoch = step // self.steps_per_epoch
        cosine = (1 - math.cos(math.pi * epoch / recipe.epochs)) / 2 * (recipe.final - 1) + 1
        share = min(1.0, step / self.warmup) if self.warmup else 1.0
        for group in optimizer.param_groups:
            start = recipe.warmup_bias if group["name"] == "biases" else 0.0
            group["lr"] = start + share * (recipe.learning_rate * cosine - start)
            group["momentum"] = recipe.warmup_momentum + share * (recipe.momentum - recipe.warmup_momentum)
        return max(1, round(1 + share * (self.accumulated - 1)))


def fit(
    model: DetectionModel,
    batches: Batches,
    loss: DetectionLoss,
    batch_size: int,
    recipe: Recipe | None = None,
    report: Callable[[int, dict[str, float]], None] = lambda epoch, parts: None,
) -> DetectionModel:
    """Train a model on batches of ``batch_size``, gone through once per epoch; returns the averaged weights as a model.

    Runs where the model is; in mixed precision on a GPU. report: called after each epoch with the mean of the loss's
    terms. Raises ValueError for no batches, FloatingPointError on a loss that is not finite.
    """
    if not len(batches):
        raise ValueError("expected batches of images and targets to train on, got none")
    recipe = recipe or Recipe()
    device = next(model.parameters()).device
    schedule = Schedule(recipe, len(batches), batch_size)
    decay = recipe.weight_decay * batch_size * schedule.accumulated / recipe.nominal_batch
    optimizer = torch.optim.SGD(parameter_groups(model, decay), lr=0.01, momentum=recipe.momentum, nesterov=True)
    average = AveragedModel(model, recipe.ema_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    step = waiting = 0
    for epoch in range(recipe.epochs):
        model.train()
        means: dict[str, float] = {}
        for images, targets in batches:
            accumulated = schedule(optimizer, step)
            with torch.autocast(device.type, enabled=device.type == "cuda"):
                raw = model(_scaled(images.to(device)))
            value, parts = loss(raw, targets.to(device), model.head.pixel_anchors)
            if not math.isfinite(float(value.detach())):
                raise FloatingPointError(f"the loss of batch {step} is {float(value.detach())} ({parts})")
            scaler.scale(value).backward()
            means = {name: means.get(name, 0.0) + part / len(batches) for name, part in parts.items()}
            step, waiting = step + 1, waiting + 1
            last = step == recipe.epochs * len(batches)
            if waiting >= accumulated or last:
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                average.update(model)
                waiting = 0
        report(epoch, means)
    return average.module  # type: ignore[return-value]


@torch.no_grad()
def validate(
    model: DetectionModel, batches: Batches, loss: DetectionLoss, confidence: float = 0.001, overlap: float = 0.65
) -> tuple[Precision, dict[str, float]]:
    """Mean average precision of a model on batches, and the mean of its loss's terms.

    loss: as published, one with a `CandidateAssigner`.
    """
    device = next(model.parameters()).device
    model.eval()
    found, truths, means = [], [], {}
    for images, targets in batches:
        raw = model(_scaled(images.to(device)))
        _, parts = loss(raw, targets.to(device), model.head.pixel_anchors)
        means = {name: means.get(name, 0.0) + part / len(batches) for name, part in parts.items()}
        found += select(decode(raw, model.head.anchor_grid), confidence, overlap, every_class=True)
        for index in range(len(images)):
            rows = targets[targets[:, 0] == index].cpu().numpy().astype(np.float64)
            half = rows[:, 4:6] / 2
            truths.append((np.concatenate([rows[:, 2:4] - half, rows[:, 2:4] + half], 1), rows[:, 1].astype(int)))
    return mean_average_precision(found, truths), means


def _scaled(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images.float() / 255
