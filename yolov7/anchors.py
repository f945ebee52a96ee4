"""Anchors for a set of boxes: k-means on the logarithms of their sizes, judged by the assigner's ratio test."""

from __future__ import annotations

import numpy as np


def anchor_fitness(sizes: np.ndarray, anchors: np.ndarray, ratio: float = 4.0) -> float:
    """How well anchors (A, 2) serve box sizes (N, 2), in [0, 1].

    The mean over the boxes of the closeness of the best anchor, min over sides of min(w/a, a/w); a box that no anchor
    serves within ``ratio`` counts 0.
    """
    factor = np.log(sizes[:, None]) - np.log(anchors[None])  # (N, A, 2)
    closeness = np.exp(-np.abs(factor).max(-1).min(1))
    return float(np.where(closeness > 1 / ratio, closeness, 0.0).mean())


def cluster_anchors(
    sizes: np.ndarray, rng: np.random.Generator, count: int = 9, ratio: float = 4.0, restarts: int = 8
) -> np.ndarray:
    """Anchors (count, 2), smallest area first, for box sizes (N, 2) in input pixels; the fittest of several k-means.

    Raises ValueError where there is no box or one without extent.
    """
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    if not len(sizes) or not np.all(sizes > 0):
        raise ValueError(f"expected box sizes (N, 2) above 0, got {len(sizes)} of least {sizes.min(initial=0)}")
    runs = [np.exp(_k_means(np.log(sizes), count, rng)) for _ in range(restarts)]
    best = max(runs, key=lambda anchors: anchor_fitness(sizes, anchors, ratio))
    return best[np.argsort(best.prod(1), kind="stable")]


def _k_means(points: np.ndarray, count: int, rng: np.random.Generator, rounds: int = 50) -> np.ndarray:
    """Centres (count, D); where there are fewer points than centres, points repeat with a little noise."""
    chosen = rng.choice(len(points), count, replace=len(points) < count)
    centres = points[chosen] + rng.normal(0, 0.01, (count, points.shape[1]))
    for _ in range(rounds):
        nearest = np.square(points[:, None] - centres[None]).sum(-1).argmin(1)
        updated = np.stack([points[nearest == k].mean(0) if np.any(nearest == k) else centres[k] for k in range(count)])
        if np.allclose(updated, centres):
            break
        centres = updated
    return centres
