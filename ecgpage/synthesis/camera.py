"""Camera and scanner: geometry, surroundings, light, blur, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.geometry import apply_homography
from ecgpage.synthesis.profile import Profile


@dataclass(frozen=True)
class Warp:
    """The way from flat pixels to picture pixels: a homography, then a smooth local bend.

    flat_to_picture: (3, 3) homography. size: (height, width) of the picture.
    bend: None or (h, w, 2) float32, displacement (x, y) in pixels on a coarse grid over the picture; the picture at p
    shows what the homography alone would put at p + bend(p).
    """

    flat_to_picture: np.ndarray
    size: tuple[int, int]
    bend: np.ndarray | None = None

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map (n, 2) flat pixels to (n, 2) picture pixels."""
        target = apply_homography(self.flat_to_picture, points)
        if self.bend is None:
            return target
        found = target.copy()
        for _ in range(6):  # p + bend(p) = target; bends are far flatter than 1, so this converges
            found = target - self._bend_at(found)
        return found

    def image(self, flat: np.ndarray, border: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Warp (H, W, 3) uint8; returns the picture and where paper is in it, (H, W) uint8 0-255."""
        height, width = self.size
        paper = np.full(flat.shape[:2], 255, np.uint8)
        if self.bend is None:
            picture = cv2.warpPerspective(
                flat, self.flat_to_picture, (width, height), flags=cv2.INTER_LINEAR, borderValue=border
            )
            return picture, cv2.warpPerspective(paper, self.flat_to_picture, (width, height))
        maps = self._sampling_maps()
        picture = cv2.remap(flat, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
        return picture, cv2.remap(paper, *maps, cv2.INTER_LINEAR)

    def _bend_at(self, points: np.ndarray) -> np.ndarray:
        height, width = self.size
        rows, columns = self.bend.shape[:2]
        x = (points[:, 0] + 0.5) * columns / width - 0.5
        y = (points[:, 1] + 0.5) * rows / height - 0.5
        maps = (x.astype(np.float32).reshape(-1, 1), y.astype(np.float32).reshape(-1, 1))
        sampled = [_bilinear(self.bend[:, :, axis], *maps) for axis in range(2)]
        return np.stack(sampled, axis=1)  # (n, 2)

    def _sampling_maps(self) -> tuple[np.ndarray, np.ndarray]:
        height, width = self.size
        bend = cv2.resize(self.bend, (width, height), interpolation=cv2.INTER_LINEAR)
        inverse = np.linalg.inv(self.flat_to_picture).astype(np.float32)
        x = np.arange(width, dtype=np.float32)[None, :] + bend[:, :, 0]
        y = np.arange(height, dtype=np.float32)[:, None] + bend[:, :, 1]
        depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
        map_x = (inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / depth
        map_y = (inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / depth
        return map_x, map_y


def _bilinear(field: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample (h, w) at (n, 1) positions with the edge repeated, in float64 (cv2.remap rounds to 1/32 px)."""
    rows, columns = field.shape
    x, y = np.clip(x[:, 0], 0, columns - 1), np.clip(y[:, 0], 0, rows - 1)
    x0, y0 = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
    fx, fy = x - x0, y - y0
    top = field[y0, x0] * (1 - fx) + field[y0, x0 + 1] * fx
    low = field[y0 + 1, x0] * (1 - fx) + field[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + low * fy


def choose_warp(flat_size: tuple[int, int], profile: Profile, rng: np.random.Generator) -> Warp:
    """Choose how the page lies in the picture: rotation, perspective, margins, bend."""
    height, width = flat_size
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    strength = rng.uniform(*profile.perspective)
    placed = corners + rng.uniform(-strength, strength, (4, 2)) * width
    angle = np.deg2rad(rng.uniform(*profile.rotation)) if rng.random() < 0.8 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = corners.mean(axis=0)
    placed = (placed - center) @ turn.T + center
    margins = rng.uniform(*profile.margin, 4) * width if rng.random() < 0.7 else np.zeros(4)
    whole = rng.random() < 0.5
    low = placed.min(axis=0) if whole else np.minimum(corners.min(axis=0), placed.min(axis=0) + 0.04 * width)
    high = placed.max(axis=0) if whole else np.maximum(corners.max(axis=0), placed.max(axis=0) - 0.04 * width)
    low, high = low - margins[:2], high + margins[2:]
    size = np.maximum(64, np.ceil(high - low + 1)).astype(int)
    homography = cv2.getPerspectiveTransform(corners.astype(np.float32), (placed - low).astype(np.float32))
    bend = _choose_bend(int(size[0]), profile, rng)
    return Warp(homography.astype(np.float64), (int(size[1]), int(size[0])), bend)


def _choose_bend(width: int, profile: Profile, rng: np.random.Generator) -> np.ndarray | None:
    strength = rng.uniform(*profile.bend) * width
    if strength <= 0:
        return None
    coarse = rng.standard_normal((3, 4, 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (48, 36), interpolation=cv2.INTER_CUBIC)
    return smooth * (strength / max(1e-6, float(np.abs(smooth).max())))


def surroundings(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """What lies around the page: (H, W, 3) uint8, plain or a soft texture of one colour."""
    height, width = size
    kind = rng.random()
    if kind < 0.3:
        return np.full((height, width, 3), 0 if rng.random() < 0.6 else 255, np.uint8)
    color = rng.uniform(10, 230) + rng.uniform(-50, 50, 3)
    texture = rng.standard_normal((max(2, height // 24), max(2, width // 24), 1)) * rng.uniform(0, 18)
    small = np.clip(color + texture, 0, 255).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def expose(picture: np.ndarray, profile: Profile, rng: np.random.Generator) -> np.ndarray:
    """Light, colour, blur, noise and compression of a picture (H, W, 3) uint8 RGB."""
    picture = _light(picture, profile, rng)
    blur = rng.uniform(*profile.blur)
    if blur > 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    picture = _noise(picture, rng.uniform(*profile.noise), rng)
    if rng.random() < profile.grayscale:
        picture = _monochrome(picture, rng.random() < profile.bilevel)
    if rng.random() < profile.jpeg:
        picture = _compress(picture, int(rng.uniform(*profile.jpeg_quality)))
    return picture


def _light(picture: np.ndarray, profile: Profile, rng: np.random.Generator) -> np.ndarray:
    """Uneven light (a gradient and a soft-edged shadow) and a colour cast."""
    depth, cast = rng.uniform(*profile.shadow), max(0.0, rng.uniform(*profile.white_balance))
    if depth <= 0 and cast <= 0:
        return picture
    gain = np.ones((36, 48), np.float32)
    if depth > 0:
        y, x = np.mgrid[-1:1:36j, -1:1:48j]
        for sharpness in (0.7, rng.uniform(2, 12)):
            angle = rng.uniform(0, 2 * np.pi)
            ramp = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.5, 0.5)
            gain *= (1 - depth * rng.uniform(0.2, 0.8) / (1 + np.exp(-sharpness * ramp * 2))).astype(np.float32)
    field = cv2.resize(gain, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)[:, :, None]
    tint = 1 - cast * rng.uniform(0, 1, 3) if rng.random() < 0.7 else np.ones(3)
    tint = np.sort(tint)[:: 1 if rng.random() < 0.4 else -1]  # cold or warm light
    return np.clip(picture * field * tint.astype(np.float32), 0, 255).astype(np.uint8)


def _noise(picture: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    if sigma < 0.3:
        return picture
    tile = rng.normal(0, sigma, (257, 263, 1 if rng.random() < 0.4 else 3)).astype(np.int16)
    rows, columns = picture.shape[0] // 257 + 1, picture.shape[1] // 263 + 1
    grain = np.tile(tile, (rows, columns, 1))[: picture.shape[0], : picture.shape[1]]
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _monochrome(picture: np.ndarray, bilevel: bool) -> np.ndarray:
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if bilevel:
        local = cv2.GaussianBlur(gray, (0, 0), max(gray.shape) / 60)
        gray = np.where(gray.astype(np.int16) < local.astype(np.int16) - 14, 0, 255).astype(np.uint8)
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)


def _compress(picture: np.ndarray, quality: int) -> np.ndarray:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"JPEG compression of a {picture.shape} picture failed")
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
