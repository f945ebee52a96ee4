"""A lattice of lines so faint that no tile shows them for certain: told by what all tiles say together.

In each tile the lines' harmonics have a phase; where one lattice runs through the page, the phases of all tiles agree
about where its lines lie. What noise does in one tile it does not do in the next: over N tiles, what they say together
stands out by the root of N more than in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ecgpage.calibration.grid import frequencies_at
from ecgpage.calibration.tiles import Combs, read_combs
from ecgpage.geometry import Bend, bend_terms, flat_points

PITCH_STEP = 0.0175
"""Natural logarithm between the pitches from which lattices are looked for: within half of it a tile's lines are still
in step with each other."""

FARTHEST = 3.0
"""Standard deviations by which pitches may differ from those expected."""

STRAIN, SLANT = 0.012, 0.03
"""Share by which a pitch may differ from the one it was looked for from, and tangent of the lines' slant, at most."""

UNITS = 0.2
"""Lattice units at the page's edge between the strains and slants that are tried."""

PHASES = 50
"""Places of the lattice's lines within a unit that are tried."""

TILTS = (-0.012, -0.006, 0.006, 0.012)
"""Changes of scale, along and across, from the page's middle to its edge, from which perspective is looked for."""

HELD = np.array([0.045, 0.045, np.inf, 0.045, 0.045, np.inf, 0.018, 0.018])
"""Standard deviations by which the terms a to h of a homography (x + ax + by + c, y + dx + ey + f) / (1 + gx + hy) are
held to 0, where half of the tiles' extent is 1."""

ROUNDS = 3
"""How often the map is straightened anew by the lattice so far."""

FEWEST_TILES = 20
"""Tiles of a map at least: what fewer say together stands out too little."""

CLEAR = 9.0
"""Clearness of upright and of level lines from which on they are a grid's."""

CURL_DEGREE, LEAST_GAIN = 4, 3.0
"""Degree of the polynomial that paper which is not flat follows, and how much clearer, both kinds of lines together,
it makes them at least: of flat pages lines gain 2 by chance."""

OWN, DIVISORS = 0.3, (2, 3, 4, 5, 6, 7)
"""Share that harmonics other than the multiples of any one of these have in what tiles say of lines; else these are
some of closer ones."""

MISSING, MULTIPLES = 0.5, (2, 3)
"""Share of lines' clearness that those as many times as far apart have in harmonics of their own, where all but every
second or third is missing."""


class Coherence(NamedTuple):
    """A lattice of which tiles say most together.

    image_to_lattice: (3, 3) homography from a map's pixels. clearness: (2,) of upright and of level lines, what the
    tiles say together over its standard deviation by chance, before anything was fitted to them (fitted to noise, it is
    up to 9), less half the square of the standard deviations by which the pitch is not the one expected.
    lowest_harmonic: the lowest that counts.
    """

    image_to_lattice: np.ndarray
    clearness: np.ndarray
    lowest_harmonic: int


def find_coherence(
    contrast: np.ndarray, frequency: float, deviations: tuple[float, float], lowest_harmonic: int = 1
) -> Coherence | None:
    """The lattice near a frequency, cycles per pixel, of which the tiles of a map, (H, W), say most together.

    The map's rows and columns lie along the lines within ``SLANT``; deviations: standard deviations of the natural
    logarithm of the frequencies along x and along y. lowest_harmonic: the lowest that counts; leads, which also come at
    even steps, show in the first harmonic of lines that are further apart. None where the map shows too little.
    """
    steps = int(np.ceil(FARTHEST * max(deviations) / PITCH_STEP))
    best = [(-np.inf, np.zeros(3))] * 2  # of either axis: clearness, and the row of image_to_lattice
    for offset in np.arange(-steps, steps + 1) * PITCH_STEP:
        start = _even(contrast, frequency * np.exp(offset))
        waves = _waves(read_combs(contrast, start), lowest_harmonic)
        if waves is None:
            continue
        for axis in (0, 1):
            off = offset / deviations[axis]
            if abs(off) <= FARTHEST:
                clear, row = _straight_lines(waves, axis)
                best[axis] = max(best[axis], (clear - off**2 / 2, row @ start), key=lambda one: one[0])
    if not np.isfinite([clear for clear, _ in best]).all():
        return None
    refined = _refined(contrast, np.array([best[0][1], best[1][1], [0, 0, 1.0]]), lowest_harmonic)
    if refined is None:
        return None
    image_to_lattice, clearness = refined
    height, width = contrast.shape
    vectors, _ = frequencies_at(np.linalg.inv(image_to_lattice), np.array([(width - 1) / 2, (height - 1) / 2]))
    off = np.log(np.hypot(*vectors.T) / frequency) / deviations
    return Coherence(image_to_lattice, clearness - off**2 / 2, lowest_harmonic)


def is_fundamental(contrast: np.ndarray, coherence: Coherence) -> bool:
    """Whether lines are neither some of closer ones nor are most of theirs missing.

    contrast: the map (H, W) on which they were found. Closer lines show in multiples of one harmonic alone, lines two
    or three times as far apart in harmonics that are none of these.
    """
    waves = _waves(read_combs(contrast, coherence.image_to_lattice), coherence.lowest_harmonic)
    if waves is None:
        return False
    told = waves.amplitudes.real.mean(axis=0)  # (2, K)
    others = [told[:, waves.harmonics % divisor > 0].sum(axis=1) for divisor in DIVISORS]
    if (np.min(others, axis=0) < OWN * told.sum(axis=1)).any():
        return False
    missing = np.zeros(2)
    for multiple in MULTIPLES:
        for line in range(multiple):
            fewer = np.array([[1, 0, line], [0, 1, line], [0, 0, multiple]]) @ coherence.image_to_lattice
            waves = _waves(read_combs(contrast, fewer), 1, fewest_tiles=1)
            if waves is not None:
                missing = np.maximum(missing, waves.clearness(waves.harmonics % multiple > 0))
    return bool((missing <= MISSING * coherence.clearness).all())


def curl(contrast: np.ndarray, coherence: Coherence, deviation: float) -> np.ndarray:
    """How far lines lie beside a lattice on paper that is not flat: (N, 2) lattice units, of the tiles that
    ``read_combs`` cuts by it.

    They follow a polynomial whose terms have the standard deviation ``deviation``, lattice units. All 0 where it hardly
    makes lines clearer. contrast: the map (H, W) on which the lattice was found. Raises ValueError for another one,
    where it shows nothing of the lattice.
    """
    waves = _waves(read_combs(contrast, coherence.image_to_lattice), coherence.lowest_harmonic)
    if waves is None:
        raise ValueError(f"expected the map on which the lattice was found, came one of {contrast.shape} without it")
    low, high = waves.centers.min(axis=0), waves.centers.max(axis=0)
    terms = bend_terms((waves.centers - (low + high) / 2) / np.maximum((high - low) / 2, 1e-6), CURL_DEGREE)  # (N, K)
    root = np.sqrt(len(terms))

    def unlikely(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        held = coefficients.reshape(-1, 2) / deviation
        moved = deviation * terms @ held
        slope = terms.T @ waves.slopes(moved) / root
        value = float(waves.at(moved).sum()) / root
        return 0.5 * float(np.square(held).sum()) - value, (held / deviation - slope).ravel()

    found = minimize(unlikely, np.zeros(2 * terms.shape[1]), jac=True, method="BFGS", options={"maxiter": 100})
    moved = terms @ found.x.reshape(-1, 2)
    flat = np.zeros_like(moved)
    gain = float((waves.at(moved) - waves.at(flat)).sum()) / root
    return moved if gain >= LEAST_GAIN else flat


@dataclass(frozen=True)
class LatticeTiles:
    """What the tiles of a map say of a lattice's lines, ``square`` mm apart, asked for any bend.

    waves: by all harmonics, and by those from the second on, None where the pixels show none of these.
    """

    waves: tuple[_Waves, _Waves | None]
    square: float

    @classmethod
    def of(cls, contrast: np.ndarray, image_to_lattice: np.ndarray, square: float) -> LatticeTiles | None:
        """The tiles of a map (H, W); None where it shows too little to tell. image_to_lattice: (3, 3) homography."""
        combs = read_combs(contrast, image_to_lattice)
        waves = _waves(combs, 1)
        return None if waves is None else cls((waves, _waves(combs, 2)), square)

    def clearness(self, bend: Bend | None) -> np.ndarray:
        """What the tiles say together, (2, 2): by all harmonics and by those from the second on, 0 where the pixels
        show none of these; of upright and of level lines. bend: of the paper, told beside the lattice."""
        seen = self.square * self.waves[0].centers
        shifts = (seen - flat_points(np.eye(3), seen, bend)) / self.square
        told = [np.zeros(2) if waves is None else waves.at(shifts).sum(axis=0) for waves in self.waves]
        return np.array(told) / np.sqrt(len(shifts))


class _Waves(NamedTuple):
    """Of N tiles: centers: (N, 2) lattice units; amplitudes: (N, 2, K) complex, so that each tile's line pattern at
    shift s is their real part turned by ``harmonics`` (K,) times s, and has the power 1."""

    centers: np.ndarray
    amplitudes: np.ndarray
    harmonics: np.ndarray

    def clearness(self, which: np.ndarray) -> np.ndarray:
        """What some of the harmonics, (K,) bool, say together (2,) where lines lie in their places."""
        told = self.amplitudes[..., which]
        deviation = np.sqrt((np.abs(told) ** 2).sum(axis=(0, 2)) / 2)
        return told.real.sum(axis=(0, 2)) / np.maximum(deviation, 1e-9)

    def at(self, shifts: np.ndarray) -> np.ndarray:
        """Tiles' patterns (N, 2) at shifts (N, 2), lattice units."""
        return self._turned(shifts, self.amplitudes)

    def slopes(self, shifts: np.ndarray) -> np.ndarray:
        """Their derivatives (N, 2)."""
        return self._turned(shifts, 2j * np.pi * self.harmonics * self.amplitudes)

    def _turned(self, shifts: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
        return (amplitudes * np.exp(2j * np.pi * shifts[..., None] * self.harmonics)).sum(axis=-1).real


def _even(contrast: np.ndarray, frequency: float) -> np.ndarray:
    """The image_to_lattice of an even frequency, its origin in the middle."""
    height, width = contrast.shape
    middle = frequency * np.array([(width - 1) / 2, (height - 1) / 2])
    return np.array([[frequency, 0, -middle[0]], [0, frequency, -middle[1]], [0, 0, 1.0]])


def _waves(combs: Combs, lowest_harmonic: int, fewest_tiles: int = FEWEST_TILES) -> _Waves | None:
    """What the tiles say, each alike loud; None where there are too few of them, or pixels too few for any harmonic."""
    teeth = combs.teeth[..., lowest_harmonic - 1 :]
    if len(teeth) < fewest_tiles or not teeth.shape[-1]:
        return None
    power = (np.abs(teeth) ** 2).sum(axis=-1, keepdims=True) / 2
    return _Waves(combs.centers, teeth / np.sqrt(power + 1e-9), lowest_harmonic + np.arange(teeth.shape[-1]))


def _straight_lines(waves: _Waves, axis: int) -> tuple[float, np.ndarray]:
    """Of all straight, evenly spaced lines near those of the waves' lattice the ones that the tiles say most of.

    Returns what they say together over its standard deviation, and the (3,) row that takes the waves' lattice to these
    lines' own coordinate.
    """
    along, across = waves.centers[:, axis], waves.centers[:, 1 - axis]
    reach = np.abs(waves.centers).max(axis=0) + 1e-9
    strains, slants = (
        _evenly(limit * distance) / distance for limit, distance in ((STRAIN, reach[axis]), (SLANT, reach[1 - axis]))
    )
    phases = np.arange(PHASES) / PHASES - 0.5
    total = np.zeros((len(strains), len(slants), PHASES))
    for number, harmonic in enumerate(waves.harmonics):
        stretched = np.exp(2j * np.pi * harmonic * np.outer(strains, along))  # (A, N)
        slanted = np.exp(2j * np.pi * harmonic * np.outer(slants, across))  # (B, N)
        together = (stretched * waves.amplitudes[:, axis, number]) @ slanted.T  # (A, B)
        total += (together[..., None] * np.exp(2j * np.pi * harmonic * phases)).real
    a, b, phase = np.unravel_index(int(total.argmax()), total.shape)
    row = np.zeros(3)
    # lines seen at a shift s: coordinates are smaller by s
    row[axis], row[1 - axis], row[2] = 1 - strains[a], -slants[b], -phases[phase]
    return float(total[a, b, phase] / np.sqrt(len(waves.centers))), row


def _evenly(extent: float) -> np.ndarray:
    """Values from -extent to extent, at most ``UNITS`` apart, 0 among them."""
    count = int(np.ceil(extent / UNITS))
    return np.linspace(-extent, extent, 2 * count + 1)


def _refined(
    contrast: np.ndarray, image_to_lattice: np.ndarray, lowest_harmonic: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The homography (3, 3) near one of which the tiles say most together, and their clearness (2,)."""
    clearness = np.zeros(2)
    for number in range(ROUNDS):
        waves = _waves(read_combs(contrast, image_to_lattice), lowest_harmonic)
        if waves is None:
            return None
        correction, clearness = _climb(waves, TILTS if number == 0 else ())
        image_to_lattice = correction @ image_to_lattice
        image_to_lattice = image_to_lattice / image_to_lattice[2, 2]
    return image_to_lattice, clearness


def _climb(waves: _Waves, tilts: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The correction, (3, 3) in lattice units, under which the tiles say most together, and their clearness (2,).

    tilts: perspective from which it is looked for too.
    """
    middle, spread = waves.centers.mean(axis=0), float(np.ptp(waves.centers, axis=0).max()) / 2
    x, y = ((waves.centers - middle) / spread).T
    zero = np.zeros_like(x)
    root = np.sqrt(len(x))

    def shifts(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far lines lie from their places (N, 2), lattice units, and the derivatives by the terms (8, N, 2)."""
        a, b, c, d, e, f, g, h = terms
        depth = 1 + g * x + h * y
        u, v = (x + a * x + b * y + c) / depth, (y + d * x + e * y + f) / depth
        of_u = [x / depth, y / depth, 1 / depth, zero, zero, zero, -u * x / depth, -u * y / depth]
        of_v = [zero, zero, zero, x / depth, y / depth, 1 / depth, -v * x / depth, -v * y / depth]
        moved = spread * np.stack([x - u, y - v], axis=1)
        return moved, -spread * np.stack([np.stack(of_u), np.stack(of_v)], axis=2)

    def unlikely(terms: np.ndarray) -> tuple[float, np.ndarray]:
        moved, derivatives = shifts(terms)
        value = float(waves.at(moved).sum()) / root
        slope = np.einsum("knd,nd->k", derivatives, waves.slopes(moved)) / root
        return 0.5 * float(np.square(terms / HELD).sum()) - value, terms / HELD**2 - slope

    starts = [np.zeros(8), *(tilt * np.eye(8)[term] for tilt in tilts for term in (6, 7))]
    found = [minimize(unlikely, start, jac=True, method="BFGS", options={"maxiter": 60}) for start in starts]
    terms = min(found, key=lambda one: one.fun).x
    flat = np.array([[1 / spread, 0, -middle[0] / spread], [0, 1 / spread, -middle[1] / spread], [0, 0, 1]])
    a, b, c, d, e, f, g, h = terms
    correction = np.linalg.inv(flat) @ np.array([[1 + a, b, c], [d, 1 + e, f], [g, h, 1.0]]) @ flat
    return correction, waves.at(shifts(terms)[0]).sum(axis=0) / root
