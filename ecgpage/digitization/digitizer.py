"""The trained digitizer at work: lead boxes on a picture in, traces in paper millimetres out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecgpage.digitization.crop import ROWS_PER_MM, LeadCrop, crop_lead
from ecgpage.digitization.explaining import VAGUE, VagueTrace
from ecgpage.digitization.features import crop_features
from ecgpage.digitization.network import STEM_STRIDE, DigitizerSettings, LeadDigitizer
from ecgpage.digitization.targets import heights_to_paper
from ecgpage.geometry import Bend, in_picture
from ecgpage.recording import LeadBox, LeadTrace
from ecgpage.training.checkpoints import CheckpointError, holds_weights, load_model
from ecgpage.training.model_folder import describe_stage, load_stage, save_stage

STAGE = "digitizer"

CUT = 1.0
"""Millimetres beyond a trace's end within which the picture's edge cuts it off: there it does not end."""

IN_VIEW = 0.1
"""Millimetres of paper that the picture must show above and below a trace's point: where it cuts a row, its edge is
taken for the trace."""


class Digitizer:
    """Traces leads with a network.

    batch_columns: crop columns that go through the network together; more needs more memory.
    shifts: vertical shifts of half an output row to average over; 1 does without. mixed: compute in bfloat16 where
    that loses little (heights stay 35 dB or more above the error), which pays on processors made for it.
    """

    def __init__(self, network: LeadDigitizer, batch_columns: int = 2400, shifts: int = 1, mixed: bool = False) -> None:
        if shifts < 1:
            raise ValueError(f"shifts must be at least 1, got {shifts}")
        # convolutions of few channels run a third faster with the channels last
        self.network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mixed = mixed
        self.batch_columns = batch_columns
        self.shifts = shifts

    def trace(
        self,
        image: np.ndarray,
        paper_to_picture: np.ndarray,
        leads: Sequence[LeadBox],
        zeros: Sequence[float] | None = None,
        bend: Bend | None = None,
    ) -> list[LeadTrace]:
        """Trace each lead, in the order given.

        image: (H, W, 3) uint8 RGB; paper_to_picture: (3, 3) homography, millimetres to picture pixels;
        leads: their boxes (x0, y0, x1, y1) in paper millimetres; zeros: y of their zero lines, where known;
        bend: of paper that is not flat, whose millimetres are then those along the paper. A trace has
        ``COLUMNS_PER_MM * SUBCOLUMNS`` points per millimetre and reaches some millimetres beyond its box on either
        side, with a presence that says where the lead is printed, 0 at the picture's upper and lower edge
        (``IN_VIEW``); whether the picture's edge cuts it off is told (``CUT``). One with vague points is a
        ``VagueTrace``.
        """
        lines = [None] * len(leads) if zeros is None else zeros
        crops = [
            crop_lead(image, paper_to_picture, lead.box, zero=zero, bend=bend)
            for lead, zero in zip(leads, lines, strict=True)
        ]
        traces: dict[int, LeadTrace] = {}
        for batch in self._batches(crops):
            results, rows = self._infer([crops[index] for index in batch])
            for k, index in enumerate(batch):
                height, presence, spread = results[:, k]
                x, y = heights_to_paper(height, crops[index])
                shown = partial(in_picture, shape=image.shape, paper_to_picture=paper_to_picture, bend=bend)
                points = np.column_stack([x, y])
                presence[~(shown(points - (0, IN_VIEW)) & shown(points + (0, IN_VIEW)))] = 0.0
                trace = LeadTrace(leads[index], x, y, presence, spread / ROWS_PER_MM)
                trace = replace(trace, cut=_cut(trace, shown))
                traces[index] = trace if rows is None else _with_vague(trace, rows[k], crops[index])
        return [traces[index] for index in range(len(crops))]

    def _batches(self, crops: Sequence[LeadCrop]) -> Iterator[list[int]]:
        """Indices of crops that are alike in size and fit into one batch; each index comes once."""
        sizes: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, crop in enumerate(crops):
            sizes[crop.image.shape[:2]].append(index)
        for (_, width), indices in sizes.items():
            count = max(1, self.batch_columns // width)
            yield from (indices[start : start + count] for start in range(0, len(indices), count))

    def _infer(self, crops: Sequence[LeadCrop]) -> tuple[np.ndarray, torch.Tensor | None]:
        """Crops of one size -> (height, presence, spread), (3, B, T), height and spread in crop rows; and the
        log-probability of the output's rows, (B, R, T), unshifted, None from a network that does not tell it."""
        features = torch.from_numpy(np.stack([crop_features(crop) for crop in crops]))
        device = next(self.network.parameters()).device
        totals: list[torch.Tensor] = []
        rows: torch.Tensor | None = None
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.mixed):
            for shift in range(self.shifts):
                # Content moved down by ``shift`` rows is found ``shift`` rows lower.
                output = self.network(_shift_down(features, shift).to(device))
                totals.append(torch.stack([output.height - shift, output.presence.sigmoid(), output.spread]))
                rows = output.log_probability if rows is None else rows
        return torch.stack(totals).mean(dim=0).cpu().double().numpy(), rows


def _cut(trace: LeadTrace, shown: Callable[[np.ndarray], np.ndarray]) -> tuple[bool, bool]:
    """Whether the picture ends ``CUT`` before a trace's first printed point, and behind its last.

    shown: which points of the paper, (N, 2) mm, the picture shows, (N,) bool.
    """
    printed = np.flatnonzero(trace.printed)
    if not len(printed):
        return False, False
    ends = printed[[0, -1]]
    before, behind = ~shown(np.column_stack([trace.x[ends] + (-CUT, CUT), trace.y[ends]]))
    return bool(before), bool(behind)


def _with_vague(trace: LeadTrace, rows: torch.Tensor, crop: LeadCrop) -> LeadTrace:
    """The trace with the log-probability, (R, T), of its vague points' heights, if it has such points."""
    vague = np.flatnonzero(trace.spread > VAGUE)
    if not len(vague):
        return trace
    heights = crop.origin[1] + np.arange(rows.shape[0]) * (STEM_STRIDE / ROWS_PER_MM)
    log_probability = rows[:, torch.from_numpy(vague).to(rows.device)].half().cpu().numpy()
    return VagueTrace(**vars(trace), vague=vague, log_probability=log_probability, heights=heights)


def _shift_down(features: torch.Tensor, rows: int) -> torch.Tensor:
    """(B, C, H, W) moved down; the topmost row fills the gap."""
    if not rows:
        return features
    return torch.cat([features[:, :, :1].expand(-1, -1, rows, -1), features[:, :, :-rows]], dim=2)


def save_digitizer(folder: Path, network: LeadDigitizer, description: Mapping[str, Any] | None = None) -> None:
    """Write the digitizer to a model folder: weights, and its settings and ``description`` to the folder's JSON."""
    save_stage(folder, STAGE, network, {"settings": asdict(network.settings)} | dict(description or {}))


def load_digitizer(folder: Path) -> Digitizer:
    """Read what ``save_digitizer`` wrote.

    Raises CheckpointError for weights or settings that are missing, broken or do not fit each other.
    """
    facts = describe_stage(folder, STAGE)
    try:
        network = LeadDigitizer(_settings(facts["settings"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"expected the settings of the digitizer in {folder}, got {error!r}") from error
    load_stage(folder, STAGE, network)
    return Digitizer(network.folded())


def read_digitizer(weights: Path) -> LeadDigitizer:
    """Read a network of the usual settings, with or without refiner, from a weights file, to train on from.

    Raises CheckpointError for weights that are missing, broken or of another network.
    """
    network = LeadDigitizer(DigitizerSettings(refiner=holds_weights(weights, "refiner.")))
    load_model(weights, network)
    return network


def _settings(facts: Mapping[str, Any]) -> DigitizerSettings:
    """Settings as JSON gave them: its lists are tuples here, and what knows of no refiner has none."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    return DigitizerSettings(**({"refiner": False} | values))
