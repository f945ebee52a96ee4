"""The printed grid of a page, measured: where its lines run, to about a fiftieth of a millimetre.

Two steps. A *search* finds the two frequencies of the line pattern in windowed Fourier spectra of the page's tiles:
lines that repeat leave a comb of harmonics along two perpendicular directions. A *fit* then carries the phase of that
pattern over the page, tile by tile, and fits a homography from lattice to page through all of them. The phase of a
pattern that repeats hundreds of times is far more precise than any single line, and it survives creases, shadows and
traces, which disturb only their own tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.calibration.lattice import Lattice, fit_lattice, follow_lattice
from ecgpage.calibration.spectrum import find_frequencies, upright_first
from ecgpage.geometry import apply_homography
from ecgpage.recording import Page

DIAGONAL = 30.0
"""Degrees off the picture's sides from which on a pattern may be the diagonals of another."""

TRACE_QUANTILE, TRACE_SHARE = 0.99, 0.5
"""Quantile of darkness that a trace has, and share of it from which on a pixel is ink."""

SMALLEST_IMAGE = 48
"""Pixels a side from which on a grid is looked for."""

DIAGONAL_AGREEMENT, DIAGONAL_STRENGTH = 0.9, 1.5
"""Agreement and strength (see ``GridEstimate``) of the pattern whose diagonals were found, where it is really there."""


@dataclass(frozen=True)
class GridSettings:
    """How the grid is looked for.

    longest: pages are reduced so that their longer side has at most this many pixels.
    tiles_across: Fourier tiles along the longer side, half of this many periods of the coarsest pattern seen.
    smallest_strength: strength (see GridEstimate) from which on a pattern counts as a grid.
    smallest_agreement: share of the tiles whose lines must fit their neighbours' for a pattern to count.
    faint_strength, faint_agreement: a pattern of less strength counts as well where almost all tiles fit.
    sure_quality, sure_agreement: from which on no other candidate pattern is tried.
    flat_bend: lattice units by which the lines of a flat page leave the lattice at most.
    candidates: most patterns of the spectrum that are tried, each with the strong lines it may be nested in.
    candidates_before_following: after so many unsure ones, the best is followed over the page as if that were bent.
    """

    longest: int = 2400
    tiles_across: int = 4
    smallest_strength: float = 2.0
    smallest_agreement: float = 0.55
    faint_strength: float = 1.35
    faint_agreement: float = 0.9
    sure_quality: float = 2.0
    sure_agreement: float = 0.9
    flat_bend: float = 0.07
    candidates: int = 4
    candidates_before_following: int = 4

    def __post_init__(self) -> None:
        if self.longest < 256:
            raise ValueError(f"longest must be at least 256 pixels to show grid lines, came {self.longest}")
        if not 1 <= self.tiles_across <= 16:
            raise ValueError(f"tiles_across must be between 1 and 16, came {self.tiles_across}")
        if self.smallest_strength <= 0:
            raise ValueError(f"smallest_strength must be positive, came {self.smallest_strength}")
        if not 0 < self.faint_strength <= self.smallest_strength:
            raise ValueError(f"faint_strength must be in (0, {self.smallest_strength}], came {self.faint_strength}")
        if not self.smallest_agreement <= self.faint_agreement <= 1:
            raise ValueError(f"faint_agreement must be in [{self.smallest_agreement}, 1], came {self.faint_agreement}")

    def is_seen(self, lattice: Lattice) -> bool:
        """Whether a lattice counts as a printed grid."""
        plain = lattice.strength >= self.smallest_strength and lattice.agreement >= self.smallest_agreement
        return plain or (lattice.strength >= self.faint_strength and lattice.agreement >= self.faint_agreement)

    def is_sure(self, lattice: Lattice) -> bool:
        """Whether a lattice is so good that no other need be tried."""
        return lattice.agreement >= self.sure_agreement and lattice.quality >= self.sure_quality


@dataclass(frozen=True)
class GridEstimate:
    """The page's grid as a lattice of equal squares.

    lattice_to_page: homography from lattice coordinates (line numbers) to page pixels, or None where no grid is seen.
        The origin lies on a crossing near the page's middle, or anywhere where no line is told.
    pitch: (x, y) page pixels between neighbouring lattice lines at the page's middle, or None.
    vectors: (2, 2) cycles per page pixel at the middle, as (x, y): row 0 of the upright lines, row 1 of the level ones.
    nested: whether every fifth line of a finer pattern is seen to be stronger: then the lattice is that of the strong
        lines (5 mm on ECG paper). Otherwise its squares may be of 1 mm or of 5 mm.
    strength: how far the pattern's combs stand out of the noise, about 1 where there is none; median over the better
        half of the tiles.
    agreement: share of the tiles whose lines lie where their neighbours' lead one to expect.
    bend: lattice units by which the tiles' lines typically leave the lattice; above about 0.1 the page is curled.
    centers, shifts, weights: the local estimates: (N, 2) tile centres in page pixels, (N, 2) how far, in lattice units,
        the pattern there lies from the fitted lattice, (N, 2) peak over noise per axis, all 0 where no line
        is told, see ``tells_lines``.
    """

    lattice_to_page: np.ndarray | None
    pitch: tuple[float, float] | None
    vectors: np.ndarray | None
    nested: bool
    strength: float
    agreement: float
    bend: float
    centers: np.ndarray
    shifts: np.ndarray
    weights: np.ndarray

    @property
    def found(self) -> bool:
        """Whether a grid was seen."""
        return self.lattice_to_page is not None

    @property
    def tells_lines(self) -> bool:
        """Whether any tile tells where its lines lie, not only how large the squares are."""
        return bool(self.weights.any())

    @property
    def page_to_lattice(self) -> np.ndarray:
        """Homography from page pixels to lattice coordinates. Raises ValueError where no grid was found."""
        if self.lattice_to_page is None:
            raise ValueError("no grid was found on this page: ask `found` before its lattice")
        return np.linalg.inv(self.lattice_to_page)

    @property
    def region(self) -> tuple[float, float, float, float] | None:
        """Where on the page the grid is seen, x0, y0, x1, y1 in page pixels, with a tile around; None without one."""
        if self.lattice_to_page is None or len(self.centers) < 2:
            return None
        seen = (self.weights.min(axis=1) > 1.5) & (np.abs(self.shifts).max(axis=1) < 0.1)
        if not seen.any():
            return None
        distance = np.linalg.norm(self.centers[:, None] - self.centers[None], axis=2)
        around = float(np.median(np.where(distance > 0, distance, np.inf).min(axis=1)))
        low, high = self.centers[seen].min(axis=0) - around, self.centers[seen].max(axis=0) + around
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def moved(self, page_to_other: np.ndarray, size: tuple[int, int]) -> GridEstimate:
        """Return the same grid on another page of (height, width) `size`, given the homography between the two."""
        if self.lattice_to_page is None:
            return self
        lattice_to_other = page_to_other @ self.lattice_to_page
        middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
        vectors, pitch = frequencies_at(lattice_to_other, middle)
        return GridEstimate(
            lattice_to_other / lattice_to_other[2, 2],
            pitch,
            vectors,
            self.nested,
            self.strength,
            self.agreement,
            self.bend,
            apply_homography(page_to_other, self.centers),
            self.shifts,
            self.weights,
        )


def frequencies_at(lattice_to_page: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return a lattice's (2, 2) frequency vectors, cycles per pixel, and (x, y) pitch, pixels, at a page point."""
    page_to_lattice = np.linalg.inv(lattice_to_page)
    u, v, w = page_to_lattice @ np.array([point[0], point[1], 1.0])
    top, bottom = page_to_lattice[:2, :2], page_to_lattice[2, :2]
    vectors = (top * w - np.outer([u, v], bottom)) / w**2
    columns = np.linalg.inv(vectors)  # pixels per lattice step, one column per axis
    return vectors, (float(np.hypot(*columns[:, 0])), float(np.hypot(*columns[:, 1])))


def page_pixels(page: Page, longest: int, interpolation: int = cv2.INTER_LINEAR) -> tuple[np.ndarray, np.ndarray]:
    """Return the straightened page as (H, W, 3) uint8, reduced to at most `longest` pixels, and page_to_image, (3, 3).

    Reduced pixel = (page pixel + 0.5) * factor - 0.5; the factor is page_to_image[0, 0]. interpolation: OpenCV's.
    """
    height, width = page.size
    factor = min(1.0, longest / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    shift = (factor - 1) / 2
    page_to_small = np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]])
    picture_to_small = page_to_small @ np.linalg.inv(page.page_to_picture)
    if np.allclose(picture_to_small, np.eye(3), atol=1e-9) and page.image.shape[:2] == size[::-1]:
        return page.image, page_to_small
    picture = page.image
    here = abs(np.linalg.det(picture_to_small[:2, :2] / picture_to_small[2, 2])) ** 0.5
    if here < 0.7:  # area averages first, so that thin lines are not skipped over
        reduced = cv2.resize(picture, None, fx=here, fy=here, interpolation=cv2.INTER_AREA)
        sx, sy = reduced.shape[1] / picture.shape[1], reduced.shape[0] / picture.shape[0]
        to_reduced = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
        picture, picture_to_small = reduced, picture_to_small @ np.linalg.inv(to_reduced)
    return cv2.warpPerspective(picture, picture_to_small, size, flags=interpolation), page_to_small


def grid_contrast(image: np.ndarray) -> np.ndarray:
    """Return an (H, W) float32 map in which grid lines stand out positive, about zero mean, clipped to +-1.

    Slow changes of light are divided out; of the three colours the mixture with most fine contrast is taken, which is
    that of the grid on coloured paper; clipping keeps dark traces from counting more than lines. Pixels of a black
    surrounding come out as zero.
    """
    height, width = image.shape[:2]
    contrast = _darkness(image)
    sample = contrast[:: max(1, height // 300), :: max(1, width // 300)].reshape(-1, 3)
    bound = 2.5 * (np.percentile(np.abs(sample), 80, axis=0) + 1e-3)
    sample = np.clip(sample, -bound, bound)
    _, axes = np.linalg.eigh(sample.T @ sample / max(1, len(sample)))
    mixture = axes[:, -1] * (1.0 if axes[:, -1].sum() >= 0 else -1.0)
    single = contrast @ mixture.astype(np.float32)
    limit = 2.5 * float(np.percentile(np.abs(sample @ mixture), 80)) + 1e-3
    return np.clip(single / limit, -1.0, 1.0)


def _darkness(image: np.ndarray) -> np.ndarray:
    """How much darker a picture (H, W, 3) is than the paper around, a share of its light: (H, W, 3) float32."""
    window = max(9, (max(image.shape[:2]) // 45) | 1)
    paper = cv2.blur(image, (window, window)).astype(np.float32)
    return (paper - image) / (paper + 24.0)


def without_traces(contrast: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A page's map of the grid, (H, W) float32, with what is darkest in all colours of its picture left out.

    contrast: (H, W), what ``grid_contrast`` makes of image, (H, W, 3) uint8. Steep strokes of a trace look like upright
    lines. Where the grid is about as dark as the traces, it is left out too: see in which of both maps it is seen.
    """
    dark = _darkness(image).min(axis=2)
    inked = dark > TRACE_SHARE * np.quantile(dark[::3, ::3], TRACE_QUANTILE)
    near = cv2.dilate(inked.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(near & (contrast != 0), np.float32(1e-6), contrast)  # 0 is outside the picture


def measure_grid(page: Page, settings: GridSettings | None = None) -> GridEstimate:
    """Measure the grid printed on a page. Never raises for want of a grid: see ``GridEstimate.found``."""
    settings = settings or GridSettings()
    image, page_to_image = page_pixels(page, settings.longest)
    if min(image.shape[:2]) < SMALLEST_IMAGE:
        return nothing_found(0.0)
    contrast = grid_contrast(image)
    best = best_lattice(contrast, settings)
    if best is None or not settings.is_seen(best):
        return nothing_found(0.0 if best is None else best.strength)
    return on_page(_upright(contrast, best), np.linalg.inv(page_to_image), page.size)


def best_lattice(contrast: np.ndarray, settings: GridSettings, follow: bool = True) -> Lattice | None:
    """Try the spectrum's patterns, likeliest first, until one is sure; follow the best over a bent page.

    contrast: (H, W), see ``grid_contrast``; follow: whether that is tried, too. None where nothing stands out.
    """
    pairs = find_frequencies(contrast, settings.tiles_across, settings.candidates)
    best: Lattice | None = None
    start = np.zeros((2, 2))
    for rank, frequencies in enumerate(pairs, 1):
        lattice = fit_lattice(contrast, frequencies)
        if best is None or lattice.quality > best.quality:
            best, start = lattice, frequencies
        sure = settings.is_sure(best)
        enough = rank == min(settings.candidates_before_following, len(pairs))
        if follow and (best.bend > settings.flat_bend if sure else enough):
            best = max(best, follow_lattice(contrast, start), key=lambda candidate: candidate.quality)
        if sure or settings.is_sure(best):
            break
    return best


def _upright(contrast: np.ndarray, lattice: Lattice) -> Lattice:
    """Of a lattice on the diagonal, the one whose diagonals it may be, where that is seen too; else the lattice itself.

    contrast: (H, W), see ``grid_contrast``. Dots, and lines whose crossings stand out, repeat along the diagonals of
    their squares as well, closer by the square root of two. Lines that lie at 45 degrees show nothing at half the sums
    of their frequencies, and stay.
    """
    height, width = contrast.shape
    vectors, _ = frequencies_at(lattice.lattice_to_image, np.array([(width - 1) / 2, (height - 1) / 2]))
    tilt = np.degrees(np.arctan2(np.abs(vectors).min(axis=1), np.abs(vectors).max(axis=1)))
    if tilt.min() < DIAGONAL:
        return lattice
    halves = np.array([vectors[0] + vectors[1], vectors[0] - vectors[1]]) / 2
    upright = fit_lattice(contrast, upright_first(halves))
    seen = upright.agreement >= DIAGONAL_AGREEMENT and upright.strength >= DIAGONAL_STRENGTH
    return upright if seen else lattice


def on_page(lattice: Lattice, image_to_page: np.ndarray, size: tuple[int, int]) -> GridEstimate:
    """Express a lattice measured on reduced pixels in pixels of the page itself, of (height, width) size."""
    estimate = GridEstimate(
        lattice.lattice_to_image,
        None,
        None,
        lattice.nested,
        lattice.strength,
        lattice.agreement,
        lattice.bend,
        lattice.centers,
        lattice.shifts,
        lattice.weights,
    )
    return estimate.moved(image_to_page, size)


def nothing_found(strength: float = 0.0) -> GridEstimate:
    """Return the estimate of a page without a grid."""
    empty = np.zeros((0, 2))
    return GridEstimate(None, None, None, False, strength, 0.0, 0.0, empty, empty, empty)
