"""Reads the paper speed and the gain that a page prints ("25 mm/s", "10 mm/mV"), wherever on the page they stand.

A small convolutional network looks at the whole page at one scale, fine enough to read print 1.5 mm high, and says of
every place whether such a value is centred there and which one it is. Nothing else on the page is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ecgpage.geometry import map_box
from ecgpage.leads import GAINS, SPEEDS, Gains
from ecgpage.page.view import page_view
from ecgpage.recording import Calibration, Page
from ecgpage.training.model_folder import load_optional_stage, save_stage

STAGE = "scale_reader"
"""Name of the reader's weights and of its entry in a model folder's description."""

PRINTED_GAINS: tuple[Gains, ...] = (*((gain, gain) for gain in GAINS), *((2 * gain, gain) for gain in GAINS[:-1]))
"""What one word tells of the gains, mm/mV of limb and of chest leads: one for all, or "10/5 mm/mV"."""


def value_text(*numbers: float, unit: str) -> str:
    """How a value is written in VALUES: "25 mm/s", "10 mm/mV", "10/5 mm/mV"."""
    return f"{'/'.join(f'{number:g}' for number in dict.fromkeys(numbers))} {unit}"


VALUES = (
    *(value_text(speed, unit="mm/s") for speed in SPEEDS),
    *(value_text(*gains, unit="mm/mV") for gains in PRINTED_GAINS),
)
"""What may be printed at a place, in the order of the network's classes; class 0 is none of them."""

PIXELS_PER_MM = 5.0
"""Of the view that is read."""

STRIDE = 8
"""View pixels between the places of which the network speaks."""

LARGEST_VIEW = 3600
"""Pixels of the view's longer side; a page that is larger at this scale is not read, its scale cannot be true."""

FREQUENCIES = (0.01, 1.0, 0.1, 0.01, 0.06, 1.0, 0.04, 0.01, 0.03, 0.01)
"""How often VALUES are printed against the usual ones, about as the synthesizer's profiles have it: the network learns
from as many of each."""

LEAST_PROBABILITY = 0.9
"""From which on a value counts as read."""

SAME_LINE = 4.0
"""Millimetres up or down within which two gains stand in one line: then the limb leads' and the chest leads'."""

HALF_WIDTH, HALF_HEIGHT = 6.0, 2.0
"""Half of what a printed value takes, mm."""

HALF_PROBABILITY = 0.8
"""Above which the less sure of two gains in a line counts as read where the right one is half the left: the chest
leads' often is half the limb leads'."""

LEAST_DOUBT = 0.5
"""From which on a second gain in the line, though not sure, keeps the first from being taken for all leads'."""

EXPECTED = 0.1
"""Weight of the chance that a place shows no value, in a line where speed or gain surely stands and the other may."""

_SPEEDS, _GAINS = slice(1, 1 + len(SPEEDS)), slice(1 + len(SPEEDS), None)  # of the network's classes
_WIDTHS = (16, 32, 64)
_PAPER = 41  # px of the view, over which paper is averaged
_FAINTEST = 20.0  # grey levels between paper and print, below which noise is not made print


@dataclass(frozen=True)
class PrintedScale:
    """What a page prints of its scale. speed: mm/s; gains: mm/mV of limb and of chest leads; None where not read.
    likely: how likely the speed is, 0 where none is read; scales that are read more and less surely are equal."""

    speed: float | None = None
    gains: Gains | None = None
    likely: float = field(default=0.0, compare=False)


class ScaleNetwork(nn.Module):
    """Views (B, 1, H, W), ink in [-1, 1], sides multiples of 8, to logits (B, 11, H / 8, W / 8): none, then VALUES."""

    def __init__(self, widths: Sequence[int] = _WIDTHS) -> None:
        super().__init__()
        first, second, third = widths
        self.layers = nn.Sequential(
            *_layer(1, first, (5, 5), 2),
            *_layer(first, second, (3, 3), 2),
            *_layer(second, second, (3, 3), 1),
            *_layer(second, third, (3, 3), 2),
        )
        self.reading = nn.ModuleList([nn.Sequential(*_layer(third, third, (3, 5), 1)) for _ in range(3)])
        self.out = nn.Conv2d(third, 1 + len(VALUES), 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        for layer in self.reading:
            x = x + layer(x)
        return self.out(x)


def _layer(c1: int, c2: int, kernel: tuple[int, int], stride: int) -> list[nn.Module]:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return [nn.Conv2d(c1, c2, kernel, stride, padding, bias=False), nn.BatchNorm2d(c2), nn.ReLU(inplace=True)]


def view_ink(view: np.ndarray) -> np.ndarray:
    """Ink of a view (H, W, 3) uint8 RGB: (H, W) int8, 0 on paper, 127 on the darkest print, below 0 where brighter.

    Paper is the mean around, print what differs from it most on the page.
    """
    gray = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32)
    dark = cv2.blur(gray, (_PAPER, _PAPER)) - gray
    strongest = max(float(np.percentile(np.abs(dark), 99)), _FAINTEST)
    return np.clip(dark * (127 / strongest), -127, 127).astype(np.int8)


def ink_to_tensor(ink: np.ndarray | Tensor) -> Tensor:
    """Ink (B, H, W) int8 -> (B, 1, H, W) float32 in [-1, 1]."""
    return torch.as_tensor(ink).float()[:, None] / 127


def scaled_view(page: Page, paper_to_page: np.ndarray) -> np.ndarray | None:
    """The page at ``PIXELS_PER_MM``, (H, W, 3) uint8, sides multiples of ``STRIDE``; None where that is too large."""
    height, width = page.size
    x0, y0, x1, y1 = map_box(np.linalg.inv(paper_to_page), (0.0, 0.0, width - 1.0, height - 1.0))
    size = [STRIDE * max(1, round(extent * PIXELS_PER_MM / STRIDE)) for extent in (y1 - y0, x1 - x0)]
    if max(size) > LARGEST_VIEW:
        return None
    view_to_paper = np.array([[1 / PIXELS_PER_MM, 0, x0], [0, 1 / PIXELS_PER_MM, y0], [0, 0, 1]])
    shape = (size[0], size[1])
    return page_view(page.image, page.page_to_picture @ paper_to_page @ view_to_paper, shape, shape)[0]


@dataclass(frozen=True)
class ScaleReader:
    """Reads a page's printed scale with a trained network."""

    network: ScaleNetwork

    def __call__(self, page: Page, calibration: Calibration) -> PrintedScale:
        """What the page prints of its scale, as far as that is sure."""
        view = scaled_view(page, calibration.paper_to_page)
        if view is None:
            return PrintedScale()
        with torch.inference_mode():
            chances = self.network(ink_to_tensor(view_ink(view)[None])).softmax(1)[0].double().numpy()
        return printed_scale(chances)


def printed_scale(chances: np.ndarray) -> PrintedScale:
    """The scale that the network's probabilities (11, rows, columns) of VALUES, after that of none, tell.

    What is rarely printed must be seen more clearly (``FREQUENCIES``), but for a second gain in a line with another:
    where gains differ, the limb leads' stands left, the chest leads' right, or both stand in one word. The surest speed
    holds and the surest gain, unless it is doubtful whether a second one is another: then none. In a line with a sure
    speed a gain is expected, and the other way round (``EXPECTED``).
    """
    chances = _words_before_their_parts(chances)
    heights = np.arange(chances.shape[1]) * STRIDE / PIXELS_PER_MM
    speeds, gains = _speeds_and_gains(chances, np.zeros(len(heights), bool))
    sure = [seen[0] for seen in (speeds, gains) if seen and seen[0].is_sure]
    if len(sure) == 1:
        speeds, gains = _speeds_and_gains(chances, np.abs(heights - sure[0].y) <= SAME_LINE)
    speed, likely = (speeds[0].value, speeds[0].likely) if speeds and speeds[0].is_sure else (None, 0.0)
    read = gains and gains[0].is_sure
    told = _limb_and_chest(gains[0], _seen(chances[_GAINS], PRINTED_GAINS)) if read else None
    return PrintedScale(speed, told, likely)


def _words_before_their_parts(chances: np.ndarray) -> np.ndarray:
    """The probabilities with those of the right half of "10/5 mm/mV" added to the whole's where that is likelier."""
    chances = chances.copy()
    gains = chances[_GAINS]  # a view
    for whole, (limb, chest) in zip(gains, PRINTED_GAINS, strict=True):
        if limb != chest:
            part = gains[PRINTED_GAINS.index((chest, chest))]
            both = whole > part
            whole[both] += part[both]
            part[both] = 0.0
    return chances


def _speeds_and_gains(chances: np.ndarray, expected: np.ndarray) -> tuple[list[_Seen[float]], list[_Seen[Gains]]]:
    """What is seen of both, the surest first, weighed by how often each is printed. expected: (rows,) bool, the places'
    rows in which a value must stand."""
    weighed = chances * np.array([1.0, *FREQUENCIES])[:, None, None]
    weighed[0, expected] *= EXPECTED
    weighed /= weighed.sum(axis=0)
    return _seen(weighed[_SPEEDS], SPEEDS), _seen(weighed[_GAINS], PRINTED_GAINS)


Value = TypeVar("Value", float, Gains)


class _Seen(NamedTuple, Generic[Value]):
    """A value that is seen: where, mm of the view, and how likely."""

    value: Value
    x: float
    y: float
    likely: float

    @property
    def is_sure(self) -> bool:
        return self.likely >= LEAST_PROBABILITY


def _seen(chances: np.ndarray, values: Sequence[Value]) -> list[_Seen[Value]]:
    """What is seen of values, the surest first; one place has one value."""
    scale = STRIDE / PIXELS_PER_MM
    wide, high = (int(np.ceil(half / scale)) for half in (HALF_WIDTH, HALF_HEIGHT))
    best, found = chances.max(axis=0), []
    while best.max() >= LEAST_DOUBT:
        row, column = np.unravel_index(best.argmax(), best.shape)
        value = values[int(chances[:, row, column].argmax())]
        found.append(_Seen(value, float(column * scale), float(row * scale), float(best.max())))
        best[max(0, row - high) : row + high + 1, max(0, column - wide) : column + wide + 1] = 0.0
    return found


def _limb_and_chest(first: _Seen[Gains], others: Sequence[_Seen[Gains]]) -> Gains | None:
    """The gains of a line in which one word is sure; None where another may stand beside it."""
    if first.value[0] != first.value[1]:  # it tells both
        return first.value
    for other in others:
        if other.value != first.value and abs(other.y - first.y) <= SAME_LINE and abs(other.x - first.x) > HALF_WIDTH:
            left, right = sorted((first, other), key=lambda seen: seen.x)
            gains = left.value[0], right.value[1]
            read = other.is_sure or (gains[0] == 2 * gains[1] and other.likely > HALF_PROBABILITY)
            return gains if read else None
    return first.value


def save_scale_reader(folder: Path, reader: ScaleReader, description: Mapping[str, Any] | None = None) -> None:
    """Write the reader to a model folder: weights, and values and ``description`` to the folder's JSON."""
    save_stage(folder, STAGE, reader.network, {"values": list(VALUES)} | dict(description or {}))


def load_scale_reader(folder: Path) -> ScaleReader | None:
    """Read what ``save_scale_reader`` wrote; None from a model folder without one.

    Raises CheckpointError for weights that are missing, broken or of another reader.
    """
    network = load_optional_stage(folder, STAGE, {"values": list(VALUES)}, ScaleNetwork)
    return None if network is None else ScaleReader(network)
