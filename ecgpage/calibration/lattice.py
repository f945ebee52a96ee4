"""The fit of a lattice to a line pattern whose two frequencies are roughly known, by its phase all over the page."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecgpage.calibration.tiles import Combs, find_peaks, is_nested, read_combs, track
from ecgpage.geometry import apply_homography

FULL_STRENGTH = 4.0
"""Strength beyond which a comb is no clearer: nothing but a grid reaches it."""

SEEN = (1.3, 0.75)
"""Strength and agreement from which on lines are seen whose squares are known beforehand."""


@dataclass(frozen=True)
class Lattice:
    """A lattice on an image; fields as in ``grid.GridEstimate``, in the image's pixels.

    agreement: share of the tiles, by weight, whose lines lie where those of their neighbours lead one to expect; a
        quarter by chance alone.
    """

    lattice_to_image: np.ndarray
    nested: bool
    strength: float
    agreement: float
    centers: np.ndarray
    shifts: np.ndarray
    weights: np.ndarray

    @property
    def bend(self) -> float:
        """Typical distance of the tiles' lines from the lattice, in lattice units: near 0 on a flat page."""
        trust = np.clip(self.weights - 1.5, 0.0, 6.0)
        return float(np.sqrt((trust * self.shifts**2).sum() / max(1e-9, trust.sum())))

    @property
    def quality(self) -> float:
        """How much a lattice explains: clear lines, continuous from tile to tile, little bent."""
        return min(self.strength, FULL_STRENGTH) * self.agreement / (1 + 2 * self.bend)


def fit_lattice(contrast: np.ndarray, frequencies: np.ndarray) -> Lattice:
    """Fit a lattice to an (H, W) contrast map, starting from (2, 2) frequencies in cycles per pixel.

    The fit grows from the region that shows the lines best outwards, so that no line is skipped where the start is off
    by a percent or two, and ends with a homography over all tiles, measured on the straightened map.
    """
    start = _even_start(contrast, frequencies)
    return _finish(contrast, _grow(read_combs(contrast, start)) @ start)


def follow_lattice(contrast: np.ndarray, frequencies: np.ndarray) -> Lattice:
    """As ``fit_lattice``, at twice the cost, for pages so tilted or bent that one map of them does not do.

    The map is straightened anew at every step outwards.
    """
    start = _even_start(contrast, frequencies)
    return _finish(contrast, _grow_stepwise(contrast, start, read_combs(contrast, start)))


def refined_lattice(contrast: np.ndarray, image_to_lattice: np.ndarray) -> Lattice:
    """A lattice whose squares' size and shape are known, set on the lines that an (H, W) contrast map shows.

    It is fitted to them where they are seen, see ``SEEN``; else size and shape stay, and no tile's lines are told: all
    weights are 0.
    """
    start = image_to_lattice / image_to_lattice[2, 2]
    combs = read_combs(contrast, start)
    fitted = _finish(contrast, _grow(combs) @ start)
    if fitted.strength >= SEEN[0] and fitted.agreement >= SEEN[1]:
        return fitted
    known = _lattice(combs, start, fitted=False)
    return replace(known, shifts=np.zeros_like(known.shifts), weights=np.zeros_like(known.weights))


def known_lattice(contrast: np.ndarray, image_to_lattice: np.ndarray, shifts: np.ndarray) -> Lattice:
    """A lattice whose lines' places are known: on an (H, W) map, (N, 2) lattice units off in the tiles cut there."""
    lattice = _lattice(read_combs(contrast, image_to_lattice), image_to_lattice)
    return replace(lattice, shifts=shifts, weights=np.full_like(shifts, FULL_STRENGTH))


def _even_start(contrast: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return the affine image_to_lattice of even frequencies, origin in the middle."""
    height, width = contrast.shape
    start = np.eye(3)
    start[:2, :2] = frequencies
    start[:2, 2] = -frequencies @ np.array([(width - 1) / 2, (height - 1) / 2])
    return start


def _finish(contrast: np.ndarray, image_to_lattice: np.ndarray) -> Lattice:
    """Refine a nearly right homography over all tiles and report how well they agree."""
    for _ in range(2):
        combs = read_combs(contrast, image_to_lattice)
        shifts, weights, _ = track(combs, fitted=False)
        trust = np.clip(weights - 1.5, 0.0, 6.0)
        image_to_lattice = _fit_robust(combs.centers, combs.centers - shifts, trust, True, soft=True) @ image_to_lattice
        image_to_lattice /= image_to_lattice[2, 2]
    return _lattice(read_combs(contrast, image_to_lattice), image_to_lattice)


def _lattice(combs: Combs, image_to_lattice: np.ndarray, fitted: bool = True) -> Lattice:
    """A lattice, image_to_lattice (3, 3), and what the tiles show of it by its combs; fitted: see ``tiles.track``."""
    shifts, weights, agreement = track(combs, fitted)
    lattice_to_image = np.linalg.inv(image_to_lattice)
    lattice_to_image /= lattice_to_image[2, 2]
    seen = np.sort(weights.min(axis=1))
    strength = float(np.median(seen[len(seen) // 2 :])) if len(seen) else 0.0
    strength /= 0.9 + 0.06 * np.count_nonzero(combs.amplitudes[0])  # by chance alone, more teeth reach higher
    centers = apply_homography(lattice_to_image, combs.centers)
    nested = is_nested(combs.amplitudes)
    return Lattice(lattice_to_image, nested, strength, agreement, centers, shifts, weights)


def _best_start(combs: Combs) -> np.ndarray:
    """Return the centre (2,) of the region that shows both families of lines best."""
    weights = np.clip(combs.levels.max(axis=-1).min(axis=1) - 1.0, 0.0, 6.0)
    distance = _distances(combs.centers, combs.centers)
    near = np.exp(-((distance / (0.2 * distance.max() + 1e-9)) ** 2))
    return combs.centers[int(np.argmax(near @ weights))]


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1))


def _radii(distance: np.ndarray, steps: int) -> np.ndarray:
    """Radii that take in the nearest dozen of tiles first and all of them in the end."""
    first = max(1e-6, float(np.sort(distance)[min(len(distance) - 1, 11)]))
    return np.geomspace(first, max(first, float(distance.max())) * 1.01, steps)


def _grow(combs: Combs) -> np.ndarray:
    """Fit an affine, then a projective correction in lattice units, outwards from the best region."""
    correction = np.eye(3)
    if len(combs.centers) < 3:
        return _fit(combs, correction, np.ones(len(combs.centers), bool), 0.5, projective=False)
    distance = _distances(_best_start(combs)[None], combs.centers)[0]
    radii = _radii(distance, 6)
    correction = _in_phase(combs, distance <= radii[0])
    for radius in radii:
        for _ in range(2):
            correction = _fit(combs, correction, distance <= radius, 0.5, radius > 0.45 * distance.max())
    return correction


def _grow_stepwise(contrast: np.ndarray, image_to_lattice: np.ndarray, combs: Combs) -> np.ndarray:
    """Fit outwards from the best region, straightening the map anew at every step; returns image_to_lattice."""
    if len(combs.centers) < 6:
        return image_to_lattice
    start = _best_start(combs)
    for step, radius in enumerate(_radii(_distances(start[None], combs.centers)[0], 7)):
        if step:
            combs = read_combs(contrast, image_to_lattice)
        region = _distances(start[None], combs.centers)[0] <= radius
        correction = np.eye(3) if step else _in_phase(combs, region)
        for _ in range(2):
            correction = _fit(combs, correction, region, 0.5, projective=step > 0)
        image_to_lattice = correction @ image_to_lattice
        image_to_lattice = image_to_lattice / image_to_lattice[2, 2]
    return image_to_lattice


def _in_phase(combs: Combs, region: np.ndarray) -> np.ndarray:
    """Return the shift, a homography in lattice units, to where a region's tiles, (N,) bool, see lines all together.

    Without it lines halfway between two of the lattice's would be taken for the one in some tiles and for the other in
    others.
    """
    correction = np.eye(3)
    correction[:2, 2] = -find_peaks(combs.levels[region].sum(axis=0, keepdims=True), np.zeros((1, 2)), 0.5)[0][0]
    return correction


def _fit(combs: Combs, correction: np.ndarray, region: np.ndarray, window: float, projective: bool) -> np.ndarray:
    """Return the homography that takes the current lattice to the measured one, in lattice units.

    `correction` maps a tile's current coordinates to the measured lattice's; its prediction says which of the lines,
    all alike, is meant. Solved by least squares with weights that fall with the residual.
    """
    if not region.any():
        return correction
    centers = combs.centers[region]
    predicted = centers - apply_homography(correction, centers)
    found, heights = find_peaks(combs.levels[region], predicted, window)
    target = centers - found  # a line seen to the right of its place: coordinates there are smaller
    trust = np.clip(heights - 1.5, 0.0, 6.0)
    return _fit_robust(centers, target, trust, projective, correction)


def _fit_robust(
    centers: np.ndarray,
    target: np.ndarray,
    trust: np.ndarray,
    projective: bool,
    correction: np.ndarray | None = None,
    soft: bool = False,
) -> np.ndarray:
    """Least squares for centers (N, 2) -> target (N, 2), with trust (N, 2) that falls with the residual.

    `correction` is the first guess that residuals are taken from. Hard, tiles off the rest count for nothing; soft,
    they count in proportion, which spreads the bend of a curled page evenly.
    """
    solution = np.eye(3) if correction is None else correction
    if not len(centers):
        return solution
    first = solution
    middle, spread = centers.mean(axis=0), max(1e-6, float(np.ptp(centers, axis=0).max()) / 2)
    for _ in range(4):
        residual = target - apply_homography(solution, centers)
        scale = max(0.01, 1.4826 * _weighted_median(np.abs(residual).ravel(), trust.ravel()))
        fall = 1 / (1 + (residual / (2 * scale)) ** 2)
        solved = _solve(centers, target, trust * (np.sqrt(fall) if soft else fall**2), middle, spread, projective)
        if solved is None:
            return first
        solution = solved
    return solution


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]]) if total[-1] > 0 else 0.5


def _solve(
    points: np.ndarray, targets: np.ndarray, weights: np.ndarray, middle: np.ndarray, spread: float, projective: bool
) -> np.ndarray | None:
    """Weighted least squares for points (N, 2) -> targets (N, 2) with weights (N, 2), gently held to a pure shift.

    The hold keeps a few tiles from inventing shear or perspective that they cannot tell. None if there is no weight.
    """
    if weights.sum() <= 1e-9:
        return None
    p, t = (points - middle) / spread, (targets - middle) / spread
    zero, one = np.zeros(len(p)), np.ones(len(p))
    rows_x = np.stack([p[:, 0], p[:, 1], one, zero, zero, zero, -p[:, 0] * t[:, 0], -p[:, 1] * t[:, 0]], 1)
    rows_y = np.stack([zero, zero, zero, p[:, 0], p[:, 1], one, -p[:, 0] * t[:, 1], -p[:, 1] * t[:, 1]], 1)
    design = np.concatenate([rows_x * weights[:, :1], rows_y * weights[:, 1:]])
    goal = np.concatenate([t[:, 0] * weights[:, 0], t[:, 1] * weights[:, 1]])
    hold = 1e-3 * weights.sum() / np.sqrt(len(p)) * np.array([1, 1, 0, 1, 1, 0, 3, 3.0])
    if not projective:
        hold[6:] = 1e6
    design = np.concatenate([design, np.diag(hold)])
    goal = np.concatenate([goal, hold * np.array([1, 0, 0, 0, 1, 0, 0, 0.0])])
    h = np.append(np.linalg.lstsq(design, goal, rcond=None)[0], 1.0).reshape(3, 3)
    norm = np.array([[1 / spread, 0, -middle[0] / spread], [0, 1 / spread, -middle[1] / spread], [0, 0, 1]])
    h = np.linalg.inv(norm) @ h @ norm
    return h / h[2, 2]
