"""Boxes: conversions and overlaps. Corner form is (x0, y0, x1, y1), centre form (cx, cy, w, h)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) centre form -> (..., 4) corner form."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """(..., 4) corner form -> (..., 4) centre form."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of corner-form boxes, broadcast over the leading dimensions; 0 where both are empty."""
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    intersection = size.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - intersection
    return intersection / union.clamp(min=1e-9)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N, 4), (M, 4) corner form -> (N, M)."""
    return iou(a[:, None], b[None])


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (Zheng et al. 2020) of corner-form boxes (N, 4), (N, 4) -> (N,), in (-1.5, 1].

    IoU, less the squared distance of the centres over the enclosing box's diagonal, less a term for the proportions.
    """
    overlap = iou(a, b)
    enclosing = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    diagonal = enclosing.square().sum(-1) + 1e-9
    distance = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    size_a, size_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-6), (b[..., 2:] - b[..., :2]).clamp(min=1e-6)
    angle = torch.atan(size_b[..., 0] / size_b[..., 1]) - torch.atan(size_a[..., 0] / size_a[..., 1])
    proportion = (2 * angle / math.pi).square()
    with torch.no_grad():
        weight = proportion / (1 - overlap + proportion + 1e-9)
    return overlap - distance / diagonal - weight * proportion
