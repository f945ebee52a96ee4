"""The search for a line pattern in Fourier spectra: which two frequencies, in which two directions."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import fft

ANGLE_STEP = 0.5
"""Degrees between the directions tried."""

RADIUS_STEP = 0.5
"""Bins between the radii at which the spectrum is read."""

HARMONICS = 10
"""Harmonics of a pattern that are summed: those of lines every 5 mm reach the second one of lines every 1 mm."""

LOWEST = 3.2
"""Fewest periods of a pattern in a tile, in bins: below, a window's main lobes would merge."""

NESTING = 5
"""Fine lines from one strong line to the next, on ECG paper."""

ENOUGH_TILES = 16


def find_frequencies(contrast: np.ndarray, tiles_across: int, candidates: int = 4) -> list[np.ndarray]:
    """Find frequency pairs of the line pattern in an (H, W) contrast map, most likely first.

    Each is (2, 2) cycles per pixel as (x, y): row 0 of the more upright lines (frequency within 45 degrees of +x), row
    1 of the more level ones (pointing down). An empty list where nothing stands out. Lines every 1 mm inside stronger
    ones every 5 mm make two patterns: either may come first.
    """
    side = _tile_side(contrast, tiles_across)
    spectrum = whitened_spectrum(contrast, side)
    if spectrum is None:
        return []
    angles, radii, scores = comb_scores(spectrum)
    pairs = best_pairs(angles, radii, scores, candidates)
    found = [upright_first(np.array([[r * np.cos(a), r * np.sin(a)] for a, r in pair]) / side) for pair in pairs]
    # Where fine lines are clearer than the strong ones they are nested in, those may yet be followed further.
    nested = [pair / NESTING for pair in found if np.hypot(*pair.T).min() * side / NESTING >= LOWEST]
    return found[:2] + nested[:2] + found[2:] + nested[2:]


def _tile_side(contrast: np.ndarray, tiles_across: int) -> int:
    """Pixels of a square tile's side."""
    side = fft.next_fast_len(int(np.clip(max(contrast.shape) / tiles_across, 64, 640)), real=True)
    return min(side, *contrast.shape)


def upright_first(pair: np.ndarray) -> np.ndarray:
    """Order two (2, 2) frequency vectors: first the one nearer the x axis, pointing right, then one pointing down."""
    first, second = (pair[0], pair[1]) if abs(pair[0, 0]) >= abs(pair[1, 0]) else (pair[1], pair[0])
    return np.array([first * np.sign(first[0] or 1.0), second * np.sign(second[1] or 1.0)])


def whitened_spectrum(contrast: np.ndarray, side: int) -> np.ndarray | None:
    """Return the tiles' mean log spectrum over its own neighbourhood, (side, side) with frequency 0 in the middle.

    Logarithms make each tile count alike, whatever is printed on it. None if no tile has any contrast.
    """
    window = np.hanning(side + 2)[1:-1].astype(np.float32)
    window = np.outer(window, window)
    total, count = None, 0
    for y, x in _tile_corners(contrast.shape, side):
        tile = contrast[y : y + side, x : x + side]
        if np.mean(np.abs(tile) > 1e-3) < 0.5:
            continue
        power = np.abs(fft.rfft2((tile - tile.mean()) * window)) ** 2
        power = np.log(power + 1e-6 * power.mean() + 1e-12)
        total = power if total is None else total + power
        count += 1
    if total is None:
        return None
    full = _whole_plane(total / count, side)
    full = cv2.GaussianBlur(cv2.dilate(full.astype(np.float32), np.ones((3, 3), np.uint8)), (5, 5), 1.0)
    smooth = cv2.blur(full, (21, 21))
    excess = full - smooth
    noise = 1.4826 * float(np.median(np.abs(excess - np.median(excess)))) + 1e-6
    return np.expm1(np.clip(excess - noise, 0.0, 12.0) / 2)


def _tile_corners(shape: tuple[int, ...], side: int) -> list[tuple[int, int]]:
    """Corners of evenly spread tiles that cover the map, at most about ENOUGH_TILES of them."""
    counts = [max(1, round(extent / side * 1.3)) for extent in shape]
    while counts[0] * counts[1] > ENOUGH_TILES and max(counts) > 1:
        counts[int(np.argmax(counts))] -= 1
    rows, columns = (
        np.unique(np.linspace(0, extent - side, count).round().astype(int)) if count > 1 else [(extent - side) // 2]
        for extent, count in zip(shape, counts, strict=True)
    )
    return [(int(y), int(x)) for y in rows for x in columns]


def _whole_plane(half: np.ndarray, side: int) -> np.ndarray:
    """Unfold a real transform's half plane (side, side // 2 + 1) and move frequency 0 to [side // 2, side // 2]."""
    full = np.empty((side, side), half.dtype)
    full[:, : half.shape[1]] = half
    mirrored = np.roll(half[::-1], 1, axis=0)  # frequency -fy at row fy
    rest = side - half.shape[1]
    full[:, half.shape[1] :] = mirrored[:, 1 : rest + 1][:, ::-1]
    return np.fft.fftshift(full)


def comb_scores(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score every direction and fundamental frequency by the comb of its harmonics.

    Returns angles (A,) in radians over half a turn, radii (R,) in bins and scores (A, R): the sum over the harmonics
    below the highest frequency over the root of their number, so that a full comb beats both its own multiples (fewer
    teeth) and its fractions (empty teeth).
    """
    side = spectrum.shape[0]
    highest = side / 2 * 0.94
    angles = np.deg2rad(np.arange(-90, 90, ANGLE_STEP))
    reach = np.arange(0, int(highest / RADIUS_STEP) + 1) * RADIUS_STEP
    x = side // 2 + np.outer(np.cos(angles), reach).astype(np.float32)
    y = side // 2 + np.outer(np.sin(angles), reach).astype(np.float32)
    polar = cv2.remap(spectrum, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    radii = np.arange(LOWEST, highest, 0.1)
    scores = np.zeros((len(angles), len(radii)), np.float32)
    teeth = np.zeros(len(radii), np.float32)
    for harmonic in range(1, HARMONICS + 1):
        reached = harmonic * radii <= highest
        tooth, before, after = (
            polar[
                :,
                np.minimum(np.round((harmonic + step) * radii[reached] / RADIUS_STEP).astype(int), polar.shape[1] - 1),
            ]
            for step in (0, -0.5, 0.5)
        )
        scores[:, reached] += tooth - (before + after) / 2
        teeth[reached] += 1
    return angles, radii, scores / np.sqrt(teeth)


Direction = tuple[float, float]
"""(angle in radians, radius in bins)."""


def best_pairs(
    angles: np.ndarray, radii: np.ndarray, scores: np.ndarray, candidates: int
) -> list[tuple[Direction, Direction]]:
    """Choose perpendicular pairs of combs, best common score first.

    The two stand within 12 degrees of a right angle, and their pitches differ by less than a third.
    """
    found: list[tuple[float, tuple[Direction, Direction]]] = []
    rest = scores.copy()
    right_angle, slack = int(round(90 / ANGLE_STEP)), int(round(12 / ANGLE_STEP))
    for _ in range(3 * candidates):
        a, r = np.unravel_index(int(np.argmax(rest)), rest.shape)
        if rest[a, r] <= 0:
            break
        rows = (a + right_angle + np.arange(-slack, slack + 1)) % len(angles)
        columns = np.flatnonzero((radii > radii[r] * 0.75) & (radii < radii[r] * 1.33))
        partners = scores[np.ix_(rows, columns)]
        i, j = np.unravel_index(int(np.argmax(partners)), partners.shape)
        pair = ((float(angles[a]), float(radii[r])), (float(angles[rows[i]]), float(radii[columns[j]])))
        found.append((float(np.sqrt(rest[a, r] * max(0.0, partners[i, j]))), pair))
        for angle, radius in ((a, r), (rows[i], columns[j])):
            near = np.flatnonzero(np.abs(radii - radii[radius]) < max(1.5, 0.04 * radii[radius]))
            rest[np.ix_((angle + np.arange(-6, 7)) % len(angles), near)] = 0
    found.sort(key=lambda item: -item[0])
    return [pair for _, pair in found[:candidates]]
