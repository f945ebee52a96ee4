"""The training loop that the learned stages share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from ecgpage.training.checkpoints import TrainingState, load_state, save_state
from ecgpage.training.configuration import StageSettings
from ecgpage.training.optimizer import learning_rate, make_optimizer
from yolov7.average import AveragedModel

Network = TypeVar("Network", bound=nn.Module)
LossFunction = Callable[[nn.Module, Any], tuple[Tensor, dict[str, float]]]
Report = Callable[[str], None]

PROGRESS_SECONDS = 15.0
"""Time between progress lines."""


def train(
    model: Network,
    batches: Iterable[Any],
    loss_function: LossFunction,
    settings: StageSettings,
    checkpoint: Path,
    report: Report,
) -> Network:
    """Train a model and return its averaged weights as a new module on the CPU, in eval mode.

    batches: gone through again and again; tensors in tuples, lists and dicts are moved to the training device.
    loss_function: (model, batch) -> (loss, its parts for the progress lines).
    checkpoint: where the state is kept; a training found there goes on from it, a finished one is only returned.
    report: called with each progress line.

    Raises FloatingPointError on a loss that is not finite.
    """
    device = pick_device(settings.device)
    model = model.to(device).train()
    if settings.precision == "mixed" and device.type == "cuda":
        # half-precision convolutions are fastest with the channels last; on a CPU, torch 2.13 corrupts memory so
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = TrainingState(model, AveragedModel(model, settings.ema_decay), make_optimizer(model, settings))
    if checkpoint.exists():
        load_state(checkpoint, state)
        report(f"resumed from {checkpoint} at step {state.step}, {state.elapsed:.0f} s")
    torch.manual_seed(settings.seed + state.step)
    _run_steps(state, batches, loss_function, settings, checkpoint, report)
    return cast(Network, state.average.module.cpu().eval())


def _run_steps(
    state: TrainingState,
    batches: Iterable[Any],
    loss_function: LossFunction,
    settings: StageSettings,
    checkpoint: Path,
    report: Report,
) -> None:
    started = time.monotonic() - state.elapsed
    saved = reported = state.elapsed
    first_step = state.step
    step = Stepper(state, loss_function, settings)
    batch_source = _endless(batches)
    while state.step < settings.steps and state.elapsed < settings.seconds:
        parts = step(next(batch_source))
        state.elapsed = time.monotonic() - started
        if state.elapsed - reported >= PROGRESS_SECONDS or state.step in (first_step + 1, settings.steps):
            reported = state.elapsed
            figures = " ".join(f"{name} {value:.4g}" for name, value in parts.items())
            report(f"step {state.step}/{settings.steps}, {state.elapsed:.0f}/{settings.seconds:.0f} s: {figures}")
        if state.elapsed - saved >= settings.checkpoint_seconds:
            saved = state.elapsed
            save_state(checkpoint, state)
    if state.step > first_step:
        save_state(checkpoint, state)


class Stepper:
    """One optimizer step: forward, backward, clipped gradients, update of the weights and of their average."""

    def __init__(self, state: TrainingState, loss_function: LossFunction, settings: StageSettings) -> None:
        self.state = state
        self.loss_function = loss_function
        self.settings = settings
        self.device = next(state.model.parameters()).device
        self.mixed = settings.precision == "mixed"
        half = self.device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
        self.dtype = torch.float16 if half else torch.bfloat16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.mixed and half)

    def __call__(self, batch: Any) -> dict[str, float]:
        """Take the step and return the loss and its parts."""
        state, optimizer = self.state, self.state.optimizer
        rate = learning_rate(self.settings, state.step, state.elapsed)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, self.dtype, enabled=self.mixed):
            loss, parts = self.loss_function(state.model, to_device(batch, self.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss of step {state.step} is {value} ({parts}): lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), self.settings.clip_norm)
        self.scaler.step(optimizer)
        self.scaler.update()
        state.average.update(state.model)
        state.step += 1
        return {"loss": value, **parts, "rate": rate}


def pick_device(name: str) -> torch.device:
    """Return the named device; "auto" is a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def to_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with every tensor in its tuples, lists and dicts moved to the device."""
    if torch.is_tensor(batch):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {name: to_device(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError("expected batches to train on, but there are none: are there records in the data folder?")
