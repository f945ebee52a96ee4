"""Ground truth of a drawn page: where everything lies in the final picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgpage.leads import PrintedLead


@dataclass(frozen=True)
class DrawnLead:
    """One drawn trace.

    values: (n,) float32 mV at ``fs`` Hz, NaN where the record has no sample; at least one is finite.
    points: (n, 2) float32, (x, y) picture pixels of every sample, after all distortions; NaN with its sample.
    """

    lead: PrintedLead
    values: np.ndarray
    fs: float
    points: np.ndarray

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Smallest upright rectangle (x0, y0, x1, y1) around the printed samples, picture pixels."""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True)
class DrawnPage:
    """A drawn page and its ground truth.

    image: (H, W, 3) uint8 RGB.
    paper_to_picture: (3, 3) homography, millimetres on paper (origin at its top left corner) to picture pixels; a
        page that bends departs from it by at most its profile's ``bend``, the leads' ``points`` follow the bend.
    paper_size: (width, height), mm.
    outline: (4, 2) picture pixels of the paper's corners: top left, top right, bottom right, bottom left.
    pixels_per_mm: of the picture where the page lies flat and upright.
    """

    image: np.ndarray
    paper_to_picture: np.ndarray
    paper_size: tuple[float, float]
    outline: np.ndarray
    pixels_per_mm: float
    leads: tuple[DrawnLead, ...]
