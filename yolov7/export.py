"""Export to ONNX, for runtimes that are faster than PyTorch on a processor."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from yolov7.model import DetectionModel
from yolov7.postprocess import decode
from yolov7.reparameterize import fuse

OPSET = 17


class _Decoded(nn.Module):
    """A network with its decoding: images to (B, N, 5 + nc), as `postprocess.decode` gives it."""

    def __init__(self, model: DetectionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return decode(self.model(images), self.model.head.anchor_grid)


def export_onnx(model: DetectionModel, path: Path, size: tuple[int, int] = (640, 640)) -> None:
    """Write a model, fused, as ONNX: "images" (B, 3, height, width) in [0, 1] to "predictions" (B, N, 5 + nc), which
    `postprocess.select` takes. The batch may be of any size; the file is written whole or not at all.

    Raises ValueError for sides that are no multiples of 32.
    """
    if size[0] % 32 or size[1] % 32 or min(size) < 32:
        raise ValueError(f"expected height and width as multiples of 32, got {size[0]} x {size[1]}")
    network = _Decoded(fuse(model).float().cpu()).eval()
    partial = path.with_name(path.name + ".partial")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, on shapes that are fixed on purpose
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, *size),),
                str(partial),
                input_names=["images"],
                output_names=["predictions"],
                dynamic_axes={"images": {0: "batch"}, "predictions": {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
