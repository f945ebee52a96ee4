"""How a camera or scanner records the scene: light, optics, sensor, black and white, compression."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ecgpage.synthesis.gain import GAIN_ONE, apply_gain
from ecgpage.synthesis.settings import Range, check

_LIGHT = (36, 48)  # size of the field on which light is computed
_TILE = (256, 263)  # size of the sample of noise that is repeated


@dataclass(frozen=True)
class ExposureSettings:
    """Light and sensor.

    shadow: depth of uneven light and shadows, fraction; vignette: fall-off to the corners, fraction; glare: chance of
    a reflex; white_balance: strength of a colour cast, fraction, none at 0 or below; contrast: of the whole picture.
    blur: standard deviation of defocus, picture pixels; motion: chance of motion blur.
    moire: depth of the stripes of a photographed screen. noise: standard deviation, grey levels, below 0.3 none.
    grayscale: chance of a grey picture; bilevel: chance that a grey one is thresholded to black and white. jpeg:
    chance of compression, at jpeg_quality.
    """

    shadow: Range = (0.0, 0.0)
    vignette: Range = (0.0, 0.0)
    glare: float = 0.0
    white_balance: Range = (0.0, 0.0)
    contrast: Range = (1.0, 1.0)
    blur: Range = (0.0, 0.3)
    motion: float = 0.0
    moire: Range = (0.0, 0.0)
    noise: Range = (0.0, 2.0)
    grayscale: float = 0.0
    bilevel: float = 0.0
    jpeg: float = 0.3
    jpeg_quality: Range = (50.0, 95.0)

    def __post_init__(self) -> None:
        check(self)

    def blurred_by(self, factor: float) -> ExposureSettings:
        """The same settings for pictures of ``factor`` times the resolution."""
        return replace(self, blur=(self.blur[0] * factor, self.blur[1] * factor))


def expose(picture: np.ndarray, settings: ExposureSettings, rng: np.random.Generator) -> np.ndarray:
    """Take a picture of a scene (H, W, 4) uint8, which may be overwritten: (H, W, 3) uint8 RGB."""
    _light(picture, settings, rng)
    depth = rng.uniform(*settings.moire)
    if depth > 0:
        _moire(picture, depth, rng)
    picture = _blur(picture, settings, rng)
    gray = rng.random() < settings.grayscale
    picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2GRAY if gray else cv2.COLOR_RGBA2RGB)
    _noise(picture, rng.uniform(*settings.noise), rng)
    contrast = rng.uniform(*settings.contrast)
    if contrast != 1.0:
        pivot = rng.uniform(120, 230)
        ramp = np.clip((np.arange(256) - pivot) * contrast + pivot, 0, 255).astype(np.uint8)
        picture = cv2.LUT(picture, ramp)
    if gray and rng.random() < settings.bilevel:
        picture = _threshold(picture, rng)
    if rng.random() < settings.jpeg:
        return _compress(picture, int(rng.uniform(*settings.jpeg_quality)))
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if gray else picture


def _light(picture: np.ndarray, settings: ExposureSettings, rng: np.random.Generator) -> None:
    """Uneven light, a soft-edged shadow, vignette, a colour cast and a reflex, in place."""
    depth, falloff = rng.uniform(*settings.shadow), rng.uniform(*settings.vignette)
    cast = rng.uniform(*settings.white_balance)
    y, x = np.mgrid[-1 : 1 : _LIGHT[0] * 1j, -1 : 1 : _LIGHT[1] * 1j].astype(np.float32)
    gain = np.ones((*_LIGHT, 3), np.float32)
    if depth > 0:
        for sharpness in (0.7, rng.uniform(2, 12)):
            angle = rng.uniform(0, 2 * np.pi)
            ramp = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.5, 0.5)
            gain *= (1 - depth * rng.uniform(0.2, 0.8) / (1 + np.exp(-sharpness * ramp * 2)))[:, :, None]
        if rng.random() < 0.4:  # a hand's or phone's shadow
            blob = np.hypot((x - rng.uniform(-1, 1)) / rng.uniform(0.3, 0.9), (y - rng.uniform(-1, 1)) / 0.6)
            gain *= (1 - 0.6 * depth / (1 + np.exp(np.clip((blob - 1) * rng.uniform(3, 14), -30, 30))))[:, :, None]
    if falloff > 0:
        gain *= (1 - falloff * (x**2 + y**2) / 2)[:, :, None]
    if cast > 0:
        tint = 1 - cast * rng.uniform(0, 1, 3) if rng.random() < 0.7 else np.ones(3)
        gain *= np.sort(tint)[:: 1 if rng.random() < 0.4 else -1].astype(np.float32)  # cold or warm light
    if gain.min() < 0.995:
        apply_gain(picture, gain)
    if rng.random() < settings.glare:
        spot = np.exp(-(((x - rng.uniform(-1, 1)) / rng.uniform(0.1, 0.5)) ** 2) - (
            (y - rng.uniform(-1, 1)) / rng.uniform(0.1, 0.6)) ** 2)  # fmt: skip
        reflex = np.zeros((*_LIGHT, 4), np.uint8)
        reflex[:, :, :3] = (spot * rng.uniform(30, 160))[:, :, None]
        cv2.add(picture, cv2.resize(reflex, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), dst=picture)


def _moire(picture: np.ndarray, depth: float, rng: np.random.Generator) -> None:
    """Beats of a screen's pixel rows with the sensor's, shifted against each other in the three colours, in place."""
    height, width = picture.shape[:2]
    gain = np.full((height, width, 4), GAIN_ONE, np.uint8)
    phase = np.zeros((height, width), np.uint8)
    bow = cv2.resize(rng.uniform(0, 90, (3, 4)).astype(np.float32), (width, 1), interpolation=cv2.INTER_CUBIC)[0]
    fx, fy = rng.uniform(-12, 12, 2) if rng.random() < 0.7 else rng.uniform(60, 128, 2)  # 256 is a period, per pixel
    columns = np.round(np.arange(width) * fx + bow).astype(np.int64) & 255
    rows = np.round(np.arange(height) * fy).astype(np.int64) & 255
    np.add(columns.astype(np.uint8)[None, :], rows.astype(np.uint8)[:, None], out=phase)
    angle = np.arange(256) * 2 * np.pi / 256
    colour = rng.uniform(0.2, 1.0)
    waves = [1 - depth * (0.5 + 0.5 * np.cos(angle + colour * 2 * np.pi * k / 3)) for k in range(3)]
    table = np.stack([*waves, np.ones(256)], axis=1)  # (256, 4)
    table = np.round(table * GAIN_ONE).astype(np.uint8)[None]
    cv2.LUT(cv2.cvtColor(phase, cv2.COLOR_GRAY2RGBA), table, dst=gain)
    cv2.multiply(picture, gain, dst=picture, scale=1 / GAIN_ONE)


def _blur(picture: np.ndarray, settings: ExposureSettings, rng: np.random.Generator) -> np.ndarray:
    sigma = rng.uniform(*settings.blur)
    if rng.random() < settings.motion:
        length, angle = max(3.0, 4 * sigma * rng.uniform(0.8, 1.6)), rng.uniform(0, np.pi)
        size = int(min(15, length)) | 1
        kernel = np.zeros((size, size), np.float32)
        reach = np.array([np.cos(angle), np.sin(angle)]) * (size - 1) / 2
        ends = np.round((size // 2 + np.stack([-reach, reach])) * 16).astype(int)
        cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1, cv2.LINE_8, 4)
        return cv2.filter2D(picture, -1, kernel / kernel.sum())
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.25 else picture


def _noise(picture: np.ndarray, sigma: float, rng: np.random.Generator) -> None:
    """Add noise to (H, W) or (H, W, C) uint8 in place: a random tile, shifted from band to band."""
    if sigma < 0.3:
        return
    channels = picture.shape[2] if picture.ndim == 3 else 1
    colored = channels > 1 and rng.random() < 0.6
    tile = rng.standard_normal((*_TILE, channels if colored else 1), np.float32) * np.float32(sigma)
    if rng.random() < 0.3:  # grain coarser than a pixel
        tile = (1.6 * cv2.GaussianBlur(tile, (3, 3), 0.8)).reshape(*_TILE, -1)
    tile = np.broadcast_to(np.round(tile), (*_TILE, channels))
    width = picture.shape[1]
    repeats = width // _TILE[1] + 2
    brighter = np.tile(np.clip(tile, 0, 127).astype(np.uint8), (1, repeats, 1))
    darker = np.tile(np.clip(-tile, 0, 127).astype(np.uint8), (1, repeats, 1))
    for top in range(0, picture.shape[0], _TILE[0]):
        band = picture[top : top + _TILE[0]]
        shift = int(rng.integers(_TILE[1]))
        part = np.s_[: len(band), shift : shift + width]
        cv2.add(band, brighter[part].reshape(band.shape), dst=band)
        cv2.subtract(band, darker[part].reshape(band.shape), dst=band)


def _threshold(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Black and white, (H, W) uint8: against the surroundings, as scanners do, or at one level, as a fax does."""
    if rng.random() < 0.6:
        small = cv2.resize(gray, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
        local = cv2.GaussianBlur(small, (0, 0), max(1.0, max(small.shape) / 60))
        level = cv2.subtract(cv2.resize(local, gray.shape[::-1]), float(rng.uniform(10, 40)))
    else:
        paper, ink = np.percentile(gray[::7, ::7], (60, 0.3))
        level = float(ink + (paper - ink) * rng.uniform(0.45, 0.85))
    return cv2.compare(gray, level, cv2.CMP_GE)


def _compress(picture: np.ndarray, quality: int) -> np.ndarray:
    """Write and read (H, W, 3) RGB or (H, W) as JPEG; returns RGB."""
    code = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", code, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"JPEG compression of a {picture.shape} picture failed")
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
