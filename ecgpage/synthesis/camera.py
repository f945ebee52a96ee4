"""How the page lies before the camera or on the scanner: rotation, perspective, curl, bends, lens; and what is cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ecgpage.geometry import apply_homography
from ecgpage.synthesis.settings import Range, check

STEP = 16
"""Picture pixels between the nodes on which a warp is given."""

_STRIP = 256  # rows of the picture that are sampled at a time, which bounds the memory of the maps


@dataclass(frozen=True)
class CameraSettings:
    """Where the page lies in the picture; fractions are of the page's width.

    margin: surroundings in view on each side, of seven in ten pictures; negative cuts the page. close: chance of a
    close-up that cuts the page on all sides. rotation: degrees, of four in five pictures; turned: chance of a quarter
    turn or of lying upside down. perspective: displacement of the corners. bend: largest displacement by waves of the
    paper, curl: by the paper's rolling about one axis, both none at 0 or below; lens: radial distortion at the
    picture's corner, negative for a barrel.
    """

    margin: Range = (0.0, 0.0)
    rotation: Range = (0.0, 0.0)
    turned: float = 0.0
    close: float = 0.0
    perspective: Range = (0.0, 0.0)
    bend: Range = (0.0, 0.0)
    curl: Range = (0.0, 0.0)
    lens: Range = (0.0, 0.0)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Warp:
    """The way between flat pixels and picture pixels, exact in both directions.

    nodes: (h, w, 2) float64, the flat position (x, y) that the picture shows at each node of a lattice; between nodes
    it is bilinear. Node (i, j) stands at picture row STEP i - first and column STEP j - first, where ``first`` is
    (STEP + 1) / 2, so that nodes enclose the picture.
    size: (height, width) of the picture. flat_to_picture: the (3, 3) homography alone, without bends and lens.
    """

    nodes: np.ndarray
    size: tuple[int, int]
    flat_to_picture: np.ndarray

    @cached_property
    def plain(self) -> bool:
        """Whether the picture is the flat page itself."""
        return bool(np.abs(self.nodes - node_positions(self.size)).max() < 1e-6)

    def to_flat(self, points: np.ndarray) -> np.ndarray:
        """Map (n, 2) picture pixels to (n, 2) flat pixels; beyond the picture the outermost cells go on."""
        return self._sample(np.asarray(points, np.float64))[0]

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map (n, 2) flat pixels to (n, 2) picture pixels, by Newton's method; NaN stays NaN."""
        target = np.asarray(points, np.float64)
        if self.plain:
            return target.copy()
        found = apply_homography(self.flat_to_picture, target)
        for _ in range(6):
            here, jacobian = self._sample(found)
            miss = here - target
            if not np.nanmax(np.abs(miss), initial=0.0) > 1e-4:
                break
            determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
            dx = (jacobian[:, 1, 1] * miss[:, 0] - jacobian[:, 0, 1] * miss[:, 1]) / determinant
            dy = (jacobian[:, 0, 0] * miss[:, 1] - jacobian[:, 1, 0] * miss[:, 0]) / determinant
            found = found - np.stack([dx, dy], axis=1)
        return found

    def image(self, flat: np.ndarray) -> np.ndarray:
        """Sample a flat image (H, W) or (H, W, C) uint8 at every pixel of the picture; 0 outside."""
        if self.plain and flat.shape[:2] == self.size:
            return flat
        height, width = self.size
        picture = np.empty((height, width, *flat.shape[2:]), np.uint8)
        nodes = self.nodes.astype(np.float32)
        for top in range(0, height, _STRIP):
            rows = min(_STRIP, height - top)
            part = nodes[top // STEP : top // STEP + rows // STEP + 3]
            maps = cv2.resize(part, (part.shape[1] * STEP, part.shape[0] * STEP), interpolation=cv2.INTER_LINEAR)
            maps = np.ascontiguousarray(maps[STEP : STEP + rows, STEP : STEP + width])
            picture[top : top + rows] = cv2.remap(flat, maps, None, cv2.INTER_LINEAR)
        return picture

    def _sample(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat positions (n, 2) at picture points and their Jacobians (n, 2, 2)."""
        rows, columns = self.nodes.shape[:2]
        place = (points + (STEP + 1) / 2) / STEP  # in nodes
        place = np.where(np.isfinite(place), place, 0.0)
        cell = np.clip(place.astype(int), 0, (columns - 2, rows - 2))
        x, y = cell[:, 0], cell[:, 1]
        fx, fy = (place - cell).T[:, :, None]  # each (n, 1)
        a, b = self.nodes[y, x], self.nodes[y, x + 1]
        c, d = self.nodes[y + 1, x], self.nodes[y + 1, x + 1]
        top, low = a + (b - a) * fx, c + (d - c) * fx
        along_x = ((b - a) * (1 - fy) + (d - c) * fy) / STEP
        value = np.where(np.isfinite(points).all(axis=1, keepdims=True), top + (low - top) * fy, np.nan)
        return value, np.stack([along_x, (low - top) / STEP], axis=2)


def node_positions(size: tuple[int, int]) -> np.ndarray:
    """Picture positions (x, y) of the lattice's nodes, (h, w, 2) float64."""
    rows, columns = (-(-length // STEP) + 3 for length in size)
    first = (STEP + 1) / 2
    x, y = np.meshgrid(np.arange(columns) * STEP - first, np.arange(rows) * STEP - first)
    return np.stack([x, y], axis=2)


def page_corners(flat_size: tuple[int, int]) -> np.ndarray:
    """Flat pixels of the paper's corners, (4, 2): top left, top right, bottom right, bottom left."""
    right, bottom = flat_size[1] - 1, flat_size[0] - 1
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64)


def choose_warp(flat_size: tuple[int, int], settings: CameraSettings, rng: np.random.Generator) -> Warp:
    """Choose how the page lies in the picture."""
    homography, size = _choose_view(flat_size, settings, rng)
    seen = node_positions(size).reshape(-1, 2)
    lens = rng.uniform(*settings.lens)
    if lens != 0:
        middle = (np.array(size[::-1]) - 1) / 2
        from_middle = seen - middle
        seen = middle + from_middle * (1 + lens * np.sum((from_middle / np.hypot(*middle)) ** 2, axis=1, keepdims=True))
    flat = apply_homography(np.linalg.inv(homography), seen)
    flat = flat + _waves(flat, flat_size, rng.uniform(*settings.bend), rng)
    flat = flat + _roll(flat, flat_size, rng.uniform(*settings.curl), rng)
    shape = (*node_positions(size).shape[:2], 2)
    return Warp(flat.reshape(shape), size, homography)


def _choose_view(
    flat_size: tuple[int, int], settings: CameraSettings, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Choose a homography from flat to picture pixels and the picture's (height, width)."""
    corners = page_corners(flat_size)
    width = flat_size[1]
    strength = rng.uniform(*settings.perspective)
    placed = corners + rng.uniform(-strength, strength, (4, 2)) * width
    angle = np.deg2rad(rng.uniform(*settings.rotation)) if rng.random() < 0.8 else 0.0
    quarters = int(rng.integers(1, 4)) if rng.random() < settings.turned else 0
    base = corners
    for _ in range(quarters):  # clockwise, (x, y) -> (-y, x)
        placed, base = (np.stack([-points[:, 1], points[:, 0]], axis=1) for points in (placed, base))
    center = base.mean(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = (placed - center) @ turn.T + center
    margins = rng.uniform(*settings.margin, 4) * width if rng.random() < 0.7 else np.zeros(4)
    if rng.random() < settings.close:
        margins = -rng.uniform(0, (0.03, 0.14, 0.03, 0.08)) * width  # left, top, right, bottom
    whole = rng.random() < 0.5
    low = placed.min(axis=0) if whole else np.minimum(base.min(axis=0), placed.min(axis=0) + 0.04 * width)
    high = placed.max(axis=0) if whole else np.maximum(base.max(axis=0), placed.max(axis=0) - 0.04 * width)
    low, high = low - margins[:2], high + margins[2:]
    size = np.maximum(64, np.ceil(high - low + 1 - 1e-9)).astype(int)
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), (placed - low).astype(np.float32))
    return homography.astype(np.float64), (int(size[1]), int(size[0]))


def _waves(points: np.ndarray, flat_size: tuple[int, int], strength: float, rng: np.random.Generator) -> np.ndarray:
    """Displacement (n, 2), flat pixels, by smooth waves of up to ``strength`` of the page's width."""
    if strength <= 0:
        return np.zeros_like(points)
    height, width = flat_size
    shift = np.zeros_like(points)
    x, y = points[:, 0] / width, points[:, 1] / width
    for _ in range(5):
        angle, frequency = rng.uniform(0, np.pi), rng.uniform(1.0, 7.0)  # rad per page width
        phase = frequency * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 2 * np.pi)
        shift += np.sin(phase)[:, None] * rng.standard_normal(2) / frequency
    inside = np.all((points > 0) & (points < (width, height)), axis=1)
    largest = np.abs(shift[inside]).max() if inside.any() else 1.0
    return shift * (strength * width / largest)


def _roll(points: np.ndarray, flat_size: tuple[int, int], strength: float, rng: np.random.Generator) -> np.ndarray:
    """Displacement (n, 2), flat pixels, of paper rolled about one axis or lifted at one edge."""
    if strength <= 0:
        return np.zeros_like(points)
    height, width = flat_size
    angle = rng.choice([0.0, np.pi / 2]) + rng.uniform(-0.3, 0.3)
    across = np.array([np.cos(angle), np.sin(angle)])
    reach = (abs(across[0]) * width + abs(across[1]) * height) / 2
    place = np.clip((points - np.array([width, height]) / 2) @ across / reach, -1.6, 1.6)  # -1 to 1 over the page
    lifted = rng.random() < 0.5
    rise = np.maximum(0.0, place - rng.uniform(-0.3, 0.4)) ** 2 if lifted else place**2 - 1 / 3
    away = np.array([-across[1], across[0]]) * rng.choice([-1.0, 1.0]) + across * rng.uniform(-0.4, 0.4)
    return (strength * width * rise)[:, None] * away
