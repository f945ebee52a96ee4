"""What else is in the picture: a desk, other papers, a screen's bezel, fingers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.synthesis.camera import Warp, page_corners
from ecgpage.synthesis.settings import Weights, check, check_names, pick

BACKGROUNDS = ("black", "white", "plain", "wood", "cloth")

_COARSE = 8  # picture pixels per pixel of the soft textures


@dataclass(frozen=True)
class SceneSettings:
    """How the surroundings are chosen.

    background: of ``BACKGROUNDS``; papers: chance of other papers beside the page; second_page: chance of another page
    like it, partly in view; cast_shadow: chance that the page throws a shadow; fingers: chance of fingers at the
    picture's edge; screen: chance that the page is shown on a screen, with bezel and a program's bars.
    """

    background: Weights = (("plain", 1.0),)
    papers: float = 0.0
    second_page: float = 0.0
    cast_shadow: float = 0.5
    fingers: float = 0.0
    screen: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        check_names(self, {"background": BACKGROUNDS})


def place_page(flat: np.ndarray, warp: Warp, settings: SceneSettings, rng: np.random.Generator) -> np.ndarray:
    """Put the flat page (H, W, 4) uint8 into its surroundings as the camera sees it: (h, w, 4) uint8, opaque."""
    picture = warp.image(flat)
    if warp.plain and flat[:, :, 3].min() == 255:
        return picture
    bare = cv2.compare(picture[:, :, 3], 255, cv2.CMP_LT)
    if not cv2.hasNonZero(bare):
        return picture
    scene = _surroundings(flat, warp, settings, rng)
    gone = cv2.compare(picture[:, :, 3], 0, cv2.CMP_EQ)
    edge = np.flatnonzero(bare != gone)
    alpha = picture.reshape(-1, 4)[edge, 3:].astype(np.uint16)
    below, above = scene.reshape(-1, 4)[edge], picture.reshape(-1, 4)[edge]
    cv2.copyTo(scene, gone, picture)
    # the warp blends colours with black beyond the paper's edge as it does alpha, so they are weighted already
    mixed = above.astype(np.uint16) + (below * (255 - alpha) + 127) // 255
    picture.reshape(-1, 4)[edge] = np.minimum(mixed, 255).astype(np.uint8)
    picture.reshape(-1, 4)[edge, 3] = 255
    return picture


def _surroundings(flat: np.ndarray, warp: Warp, settings: SceneSettings, rng: np.random.Generator) -> np.ndarray:
    """What the picture shows beside the page, (h, w, 4) uint8."""
    corners = warp.to_picture(page_corners(flat.shape[:2]))
    if rng.random() < settings.screen:
        return _screen(warp, corners, rng)
    kind = pick(settings.background, rng)
    scene = _background(kind, warp.size, rng)
    if rng.random() < settings.papers:
        _lay_papers(scene, rng)
    if rng.random() < settings.second_page:
        _lay_second_page(scene, flat, corners, rng)
    if kind not in ("black", "white") and rng.random() < settings.cast_shadow:
        _cast_shadow(scene, corners, rng)
    return scene


def _background(kind: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = size
    if kind in ("black", "white"):
        value = int(rng.integers(0, 25)) if kind == "black" else int(rng.integers(236, 256))
        scene = np.full((height, width, 4), value, np.uint8)
        scene[:, :, 3] = 255
        return scene
    coarse = (max(2, height // _COARSE), max(2, width // _COARSE))
    if kind == "wood":
        color = np.array([150, 105, 65]) * rng.uniform(0.4, 1.4) + rng.uniform(-15, 15, 3)
        grain = cv2.resize(rng.standard_normal((coarse[0], 4), np.float32), coarse[::-1], interpolation=cv2.INTER_CUBIC)
        grain = grain if rng.random() < 0.5 else np.ascontiguousarray(cv2.resize(grain.T, coarse[::-1]))
        texture = grain * rng.uniform(5, 16)
    else:
        color = rng.uniform(10, 230) + rng.uniform(-60, 60, 3)
        soft = cv2.resize(rng.standard_normal((5, 7), np.float32), coarse[::-1], interpolation=cv2.INTER_CUBIC)
        texture = soft * rng.uniform(0, 22)
        if kind == "cloth":
            texture = texture + rng.standard_normal(coarse, np.float32) * rng.uniform(4, 16)
    small = np.clip(color + texture[:, :, None], 0, 255)
    opaque = np.concatenate([small, np.full((*coarse, 1), 255.0)], axis=2).astype(np.uint8)
    return cv2.resize(opaque, (width, height), interpolation=cv2.INTER_LINEAR)


def _lay_papers(scene: np.ndarray, rng: np.random.Generator) -> None:
    """Other sheets, some with lines of text."""
    height, width = scene.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        center, angle = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0, np.pi)
        half = rng.uniform(0.15, 0.5, 2) * width
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        box = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ turn.T + center
        paper = rng.uniform(170, 252) + rng.uniform(-12, 6, 3)
        cv2.fillConvexPoly(scene, np.round(box).astype(np.int32), (*np.clip(paper, 0, 255).tolist(), 255), cv2.LINE_AA)
        for k in np.linspace(-0.85, 0.85, int(rng.integers(0, 24))):
            ends = (np.array([[-0.85, k], [rng.uniform(0.2, 0.85), k]]) * half) @ turn.T + center
            first, last = (tuple(int(value) for value in end) for end in ends)
            cv2.line(scene, first, last, (*(0.75 * paper).tolist(), 255), max(1, width // 900), cv2.LINE_AA)


def _lay_second_page(scene: np.ndarray, flat: np.ndarray, corners: np.ndarray, rng: np.random.Generator) -> None:
    """The same print once more, beside the page and mostly out of view."""
    height, width = scene.shape[:2]
    side = corners[1] - corners[0]
    move = np.array([side, -side, [-side[1], side[0]], [side[1], -side[0]]])[int(rng.integers(4))] * rng.uniform(
        0.9, 1.1
    )
    target = (corners[:3] + move + rng.uniform(-0.02, 0.02, (3, 2)) * width).astype(np.float32)
    matrix = cv2.getAffineTransform(page_corners(flat.shape[:2])[:3].astype(np.float32), target)
    cv2.warpAffine(flat, matrix, (width, height), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)
    scene[:, :, 3] = 255


def _cast_shadow(scene: np.ndarray, corners: np.ndarray, rng: np.random.Generator) -> None:
    """The page's own shadow on what it lies on."""
    height, width = scene.shape[:2]
    small = np.zeros((max(2, height // _COARSE), max(2, width // _COARSE)), np.uint8)
    moved = corners + rng.uniform(-0.012, 0.012, 2) * width
    cv2.fillConvexPoly(small, np.round(moved / _COARSE).astype(np.int32), 255)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.8, width * rng.uniform(0.003, 0.012) / _COARSE))
    gain = np.full((*small.shape, 4), 255, np.uint8)
    gain[:, :, :3] -= (soft * rng.uniform(0.3, 0.8)).astype(np.uint8)[:, :, None]
    fine = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(scene, fine, dst=scene, scale=1 / 255)


def _screen(warp: Warp, corners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A program's window around the page, then a bezel, then a dim room."""
    scene = _background("plain", warp.size, rng)
    scene[:, :, :3] //= 2
    center = corners.mean(axis=0)
    inner, outer = rng.uniform(1.02, 1.12), rng.uniform(1.03, 1.1)
    for factor, value in ((inner * outer, rng.uniform(5, 40)), (inner, float(rng.choice([35.0, 60.0, 190.0, 240.0])))):
        box = center + (corners - center) * factor
        cv2.fillConvexPoly(scene, np.round(box).astype(np.int32), (value, value, value + 3, 255), cv2.LINE_AA)
    return scene


def show_fingers(picture: np.ndarray, settings: SceneSettings, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Lay fingers over the edge of a picture (h, w, 4) uint8, in place; returns their outlines, (n, 2) pixels each."""
    if rng.random() >= settings.fingers:
        return ()
    height, width = picture.shape[:2]
    skin = np.array([[232, 190, 165], [198, 140, 110], [120, 80, 60]])[int(rng.integers(3))] * rng.uniform(0.7, 1.05)
    edge, along = int(rng.integers(4)), rng.uniform(0.1, 0.9)
    thick, reach = width * rng.uniform(0.025, 0.05), width * rng.uniform(0.03, 0.13)
    outlines = []
    for k in range(int(rng.integers(1, 4))):
        place = along + 2.1 * k * thick / width
        root, inward = _at_edge(edge, place, width, height)
        slant = rng.uniform(-0.25, 0.25)
        axis = inward + slant * np.array([-inward[1], inward[0]])
        tip = root + axis / np.hypot(*axis) * reach * rng.uniform(0.7, 1.1)
        outlines.append(_finger(picture, root - inward * thick, tip, thick, skin))
    return tuple(outlines)


def _at_edge(edge: int, place: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A point of the picture's edge (left, right, top, bottom) and the direction inward."""
    return (
        (np.array([0.0, place * height]), np.array([1.0, 0.0])),
        (np.array([float(width), place * height]), np.array([-1.0, 0.0])),
        (np.array([place * width, 0.0]), np.array([0.0, 1.0])),
        (np.array([place * width, float(height)]), np.array([0.0, -1.0])),
    )[edge]


def _finger(picture: np.ndarray, root: np.ndarray, tip: np.ndarray, thick: float, skin: np.ndarray) -> np.ndarray:
    """A finger from ``root`` to ``tip``, darker towards its sides, and its nail; returns its outline (n, 2)."""
    first, last = (tuple(int(value) for value in point) for point in (root, tip))
    for share, shade in ((1.0, 0.72), (0.86, 0.88), (0.62, 1.0)):
        color = (*(skin * shade).tolist(), 255)
        cv2.line(picture, first, last, color, max(1, int(thick * share)), cv2.LINE_AA)
    axis = (tip - root) / max(1e-6, float(np.hypot(*(tip - root))))
    nail = tip + axis * thick * 0.1
    angle = float(np.degrees(np.arctan2(axis[1], axis[0])))
    middle, size = tuple(int(value) for value in nail), (max(1, int(thick * 0.28)), max(1, int(thick * 0.22)))
    cv2.ellipse(picture, middle, size, angle, 0, 360, (*np.minimum(255, skin * 1.12).tolist(), 255), -1, cv2.LINE_AA)
    side = np.array([-axis[1], axis[0]]) * thick / 2
    round_tip = [tip + (axis * np.sin(t) * thick / 2 - side * np.cos(t)) for t in np.linspace(0, np.pi, 9)]
    return np.array([root - side, *round_tip, root + side])
