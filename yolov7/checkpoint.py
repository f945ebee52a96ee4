"""Official YOLOv7 checkpoints, read without their code and without running anything that they contain.

An official file pickles whole module objects. It is read by the restricted unpickler (``weights_only=True``) with the
network classes that it names replaced by empty ``nn.Module``s, which is enough to collect a state dict; a file that
names anything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from yolov7.head import ANCHORS_PER_LEVEL
from yolov7.model import DetectionModel, yolov7_full, yolov7_tiny

HEAD_LAYERS = {yolov7_tiny: 77, yolov7_full: 105}
"""Index of each network's head in its layer list."""


NETWORK_CLASSES = ("models.", "torch.nn.modules.")
"""Beginnings of the names of classes that are replaced; what they would do is never run."""

HARMLESS = frozenset(
    ["numpy.dtype", "numpy.ndarray", "numpy.dtypes.Float64DType"]
    + [f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")]
)
"""Other names in official files, of a score kept beside the weights; replaced as well."""


class CheckpointError(ValueError):
    """A file that is not a readable YOLOv7 checkpoint."""


@dataclass(frozen=True)
class Transfer:
    """What `transfer` did: names taken over, and names left as they were (not in the file, or of another shape)."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


class _Ignored:
    """Stands for a value that is no part of a network."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Placeholder(nn.Module):
    """Stands for any class in a checkpoint; it takes any arguments and does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The float32 state dict of an official checkpoint (its ``ema``, else its ``model``) or of a plain state dict, in a
    file of torch.save or of safetensors.

    Raises CheckpointError where the file is no checkpoint.
    """
    if Path(path).suffix == ".safetensors":
        return _state_dict(_read_safetensors(Path(path)), path)
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        refused = [name for name in names if not name.startswith(NETWORK_CLASSES) and name not in HARMLESS]
        if refused:
            raise CheckpointError(f"it names {', '.join(refused)}, which no network needs")
        stand_ins = [
            (type(name.rpartition(".")[2], (_Ignored if name in HARMLESS else _Placeholder,), {}), name)
            for name in names
        ]
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the unpickler raises many kinds for a file that is no checkpoint
        raise CheckpointError(f"{path}: expected a YOLOv7 checkpoint written by torch.save, got {error}") from error
    return _state_dict(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: expected a file of safetensors: {error}") from error


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and ("model" in content or "ema" in content):
        content = content.get("ema") or content.get("model")
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise CheckpointError(f"{path}: expected a model or a state dict, got {type(content).__name__} without weights")
    return {name: value.float() if value.is_floating_point() else value for name, value in content.items()}


def build_model(state: dict[str, Tensor]) -> DetectionModel:
    """The network that a state dict belongs to, tiny or full, training or deploy form, with its weights.

    Raises CheckpointError where it is neither.
    """
    for build in (yolov7_tiny, yolov7_full):
        head = f"model.{HEAD_LAYERS[build]}"
        bias = state.get(f"{head}.m.0.bias")
        if bias is None:
            continue
        model = build(len(bias) // ANCHORS_PER_LEVEL - 5, implicit=f"{head}.ia.0.implicit" in state)
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"expected the weights of a YOLOv7 network: {error}") from error
        return model
    raise CheckpointError(f"expected a head at layer {' or '.join(map(str, HEAD_LAYERS.values()))}, found none")


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
