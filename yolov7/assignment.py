"""Which predictions answer for which boxes: lead-guided candidates, then dynamic-k assignment (OTA, simplified)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from yolov7.boxes import cxcywh_to_xyxy, pairwise_iou
from yolov7.head import STRIDES


@dataclass(frozen=True)
class Matches:
    """The positive cells of one level.

    image, anchor, row, column: (P,) indices into a raw prediction (B, 3, H, W, 5 + nc). target: (P,) index of the box
    that the cell answers for. As published, a cell that is near two boxes may appear twice.
    """

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    target: Tensor


@dataclass(frozen=True)
class AssignmentSettings:
    """ratio: an anchor is a candidate while neither side differs from the box by this factor.
    offset: a neighbour cell is a candidate where the box's centre lies within this share of it.
    top: how many best overlaps are summed to the number of positives. iou_weight: of -ln(IoU) in the cost."""

    ratio: float = 4.0
    offset: float = 0.5
    top: int = 10
    iou_weight: float = 3.0

    def __post_init__(self) -> None:
        if self.ratio <= 1 or not 0 <= self.offset <= 1 or self.top < 1 or self.iou_weight < 0:
            raise ValueError(f"assignment settings out of range: {self}")


def decode_cells(raw: Tensor, column: Tensor, row: Tensor, anchor: Tensor, stride: int) -> Tensor:
    """Raw predictions (P, >=4) of cells (P,) with their anchors (P, 2) in pixels -> (P, 4) centre form, pixels."""
    grid = torch.stack([column, row], dim=-1).to(raw)
    centre = (2 * raw[:, :2].sigmoid() - 0.5 + grid) * stride
    size = (2 * raw[:, 2:4].sigmoid()).square() * anchor
    return torch.cat([centre, size], dim=-1)


def ratio_test(sizes: Tensor, anchors: Tensor, ratio: float) -> Tensor:
    """(N, 2) box sizes, (A, 2) anchors -> (N, A): no side differs by the factor ``ratio`` or more."""
    factor = sizes[:, None].clamp(min=1e-6) / anchors[None]
    return torch.maximum(factor, 1 / factor).amax(-1) < ratio


class CandidateAssigner:
    """Every candidate answers for the box that it is near: the plain assignment, by which a network is validated.

    Targets are (T, 6): image index, class, cx, cy, w, h in input pixels.
    """

    def __init__(self, settings: AssignmentSettings | None = None) -> None:
        self.settings = settings or AssignmentSettings()

    @torch.no_grad()
    def __call__(self, raw: list[Tensor], targets: Tensor, anchors: Tensor) -> list[Matches]:
        """Assign raw predictions (B, 3, H, W, 5 + nc) per level; ``anchors`` (3, 3, 2) in pixels."""
        levels = [candidates(targets, anchors[k], k, raw[k].shape, self.settings) for k in range(len(raw))]
        return [_matches(cells, target, level) for level, (cells, target) in enumerate(levels)]


def candidates(
    targets: Tensor, anchors: Tensor, level: int, shape: torch.Size, settings: AssignmentSettings
) -> tuple[Tensor, Tensor]:
    """Cells that may answer for a box of their image, on one level with its anchors (3, 2) in pixels.

    Returns (C, 5), level, image, anchor, row, column, and (C,) the box; a box's own cells first, then the neighbours to
    the left, above, to the right, below. A cell near two boxes is a candidate for each.
    """
    anchor, which = ratio_test(targets[:, 4:6], anchors, settings.ratio).T.nonzero().unbind(1)
    position = targets[which, 2:4] / STRIDES[level]
    limit = position.new_tensor([shape[3], shape[2]])
    rest = limit - position
    low = (position % 1 < settings.offset) & (position > 1)
    high = (rest % 1 < settings.offset) & (rest > 1)
    steps = position.new_tensor([(0, 0), (-1, 0), (0, -1), (1, 0), (0, 1)]) * settings.offset
    use = torch.cat([torch.ones_like(low[:, :1]), low, high], dim=1)  # (N, 5)
    step, index = use.T.nonzero().unbind(1)
    cell = (position[index] + steps[step]).floor().clamp(min=0).minimum(limit - 1).long()
    image = targets[which[index], 0].long()
    cells = torch.stack([torch.full_like(image, level), image, anchor[index], cell[:, 1], cell[:, 0]], dim=1)
    return cells, which[index]


class DynamicAssigner(CandidateAssigner):
    """Chooses among the candidates per image over all levels; one that two boxes claim goes to the cheaper one."""

    @torch.no_grad()
    def __call__(self, raw: list[Tensor], targets: Tensor, anchors: Tensor) -> list[Matches]:
        """Assign raw predictions (B, 3, H, W, 5 + nc) per level; ``anchors`` (3, 3, 2) in pixels."""
        levels = [candidates(targets, anchors[k], k, raw[k].shape, self.settings)[0] for k in range(len(raw))]
        cells = torch.cat(levels)
        chosen, owners = [], []
        for image in cells[:, 1].unique().tolist():
            pool = cells[cells[:, 1] == image]
            rows = (targets[:, 0] == image).nonzero()[:, 0]
            picked, owner = self._assign_image(raw, anchors, pool, targets[rows])
            chosen.append(pool[picked])
            owners.append(rows[owner])
        cells = torch.cat([cells[:0], *chosen])
        target = torch.cat([cells[:0, 0], *owners])
        return [_matches(cells, target, level) for level in range(len(raw))]

    def _assign_image(self, raw: list[Tensor], anchors: Tensor, pool: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Choose from one image's candidates: their indices and, for each, the index of its target."""
        boxes, logits = _predictions(raw, anchors, pool)
        overlaps = pairwise_iou(cxcywh_to_xyxy(targets[:, 2:6]), cxcywh_to_xyxy(boxes))  # (T, C)
        cost = class_cost(logits, targets[:, 1].long()) - self.settings.iou_weight * (overlaps + 1e-8).log()
        top = overlaps.topk(min(self.settings.top, overlaps.shape[1]), dim=1).values
        counts = top.sum(1).int().clamp(min=1).tolist()
        claimed = torch.zeros_like(cost, dtype=torch.bool)
        for row, count in enumerate(counts):
            claimed[row, cost[row].topk(count, largest=False).indices] = True
        picked = claimed.any(0).nonzero()[:, 0]
        owner = cost.masked_fill(~claimed, float("inf"))[:, picked].argmin(0)
        return picked, owner


def class_cost(logits: Tensor, classes: Tensor) -> Tensor:
    """Binary cross-entropy of sqrt(class x objectness) against each target's one-hot class.

    logits: (C, 1 + nc), objectness first; classes: (T,). Returns (T, C), always finite.
    """
    objectness, scores = logits[:, :1].float().sigmoid(), logits[:, 1:].float().sigmoid()
    probability = (objectness * scores).sqrt().clamp(1e-6, 1 - 1e-6)
    wrong = -(1 - probability).log()  # (C, nc)
    right = -probability.log()
    return (wrong.sum(1, keepdim=True) + right - wrong)[:, classes].T


def _predictions(raw: list[Tensor], anchors: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Decode the pool's cells: boxes (C, 4) in centre form and logits (C, 1 + nc)."""
    boxes = pool.new_zeros(len(pool), 4, dtype=torch.float32)
    logits = pool.new_zeros(len(pool), raw[0].shape[-1] - 4, dtype=torch.float32)
    for level, prediction in enumerate(raw):
        index = (pool[:, 0] == level).nonzero()[:, 0]
        _, image, anchor, row, column = pool[index].unbind(1)
        values = prediction[image, anchor, row, column].float()
        boxes[index] = decode_cells(values, column, row, anchors[level][anchor].float(), STRIDES[level])
        logits[index] = values[:, 4:]
    return boxes, logits


def _matches(cells: Tensor, target: Tensor, level: int) -> Matches:
    here = cells[:, 0] == level
    _, image, anchor, row, column = cells[here].unbind(1)
    return Matches(image, anchor, row, column, target[here])
