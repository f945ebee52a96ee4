"""A model folder: one safetensors file for each learned stage and one readable ``model.json`` about all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ecgpage.training.checkpoints import CheckpointError, load_model, save_model

Network = TypeVar("Network", bound=nn.Module)

DESCRIPTION = "model.json"


def save_stage(folder: Path, stage: str, network: nn.Module, description: Mapping[str, Any]) -> None:
    """Write a stage's weights (float16) and what there is to say of them: its settings, classes, data.

    ``description`` must be JSON-like; the other stages' entries stay as they are.
    """
    save_model(folder / f"{stage}.safetensors", network)
    path = folder / DESCRIPTION
    stages = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stages[stage] = dict(description)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(stages, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)


def describe_stage(folder: Path, stage: str) -> dict[str, Any]:
    """Return what ``model.json`` says of a stage. Raises CheckpointError where it says nothing."""
    path = folder / DESCRIPTION
    try:
        return json.loads(path.read_text(encoding="utf-8"))[stage]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"expected a description of the {stage} in {path}: {error!r}") from error


def load_optional_stage(
    folder: Path, stage: str, expected: Mapping[str, Any], build: Callable[[], Network]
) -> Network | None:
    """A stage's network as ``build`` makes it, filled with its weights, in eval mode; None from a folder without them.

    expected: what ``model.json`` must say of the stage, as its classes. Raises CheckpointError where it says something
    else, and for weights that are broken or of another shape.
    """
    if not (folder / f"{stage}.safetensors").exists():
        return None
    described = describe_stage(folder, stage)
    for name, value in expected.items():
        if described.get(name) != value:
            raise CheckpointError(f"expected a {stage} with {name} {value} in {folder}, came {described.get(name)}")
    with torch.random.fork_rng(devices=[]):  # making a network draws numbers
        network = build()
    load_stage(folder, stage, network)
    return network.eval()


def load_stage(folder: Path, stage: str, network: nn.Module) -> None:
    """Fill a network with a stage's weights. Raises CheckpointError if they are missing, broken or of another shape."""
    load_model(folder / f"{stage}.safetensors", network)
