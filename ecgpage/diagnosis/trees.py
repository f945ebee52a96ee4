"""Boosted decision trees over an electrocardiogram's measurements: grown by scikit-learn, kept and asked as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DEPTH = 4
"""Questions on the way through a tree, at most."""

INNER, LEAVES = 2**DEPTH - 1, 2**DEPTH


@dataclass(frozen=True)
class Growth:
    """How trees are grown (``sklearn.ensemble.HistGradientBoostingClassifier``).

    trees: for each output; learning_rate: factor of each tree's leaves; smallest_leaf: rows; l2: drawing leaves to 0;
    features: share of the measurements that each question may choose from.
    """

    trees: int = 100
    learning_rate: float = 0.08
    smallest_leaf: int = 30
    l2: float = 5.0
    features: float = 0.2
    seed: int = 0


class TreeClassifier(nn.Module):
    """Sums of trees: measurements (B, F), NaN where unknown, to logits (B, classes + 1), "abnormal" last.

    A tree is a heap: question k leads to 2 k + 1 where the measurement ``feature`` is at most ``threshold`` (or, with
    ``unknown``, is not known), else to 2 k + 2; those from ``INNER`` on are the leaves, whose values are added up.
    Feature: (outputs, trees, INNER) int16, unknown: bool, threshold: float; leaf: (outputs, trees, LEAVES) float;
    baseline: (outputs,).
    """

    def __init__(self, classes: int, trees: int) -> None:
        super().__init__()
        shape = (classes + 1, trees)
        self.outputs, self.shape = classes + 1, {"trees": trees}
        self.register_buffer("feature", torch.zeros(*shape, INNER, dtype=torch.int16))
        self.register_buffer("threshold", torch.zeros(*shape, INNER))
        self.register_buffer("unknown", torch.zeros(*shape, INNER, dtype=torch.bool))
        self.register_buffer("leaf", torch.zeros(*shape, LEAVES))
        self.register_buffer("baseline", torch.zeros(classes + 1))

    def forward(self, measured: Tensor) -> Tensor:
        """Return logits (B, classes + 1)."""
        count = len(measured)
        feature, threshold, unknown, leaf = (
            part.flatten(0, 1).expand(count, -1, -1)
            for part in (self.feature.long(), self.threshold, self.unknown, self.leaf)
        )  # (B, outputs * trees, nodes)
        node = torch.zeros(count, feature.shape[1], 1, dtype=torch.long, device=measured.device)
        for _ in range(DEPTH):
            values = measured.gather(1, feature.gather(2, node)[..., 0])[..., None]
            low = torch.where(values.isnan(), unknown.gather(2, node), values <= threshold.gather(2, node))
            node = 2 * node + torch.where(low, 1, 2)
        said = leaf.gather(2, node - INNER)
        return said.reshape(count, self.outputs, -1).sum(dim=2) + self.baseline


def grow(measured: np.ndarray, targets: np.ndarray, weights: np.ndarray, growth: Growth) -> TreeClassifier:
    """Grow trees for every output.

    measured: (rows, F), NaN where unknown; targets: (rows, outputs) of 0, 1 and NaN for unknown, which does not count;
    weights: (rows,) of the rows. An output without positive or without negative rows keeps its share alone.
    """
    network = TreeClassifier(targets.shape[1] - 1, growth.trees)
    for output in range(targets.shape[1]):
        known = np.isfinite(targets[:, output])
        _grow_one(network, output, measured[known], targets[known, output] > 0.5, weights[known], growth)
    return network.half().float().eval()  # as they are kept


def _grow_one(
    network: TreeClassifier,
    output: int,
    measured: np.ndarray,
    positive: np.ndarray,
    weights: np.ndarray,
    growth: Growth,
) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier  # needed to grow trees alone

    share = float(np.clip(np.average(positive, weights=weights) if weights.any() else 0.5, 1e-3, 1 - 1e-3))
    network.baseline[output] = np.log(share / (1 - share))
    if not positive.any() or positive.all():
        return
    measured = np.where(np.isfinite(measured).any(axis=0), measured, 0)  # scikit-learn needs one value of each
    booster = HistGradientBoostingClassifier(
        learning_rate=growth.learning_rate,
        max_iter=growth.trees,
        max_depth=DEPTH,
        max_leaf_nodes=None,
        min_samples_leaf=growth.smallest_leaf,
        l2_regularization=growth.l2,
        max_features=growth.features,
        early_stopping=False,
        random_state=growth.seed + output,
    ).fit(measured, positive, sample_weight=weights)
    network.baseline[output] = float(booster._baseline_prediction.item())
    for tree, (predictor,) in enumerate(booster._predictors):
        _lay_out(network, output, tree, predictor.nodes)


def _lay_out(network: TreeClassifier, output: int, tree: int, nodes: Any) -> None:
    """Put a tree's nodes, as scikit-learn has them, into the heap; below an early leaf all leaves are alike."""
    waiting = [(0, 0)]  # (place in the heap, scikit-learn's node)
    while waiting:
        place, number = waiting.pop()
        node = nodes[number]
        if place >= INNER:
            network.leaf[output, tree, place - INNER] = float(node["value"])
        elif node["is_leaf"]:
            waiting += [(2 * place + 1, number), (2 * place + 2, number)]
        else:
            network.feature[output, tree, place] = int(node["feature_idx"])
            network.threshold[output, tree, place] = float(node["num_threshold"])
            network.unknown[output, tree, place] = bool(node["missing_go_to_left"])
            waiting += [(2 * place + 1, int(node["left"])), (2 * place + 2, int(node["right"]))]
