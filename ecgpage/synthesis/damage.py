"""What happens to paper: creases, crumpling, stains. Shading only; bends are the camera's (``camera.Warp``)."""

from __future__ import annotations

import cv2
import numpy as np

from ecgpage.synthesis.profile import Profile

_COARSE = 360  # longer side of the field on which slow shading is computed


def shading(shape: tuple[int, int], profile: Profile, rng: np.random.Generator) -> np.ndarray | None:
    """Light on damaged paper as a factor per pixel, (H, W) float32 around 1, or None where the paper is whole."""
    size = _coarse_size(shape)
    field = np.ones(size, np.float32)
    strength = rng.uniform(*profile.crumple)
    if strength > 0:
        field *= _crumple(size, strength, rng)
    if rng.random() < profile.stains:
        field *= _stain(size, rng)
    creased = rng.random() < profile.creases
    if strength <= 0 and not creased and np.all(field == 1):
        return None
    fine = cv2.resize(field, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return _add_creases(fine, rng) if creased else fine


def _coarse_size(shape: tuple[int, int]) -> tuple[int, int]:
    scale = _COARSE / max(shape)
    return max(2, round(shape[0] * scale)), max(2, round(shape[1] * scale))


def _positions(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions (x, y), each (H, W), in units of the longer side."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) / max(size)
    return x, y


def _crumple(size: tuple[int, int], strength: float, rng: np.random.Generator) -> np.ndarray:
    """Facets of crumpled paper: each fold brightens one of its sides and darkens the other, near the fold."""
    x, y = _positions(size)
    light = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(10, 110))):
        angle, cx, cy = rng.uniform(0, np.pi), rng.uniform(0, 1), rng.uniform(0, size[0] / max(size))
        across = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        along = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
        reach, length = rng.uniform(0.006, 0.08), rng.uniform(0.02, 0.25)
        envelope = np.exp(-np.abs(across) / reach - (along / length) ** 2)
        light += rng.uniform(-1, 1) * np.tanh(across / rng.uniform(0.001, 0.012)) * envelope
    return np.clip(1 + strength * light, 0.25, 1.35).astype(np.float32)


def _stain(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    x, y = _positions(size)
    field = np.ones(size, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(0.02, 0.15)
        distance = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 0.8)) / radius
        edge = np.clip((distance - 1) * rng.uniform(4, 30), -30, 30)
        field *= 1 - rng.uniform(0.1, 0.5) / (1 + np.exp(edge))
    return field


def _add_creases(field: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two sets of parallel fold lines, brighter or darker than the paper, in place."""
    height, width = field.shape
    tilt = rng.uniform(0, np.pi)
    mask = np.zeros(field.shape, np.uint8)
    for angle in (tilt, tilt + np.pi / 2):
        for _ in range(int(rng.integers(1, 9))):
            cx, cy = rng.uniform(0, width), rng.uniform(0, height)
            step = np.array([np.cos(angle), np.sin(angle)]) * (width + height)
            ends = np.round([[cx - step[0], cy - step[1]], [cx + step[0], cy + step[1]]]).astype(int)
            thickness = max(1, round(width * rng.uniform(0.0005, 0.003)))
            cv2.line(mask, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 255, thickness, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, width * rng.uniform(0.0003, 0.0015)))
    field += soft.astype(np.float32) * (rng.uniform(-0.2, 0.35) / 255)
    return field
