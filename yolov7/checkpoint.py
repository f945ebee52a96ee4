"""Official YOLOv7 checkpoints, read without their code and without running anything that they contain.

An official file pickles whole module objects. It is read by the restricted unpickler (``weights_only=True``) with each
class that it names replaced by an empty ``nn.Module``, which is enough to collect a state dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn


class CheckpointError(ValueError):
    """A file that is not a readable YOLOv7 checkpoint."""


@dataclass(frozen=True)
class Transfer:
    """What `transfer` did: names taken over, and names left as they were (not in the file, or of another shape)."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


class _Placeholder(nn.Module):
    """Stands for any class in a checkpoint; it takes any arguments and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The float32 state dict of an official checkpoint (its ``ema``, else its ``model``) or of a plain state dict.

    Raises CheckpointError where the file is no checkpoint.
    """
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        stand_ins = [(type(name.rpartition(".")[2], (_Placeholder,), {}), name) for name in names]
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the unpickler raises many kinds for a file that is no checkpoint
        raise CheckpointError(f"{path}: expected a YOLOv7 checkpoint written by torch.save, got {error}") from error
    return _state_dict(content, path)


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and ("model" in content or "ema" in content):
        content = content.get("ema") or content.get("model")
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{path}: expected a model or a state dict, got {type(content).__name__} without weights")
    return {name: value.float() if value.is_floating_point() else value for name, value in content.items()}


def transfer(model: nn.Module, state: dict[str, Tensor], anchors: bool = True) -> Transfer:
    """Copy the tensors that match by name and shape into the model; without ``anchors``, it keeps its own."""
    own = model.state_dict()
    matching = {
        name: value
        for name, value in state.items()
        if name in own
        and own[name].shape == value.shape
        and (anchors or not name.endswith((".anchors", ".anchor_grid")))
    }
    model.load_state_dict(matching, strict=False)
    return Transfer(tuple(matching), tuple(name for name in own if name not in matching))
