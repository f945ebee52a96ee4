"""From raw predictions to boxes: decoding, letterbox geometry, non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from yolov7.boxes import cxcywh_to_xyxy, pairwise_iou
from yolov7.head import STRIDES
from yolov7.model import DetectionModel

FILL = 114
"""Grey level around a letterboxed image."""


@dataclass(frozen=True)
class Detections:
    """Detections of one image, best first. boxes: (N, 4) corner form; scores: (N,); classes: (N,) int64; N may be 0."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Letterbox:
    """How an image was fitted into the network's input: input = scale * image + (left, top), in pixel edges.

    size: (height, width) of the input.
    """

    scale: float
    left: float
    top: float
    size: tuple[int, int]

    @classmethod
    def fit(cls, height: int, width: int, size: tuple[int, int]) -> Letterbox:
        """Centre an image of height x width in an input of ``size`` (height, width), as large as it goes."""
        scale = min(size[0] / height, size[1] / width)
        return cls(scale, (size[1] - scale * width) / 2, (size[0] - scale * height) / 2, size)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) map of pixel centres, image -> input."""
        s = self.scale
        shift = (s - 1) / 2  # centres are at whole numbers: pixel k spans k - 0.5 to k + 0.5
        return np.array([[s, 0, self.left + shift], [0, s, self.top + shift], [0, 0, 1]], dtype=np.float64)

    def boxes_to_image(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) corner form in the input -> the same in the image, both in pixel edges."""
        offset = np.array([self.left, self.top, self.left, self.top])
        return (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - offset) / self.scale


def letterbox_size(height: int, width: int, longest: int = 640, multiple: int = 32) -> tuple[int, int]:
    """(height, width) of the smallest input for an image of height x width whose longer side becomes ``longest``.

    Raises ValueError for a ``longest`` that is no multiple of ``multiple``.
    """
    if longest % multiple or longest < multiple:
        raise ValueError(f"expected a longest side that is a multiple of {multiple}, got {longest}")
    scale = longest / max(height, width)
    sides = (max(1, round(height * scale)), max(1, round(width * scale)))
    return -(-sides[0] // multiple) * multiple, -(-sides[1] // multiple) * multiple


def letterbox(image: np.ndarray, size: tuple[int, int], average: bool = False) -> tuple[np.ndarray, Letterbox]:
    """Fit an image (H, W, 3) uint8 into ``size`` (height, width), evenly padded.

    Bilinear, as published; ``average``: averaged over areas where it shrinks, which keeps thin lines.
    """
    fit = Letterbox.fit(*image.shape[:2], size)
    height = min(size[0], max(1, round(image.shape[0] * fit.scale)))
    width = min(size[1], max(1, round(image.shape[1] * fit.scale)))
    method = cv2.INTER_AREA if average and fit.scale < 1 else cv2.INTER_LINEAR
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = np.full((*size, 3), FILL, dtype=np.uint8)
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=method)
    return canvas, Letterbox(fit.scale, float(left), float(top), size)


def images_to_tensor(images: list[np.ndarray]) -> Tensor:
    """Images (H, W, 3) uint8 RGB of one size -> (B, 3, H, W) float32 in [0, 1]."""
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))
    return stacked.float() / 255


def decode(raw: list[Tensor], anchor_grid: Tensor) -> Tensor:
    """Raw predictions to (B, N, 5 + nc): cx, cy, w, h in input pixels, objectness and classes in [0, 1]."""
    levels = []
    for level, prediction in enumerate(raw):
        batch, _, height, width, outputs = prediction.shape
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack([x, y], dim=-1).to(prediction)  # (H, W, 2)
        values = prediction.sigmoid()
        centre = (2 * values[..., :2] - 0.5 + grid) * STRIDES[level]
        size = (2 * values[..., 2:4]).square() * anchor_grid[level].to(prediction)
        levels.append(torch.cat([centre, size, values[..., 4:]], dim=-1).reshape(batch, -1, outputs))
    return torch.cat(levels, dim=1)


def non_maximum_suppression(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, overlap: float) -> np.ndarray:
    """Indices of the boxes (N, 4) that stay, best first: a box goes where a better one of its class overlaps it by
    more than ``overlap`` (IoU)."""
    order = np.argsort(-scores, kind="stable")
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1)
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        iou = shared / np.maximum(area[best] + area[rest] - shared, 1e-9)
        order = rest[(iou <= overlap) | (classes[rest] != classes[best])]
    return np.array(kept, dtype=np.int64)


def merged(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, kept: np.ndarray, overlap: float) -> np.ndarray:
    """The kept ones of boxes (N, 4), each at the mean, weighted by score, of its class's boxes around it.

    kept: indices (K,); overlap: IoU from which on a box counts. Several guesses of one box err less than the best one.
    """
    if not len(kept):
        return boxes[kept]
    iou = pairwise_iou(torch.from_numpy(boxes[kept]), torch.from_numpy(boxes)).numpy()  # (K, N)
    weights = np.where((iou > overlap) & (classes[kept][:, None] == classes), scores, 0.0)
    return (weights @ boxes / weights.sum(axis=1, keepdims=True)).astype(boxes.dtype)


def select(
    decoded: Tensor,
    confidence: float = 0.25,
    overlap: float = 0.45,
    limit: int = 300,
    candidates: int = 30_000,
    every_class: bool = False,
    merge: float | None = None,
) -> list[Detections]:
    """Pick detections from `decode`'s output; the score is objectness x class (objectness alone for one class).

    every_class: a box may be found under each class that scores enough, not only under its best. merge: each box is
    moved to the mean, weighted by score, of those of its class that overlap it by more than this (IoU).
    """
    results = []
    for image in decoded.float():
        scores = image[:, 4:5] if image.shape[1] == 6 else image[:, 4:5] * image[:, 5:]
        if every_class:
            row, label = (scores > confidence).nonzero().unbind(1)
        else:
            best, index = scores.max(1)
            row = (best > confidence).nonzero()[:, 0]
            label = index[row]
        score = scores[row, label]
        order = score.argsort(descending=True, stable=True)[:candidates]
        boxes = cxcywh_to_xyxy(image[row[order], :4]).cpu().numpy()
        values, labels = score[order].cpu().numpy(), label[order].cpu().numpy()
        kept = non_maximum_suppression(boxes, values, labels, overlap)[:limit]
        placed = boxes[kept] if merge is None else merged(boxes, values, labels, kept, merge)
        results.append(Detections(placed, values[kept], labels[kept]))
    return results


@torch.inference_mode()
def detect(
    model: DetectionModel,
    images: list[np.ndarray],
    confidence: float = 0.25,
    overlap: float = 0.45,
    every_class: bool = False,
    merge: float | None = None,
) -> list[Detections]:
    """Run a model over images (H, W, 3) uint8 RGB of one size, H and W multiples of 32; boxes in their pixels.

    See `select` for the rest.
    """
    weight = next(model.parameters())
    raw = model(images_to_tensor(images).to(weight))
    return select(decode(raw, model.head.anchor_grid), confidence, overlap, every_class=every_class, merge=merge)
