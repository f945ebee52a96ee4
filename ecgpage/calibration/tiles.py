"""What the tiles of a page show of a repeating line pattern: where in its period the lines lie, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ecgpage.calibration.peaks import peak_offset
from ecgpage.geometry import apply_homography

HARMONICS = 10
"""Harmonics of the coarser pattern that a tile's position is taken from."""

SHIFTS = 100
"""Positions within one lattice unit at which a tile's comb is read before interpolation."""

TILE_UNITS = (6.0, 24.0)
"""Width of a tile in lattice units, fewest and most."""

MOST_TILES = 24
"""Tiles along one axis of a whole page, at most."""

STRAIGHT, STRAIGHT_SHARE = 0.12, 0.9
"""A pattern is straight where so large a share of the tiles' weight lies so near to a line, in lattice units."""


@dataclass(frozen=True)
class Combs:
    """The combs of a straightened map's tiles.

    centers: (N, 2) lattice units. places: (N, 2) the tiles' columns and rows. levels: (N, 2, SHIFTS) the comb per axis,
    over its noise, against the shift -0.5..0.5. amplitudes: (2, HARMONICS + 1) mean harmonics over noise, from 0 on.
    teeth: (N, 2, W) complex harmonics over noise, from 1 on, compressed as in the levels.
    """

    centers: np.ndarray
    places: np.ndarray
    levels: np.ndarray
    amplitudes: np.ndarray
    teeth: np.ndarray


def read_combs(contrast: np.ndarray, image_to_lattice: np.ndarray) -> Combs:
    """Straighten the map by the lattice and read, tile by tile, the comb of its columns and of its rows."""
    height, width = contrast.shape
    corners = apply_homography(
        image_to_lattice, np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    depth = corners_depth(image_to_lattice, height, width)
    if depth.min() < 0.05 * depth.max() or not np.isfinite(corners).all():
        return _no_combs()  # no camera sees a page like that
    scale = np.sqrt(height * width / max(1e-9, cv2.contourArea(corners.astype(np.float32))))  # pixels per lattice unit
    scale = min(scale, 3000 / max(high - low))
    size = np.maximum(8, np.ceil((high - low) * scale)).astype(int)
    lattice_to_map = np.array([[scale, 0, -low[0] * scale], [0, scale, -low[1] * scale], [0, 0, 1]])
    aligned = cv2.warpPerspective(contrast, lattice_to_map @ image_to_lattice, tuple(int(s) for s in size))
    tile = float(np.clip(max(high - low) / 8, *TILE_UNITS))
    inside = (aligned != 0).astype(np.float32)
    axes = [_tiles_along(low[k], low[k] + size[k] / scale, tile, int(size[k]), scale) for k in (0, 1)]
    harmonics = comb_harmonics(scale)
    if not is_whole(harmonics).any():
        return _no_combs()  # finer than the pixels
    upright = _demodulate(aligned, axes[0], axes[1], low[0], scale, harmonics)  # (rows, columns, K)
    level = _demodulate(aligned.T, axes[1], axes[0], low[1], scale, harmonics).transpose(1, 0, 2)
    covered = (axes[1][1] @ inside @ axes[0][1].T) / (axes[1][1].sum(1)[:, None] * axes[0][1].sum(1)[None])
    keep = covered.ravel() > 0.45
    x, y = np.meshgrid(axes[0][0], axes[1][0])
    centers = np.stack([x.ravel(), y.ravel()], 1)[keep]
    waves = np.stack([upright, level], 2).reshape(-1, 2, len(harmonics))[keep]
    places = np.stack([k.ravel() for k in np.meshgrid(np.arange(len(axes[0][0])), np.arange(len(axes[1][0])))], 1)
    return _combs(centers, places[keep], waves, harmonics)


def comb_harmonics(pixels_per_unit: float) -> np.ndarray:
    """Harmonics (K,) at which a pattern is looked at, as far as the pixels show them: whole ones, and others between
    them, which tell the noise."""
    harmonics = np.sort(np.add.outer(np.arange(HARMONICS + 1), (0.0, 0.37, 0.5, 0.63)).ravel())[1:]
    return harmonics[harmonics < min(0.48 * pixels_per_unit, HARMONICS + 0.7)]


def is_whole(harmonics: np.ndarray) -> np.ndarray:
    """Which harmonics (K,) are a pattern's own."""
    return np.isclose(harmonics % 1, 0)


def corners_depth(homography: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the (4,) homogeneous depths of a picture's corners: alike for a page seen by a camera."""
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
    depth = corners @ homography[2, :2] + homography[2, 2]
    return depth * np.sign(depth[np.argmax(np.abs(depth))] or 1.0)


def _no_combs() -> Combs:
    empty = np.zeros((0, 2))
    levels, amplitudes = np.zeros((0, 2, SHIFTS), np.float32), np.zeros((2, HARMONICS + 1))
    return Combs(empty, empty.astype(int), levels, amplitudes, np.zeros((0, 2, 0), np.complex64))


def _tiles_along(low: float, high: float, tile: float, size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (T,) in lattice units, half a tile apart, and Hann windows (T, size) along one axis of the map."""
    extent = high - low
    tile = min(tile, extent)
    count = min(MOST_TILES, max(1, int(round((extent - tile) / (tile / 2))) + 1))
    centers = np.linspace(low + tile / 2, high - tile / 2, count) if count > 1 else np.array([(low + high) / 2])
    position = low + np.arange(size) / scale
    offset = (position[None] - centers[:, None]) / tile
    windows = np.where(np.abs(offset) < 0.5, np.cos(np.pi * offset) ** 2, 0.0)
    return centers, windows.astype(np.float32)


def _demodulate(
    aligned: np.ndarray,
    along: tuple[np.ndarray, np.ndarray],
    across: tuple[np.ndarray, np.ndarray],
    low: float,
    scale: float,
    harmonics: np.ndarray,
) -> np.ndarray:
    """Return the complex amplitude of each harmonic along x in each tile: (tiles across, tiles along, K)."""
    position = low + np.arange(aligned.shape[1]) / scale
    profiles = across[1] @ aligned  # (tiles across, width)
    waves = np.exp(-2j * np.pi * np.outer(harmonics, position)).astype(np.complex64)  # (K, width)
    windowed = along[1][:, None] * waves[None]  # (tiles along, K, width)
    flat = windowed.reshape(-1, windowed.shape[2])
    return (profiles.astype(np.complex64) @ flat.T).reshape(len(across[0]), len(along[0]), len(harmonics))


def _combs(centers: np.ndarray, places: np.ndarray, waves: np.ndarray, harmonics: np.ndarray) -> Combs:
    """Sum the whole harmonics to a comb per tile and axis; the half ones between them tell the noise."""
    whole = is_whole(harmonics)
    power = np.abs(waves) ** 2
    noise = np.sqrt(np.median(power[..., ~whole], axis=-1, keepdims=True) / 0.693 + 1e-12)
    teeth = waves[..., whole] / noise
    amplitudes = np.zeros((2, HARMONICS + 1))
    if len(centers):
        amplitudes[:, 1 : whole.sum() + 1] = np.median(np.abs(teeth), axis=0)
    return Combs(centers, places, comb_levels(teeth, harmonics), amplitudes, compressed(teeth))


def comb_levels(teeth: np.ndarray, harmonics: np.ndarray) -> np.ndarray:
    """Combs (..., SHIFTS) of the whole ones of the harmonics, whose amplitudes over noise are ``teeth`` (..., W)."""
    whole = harmonics[is_whole(harmonics)]
    shift = (np.arange(SHIFTS) / SHIFTS - 0.5)[None]
    turn = np.exp(2j * np.pi * whole[:, None] * shift).astype(teeth.dtype)  # (W, SHIFTS)
    return ((compressed(teeth) @ turn).real / np.sqrt(len(whole))).astype(np.float32)


def compressed(teeth: np.ndarray) -> np.ndarray:
    """Amplitudes over noise, compressed: one far above the noise tells its place as well as ten of them."""
    return teeth / np.sqrt(1 + np.abs(teeth))


def find_peaks(
    combs: np.ndarray, expected: np.ndarray, window: float, hold: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (N, 2) of combs (N, 2, SHIFTS) near `expected` (N, 2), within +-window lattice units, and their
    heights.

    hold: height by which a place one unit off counts less, with the distance squared.
    """
    shift = np.arange(SHIFTS) / SHIFTS - 0.5
    distance = (shift[None, None] - expected[..., None] + 0.5) % 1.0 - 0.5
    levels = np.where(np.abs(distance) <= window, combs - hold * distance**2, -np.inf)
    top = np.argmax(levels, axis=-1)[..., None]
    left, here, right = (np.take_along_axis(combs, (top + step) % SHIFTS, -1)[..., 0] for step in (-1, 0, 1))
    found = np.take_along_axis(distance, top, -1)[..., 0] + np.clip(peak_offset(left, here, right), -1, 1) / SHIFTS
    return expected + found, np.maximum(here, 0.0)


class Tracked(NamedTuple):
    """A pattern followed over the page.

    shifts: (N, 2) in lattice units, continuous over the page; weights: (N, 2), the comb's height there; agreement: the
    share of the tiles by weight whose own clearest place is where their neighbours lead one to expect.
    """

    shifts: np.ndarray
    weights: np.ndarray
    agreement: float


def track(combs: Combs, fitted: bool = True) -> Tracked:
    """Follow the pattern's shift from tile to tile, outwards from the clearest ones, across whole units if need be.

    fitted: whether the lattice lies where most of the lines do, so that tiles counted a whole unit off are told.
    """
    count = len(combs.centers)
    if not count:
        return Tracked(np.zeros((0, 2)), np.zeros((0, 2)), 0.0)
    own, heights = find_peaks(combs.levels, np.zeros((count, 2)), 0.5)
    near = np.abs(combs.places[:, None] - combs.places[None]).max(axis=2) <= 1
    np.fill_diagonal(near, False)
    clear = np.clip(heights - 1.2, 0.02, 8.0)
    shifts, known = np.zeros((count, 2)), np.zeros(count, bool)
    start = int(np.argmax(near @ clear.min(axis=1) + clear.min(axis=1)))
    shifts[start], known[start] = own[start], True
    for _ in range(count - 1):
        reached = (near @ (known * clear.min(axis=1))) * clear.min(axis=1) * ~known
        tile = int(np.argmax(reached)) if reached.max() > 0 else int(np.flatnonzero(~known)[0])
        around = near[tile] & known
        share = clear[around] if around.any() else np.ones((1, 2))
        expected = (shifts[around] * share).sum(axis=0) / share.sum(axis=0) if around.any() else np.zeros(2)
        shifts[tile] = expected + (own[tile] - expected + 0.5) % 1.0 - 0.5
        known[tile] = True
    if fitted:
        shifts = _without_slips(shifts, np.clip(heights - 1.5, 0.0, 6.0))
    share = near[..., None] * clear[None]
    expected = (share * shifts[None]).sum(axis=1) / np.maximum(1e-9, share.sum(axis=1))
    close = np.abs((own - expected + 0.5) % 1.0 - 0.5) < 0.12
    trust = np.clip(heights - 1.5, 0.0, 6.0) * near.any(axis=1)[:, None]
    agreement = float((trust * close).sum() / max(1e-9, trust.sum()))
    shifts, weights = find_peaks(combs.levels, expected, 0.2)
    return Tracked(shifts, weights, agreement)


def _without_slips(shifts: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Shifts (N, 2), whole units put right where lines lie in their places but are counted wrongly.

    Where hardly any clear tile lies between two lines, the pattern is straight, and tiles that are whole units off were
    reached through others that show nothing. On bent paper tiles lie at any part of a unit. trust: (N, 2).
    """
    near_line = np.abs(shifts - np.round(shifts)) < STRAIGHT
    straight = (trust * near_line).sum(axis=0) >= STRAIGHT_SHARE * trust.sum(axis=0)
    return np.where(straight, shifts - np.round(shifts), shifts)


def is_nested(amplitudes: np.ndarray) -> bool:
    """Whether a finer pattern with a fifth of the period is seen inside: its harmonic 5 sticks out of 4 and 6."""
    fine = amplitudes[:, 5]
    around = np.maximum(amplitudes[:, 4], amplitudes[:, 6])
    coarse = amplitudes[:, 1:4].max(axis=1)
    return bool(np.all(fine > 2.5) and np.all(fine > 1.3 * around) and np.all(coarse > 2.0))
