"""YOLOv7's training loss: complete IoU, objectness with a balance over the levels, classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from yolov7.assignment import CandidateAssigner, DynamicAssigner, Matches, decode_cells
from yolov7.boxes import complete_iou, cxcywh_to_xyxy
from yolov7.head import STRIDES


@dataclass(frozen=True)
class LossSettings:
    """Gains of the three terms and the objectness balance over the levels (strides 8, 16, 32)."""

    box: float = 0.05
    objectness: float = 1.0
    classes: float = 0.5
    balance: tuple[float, float, float] = (4.0, 1.0, 0.4)

    def __post_init__(self) -> None:
        if min(self.box, self.objectness, self.classes, *self.balance) < 0:
            raise ValueError(f"loss gains must not be negative: {self}")

    @classmethod
    def tiny(cls, classes: int, area: int = 640 * 640) -> LossSettings:
        """The published gains of the tiny network for a number of classes and an input area in square pixels."""
        return cls(box=0.05, objectness=1.0 * area / 640**2, classes=0.5 * classes / 80)

    @classmethod
    def full(cls, classes: int, area: int = 640 * 640) -> LossSettings:
        """The published gains of the full network."""
        return cls(box=0.05, objectness=0.7 * area / 640**2, classes=0.3 * classes / 80)


class DetectionLoss:
    """Loss of raw predictions (B, 3, H, W, 5 + nc) per level against targets (T, 6).

    Targets hold image index, class, cx, cy, w, h in input pixels; T may be 0: then only objectness counts. Anchors are
    (3, 3, 2) in input pixels. Returns the total, times the batch size, and its three terms as numbers.
    """

    def __init__(self, settings: LossSettings, assigner: CandidateAssigner | None = None) -> None:
        self.settings = settings
        self.assigner = assigner or DynamicAssigner()

    def __call__(self, raw: list[Tensor], targets: Tensor, anchors: Tensor) -> tuple[Tensor, dict[str, float]]:
        raw = [prediction.float() for prediction in raw]
        targets, anchors = targets.to(raw[0]), anchors.to(raw[0])
        box = objectness = classes = raw[0].new_zeros(())
        for level, matches in enumerate(self.assigner(raw, targets, anchors)):
            level_box, level_classes, wanted = self._positives(raw[level], level, matches, targets, anchors[level])
            box, classes = box + level_box, classes + level_classes
            cells = F.binary_cross_entropy_with_logits(raw[level][..., 4], wanted)
            objectness = objectness + self.settings.balance[level] * cells
        gains = self.settings
        total = gains.box * box + gains.objectness * objectness + gains.classes * classes
        parts = {
            "box": float(box.detach()),
            "objectness": float(objectness.detach()),
            "classes": float(classes.detach()),
        }
        return total * raw[0].shape[0], parts

    def _positives(
        self, prediction: Tensor, level: int, matches: Matches, targets: Tensor, anchors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Box and class terms of one level, and the objectness wanted in each of its cells (B, 3, H, W)."""
        wanted = torch.zeros_like(prediction[..., 0])
        cells = (matches.image, matches.anchor, matches.row, matches.column)
        if not len(matches.target):
            return wanted.new_zeros(()), wanted.new_zeros(()), wanted
        values = prediction[cells]  # (P, 5 + nc)
        boxes = decode_cells(values, matches.column, matches.row, anchors[matches.anchor], STRIDES[level])
        overlap = complete_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets[matches.target, 2:6]))
        wanted[cells] = overlap.detach().clamp(min=0)
        logits = values[:, 5:]
        if logits.shape[1] == 1:
            return (1 - overlap).mean(), wanted.new_zeros(()), wanted
        one_hot = F.one_hot(targets[matches.target, 1].long(), logits.shape[1]).to(logits)
        return (1 - overlap).mean(), F.binary_cross_entropy_with_logits(logits, one_hot), wanted
