"""Reads the printed name beside a lead: a small network on crops finer than the detector's view of the page.

On the detector's input a name is a few pixels high, enough to find a lead and to guess its name from its place; where
the arrangement is unusual, and for a rhythm strip's lead, the print must be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ecgpage.leads import LEADS
from ecgpage.page.view import page_view
from ecgpage.recording import LeadBox, Page
from ecgpage.training.model_folder import load_optional_stage, save_stage
from yolov7.postprocess import Letterbox

STAGE = "name_reader"
"""Name of the reader's weights and of its entry in a model folder's description."""

NAMES = (*LEADS, "-aVR")
"""What a crop may show; the last is aVR printed upside down, as in Cabrera's order."""

VIEW = (1024, 1280)
"""(height, width) in which the page is fitted for reading."""

CROP = (160, 144)
"""(height, width) of a crop, pixels of the view."""

LEFT_OF_BOX = 52
"""Pixels of a crop that lie left of the lead's first sample; its height is centred on the box."""

SURE = 0.9
"""Mean probability of a page's likeliest names from which on it is read in one view alone."""

ZOOMS, LARGEST = (0.7, 1.4, 2.0, 2.8, 4.0), 2.0
"""Sizes of further views, as a multiple of ``VIEW``, and the largest in which a page of the usual shape is read."""

WEIGHT, SURER = 4.0, 1.3
"""Power of a view's sureness by which it counts, and by what their mean logarithm is multiplied. Of 1,832 names on 160
drawn pages on which the first view was not sure, it read 74 % rightly; together, these views 79 %."""

_LEAST = 1e-6

WIDTHS = (16, 32, 64, 96, 128)


class NameNetwork(nn.Module):
    """Crops (B, 2, 160, 144), darkness and the box's place in [0, 1], to logits (B, 13) of NAMES."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (c1, c2) in enumerate(zip((2, *widths), widths, strict=False)):
            kernel, stride = (5 if index == 0 else 3), (2 if index < 4 else 1)
            layers += [nn.Conv2d(c1 + 2 * (index == 3), c2, kernel, stride, kernel // 2, bias=False)]
            layers += [nn.BatchNorm2d(c2), nn.ReLU(inplace=True)]
        self.early, self.late = nn.Sequential(*layers[:9]), nn.Sequential(*layers[9:])
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * widths[-1], len(NAMES)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.early(x)
        y = torch.linspace(-1, 1, x.shape[2]).to(x)[:, None].expand(len(x), 1, *x.shape[2:])
        z = torch.linspace(-1, 1, x.shape[3]).to(x)[None].expand(len(x), 1, *x.shape[2:])
        x = self.late(torch.cat([x, y, z], dim=1))
        return self.out(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))


def name_crops(view: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Crops (N, 2, 160, 144) uint8 around the beginnings of boxes (N, 4), corner form, on a view (H, W, 3) uint8.

    First channel: darkness against the crop's own paper, brightness where the print is the brighter; second: 255 inside
    the box. Beyond the view is paper.
    """
    dark = 255 - cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    high, wide = CROP
    crops = np.zeros((len(boxes), 2, high, wide), np.uint8)
    for crop, (x0, y0, x1, y1) in zip(crops, np.asarray(boxes, np.float64).reshape(-1, 4), strict=True):
        left, top = round(x0) - LEFT_OF_BOX, round((y0 + y1) / 2) - high // 2
        a, b = max(0, left), min(dark.shape[1], left + wide)
        c, d = max(0, top), min(dark.shape[0], top + high)
        if a >= b or c >= d:
            continue
        part = dark[c:d, a:b]
        light, paper, ink = np.percentile(part, (0.5, 50, 99.5))
        strongest = max(ink - paper, paper - light, 40.0)
        contrast = (part - paper) * (255 / strongest * (1 if ink - paper >= paper - light else -1))
        crop[0, c - top : d - top, a - left : b - left] = np.clip(contrast, 0, 255)
        low, end = max(0, round(x0) - left), max(0, round(x1) - left + 1)
        crop[1, max(0, round(y0) - top) : max(0, round(y1) - top + 1), low:end] = 255
    return crops


def crops_to_tensor(crops: np.ndarray | Tensor) -> Tensor:
    """Crops (N, 2, H, W) uint8 -> float32 in [0, 1]."""
    return torch.as_tensor(crops).float() / 255


@dataclass(frozen=True)
class NameReader:
    """Reads the names of detected leads with a trained network."""

    network: NameNetwork

    def __call__(self, page: Page, boxes: Sequence[LeadBox]) -> list[LeadBox]:
        """The boxes with ``reading``, how likely each of NAMES is.

        Where names are not read surely, the page may print them larger or smaller than most do: they are read in
        smaller and larger views too, and what all of these say is taken together.
        """
        if not boxes:
            return []
        corners = np.array([box.box for box in boxes]) + 0.5  # pixel centres -> pixel edges
        readings = self._read(page, corners, 1.0)
        if _sureness(readings) < SURE:
            readings = _together([readings, *(self._read(page, corners, zoom) for zoom in zooms(page.size))])
        return [replace(box, reading=tuple(map(float, row))) for box, row in zip(boxes, readings, strict=True)]

    def _read(self, page: Page, corners: np.ndarray, zoom: float) -> np.ndarray:
        """What is read (N, 13) at the beginnings of boxes (N, 4), corner form, in a view so many times the usual."""
        shape = (round(zoom * VIEW[0]), round(zoom * VIEW[1]))
        view, fit = page_view(page.image, page.page_to_picture, page.size, shape)
        offset = np.array([fit.left, fit.top, fit.left, fit.top])
        with torch.inference_mode():
            crops = crops_to_tensor(name_crops(view, corners * fit.scale + offset - 0.5))
            return self.network(crops).softmax(1).double().numpy()


def zooms(size: tuple[int, int]) -> list[float]:
    """Of ``ZOOMS`` those at which a page of (height, width) has no more pixels than a usual one at ``LARGEST``: long
    paper, whose print is small in a view of the usual width, is read larger."""
    shown = Letterbox.fit(*size, VIEW).scale ** 2 * np.prod(size) / np.prod(VIEW)  # share of the view
    return [zoom for zoom in ZOOMS if zoom**2 * shown <= LARGEST**2]


def _sureness(readings: np.ndarray) -> float:
    """Mean over boxes of how likely the likeliest name is."""
    return float(readings.max(axis=1).mean())


def _together(readings: Sequence[np.ndarray]) -> np.ndarray:
    """What several readings (N, 13) of the same boxes say together: their logarithms' mean, the surer ones' weighing
    more, made somewhat surer than that."""
    weights = np.array([_sureness(one) for one in readings]) ** WEIGHT
    logs = np.log(np.array(readings) + _LEAST)
    said = np.exp(SURER * np.tensordot(weights / weights.sum(), logs, axes=1))
    return said / said.sum(axis=1, keepdims=True)


def save_name_reader(folder: Path, reader: NameReader, description: Mapping[str, Any] | None = None) -> None:
    """Write the reader to a model folder: weights, and names and ``description`` to the folder's JSON."""
    save_stage(folder, STAGE, reader.network, {"names": list(NAMES)} | dict(description or {}))


def load_name_reader(folder: Path) -> NameReader | None:
    """Read what ``save_name_reader`` wrote; None from a model folder without a reader.

    Raises CheckpointError for weights that are missing, broken or of another reader.
    """
    network = load_optional_stage(folder, STAGE, {"names": list(NAMES)}, NameNetwork)
    return None if network is None else NameReader(network)
