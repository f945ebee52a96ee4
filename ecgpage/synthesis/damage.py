"""What happens to paper: pens, stamps, stains, burns, folds, crumpling, holes and tears. Bends are the camera's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.synthesis.gain import apply_gain
from ecgpage.synthesis.ink import lay_ink
from ecgpage.synthesis.settings import Range, check

HIDDEN_PER_MM = 2.0
"""Pixels per mm of the map that tells where the print cannot be seen."""

_FIELD = 640  # longer side of the field on which shading and stains are computed
_PENS = ((25, 45, 150), (20, 20, 25), (190, 30, 45), (30, 110, 60), (90, 90, 95))


@dataclass(frozen=True)
class DamageSettings:
    """Chances of each kind of damage on a page; crumple: strength of crumpled paper's shading, none at 0 or below."""

    folds: float = 0.0
    crumple: Range = (0.0, 0.0)
    stains: float = 0.0
    mould: float = 0.0
    burns: float = 0.0
    tears: float = 0.0
    holes: float = 0.0
    tape: float = 0.0
    handwriting: float = 0.0
    circles: float = 0.0
    marker: float = 0.0
    redaction: float = 0.0
    bands: float = 0.0

    def __post_init__(self) -> None:
        check(self)


class DamagedPaper:
    """A printed page, (H, W, 4) uint8 RGB and alpha, that is damaged in place.

    hidden: (h, w) uint8 at ``HIDDEN_PER_MM``, above 0 where print is covered or gone; gain: (h, w, 3) float32, what
    light and stains leave of each colour, laid over the page by ``finish``.
    """

    def __init__(self, page: np.ndarray, pixels_per_mm: float) -> None:
        self.page = page
        self.scale = pixels_per_mm
        height, width = page.shape[:2]
        shrink = _FIELD / max(height, width)
        self.size_mm = np.array([width, height]) / pixels_per_mm
        self._gain: np.ndarray | None = None
        self._field = (max(2, round(height * shrink)), max(2, round(width * shrink)))
        hidden = np.maximum(2, np.ceil(self.size_mm * HIDDEN_PER_MM)).astype(int)
        self.hidden = np.zeros((hidden[1], hidden[0]), np.uint8)

    @property
    def gain(self) -> np.ndarray:
        """The gain field; made when it is first asked for."""
        if self._gain is None:
            self._gain = np.ones((*self._field, 3), np.float32)
        return self._gain

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (x, y) of the gain field's pixels in units of the longer side, each (h, w) float32."""
        y, x = np.mgrid[: self._field[0], : self._field[1]].astype(np.float32) / max(self._field)
        return x, y

    def extent(self) -> np.ndarray:
        """(width, height) in units of the longer side."""
        return np.array(self._field[::-1]) / max(self._field)

    def draw(self, curve: np.ndarray, width: float, color: tuple[int, int, int], ink: int = 255) -> None:
        """Draw a polyline (n, 2) mm with a pen ``width`` mm wide."""
        pixels = np.asarray(curve) * self.scale
        pad = width * self.scale + 2
        low = np.maximum(0, np.floor(pixels.min(axis=0) - pad)).astype(int)
        high = np.minimum(self.page.shape[1::-1], np.ceil(pixels.max(axis=0) + pad)).astype(int)
        if np.any(high <= low):
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        fixed = np.round((pixels - low) * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(mask, [fixed], False, ink, max(1, round(width * self.scale)), cv2.LINE_AA, 4)
        part = np.ascontiguousarray(self.page[low[1] : high[1], low[0] : high[0]])
        lay_ink(part, mask, np.array(color, np.float64))
        self.page[low[1] : high[1], low[0] : high[0]] = part

    def cover(self, polygon: np.ndarray, color: tuple[int, ...]) -> None:
        """Paint an opaque polygon (n, 2) mm, RGB; with a fourth value 0 the paper is gone there."""
        self._fill(self.page, polygon * self.scale, color if len(color) == 4 else (*color, 255))
        self._fill(self.hidden, polygon * HIDDEN_PER_MM, (255,))

    @staticmethod
    def _fill(image: np.ndarray, polygon: np.ndarray, color: tuple[int, ...]) -> None:
        fixed = np.round(polygon * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(image, [fixed], tuple(int(value) for value in color), cv2.LINE_8, 4)

    def shade(self, low: tuple[float, float], high: tuple[float, float], color: np.ndarray) -> None:
        """Multiply an upright rectangle, mm, by an RGB gain (3,) in the field."""
        scale = max(self._field) / self.size_mm.max()
        x0, y0 = (max(0, int(value * scale)) for value in low)
        x1, y1 = (max(0, int(np.ceil(value * scale))) for value in high)
        self.gain[y0:y1, x0:x1] *= color.astype(np.float32)

    def finish(self) -> None:
        """Lay the gain field over the page."""
        if self._gain is not None:
            apply_gain(self.page, self._gain)


def damage_page(
    page: np.ndarray, pixels_per_mm: float, settings: DamageSettings, header: float, rng: np.random.Generator
) -> np.ndarray:
    """Damage a printed page (H, W, 4) uint8 in place, and return where print is hidden (see ``DamagedPaper``).

    header: mm from the top, where names stand and are usually blacked out.
    """
    paper = DamagedPaper(page, pixels_per_mm)
    chances = (
        (settings.handwriting, lambda: _write(paper, rng)),
        (settings.circles, lambda: _circle(paper, rng)),
        (settings.marker, lambda: _mark(paper, rng)),
        (settings.redaction, lambda: _redact(paper, header, rng)),
        (settings.bands, lambda: _print_bands(paper, rng)),
        (settings.stains, lambda: _stain(paper, rng)),
        (settings.mould, lambda: _grow_mould(paper, rng)),
        (settings.burns, lambda: _burn(paper, rng)),
        (settings.tape, lambda: _stick_tape(paper, rng)),
        (settings.folds, lambda: _fold(paper, rng)),
    )
    for chance, apply in chances:
        if rng.random() < chance:
            apply()
    strength = rng.uniform(*settings.crumple)
    if strength > 0:
        _crumple(paper, strength, rng)
    paper.finish()
    if rng.random() < settings.holes:
        _punch(paper, rng)
    if rng.random() < settings.tears:
        _tear(paper, rng)
    return paper.hidden


def _write(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """A few words of handwriting, anywhere."""
    pen, width = _PENS[int(rng.integers(len(_PENS)))], rng.uniform(0.25, 0.7)
    for _ in range(int(rng.integers(1, 4))):
        height, letters = rng.uniform(2.0, 6.0), int(rng.integers(3, 12))
        t = np.linspace(0, letters, 16 * letters)
        tall, wide, turns = (
            np.interp(t, np.arange(letters + 1), rng.uniform(low, high, letters + 1))
            for low, high in ((0.2, 1.2), (0.1, 1.2), (0.5, 1.6))
        )
        phase = 2 * np.pi * np.cumsum(turns) / 16  # a letter is a loop or two, no two alike
        x = height * (0.8 * t + 0.4 * wide * np.sin(phase))
        y = -height * 0.5 * tall * np.cos(phase) + 0.1 * x * rng.uniform(-1, 1)
        start = rng.uniform(0.02, 0.85, 2) * paper.size_mm
        paper.draw(np.stack([x, y], axis=1) + start, width, pen, int(rng.uniform(150, 255)))


def _circle(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Ellipses around beats, underlines and arrows."""
    pen, width = _PENS[int(rng.integers(len(_PENS)))], rng.uniform(0.3, 0.8)
    for _ in range(int(rng.integers(1, 4))):
        center = rng.uniform(0.1, 0.9, 2) * paper.size_mm
        if rng.random() < 0.6:
            angle = np.linspace(0, 2 * np.pi * rng.uniform(0.9, 1.15), 60)
            radius = rng.uniform(4.0, 20.0) * (1 + 0.05 * np.sin(angle * rng.uniform(0.5, 2.0)))
            curve = np.stack([radius * np.cos(angle), rng.uniform(0.4, 1.0) * radius * np.sin(angle)], axis=1)
        else:
            end = rng.uniform(-35, 35, 2) * (1.0, 0.4)
            head = -0.2 * end + np.array([end[1], -end[0]]) * 0.12
            curve = np.array([[0, 0], end, end + head, end, end - 0.4 * end * 0.5])
        paper.draw(center + curve, width, pen, int(rng.uniform(160, 255)))


def _mark(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Strokes of a highlighter."""
    color = np.array([(1.0, 1.0, 0.45), (1.0, 0.7, 0.85), (0.65, 1.0, 0.7)][int(rng.integers(3))])
    for _ in range(int(rng.integers(1, 4))):
        low = rng.uniform(0.0, 0.9, 2) * paper.size_mm
        paper.shade(tuple(low), tuple(low + (rng.uniform(10, 60), rng.uniform(3, 7))), color)


def _redact(paper: DamagedPaper, header: float, rng: np.random.Generator) -> None:
    """Boxes over names, in the header where there is one."""
    color = tuple([int(rng.choice([0, 0, 255, 200, 128]))] * 3)
    for _ in range(int(rng.integers(1, 6))):
        size = rng.uniform((10, 3), (60, 8))
        top = header if header > 12 and rng.random() < 0.85 else paper.size_mm[1]
        corner = rng.uniform(0, 1, 2) * np.maximum(1.0, (paper.size_mm[0] - size[0], top - size[1]))
        box = corner + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
        paper.cover(box + rng.uniform(-0.6, 0.6, (4, 2)), color)


def _print_bands(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Stripes that a printer or copier leaves along the paper."""
    axis = int(rng.integers(2))
    length = paper.gain.shape[axis]
    profile = np.ones(length, np.float32)
    if rng.random() < 0.5:
        period, depth = rng.uniform(0.01, 0.08) * length, rng.uniform(0.02, 0.1)
        profile -= depth * (0.5 + 0.5 * np.sin(2 * np.pi * np.arange(length) / period)).astype(np.float32)
    for _ in range(int(rng.integers(1, 6))):
        first = int(rng.integers(length))
        profile[first : first + int(rng.integers(1, 1 + length // 60))] *= np.float32(rng.uniform(0.75, 1.2))
    paper.gain[:] *= profile.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))


def _stain(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Rings and spots of coffee and water."""
    x, y = paper.positions()
    for _ in range(int(rng.integers(1, 4))):
        cx, cy = rng.uniform(0, 1, 2) * paper.extent()
        radius = rng.uniform(0.02, 0.16)
        bumps = 1 + 0.08 * np.sin(8 * x + 20 * y + rng.uniform(0, 6)) + 0.05 * np.sin(31 * x - 17 * y)
        distance = np.hypot(x - cx, y - cy) / radius * bumps
        depth = rng.uniform(0.08, 0.5)
        inside = 1 / (1 + np.exp(np.clip((distance - 1) * rng.uniform(8, 40), -30, 30)))
        ring = np.exp(-(((distance - 1) / rng.uniform(0.03, 0.1)) ** 2)) if rng.random() < 0.6 else 0.0
        amount = (depth * (0.5 * inside + 0.7 * ring))[:, :, None]
        tint = np.array([0.45, 0.75, 1.0]) if rng.random() < 0.6 else np.array([0.9, 0.95, 1.0])
        paper.gain[:] *= np.maximum(0.2, 1 - amount * tint).astype(np.float32)


def _grow_mould(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Clusters of dark spots."""
    height, width = paper.gain.shape[:2]
    spots = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        center, spread = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0.02, 0.12) * width
        for place in center + spread * rng.standard_normal((int(rng.integers(15, 90)), 2)):
            radius = max(1, round(rng.exponential(0.0035) * width))
            cv2.circle(spots, tuple(int(value) for value in place), radius, int(rng.integers(60, 256)), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(spots, (0, 0), 1.2).astype(np.float32)[:, :, None] / 255
    tint = np.array([0.7, 0.6, 0.75]) * rng.uniform(0.5, 1.0)
    paper.gain[:] *= (1 - soft * tint).astype(np.float32)


def _burn(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Thermal paper darkened by heat or light: a clouded area with soft edges, grey to brown."""
    x, y = paper.positions()
    clouds = cv2.resize(rng.random((5, 7), np.float32), x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    direction = rng.uniform(0, 2 * np.pi)
    slope = x * np.cos(direction) + y * np.sin(direction)
    slope = (slope - slope.min()) / max(1e-6, float(np.ptp(slope)))
    amount = np.clip((slope + 0.6 * clouds - rng.uniform(0.6, 1.2)) * rng.uniform(1.5, 5.0), 0, 1)[:, :, None]
    tint = np.array([0.55, 0.6, 0.7]) if rng.random() < 0.6 else np.array([0.35, 0.55, 0.8])
    paper.gain[:] *= (1 - amount * tint * rng.uniform(0.4, 0.95)).astype(np.float32)


def _stick_tape(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Strips of yellowed adhesive tape."""
    for _ in range(int(rng.integers(1, 4))):
        upright = rng.random() < 0.5
        size = np.array([rng.uniform(12, 20), rng.uniform(40, 120)])[:: 1 if upright else -1]
        low = rng.uniform(-0.1, 0.9, 2) * paper.size_mm
        tint = np.array([0.98, 0.95, 0.82]) * rng.uniform(0.85, 1.0)
        paper.shade(tuple(low), tuple(low + size), tint)
        for edge in (low, low + size):  # a glossy rim
            rim = np.array([0.4, size[1]]) if upright else np.array([size[0], 0.4])
            begin = np.minimum(edge, low + size - rim)
            paper.shade(tuple(begin), tuple(begin + rim), np.array([0.9, 0.9, 0.88]))


def _fold(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Straight folds: a shaded valley or ridge, worn bright or dark along its line."""
    x, y = paper.positions()
    tilt = rng.uniform(-0.06, 0.06) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    for angle in (tilt, tilt + np.pi / 2):
        for _ in range(int(rng.integers(0, 4))):
            point = rng.uniform(0.05, 0.95, 2) * paper.extent()
            across = (y - point[1]) * np.float32(np.cos(angle)) - (x - point[0]) * np.float32(np.sin(angle))
            paper.gain[:] *= _across_fold(across, rng)[:, :, None]
            _wear_line(paper, point / paper.extent() * paper.size_mm, angle, rng)


def _across_fold(across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light beside a fold by the distance from it, (h, w) float32 in units of the longer side."""
    steps = np.linspace(-0.3, 0.3, 1201, dtype=np.float32)
    near = np.exp(-np.abs(steps) / rng.uniform(0.01, 0.08))
    side = np.tanh(steps / rng.uniform(0.001, 0.006)) * near
    profile = (1 + rng.uniform(-0.16, 0.16) * side + rng.uniform(-0.06, 0.04) * near).astype(np.float32)
    return profile[np.clip(across * 2000 + 600.5, 0, 1200).astype(np.int16)]


def _wear_line(paper: DamagedPaper, point: np.ndarray, angle: float, rng: np.random.Generator) -> None:
    """A thin line along a fold where the print is worn or dirt collects."""
    along = np.array([np.cos(angle), np.sin(angle)]) * paper.size_mm.sum()
    bright = rng.random() < 0.6
    color = (248, 246, 242) if bright else (70, 66, 60)
    paper.draw(np.stack([point - along, point + along]), rng.uniform(0.1, 0.6), color, int(rng.uniform(40, 170)))


def _crumple(paper: DamagedPaper, strength: float, rng: np.random.Generator) -> None:
    """Crumpled paper lit from one side: ridges that wander over the sheet, and flat facets between them."""
    size = paper.gain.shape[:2]
    height = np.zeros(size, np.float32)
    octaves, first = int(rng.integers(2, 6)), rng.uniform(2.0, 5.0)
    for octave in range(octaves):
        cells = first * 1.7**octave
        height += np.abs(_smooth_noise(size, cells, rng)) * np.float32(rng.uniform(0.5, 1.0) / cells)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * np.diff(height, axis=1, append=height[:, -1:])
    slope += np.sin(angle) * np.diff(height, axis=0, append=height[-1:])
    light = slope / max(1e-6, float(slope.std()))
    if rng.random() < 0.6:
        light = 0.75 * light + 0.6 * _facets(size, rng)
    light = np.tanh(light / 2.5) * 2.5
    paper.gain[:] *= np.clip(1 + strength * 0.22 * light, 0.25, 1.27)[:, :, None]


def _smooth_noise(size: tuple[int, int], cells: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance or less, about ``cells`` bumps along the longer side, (h, w) float32."""
    rows, columns = (max(3, round(cells * side / max(size)) + 1) for side in size)
    return cv2.resize(rng.standard_normal((rows, columns), np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)


def _facets(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Facets of random slope with lit or dark edges, bent a little, (h, w) float32 around 0."""
    height, width = size
    facets = np.zeros(size, np.float32)
    division = cv2.Subdiv2D((-width, -height, 3 * width, 3 * height))
    inner = rng.uniform(-0.1, 1.1, (int(rng.integers(30, 300)), 2)) * (width, height)
    division.insert([(float(x), float(y)) for x, y in inner])
    triangles = division.getTriangleList().reshape(-1, 3, 2)
    for triangle, slope in zip(triangles, rng.standard_normal(len(triangles)), strict=True):
        cv2.fillConvexPoly(facets, np.round(triangle * 16).astype(np.int32), float(slope), cv2.LINE_8, 4)
    facets = facets - rng.uniform(0.3, 0.9) * cv2.blur(facets, (31, 31))  # paler towards the middle of a facet
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bow = np.float32(rng.uniform(3, 14))
    bent = (x + bow * _smooth_noise(size, 14, rng), y + bow * _smooth_noise(size, 14, rng))
    facets = cv2.remap(facets, *bent, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return cv2.GaussianBlur(facets, (0, 0), rng.uniform(0.6, 2.0))


def _punch(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """Two or four holes of a punch along one edge."""
    edge, count = int(rng.integers(3)), int(rng.choice([2, 4]))
    width, height = paper.size_mm
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = 3.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for k in range(count):
        along = (k - (count - 1) / 2) * 80.0
        center = ((10.0, height / 2 + along), (width - 10.0, height / 2 + along), (width / 2 + along, 10.0))[edge]
        paper.cover(ring * 1.12 + center, (120, 115, 110))
        paper.cover(ring + center, (0, 0, 0, 0))


def _tear(paper: DamagedPaper, rng: np.random.Generator) -> None:
    """A corner or a piece of an edge torn off, with a white rim."""
    width, height = paper.size_mm
    for _ in range(int(rng.integers(1, 3))):
        corner = np.array([rng.choice([0.0, width]), rng.choice([0.0, height])])
        inward = np.where(corner > 0, -1.0, 1.0)
        reach = rng.uniform(0.03, 0.2, 2) * paper.size_mm
        if rng.random() < 0.4:  # out of an edge
            corner = corner + inward * (0, rng.uniform(0.2, 0.7) * height)
            line = np.stack([reach[0] * np.sin(np.linspace(0, np.pi, 24)), np.linspace(0, 2 * reach[1], 24)], axis=1)
        else:
            share = np.linspace(0, 1, 24)[:, None]
            line = (1 - share) * (reach[0], -1.0) + share * (-1.0, reach[1])
        rough = line + rng.normal(0, 0.7, line.shape)
        outside = np.array([[-5.0, line[-1, 1]], [-5.0, -5.0], [line[0, 0], -5.0]])
        edge = np.concatenate([rough, outside[:1], outside[1:2] if line[0, 0] > 1 else outside[:0], outside[2:]])
        rim = np.concatenate([rough + rng.uniform(0.3, 1.6, line.shape), edge[len(rough) :]])
        paper.cover(corner + inward * rim, (246, 244, 240))
        paper.cover(corner + inward * edge, (0, 0, 0, 0))
