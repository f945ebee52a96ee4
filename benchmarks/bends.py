"""How well bent paper is laid flat: ``python -m benchmarks.bends PAGES [-n COUNT]``, on drawn pages bent further.

PAGES are flat pages with truth, as ``python -m ecgpage synthesize`` writes them. Each is resampled once as if its paper
curled in a corner, were folded once or twice, waved, or all but lay flat, in a picture of 4 to 6 pixels per millimetre
with uneven light and noise. Printed per kind: how far the leads' samples lie from their places, root mean square over a
page, laid flat by the lattice alone, by the polynomial and by the grid followed; and the share of samples that are more
than ``WRONG`` off. Means over pages count at most ``MOST`` of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ecgpage.calibration.bend import measure_bend
from ecgpage.calibration.ripple import GridMaps, follow_grid
from ecgpage.calibration.scale import OTHER_SQUARES, USUAL_SQUARES
from ecgpage.geometry import Bend, apply_homography, flat_points
from ecgpage.io import find_records, read_header, read_image
from ecgpage.page.rectification import straighten_with_grid
from ecgpage.reporting import text_table
from ecgpage.synthesis.records import PageReader, read_standard_leads

WRONG = 0.3
"""Millimetres."""

MOST = 1.0
"""Millimetres."""

KINDS = ("all but flat", "curled", "folded", "curled and waving", "folded and waving")

PAPER = (279.4, 215.9)
"""Millimetres shown."""

EVERY = 25
"""So many samples of a lead lie between those that are compared."""

Displacement = Callable[[np.ndarray], np.ndarray]
"""How far, (..., 2) mm, paper lies beside its flat places (..., 2), mm."""


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def curl(rng: np.random.Generator) -> Displacement:
    """A corner that rises more and more, by slopes up to 0.4."""
    size = np.array(PAPER)
    corners = size * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    outwards = corners[rng.integers(4)] - size / 2 + rng.normal(0, 40, 2)
    outwards /= np.hypot(*outwards)
    reach, slope, way = rng.uniform(50, 110), rng.uniform(0.15, 0.4), _direction(rng)
    begin = ((corners - size / 2) @ outwards).max() - reach
    return lambda at: np.clip((at - size / 2) @ outwards - begin, 0, None)[..., None] ** 2 * slope / (2 * reach) * way


def fold(rng: np.random.Generator) -> Displacement:
    """A crease with slopes up to 0.2 on either side, which fade; nearly upright or level more often than not."""
    at_fold, way = rng.uniform(0.2, 0.8, 2) * PAPER, _direction(rng)
    angle = rng.uniform(0, np.pi) if rng.random() < 0.4 else rng.choice([0, np.pi / 2]) + rng.normal(0, 0.06)
    across = np.array([np.cos(angle), np.sin(angle)])
    slope, fading, soft = rng.uniform(0.05, 0.2), rng.uniform(20, 40), rng.uniform(2, 5)

    def displacement(at: np.ndarray) -> np.ndarray:
        far = (at - at_fold) @ across
        return (slope * np.exp(-np.abs(far) / fading) * (np.hypot(far, soft) - soft))[..., None] * way

    return displacement


def wave(rng: np.random.Generator, height: tuple[float, float] = (0.5, 2.5)) -> Displacement:
    """A wave of 70 to 140 mm, ``height`` mm high."""
    along, way = _direction(rng) * 2 * np.pi / rng.uniform(70, 140), _direction(rng)
    high, phase = rng.uniform(*height), rng.uniform(0, 2 * np.pi)
    return lambda at: (high * np.sin(at @ along + phase))[..., None] * way


def bent(kind: str, rng: np.random.Generator) -> Displacement:
    """The displacement of a page of one of ``KINDS``."""
    parts = {
        "all but flat": lambda: [wave(rng, (0.1, 0.4)) for _ in range(2)],
        "curled": lambda: [curl(rng)],
        "folded": lambda: [fold(rng) for _ in range(rng.integers(1, 3))],
        "curled and waving": lambda: [curl(rng), wave(rng)],
        "folded and waving": lambda: [*(fold(rng) for _ in range(rng.integers(1, 3))), wave(rng)],
    }[kind]()
    return lambda at: sum((part(at) for part in parts), np.zeros(np.shape(at)))


def bent_picture(
    image: np.ndarray, paper_to_picture: np.ndarray, away: Displacement, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A flat page's picture as if its paper were bent, (H, W, 3) uint8, and its pixels per mm.

    image: (h, w, 3) uint8; paper_to_picture: (3, 3) homography from millimetres to its pixels; away: how far the paper
    lies beside its flat places.
    """
    per_mm = rng.uniform(4.0, 6.0)
    width, height = (round(side * per_mm) for side in PAPER)
    seen = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) / per_mm
    flat = seen
    for _ in range(25):
        flat = seen - away(flat)
    x, y = apply_homography(paper_to_picture, flat.reshape(-1, 2)).T.reshape(2, height, width).astype(np.float32)
    picture = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(90, 90, 90))
    light = cv2.GaussianBlur(1 + 0.15 * rng.normal(size=(9, 9)).astype(np.float32), (0, 0), 1.5)
    light = cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(picture * light + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8), per_mm


def errors(picture: np.ndarray, per_mm: float, away: Displacement, places: np.ndarray) -> np.ndarray | None:
    """How far flat places (N, 2), mm, lie from where they are found, (3, n) mm of the n in view: by the lattice, by the
    polynomial and by the grid followed; None where no grid is seen."""
    page, grid = straighten_with_grid(picture)
    seen = per_mm * (places + away(places))
    inside = ((seen > 0) & (seen < np.array(picture.shape[1::-1]) - 1)).all(axis=1)
    if grid.lattice_to_page is None or not inside.any():
        return None
    places, seen = places[inside], apply_homography(np.linalg.inv(page.page_to_picture), seen[inside])
    square = _square(apply_homography(grid.page_to_lattice, seen), places)
    paper_to_page = grid.lattice_to_page @ np.diag([1 / square, 1 / square, 1.0])
    polynomial = measure_bend(grid, paper_to_page)
    followed = follow_grid(GridMaps.of(page), grid, paper_to_page, square, polynomial)
    return np.stack([_off(paper_to_page, seen, bend, places) for bend in (None, polynomial, followed)])


def _square(lattice: np.ndarray, places: np.ndarray) -> float:
    """Millimetres of the lattice's squares: what lattice coordinates (N, 2) of places (N, 2), mm, tell."""
    scale = np.linalg.lstsq(np.column_stack([lattice, np.ones(len(lattice))]), places, rcond=None)[0][:2]
    size = np.sqrt(abs(np.linalg.det(scale)))
    return min((*USUAL_SQUARES, *OTHER_SQUARES), key=lambda square: abs(np.log(square / size)))


def _off(paper_to_page: np.ndarray, seen: np.ndarray, bend: Bend | None, places: np.ndarray) -> np.ndarray:
    away = flat_points(paper_to_page, seen, bend) - places
    return np.hypot(*(away - np.median(away, axis=0)).T)


def main(arguments: Sequence[str] | None = None) -> None:
    """Bend pages, lay them flat and print how far off they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="flat drawn pages with truth")
    parser.add_argument("-n", "--count", type=int, default=16, help="pages of each kind")
    options = parser.parse_args(arguments)
    records = find_records(options.pages)
    pictures = [(options.pages / name, path) for name in records for path in read_header(options.pages / name).images]
    rows = []
    for kind in KINDS:
        found, unseen = [], 0
        for k in range(options.count):
            record, path = pictures[k % len(pictures)]
            rng = np.random.default_rng([KINDS.index(kind), k])
            drawn = PageReader().read(path, read_standard_leads(record)[0])
            away = bent(kind, rng)
            points = np.concatenate([lead.points[::EVERY] for lead in drawn.leads])
            places = apply_homography(np.linalg.inv(drawn.paper_to_picture), points[np.isfinite(points).all(axis=1)])
            picture, per_mm = bent_picture(read_image(path), drawn.paper_to_picture, away, rng)
            off = errors(picture, per_mm, away, places)
            unseen += off is None
            if off is not None:
                found.append(np.append(np.minimum(np.sqrt((off**2).mean(axis=1)), MOST), (off > WRONG).mean(axis=1)))
        mean = np.mean(found, axis=0) if found else np.full(6, np.nan)
        rows.append([kind, len(found), unseen, *mean[:3], *(100 * mean[3:])])
    names = "lattice", "polynomial", "grid"
    header = ["paper", "pages", "no grid", *(f"{name}, mm" for name in names), *(f"{name}, % off" for name in names)]
    print(text_table(header, rows))


if __name__ == "__main__":
    main()
