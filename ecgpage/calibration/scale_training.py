"""Training of the scale reader: on the scales of drawn pages, and on more of them printed over their views."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgpage.calibration.scale_reader import (
    PIXELS_PER_MM,
    PRINTED_GAINS,
    STRIDE,
    VALUES,
    ScaleNetwork,
    ScaleReader,
    ink_to_tensor,
    value_text,
    view_ink,
)
from ecgpage.geometry import apply_homography
from ecgpage.leads import GAINS, SPEEDS
from ecgpage.page.view import page_view
from ecgpage.synthesis import DrawnPage, Profile
from ecgpage.synthesis.ink import render_text
from ecgpage.synthesis.layout import FONTS
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.drawn_pages import Jitter, drawn_batches, relit
from ecgpage.training.engine import train

RESOLUTION = (75.0, 200.0)
"""Dots per inch at which pages are drawn for reading."""

CROP = (128, 320)
"""(height, width) of a training crop, pixels of the view."""

LEAST_VISIBLE = 0.3
"""Share of a word below which it counts as covered; where more of it is seen, but not all, it counts neither way."""

IGNORED = -1
"""Class of places that count neither way."""

_LINES = 6  # printed over a view
_EMPTY = 3  # crops of a view around no value
_PRINTED = re.compile(r"([\d.]+)(?:/([\d.]+))? ?(mm/s|mm/mV)(?:ec)?")
_OTHER = (
    "40 Hz", "0.15-100 Hz", "F 50~ 0.05-150 Hz", "60 Hz", "10 s", "25 mm", "5 mm", "10 mV", "50 kg", "120/80 mmHg",
    "12:50:25", "25.10.2005", "2010/05/20", "100 BPM", "QT/QTc 350/425 ms", "V5", "aVL", "II", "SN 10255020",
    "Page 1 of 2", "100 mm/s", "5 mm/s", "6.25 mm/s", "15 mm/mV", "40 mm/mV", "250 Hz", "25 Hz", "50 ms", "1 mV", "ADS",
    "x1.0", "50", "25", "10", "mV", "s", "time: s", "amplitude: mV", "Voltage (mV)", "Amplitude [mV]", "Time (s)",
    "time / s", "calibration: 1 mV / 0.2 s", "1 mV / 200 ms", "1 mV = 10 mm", "0.2 s", "0.5 mV", "2 mV", "0.5 mV/div",
    "0.2 s/div", "500 Hz", "Fs 500 Hz", "5.0 s", "2.5 s",
)  # fmt: skip
"""What is printed near a scale, or looks like one."""

_MARKS = ("\u00b7", "|", "-", ",", ";", "/")
"""What may part the things of a line."""

Place = tuple[float, float, int]
"""Where a value is centred, pixels of the view, and its class: its place among VALUES + 1, or ``IGNORED``."""


@dataclass(frozen=True)
class ScaleExamples:
    """Makes a drawn page into crops (N, H, W) int8 of ink and the classes (N, H / 8, W / 8) int64 of their places.

    scale: standard deviation of the view's scale, as of a calibration that is a little off; rough: of a tenth of the
    views, as where no grid is found; rotation: degrees, largest.
    """

    scale: float = 0.01
    rough: float = 0.05
    rotation: float = 1.0
    jitter: Jitter = Jitter()

    def __call__(self, page: DrawnPage, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        view, paper_to_view = self._view(page, rng)
        places, taken = _drawn_places(page, paper_to_view)
        view = relit(view, self.jitter, rng)
        for _ in range(_LINES):
            places += _print_line(view, taken, rng)
        ink = view_ink(view)
        centers = [place[:2] for place in places] + [rng.uniform(0, 1, 2) * ink.shape[::-1] for _ in range(_EMPTY)]
        crops = [_cut(ink, places, center, rng) for center in centers]
        return np.stack([crop for crop, _ in crops]), np.stack([classes for _, classes in crops])

    def _view(self, page: DrawnPage, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The page at the reader's scale, a little off, and the homography from its paper to the view."""
        off = rng.normal(0, self.rough if rng.random() < 0.1 else self.scale, 2)
        across, down = PIXELS_PER_MM * np.exp(off)
        angle = np.deg2rad(rng.uniform(-1, 1) * self.rotation)
        shear = np.array([[1, -np.sin(angle), 0], [np.sin(angle), 1, 0], [0, 0, 1]])
        paper_to_view = np.diag([across, down, 1.0]) @ shear
        shape = tuple(
            max(limit, int(np.ceil(side * PIXELS_PER_MM)))
            for side, limit in zip(page.paper_size[::-1], CROP, strict=True)
        )
        view, _ = page_view(page.image, page.paper_to_picture @ np.linalg.inv(paper_to_view), shape, shape)
        return view, paper_to_view


def _drawn_places(page: DrawnPage, paper_to_view: np.ndarray) -> tuple[list[Place], list[np.ndarray]]:
    """Where a drawn page prints values, and the boxes (4,) around those words, pixels of the view."""
    if page.words is None:
        raise ValueError("a page that was drawn before says nothing of its words: draw the pages again")
    picture_to_view = paper_to_view @ np.linalg.inv(page.paper_to_picture)
    places, taken = [], []
    for word in page.words:
        if "mm/" not in word.text:
            continue
        corners = apply_homography(picture_to_view, word.polygon)
        box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        taken.append(box)
        if word.visible < LEAST_VISIBLE:
            continue
        match = _PRINTED.fullmatch(word.text) if word.visible == 1.0 else None
        kind = _class_of([float(number) for number in match.groups()[:2] if number], match[3]) if match else 0
        x, y = corners.mean(axis=0)
        if kind:
            places.append((float(x), float(y), kind))
        else:  # all along the word
            places += [(float(at), float(y), IGNORED) for at in np.arange(box[0], box[2] + STRIDE, 8 * STRIDE)]
    return places, taken


def _class_of(numbers: Sequence[float], unit: str) -> int:
    """Class of a value, one number or two, with its unit; 0 for one that is not read."""
    text = value_text(*numbers, unit=unit)
    return VALUES.index(text) + 1 if text in VALUES else 0


def _print_line(view: np.ndarray, taken: list[np.ndarray], rng: np.random.Generator) -> list[Place]:
    """Print a line of values and other words over a free part of a view, and return where its values are."""
    font = str(rng.choice(list(FONTS.values())))
    capital = float(np.exp(rng.uniform(np.log(1.4), np.log(3.3)))) * PIXELS_PER_MM
    stretch = float(np.exp(rng.uniform(np.log(0.72), np.log(1.15))))
    mark = str(rng.choice(_MARKS)) if rng.random() < 0.3 else ""
    between = [(mark, capital * float(rng.uniform(0.3, 1.0)), 0)] if mark else []
    pieces = [piece for _ in range(int(rng.integers(1, 6))) for piece in (*_pieces(capital, rng), *between)]
    drawn, x = [], 0.0
    for text, gap, kind in pieces:
        glyphs, _, ascent = render_text(text, font, 2 * capital)  # at twice the size
        drawn.append((glyphs, x, ascent, kind))
        x += glyphs.shape[1] + 2 * gap
    ascent = max(part[2] for part in drawn)
    height = ascent + max(glyphs.shape[0] - up for glyphs, _, up, _ in drawn)
    line = np.zeros((height + 4, int(x) + 4), np.uint8)
    for glyphs, at, up, _ in drawn:
        top, left = ascent - up + 2, int(at) + 2
        line[top : top + glyphs.shape[0], left : left + glyphs.shape[1]] = glyphs
    size = (max(1, round(line.shape[1] * stretch / 2)), max(1, line.shape[0] // 2))
    if size[0] >= view.shape[1] or size[1] >= view.shape[0]:
        return []
    small = cv2.resize(line, size, interpolation=cv2.INTER_AREA)
    for _ in range(8):
        left, top = int(rng.integers(view.shape[1] - size[0])), int(rng.integers(view.shape[0] - size[1]))
        box = np.array([left, top, left + size[0], top + size[1]], float)
        if all(_apart(box, other) for other in taken):
            break
    else:
        return []
    taken.append(box)
    _lay(view, small, left, top, rng)
    inked = small.max(axis=1) > 64
    middle = top + float(np.flatnonzero(inked).mean()) if inked.any() else top + size[1] / 2
    return [
        (left + (at + 2 + glyphs.shape[1] / 2) * size[0] / line.shape[1], middle, kind)
        for glyphs, at, _, kind in drawn
        if kind
    ]


def _pieces(capital: float, rng: np.random.Generator) -> list[tuple[str, float, int]]:
    """One thing of a line: its texts with the gap after each, pixels, and class (0: none)."""
    after = capital * float(rng.uniform(0.8, 6.0))
    if rng.random() < 0.3:
        return [(str(rng.choice(_OTHER)), after, 0)]
    speed = rng.random() < 0.45
    numbers = [float(rng.choice(SPEEDS if speed else GAINS))]
    if not speed and rng.random() < 0.3:
        numbers = list(PRINTED_GAINS[int(rng.integers(len(GAINS), len(PRINTED_GAINS)))])
    unit = str(rng.choice(["mm/s", "mm/s", "mm/sec", "mm/Sec"] if speed else ["mm/mV", "mm/mV", "mm/mv", "mm/MV"]))
    number = "/".join(f"{value:.1f}" if rng.random() < 0.12 else f"{value:g}" for value in numbers)
    if rng.random() < 0.08:
        number = number.replace(".", ",")
    text = f"{number}{rng.choice(['', ' '])}{unit}"
    kind = _class_of(numbers, "mm/s" if speed else "mm/mV")
    before = ["Speed:", "Speed", "Paper:", "v ="] if speed else ["Limb:", "Chest:", "L:", "C:", "Gain:", "Ampl"]
    gap = 0.0 if rng.random() < 0.4 else capital * float(rng.uniform(0.2, 0.7))
    prefix = [(str(rng.choice(before)), gap, 0)] if rng.random() < 0.35 else []
    return [*prefix, (text, after, kind)]


def _apart(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one[:2] > other[2:] + 2).any() or (one[2:] < other[:2] - 2).any())


def _lay(view: np.ndarray, coverage: np.ndarray, left: int, top: int, rng: np.random.Generator) -> None:
    """Print coverage (h, w) uint8 over a view, as sharp and as dark as print may be on its picture."""
    height, width = coverage.shape
    part = view[top : top + height, left : left + width].astype(np.float32)
    soft = cv2.GaussianBlur(coverage, (0, 0), float(rng.uniform(0.2, 1.1))).astype(np.float32)[..., None] / 255
    soft *= float(rng.uniform(0.45, 1.0))
    if rng.random() < 0.15:  # a print head that skips
        soft *= np.clip(
            cv2.resize(rng.uniform(0.1, 1.6, (max(1, height // 2), max(1, width // 3))), (width, height)), 0, 1
        )[..., None]
    paper = np.percentile(part, 60, axis=(0, 1))
    bright = paper.mean() < 90  # a dark screen
    ink = np.minimum(255.0, paper + 120) if bright else paper * rng.uniform(0.05, 0.55)
    printed = part * (1 - soft) + ink * soft + soft * rng.normal(0, rng.uniform(0, 12), part.shape)
    view[top : top + height, left : left + width] = np.clip(printed, 0, 255).astype(np.uint8)


def _cut(
    ink: np.ndarray, places: Sequence[Place], center: Sequence[float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A crop that holds a point somewhere, and the class of each of its places."""
    high, wide = CROP
    corner = np.array(center) - rng.uniform(0.1, 0.9, 2) * (wide, high)
    left, top = (
        int(np.clip(at, 0, size - side)) for at, size, side in zip(corner, ink.shape[::-1], (wide, high), strict=True)
    )
    classes = np.zeros((high // STRIDE, wide // STRIDE), np.int64)
    whole = []
    for x, y, kind in places:
        column, row = int((x - left) // STRIDE), int((y - top) // STRIDE)
        cut_off = not (6 <= column < classes.shape[1] - 6 and 1 <= row < classes.shape[0] - 1)
        if kind == IGNORED or cut_off:
            classes[max(0, row - 2) : max(0, row + 3), max(0, column - 8) : max(0, column + 9)] = IGNORED
        else:
            whole.append((row, column, kind))
    for row, column, _ in whole:
        around = classes[row - 1 : row + 2, column - 2 : column + 3]
        around[around == 0] = IGNORED
    for row, column, kind in whole:
        classes[row, column - 1 : column + 2] = kind
    return ink[top : top + high, left : left + wide], classes


def collate_scales(pages: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    """The crops and classes of several pages, one after the other."""
    crops, classes = zip(*pages, strict=True)
    return torch.from_numpy(np.concatenate(crops)), torch.from_numpy(np.concatenate(classes))


def scale_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The engine's loss function: cross-entropy at values and at the hardest of the other places, three times as many
    and 32.

    Reported beside it: the share of places with a value that are read rightly, and how sure the network is, at worst,
    that there is a value where there is none.
    """
    crops, classes = batch
    logits = model(ink_to_tensor(crops)).float()
    each = F.cross_entropy(logits, classes, ignore_index=IGNORED, reduction="none")
    valued = classes > 0
    count = int(valued.sum())
    others = each[classes == 0]
    hardest = others.topk(min(32 + 3 * count, len(others))).values
    loss = sum((part.mean() for part in (hardest, each[valued]) if len(part)), start=0.0 * each.sum())
    right = (logits.argmax(1) == classes)[valued].float().mean() if count else torch.ones(())
    false = 1 - torch.exp(-hardest.detach()[:1]).sum() if len(hardest) else torch.zeros(())
    return loss, {"right": float(right), "false": float(false)}


def train_scale_reader(
    records: Sequence[Path],
    drawing: DrawingSettings,
    stage: StageSettings,
    checkpoint: Path,
    report: Callable[[str], None] = print,
) -> ScaleReader:
    """Train a reader on pages drawn from the records; ``stage.batch_size`` counts pages.

    checkpoint: where the training's state is kept; a training found there goes on.
    """
    torch.manual_seed(stage.seed)
    _, batches = drawn_batches(records, drawing, stage, all_scales, ScaleExamples(), collate_scales)
    network = ScaleNetwork()
    trained = train(network, batches, scale_loss, stage, checkpoint, lambda line: report(f"scale reader: {line}"))
    return ScaleReader(trained)


def all_scales(profile: Profile) -> Profile:
    """The profile with all speeds and gains alike, drawn as fine as the reader needs."""
    arrangement = replace(profile.arrangement, fast=0.4, gain=(("5", 1.0), ("10", 1.0), ("20", 1.0)), half_chest=0.25)
    return replace(profile, arrangement=arrangement).drawn_at(*RESOLUTION)
