"""Training of the digitizer on drawn pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    on from there; initial: a trained network of the same settings to start from instead of random weights.
    """
    torch.manual_seed(settings.seed)
    model = LeadDigitizer(network)
    if initial is not None:
        model.load_state_dict(initial.state_dict())
    dataset = DrawnLeadBatches(records, draw, settings.batch_size, pages_per_record, settings.seed, sampling)
    return train(model, page_loader(dataset, settings, None), _loss_function(loss), settings, checkpoint, report)


def _loss_function(
    settings: DigitizerLossSettings | None,
) -> Callable[[nn.Module, DigitizerBatch], tuple[Tensor, dict[str, float]]]:
    criterion = DigitizerLoss(settings)

    def loss_function(model: nn.Module, batch: DigitizerBatch) -> tuple[Tensor, dict[str, float]]:
        return criterion(model(batch.crops), batch)

    return loss_function
