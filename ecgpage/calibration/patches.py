"""The grid's lines in small patches of bent paper, each laid straight by what is known of the paper around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from ecgpage.calibration.tiles import SHIFTS, comb_harmonics, comb_levels, find_peaks, is_whole

COVERED = 0.45
"""Share of a patch that must lie in the picture for it to be read."""

HOLD = 10 / 3
"""Comb height, over squares of 1 mm, by which lines a square beside their place count less (with the distance squared):
a finer pattern inside has lines nearby that stand out almost as well."""

_AT_ONCE = 256  # patches
_WIDEST = 30_000  # samples: OpenCV maps no more at once


class Laid(NamedTuple):
    """How patches lie: the middle of each at ``places`` (N, 2) on the flat paper, mm, which the homography has where it
    has the place plus ``away`` (N, 2), mm; ``slopes`` (N, 2, 2): how ``away`` (rows) changes with x and y (columns)."""

    places: np.ndarray
    away: np.ndarray
    slopes: np.ndarray


class Seen(NamedTuple):
    """What patches show of the upright and the level lines: shifts (N, 2), mm, of the lines beside their places;
    heights (N, 2) of the combs there, over noise; in_place (N, 2), their heights where the lines should lie."""

    shifts: np.ndarray
    heights: np.ndarray
    in_place: np.ndarray

    def away(self, laid: Laid) -> np.ndarray:
        """Where the paper lies by the lines seen, (N, 2) mm beside its flat place.

        A line that is seen beside its place lies where the patch had the place at which it is seen.
        """
        return laid.away + self.shifts + np.einsum("nij,nj->ni", laid.slopes, self.shifts)


@dataclass(frozen=True)
class PatchReader:
    """Reads square patches, each resampled once from the map of the grid.

    contrast: (H, W) map in which lines stand out, see ``grid.grid_contrast``; paper_to_image: (3, 3) homography from
    flat paper, mm, to its pixels; square: mm between lines; side: mm; per_mm: samples per mm; noise: (2,) usual
    amplitude between the whole harmonics of upright and of level lines, of a patch whose contrast has a deviation of 1;
    see ``first_look``.
    """

    contrast: np.ndarray
    paper_to_image: np.ndarray
    square: float
    side: float
    per_mm: float
    noise: np.ndarray | None = None

    def first_look(self, laid: Laid) -> tuple[PatchReader, Seen]:
        """The reader with the noise of a page's patches, and what they show."""
        waves, deviation, covered = self._waves(laid)
        between = ~is_whole(self._harmonics)
        own = np.sqrt(np.median(np.abs(waves[..., between]) ** 2, axis=-1) / 0.693 + 1e-12) / deviation[:, None]
        whole = covered >= min(0.9, float(np.quantile(covered, 0.7)))
        reader = replace(self, noise=np.median(own[whole], axis=0))
        return reader, reader._seen(waves, deviation, covered)

    def read(self, laid: Laid) -> Seen:
        """Read patches; one that lies outside the picture by more than half shows nothing.

        Raises ValueError before the first look.
        """
        return self._seen(*self._waves(laid))

    def _seen(self, waves: np.ndarray, deviation: np.ndarray, covered: np.ndarray) -> Seen:
        """What ``_waves`` show."""
        if self.noise is None:
            raise ValueError("expected a reader that knows the noise: see PatchReader.first_look")
        teeth = waves[..., is_whole(self._harmonics)] / (deviation[:, None] * self.noise)[..., None]
        levels = comb_levels(teeth, self._harmonics)  # (N, 2, SHIFTS)
        shifts, heights = find_peaks(levels, np.zeros((len(levels), 2)), 0.5, HOLD * self.square)
        there = (covered > COVERED)[:, None]
        return Seen(shifts * self.square, heights * there, levels[..., SHIFTS // 2] * there)

    @property
    def _harmonics(self) -> np.ndarray:
        return comb_harmonics(self.per_mm * self.square)

    def _waves(self, laid: Laid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Amplitudes (N, 2, K) of the harmonics, deviation (N,) of the contrast, share (N,) inside the picture."""
        samples = int(np.ceil(self.side * self.per_mm))
        offsets = (np.arange(samples) - (samples - 1) / 2) / self.per_mm
        window = (np.cos(np.pi * offsets / self.side) ** 2).astype(np.float32)
        harmonics = self._harmonics
        wave = np.exp(-2j * np.pi * np.outer(offsets / self.square, harmonics)).astype(np.complex64)
        middle, turn = self._affine(laid)
        step = max(1, min(_AT_ONCE, _WIDEST // samples))
        waves, deviation, covered = [], [], []
        for first in range(0, len(middle), step):
            part = slice(first, first + step)
            patches = self._sampled(middle[part], turn[part], offsets.astype(np.float32))  # (n, S, S)
            upright, level = np.tensordot(patches, window, (1, 0)) * window, (patches @ window) * window
            phase = np.exp(-2j * np.pi * laid.places[part][..., None] / self.square * harmonics)  # (n, 2, K)
            waves.append(np.stack([upright @ wave, level @ wave], axis=1) * phase)
            deviation.append(patches.std(axis=(1, 2)) + 1e-3)
            covered.append(np.count_nonzero(patches, axis=(1, 2)) / samples**2)
        return np.concatenate(waves), np.concatenate(deviation), np.concatenate(covered)

    def _affine(self, laid: Laid) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) of the patches' middles, and (N, 2, 2) pixels per mm around them."""
        homography = self.paper_to_image
        mapped = (laid.places + laid.away) @ homography[:, :2].T + homography[:, 2]  # (N, 3)
        depth = mapped[:, 2:]
        middle = mapped[:, :2] / depth
        straight = (homography[:2, :2] - middle[..., None] * homography[2, :2]) / depth[..., None]
        return middle, straight @ (np.eye(2) + laid.slopes)

    def _sampled(self, middle: np.ndarray, turn: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Patches (n, S, S) of the map, rows along y; 0 outside the picture."""
        count, size = len(middle), len(offsets)
        middle, turn = middle.astype(np.float32)[..., None, None], turn.astype(np.float32)[..., None, None]
        x, y = (
            (middle[:, axis] + turn[:, axis, 0] * offsets[None, None] + turn[:, axis, 1] * offsets[None, :, None])
            for axis in (0, 1)
        )
        flat = count * size, size
        return cv2.remap(self.contrast, x.reshape(flat), y.reshape(flat), cv2.INTER_LINEAR).reshape(count, size, size)
