"""Training of the digitizer on drawn pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ecgpage.digitization.dataset import CropSampling, DrawnLeadBatches
from ecgpage.digitization.loss import DigitizerBatch, DigitizerLoss, DigitizerLossSettings
from ecgpage.digitization.network import DigitizerSettings, LeadDigitizer
from ecgpage.synthesis.records import DrawRecord
from ecgpage.training import StageSettings, train
from ecgpage.training.loading import page_loader


def train_digitizer(
    records: Sequence[Path],
    draw: DrawRecord,
    settings: StageSettings,
    checkpoint: Path,
    report: Callable[[str], None] = print,
    network: DigitizerSettings | None = None,
    loss: DigitizerLossSettings | None = None,
    pages_per_record: int = 0,
    sampling: CropSampling | None = None,
    initial: LeadDigitizer | None = None,
) -> LeadDigitizer:
    """Train a digitizer and return it with averaged weights, in eval mode.

    records: what ``draw`` is called with, one page of each per epoch; checkpoint: a training that was stopped goes
    on from there; initial: a trained network to start from instead of random weights, of the same settings (it may
    lack the refiner). While it is trained, a network with the distribution head also learns which pixels are ink.
    """
    torch.manual_seed(settings.seed)
    shape = network or DigitizerSettings()
    model = LeadDigitizer(replace(shape, mask=shape.head == "distribution"))
    if initial is not None:
        take_over(model, initial)
    dataset = DrawnLeadBatches(records, draw, settings.batch_size, pages_per_record, settings.seed, sampling)
    trained = train(model, page_loader(dataset, settings, None), _loss_function(loss), settings, checkpoint, report)
    bare, weights = LeadDigitizer(shape), trained.state_dict()
    bare.load_state_dict({name: weights[name] for name in bare.state_dict()})
    return bare.eval()


def take_over(model: LeadDigitizer, initial: LeadDigitizer) -> None:
    """Set a network's weights to those of another; a refiner or mask that the other lacks stays as it is.

    Raises ValueError for networks of different shapes.
    """
    shape = replace(initial.settings, refiner=model.settings.refiner, mask=model.settings.mask)
    if shape != model.settings:
        raise ValueError(f"expected a network of {model.settings}, got one of {initial.settings}")
    model.load_state_dict(model.state_dict() | initial.state_dict())


def _loss_function(
    settings: DigitizerLossSettings | None,
) -> Callable[[nn.Module, DigitizerBatch], tuple[Tensor, dict[str, float]]]:
    criterion = DigitizerLoss(settings)

    def loss_function(model: nn.Module, batch: DigitizerBatch) -> tuple[Tensor, dict[str, float]]:
        return criterion(model(batch.crops), batch)

    return loss_function
