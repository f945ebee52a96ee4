"""Digitizer targets: where a drawn trace lies in its crop, per sub-column, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgpage.digitization.crop import LeadCrop, crop_to_paper, paper_to_crop, subcolumn_positions
from ecgpage.geometry import apply_homography


@dataclass(frozen=True)
class TraceTarget:
    """What the digitizer should say of a crop.

    height: (T,) float32 crop rows, at every sub-column (0 where not printed); presence: (T,) bool, printed there.
    """

    height: np.ndarray
    presence: np.ndarray


def trace_target(points: np.ndarray, crop: LeadCrop, paper_to_picture: np.ndarray) -> TraceTarget:
    """Target of the trace through ``points``, (N, 2) picture pixels in time order; points that are NaN leave a gap.

    paper_to_picture must be the homography with which the crop was cut. A trace beyond the crop's top or bottom is
    kept present, at the crop's edge.
    """
    height, width = crop.image.shape[:2]
    positions = subcolumn_positions(width)
    empty = TraceTarget(np.zeros(len(positions), np.float32), np.zeros(len(positions), bool))
    points = np.asarray(points, np.float64)
    finite = np.isfinite(points).all(axis=1)
    if finite.sum() < 2:
        return empty
    on_paper = apply_homography(np.linalg.inv(paper_to_picture), points[finite])
    x, y = paper_to_crop(on_paper, crop.origin).T
    presence = (positions >= x.min()) & (positions <= x.max())
    presence &= ~_in_gap(positions, x, np.flatnonzero(finite))
    order = np.argsort(x, kind="stable")
    rows = np.clip(np.interp(positions, x[order], y[order]), 0, height - 1)
    return TraceTarget(np.where(presence, rows, 0).astype(np.float32), presence)


def heights_to_paper(heights: np.ndarray, crop: LeadCrop) -> tuple[np.ndarray, np.ndarray]:
    """Paper millimetres (x, y), each (T,), of crop rows given per sub-column."""
    positions = subcolumn_positions(crop.image.shape[1])
    points = crop_to_paper(np.stack([positions, heights], axis=1), crop.origin)
    return points[:, 0], points[:, 1]


def _in_gap(positions: np.ndarray, x: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Which positions lie between two points that are not successive samples."""
    inside = np.zeros(len(positions), bool)
    for before in np.flatnonzero(np.diff(samples) > 1):
        inside |= (positions > x[before]) & (positions < x[before + 1])
    return inside
