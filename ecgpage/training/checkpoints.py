"""Weights and training states on disk: safetensors with readable JSON metadata, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ecgpage.io import write_text
from yolov7.average import AveragedModel

MADE_OF = "made-of.json"
"""Beside results: what they were made of."""


class CheckpointError(ValueError):
    """A weights file that cannot be read or belongs to another model."""


@dataclass
class TrainingState:
    """Everything that a resumed training needs. ``elapsed`` counts seconds over all runs."""

    model: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0


def save_model(path: Path, module: nn.Module, half: bool = True, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a model's weights, as float16 if ``half``; ``metadata`` must be JSON-like."""
    tensors = {name: _halved(value) if half else value for name, value in module.state_dict().items()}
    _write(path, tensors, metadata or {})


def load_model(path: Path, module: nn.Module) -> dict[str, Any]:
    """Fill the module with the file's weights, in the module's own precision, and return the file's metadata.

    Raises CheckpointError if the file is missing, broken or of another model.
    """
    tensors, metadata = _read(path)
    _fill(module, tensors, path)
    return metadata


def holds_weights(path: Path, prefix: str) -> bool:
    """Whether a file has weights of such names. Raises CheckpointError if it is missing or broken."""
    return any(name.startswith(prefix) for name in _read(path)[0])


def average_weights(paths: Sequence[Path], output: Path, shares: Sequence[float] | None = None) -> None:
    """Write the mean of several weights files of one network, weighted by ``shares`` or all alike, as float16.

    Whole numbers and metadata are the first file's. Trainings that started from the same weights have a mean that is
    often better than each of them ("model soups", Wortsman et al. 2022). Raises ValueError for no files and for shares
    that are not one above 0 for each; CheckpointError for files that are missing, broken or of different networks.
    """
    shares = [1.0] * len(paths) if shares is None else list(shares)
    if not paths or len(shares) != len(paths) or not all(0 < share < float("inf") for share in shares):
        raise ValueError(f"expected one share above 0 for each of some weights files, came {shares} for {len(paths)}")
    first, metadata = _read(paths[0])
    shapes = {name: value.shape for name, value in first.items()}
    floats = {name: value for name, value in first.items() if value.is_floating_point()}
    mean = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in floats.items()}
    for path, share in zip(paths, shares, strict=True):
        tensors, _ = _read(path)
        if {name: value.shape for name, value in tensors.items()} != shapes:
            raise CheckpointError(f"expected weights of the network of {paths[0]}, found others in {path}")
        for name in mean:
            mean[name] += share / sum(shares) * tensors[name].double()
    _write(output, first | {name: _halved(value) for name, value in mean.items()}, metadata)


def save_state(path: Path, state: TrainingState) -> None:
    """Write a training state in full precision."""
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.module.state_dict().items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items() if torch.is_tensor(value)}
    _write(path, tensors, {"step": state.step, "elapsed": state.elapsed, "updates": state.average.updates})


def load_state(path: Path, state: TrainingState) -> None:
    """Put a training state back as ``save_state`` wrote it. Raises CheckpointError as ``load_model`` does."""
    tensors, metadata = _read(path)
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise CheckpointError(f"{path} is not a training checkpoint: it holds {name}")
        parts[part][rest] = value
    _fill(state.model, parts["model"], path)
    _fill(state.average.module, parts["average"], path)
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in parts["optimizer"].items():
        index, _, slot = name.partition(".")
        slots.setdefault(int(index), {})[slot] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": slots, "param_groups": groups})
    state.step, state.elapsed = int(metadata["step"]), float(metadata["elapsed"])
    state.average.updates = int(metadata["updates"])


def keep_or_drop(folder: Path, made_of: str, patterns: Sequence[str], report: Callable[[str], None]) -> None:
    """Drop what stands in a folder unless it was made of the same, so that nothing goes on from stale results.

    made_of: what tells results apart (data, settings, weights), kept in ``made-of.json``; patterns: names of the files
    and folders that are results. A line to ``report`` says so where results are dropped.
    """
    note = folder / MADE_OF
    if note.exists() and note.read_text(encoding="utf-8") != made_of:
        report(f"{folder} holds results of other records, settings or weights: starting anew")
        for path in (path for pattern in patterns for path in folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_text(note, made_of)


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.dtype.is_floating_point else value


def _write(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    partial.write_bytes(save(copies, metadata={"json": json.dumps(metadata)}))  # save_file would hide it from others
    os.replace(partial, path)


def _read(path: Path, tensors: bool = True) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("json", "{}"))
            names = file.keys() if tensors else []
            return {name: file.get_tensor(name) for name in names}, metadata
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"expected weights (safetensors) in {path}: {error}") from error


def _fill(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        kind = type(module).__name__
        raise CheckpointError(f"{path} does not fit this {kind}; delete it or use its own settings: {error}") from error
