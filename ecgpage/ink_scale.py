"""How dark a page's traces are beside its paper: what ink is on it, without knowing its colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.geometry import Bend, apply_homography, are_inside, bent_places, bent_points, sample_bent
from ecgpage.recording import LeadTrace

INKED = 0.5
"""Presence from which on a trace's point is surely ink."""

LEAST_CONTRAST = 15.0
"""Grey levels between paper and ink at least."""

FEWEST = 50
"""Points that tell either."""

UNEVEN = 0.25
"""Share of the paper's brightness by which it varies along the traces, from a tenth to nine tenths of them, from which
on it is made even: in a shadow ink and paper differ by fewer grey levels."""

COVERED, AROUND = 1.2, 10.0
"""Millimetres of ink that paper is told beneath, and around a place from which its brightness is told."""

LOOKED_AT = 4.0
"""Pixels per millimetre at which the paper's brightness is told at most."""


@dataclass(frozen=True)
class InkScale:
    """A picture whose darkness is measured between the page's paper with its grid (0) and its traces (1).

    grey: (H, W) uint8, in even light; paper, ink: levels of grey; paper_to_picture: homography from millimetres; bend:
    of paper that is not flat.
    """

    grey: np.ndarray
    paper_to_picture: np.ndarray
    paper: float
    ink: float
    bend: Bend | None

    @staticmethod
    def of(
        image: np.ndarray, paper_to_picture: np.ndarray, traces: Sequence[LeadTrace], bend: Bend | None
    ) -> InkScale | None:
        """Measure a page's ink on its traces and the paper 2 mm beside them, in light made even (``UNEVEN``).

        image: (H, W, 3) uint8 RGB. None without traces, and where ink and paper do not differ.
        """
        if not traces:
            return None
        grey = cv2.transform(image, np.full((1, 3), 1 / 3, np.float32))
        printed = [np.flatnonzero(trace.presence > INKED)[::6] for trace in traces]
        points = np.concatenate(
            [np.stack([trace.x[k], trace.y[k]], axis=1) for trace, k in zip(traces, printed, strict=True)]
        )
        on, above, below = (bent_points(paper_to_picture, points + (0.0, off), bend) for off in (0.0, -2.0, 2.0))
        inked, bare = _brightness(grey, on), np.concatenate([_brightness(grey, side) for side in (above, below)])
        if len(inked) < FEWEST or len(bare) < FEWEST:
            return None
        middle = np.median(points, axis=0)
        ends = apply_homography(paper_to_picture, np.array([middle, middle + (1.0, 0.0)]))
        even = _in_even_light(grey, on, float(np.hypot(*(ends[1] - ends[0]))))
        if even is not grey:
            grey, inked = even, _brightness(even, on)
            bare = np.concatenate([_brightness(even, side) for side in (above, below)])
        ink, paper = float(np.median(inked)), float(np.percentile(bare, 25))  # a quarter may be grid lines
        return None if paper - ink < LEAST_CONTRAST else InkScale(grey, paper_to_picture, paper, ink, bend)

    def patch(self, corner: tuple[float, float], size: tuple[int, int], pixels_per_mm: float) -> np.ndarray:
        """Ink, 0 to 1, of a rectangle of paper: (height, width) float32 of ``size``, its first pixel at ``corner``,
        (x, y) mm; beyond the picture as at its edge."""
        to_paper, border = _to_paper(corner, pixels_per_mm), cv2.BORDER_REPLICATE
        cut = sample_bent(self.grey, self.paper_to_picture, to_paper, size, self.bend, borderMode=border)
        return np.clip((self.paper - cut.astype(np.float32)) / (self.paper - self.ink), 0.0, 1.0)

    def seen(self, corner: tuple[float, float], size: tuple[int, int], pixels_per_mm: float) -> np.ndarray:
        """Which of a ``patch``'s pixels the picture shows: (height, width) float32, 1 where it does, 0 beyond it."""
        places = bent_places(self.paper_to_picture, _to_paper(corner, pixels_per_mm), size, self.bend)
        return are_inside(*places, self.grey.shape).astype(np.float32)


def _to_paper(corner: tuple[float, float], pixels_per_mm: float) -> np.ndarray:
    """From a patch's pixels to millimetres, (3, 3); corner: (x, y) mm of its first pixel."""
    return np.array([[1 / pixels_per_mm, 0, corner[0]], [0, 1 / pixels_per_mm, corner[1]], [0, 0, 1.0]])


def _in_even_light(grey: np.ndarray, points: np.ndarray, pixels_per_mm: float) -> np.ndarray:
    """The picture (H, W), uint8, as it would be if its paper were as bright everywhere as usual about points (n, 2),
    pixels, some of them inside; itself where it nearly is."""
    height, width = grey.shape
    scale = min(1.0, LOOKED_AT / pixels_per_mm) if pixels_per_mm > 0 else 1.0
    size = max(1, round(width * scale)), max(1, round(height * scale))
    covered, around = (min(_odd(mm * pixels_per_mm * scale), *size) for mm in (COVERED, AROUND))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    paper = cv2.blur(cv2.dilate(small, np.ones((covered, covered), np.uint8)), (around, around))
    paper = np.maximum(cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR), 1)
    low, usual, high = np.percentile(_brightness(paper, points), (10, 50, 90))
    if high - low < UNEVEN * usual:
        return grey
    return np.rint(np.clip(grey * (np.float32(usual) / paper), 0, 255)).astype(np.uint8)


def _odd(pixels: float) -> int:
    """The odd number of pixels nearest to so many, at least 1."""
    return 2 * round((pixels - 1) / 2) + 1 if pixels > 1 else 1


def _brightness(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Grey of the picture's pixels at points (n, 2) that lie inside."""
    x, y = np.rint(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < grey.shape[1]) & (y < grey.shape[0])
    return grey[y[inside], x[inside]]
