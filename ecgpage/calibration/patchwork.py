"""Grids that begin anew in every panel of a figure: what they have in common is the size of their squares alone.

Lines followed from panel to panel come out a little too narrow or too wide, by what the blanks between panels are off
whole squares, and a bend that follows them stretches what is even. In each panel by itself the lines' frequency is
told to a few hundredths of a per cent, and how they lean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from ecgpage.calibration.grid import GridEstimate, frequencies_at
from ecgpage.calibration.peaks import peak_offset
from ecgpage.calibration.ripple import LEFT, GridMaps
from ecgpage.calibration.scale import NESTED_SQUARE
from ecgpage.geometry import apply_homography, bent_points
from ecgpage.recording import Calibration, ColumnLines, LeadTrace, Page

UNEVEN = 0.012
"""Bend (see ``GridEstimate``) from which on a grid may be a patchwork."""

FEWEST = 4
"""Panels at least."""

LOOKS = 2
"""How often panels are asked: the second time where lines are nearly even, and their frequency is that of the whole."""

TRIED = 1 + np.linspace(-0.05, 0.05, 51)
"""Ratios of the lines' frequency to the calibration's that are tried."""

LEVEL_RATIOS, AS_TOLD = np.geomspace(0.7, 1.43, 241), 0.04
"""Ratios of the level lines' frequency to the calibration's that are tried where rows of panels may have been taken for
lines, and share by which one differs from 1 at least."""

TALLER, AGREED = 1.5, 0.9
"""How much higher level lines are at such a ratio than near 1, over all panels, at least, and share of the panels in
which they are higher."""

LEANS = np.linspace(-0.06, 0.06, 61)
"""Leans of the lines that are tried."""

CLEAR = 1.35
"""Height of a panel's lines at their own frequency or lean over the usual one at others, from which on they tell it."""

EVEN = 0.001
"""Share by which panels' squares may differ, in the mean, from those of flat paper seen in perspective."""

ELSEWHERE = 0.08
"""Part of a square by which the lines of a quarter of a patchwork's panels lie beside the others' mean at least. Of 30
drawn pages with one grid, flat or bent, it was at most 0.05, of 18 figures 0.09 and more."""

LEAST_GAIN = 0.97
"""How clear lines are at least, panel by panel, on even paper, against as the calibration has them: lines on whole
pixels are a little clearer where paper that is none's follows their steps."""

UNTOLD, PERSPECTIVE = 0.02, 1e-4
"""Standard deviations, before panels are asked, of the squares' height and of what both kinds of lines lean, and of a
homography's two terms of perspective, 1/mm."""

PIXELS_PER_MM = (6.0, 12.0)
"""Of the views of panels, fewest and most."""

HARMONICS = 10
"""Of strong lines; of lines a millimetre apart, a fifth."""

NEAR, FEWEST_LINES, STRAY = 0.35, 6, 2.5
"""Millimetres beside its place within which a line is looked for, lines that tell their distance at least, and how many
times the usual distance from their places lines stray that are passed over."""

FINER, NESTED = 5, 1.1
"""Lines between strong ones, and how much higher their harmonic stands at least than those beside it."""

_NOTHING = 1e-12  # height of lines where none is seen
_ROUNDS = 4  # in which panels that stray lose weight
_PLACES = 100  # in a square at which lines are looked for, before interpolation
_NODES = 3.0  # mm between which a bend is taken as even
_SLICE = 2.0  # mm of the lines' length that tell their places together
_USUAL_HEIGHT = 40.0  # mm of a panel, where a single row does not tell
_BLUR = 0.03  # mm of error in a panel's frequency, over its length


class Panel(NamedTuple):
    """Where a lead's panel lies on flat paper, mm."""

    x0: float
    y0: float
    x1: float
    y1: float


class PanelLines(NamedTuple):
    """Of upright and of level lines of P panels, all (P, 2): ratios of their frequency to the expected one, and leans,
    mm that they move aside over a millimetre of their length; even, straight: whether lines tell ratio and lean
    clearly, bool."""

    ratios: np.ndarray
    leans: np.ndarray
    even: np.ndarray
    straight: np.ndarray


class UprightLines(NamedTuple):
    """Of upright lines of P panels that are as far apart as expected: heights (P,), and their places (P,), squares from
    the panel's middle."""

    heights: np.ndarray
    places: np.ndarray


def even_patchwork(
    page: Page, calibration: Calibration, traces: Sequence[LeadTrace], grid: GridEstimate
) -> Calibration:
    """The calibration with millimetres by the panels' lines where the grid is a patchwork; else itself.

    traces: of the page's leads, on the calibration's paper; grid: what the calibration was made with.
    """
    square = calibration.line_spacing
    if calibration.source != "grid" or not np.isfinite(square):
        return calibration
    traces = [trace for trace in traces if trace.printed.any()]
    panels = lead_panels(traces)
    if len(panels) < FEWEST:
        return calibration
    taller = down_over_along(page.page_to_picture @ calibration.paper_to_page, panels)
    uneven, stretched = grid.bend >= UNEVEN, abs(np.log(taller)) > AS_TOLD
    if not (uneven or stretched):
        return calibration
    maps = GridMaps.of(page)
    bare, whole = (PanelReader(one, maps.page_to_image, square) for one in (maps.bare, maps.whole))
    seen = [one.upright_lines(calibration, panels).heights.sum() for one in (bare, whole)]
    shown = bare if seen[0] >= LEFT * seen[1] else whole
    even, on_even = replace(calibration, bend=None, line_spacing=float("nan")), panels
    ratio = shown.level_ratio(even, panels) if stretched else None
    if ratio is None and not uneven:
        return calibration
    if ratio is not None:
        higher = np.diag([1.0, ratio, 1.0])
        even, on_even = even.corrected(higher), _moved(on_even, higher)
    for _ in range(LOOKS):
        correction = evening(on_even, shown.lines(even, on_even))
        if correction is None:
            return calibration
        even, on_even = even.corrected(correction), _moved(on_even, correction)
    lines, now = shown.upright_lines(even, on_even), shown.upright_lines(calibration, panels)
    clear = lines.heights.sum() >= LEAST_GAIN * now.heights.sum()
    if not clear or not (ratio is not None or lie_elsewhere(on_even, lines.places, square)):
        return calibration
    return replace(even, column_lines=_by_columns(traces, on_even, lines.places, square))


def down_over_along(paper_to_picture: np.ndarray, panels: Sequence[Panel]) -> float:
    """Picture pixels of a millimetre down over those of one along, at the panels' middle: far from 1 where rows were
    taken for lines, too."""
    middle = np.array(panels).reshape(-1, 2, 2).mean(axis=(0, 1))
    _, (along, down) = frequencies_at(paper_to_picture, apply_homography(paper_to_picture, middle[None])[0])
    return down / along


def _by_columns(traces: Sequence[LeadTrace], panels: Sequence[Panel], places: np.ndarray, square: float) -> ColumnLines:
    """Where each column has lines, mm: the mean over its panels. traces: of the panels' leads, in their order."""
    turns: dict[int, complex] = {}
    for trace, panel, place in zip(traces, panels, places, strict=True):
        if not trace.lead.strip:
            turn = np.exp(2j * np.pi * ((panel.x0 + panel.x1) / (2 * square) + place))
            turns[trace.lead.column] = turns.get(trace.lead.column, 0.0) + turn
    return ColumnLines({column: float(np.angle(turn)) / (2 * np.pi) * square for column, turn in turns.items()}, square)


def _moved(panels: Sequence[Panel], correction: np.ndarray) -> list[Panel]:
    return [Panel(*box) for box in apply_homography(correction, np.array(panels).reshape(-1, 2)).reshape(-1, 4)]


def lead_panels(traces: Sequence[LeadTrace]) -> list[Panel]:
    """Where leads' panels lie, (P,) as the traces: as wide as their boxes, as high as rows are apart."""
    heights: dict[int, list[float]] = {}
    for trace in traces:
        heights.setdefault(trace.lead.row, []).append(float(np.median(trace.y[trace.printed])))
    middles = {row: float(np.median(values)) for row, values in heights.items()}
    steps = np.diff(sorted(middles.values()))
    half = (float(np.median(steps)) if len(steps) else _USUAL_HEIGHT) / 2
    boxes = [(trace.lead.box, middles[trace.lead.row]) for trace in traces]
    return [Panel(box[0], middle - half, box[2], middle + half) for box, middle in boxes]


@dataclass(frozen=True)
class PanelReader:
    """Reads the grid's lines in panels, each by itself.

    contrast: the page's map of the grid, (H, W) float32; page_to_image: homography (3, 3) from page pixels to its own;
    square: millimetres between the grid's lines.
    """

    contrast: np.ndarray
    page_to_image: np.ndarray
    square: float

    def lines(self, calibration: Calibration, panels: Sequence[Panel]) -> PanelLines:
        """How far apart panels on the calibration's paper show lines, and how far these lean."""
        ratios, leans = np.ones((len(panels), 2)), np.zeros((len(panels), 2))
        even, straight = np.zeros((2, len(panels), 2), bool)
        for number, (view, per_mm) in enumerate(self._views(calibration, panels)):
            for axis, across in enumerate((view, np.ascontiguousarray(view.T))):
                lean = _lean(across, per_mm, self.square)
                if lean is not None:
                    leans[number, axis], straight[number, axis] = lean, True
                profile = _straightened(across, lean or 0.0).mean(axis=0)
                heights = np.abs(_waves(profile, per_mm, self.square, TRIED)).sum(axis=1)
                best = int(heights.argmax())
                told = _exact_ratio(profile, per_mm, self.square, TRIED[best])
                if 0 < best < len(TRIED) - 1 and heights[best] > CLEAR * np.median(heights) and told is not None:
                    ratios[number, axis], even[number, axis] = told, True
        return PanelLines(ratios, leans, even, straight)

    def level_ratio(self, calibration: Calibration, panels: Sequence[Panel]) -> float | None:
        """The ratio of the level lines' frequency to the expected one where that is far from 1, in most panels alike.

        A lattice through all rows of a figure has the rows' own rhythm. None where the lines are as expected.
        """
        heights = self.level_heights(calibration, panels, LEVEL_RATIOS)
        heights /= np.maximum(np.median(heights, axis=1, keepdims=True), _NOTHING)
        near = np.abs(np.log(LEVEL_RATIOS)) < AS_TOLD
        best = int(np.where(near, 0.0, heights.sum(axis=0)).argmax())
        if best in (0, len(LEVEL_RATIOS) - 1):
            return None
        there, here = heights[:, best - 1 : best + 2].max(axis=1), heights[:, near].max(axis=1)
        agreed = np.mean(there > here) >= AGREED
        return float(LEVEL_RATIOS[best]) if agreed and there.sum() >= TALLER * here.sum() else None

    def level_heights(self, calibration: Calibration, panels: Sequence[Panel], ratios: np.ndarray) -> np.ndarray:
        """How high level lines stand in panels on the calibration's paper, (P, R), at ratios (R,) of their frequency to
        the expected one."""
        views = self._views(calibration, panels)
        waves = [_waves(view.mean(axis=1), per_mm, self.square, ratios) for view, per_mm in views]
        return np.array([np.abs(wave).sum(axis=1) for wave in waves])

    def upright_lines(self, calibration: Calibration, panels: Sequence[Panel]) -> UprightLines:
        """What panels on the calibration's paper show of upright lines."""
        views = self._views(calibration, panels)
        waves = [_waves(view.mean(axis=0), per_mm, self.square, np.ones(1))[0] for view, per_mm in views]
        return UprightLines(np.abs(waves).sum(axis=1), np.array([_place(wave) for wave in waves]))

    def _views(self, calibration: Calibration, panels: Sequence[Panel]) -> Iterator[tuple[np.ndarray, float]]:
        """The panels on flat paper, each with its middle in its view's, and pixels per mm."""
        per_mm = float(np.clip(2 * min(calibration.pixels_per_mm) * self.page_to_image[0, 0], *PIXELS_PER_MM))
        paper_to_image = self.page_to_image @ calibration.paper_to_page
        for panel in panels:
            x, y = (
                (low + high) / 2 + _steps(max(8, round((high - low) * per_mm))) / per_mm
                for low, high in ((panel.x0, panel.x1), (panel.y0, panel.y1))
            )
            nodes_x, nodes_y = (np.linspace(at[0], at[-1], 2 + int((at[-1] - at[0]) / _NODES)) for at in (x, y))
            nodes = np.stack(np.meshgrid(nodes_x, nodes_y), axis=2)
            places = bent_points(paper_to_image, nodes.reshape(-1, 2), calibration.bend).reshape(nodes.shape)
            columns, rows = _between(nodes_x, x), _between(nodes_y, y)
            at_x, at_y = ((rows @ places[..., axis] @ columns.T).astype(np.float32) for axis in (0, 1))
            yield cv2.remap(self.contrast, at_x, at_y, cv2.INTER_LINEAR), per_mm


def _steps(count: int) -> np.ndarray:
    """Places (count,) one apart, 0 in their middle."""
    return np.arange(count) - (count - 1) / 2


def _between(nodes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Shares (N, M) that even nodes (M,) have in places (N,) between them."""
    return np.maximum(0.0, 1 - np.abs(at[:, None] - nodes) / (nodes[1] - nodes[0]))


def _waves(profile: np.ndarray, per_mm: float, square: float, ratios: np.ndarray) -> np.ndarray:
    """Harmonics (R, K) that a profile (N,) shows of lines every ``square`` mm, at each of the ratios (R,) of their
    frequency."""
    window = np.hanning(len(profile) + 2)[1:-1]
    x = _steps(len(profile)) / per_mm
    shown = (profile - np.average(profile, weights=window)) * window / np.sqrt(np.square(window).sum())
    orders = np.arange(1, HARMONICS * square / NESTED_SQUARE + 1) / square
    return np.stack([np.exp(-2j * np.pi * order * np.outer(ratios, x)) @ shown for order in orders], axis=1)


def _lean(view: np.ndarray, per_mm: float, square: float) -> float | None:
    """How far a view's (H, W) upright lines lean to the right, going down; None where they do not tell."""
    slices = np.array_split(view, max(2, round(len(view) / (_SLICE * per_mm))))
    waves = np.array([_waves(part.mean(axis=0), per_mm, square, np.ones(1))[0] for part in slices])
    length = len(view) / len(slices) / per_mm
    turns = np.multiply.outer(np.outer(LEANS, _steps(len(slices)) * length), np.arange(1, waves.shape[1] + 1)) / square
    heights = np.abs((waves * np.exp(2j * np.pi * turns)).sum(axis=1)).sum(axis=1)
    best = int(heights.argmax())
    if not (0 < best < len(LEANS) - 1 and heights[best] > CLEAR * np.median(heights)):
        return None
    return float(LEANS[best] + peak_offset(*heights[best - 1 : best + 2]) * (LEANS[1] - LEANS[0]))


def _straightened(view: np.ndarray, lean: float) -> np.ndarray:
    """A view (H, W) whose upright lines lean, with them upright."""
    height, width = view.shape
    moved = np.array([[1.0, lean, -lean * (height - 1) / 2], [0.0, 1.0, 0.0]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(view, moved, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _place(harmonics: np.ndarray) -> float:
    """The place of lines, squares from 0 to 1, whose harmonics (K,) these are."""
    turns = np.outer(np.arange(_PLACES) / _PLACES, np.arange(1, len(harmonics) + 1))
    comb = (harmonics * np.exp(2j * np.pi * turns)).real.sum(axis=1)
    top = int(comb.argmax())
    between = float(np.clip(peak_offset(comb[top - 1], comb[top], comb[(top + 1) % _PLACES]), -1, 1))
    return (top + between) / _PLACES % 1.0


def _exact_ratio(profile: np.ndarray, per_mm: float, square: float, near: float) -> float | None:
    """The ratio of lines' frequency in a profile (N,) by the places of them all, ``near`` which it is by its spectrum.

    A program that puts lines on whole pixels leaves them even but for steps of one, which lead a spectrum astray. Finer
    lines between strong ones, where they are seen, tell it better. None where too few lines are seen.
    """
    harmonics = _waves(profile, per_mm, square, np.array([near]))[0]
    tall = np.abs(harmonics)
    finer = len(tall) > FINER and tall[FINER - 1] > NESTED * max(tall[FINER - 2], tall[FINER])
    middle, reach = (len(profile) - 1) / 2, NEAR * per_mm
    apart, first = square * per_mm / near, square * per_mm / near * _place(harmonics)
    if finer:
        apart /= FINER
    count = int(middle / apart) + FINER + 1
    lines = middle + first + apart * np.arange(-count, count + 1)
    lines = lines[(lines > reach + 1) & (lines < len(profile) - 2 - reach)]
    around = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    pixels = np.round(lines)[:, None] + around
    ink = np.interp(pixels, np.arange(len(profile)), profile)
    ink = np.maximum(ink - ink.min(axis=1, keepdims=True), 0) * (np.abs(pixels - lines[:, None]) <= reach)
    total = ink.sum(axis=1)
    seen = total > 0.5 * np.median(total) if len(total) else np.zeros(0, bool)
    if seen.sum() < FEWEST_LINES:
        return None
    lines, off = lines[seen], ((ink * pixels).sum(axis=1)[seen] / total[seen]) - lines[seen]
    steps = np.polyfit(lines, off, 1)
    strays = np.abs(off - np.polyval(steps, lines))
    kept = strays <= STRAY * np.median(strays) + 1e-9
    slope = np.polyfit(lines[kept], off[kept], 1)[0] if kept.sum() >= FEWEST_LINES else steps[0]
    return near / (1 + float(slope))


def evening(panels: Sequence[Panel], told: PanelLines) -> np.ndarray | None:
    """The homography, (3, 3) in mm, to paper on which the panels' lines are upright and level, and evenly as far apart
    as expected.

    None where too few panels tell, or lines are not those of flat paper in perspective.
    """
    upright = told.even[:, 0]
    if upright.sum() < max(FEWEST, len(panels) / 2):
        return None
    boxes = np.array(panels)
    sizes = np.square((boxes[:, 2:] - boxes[:, :2]) / _BLUR)
    weights = np.concatenate([(told.even * sizes).T, (told.straight * sizes[:, ::-1]).T]).ravel()
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle = centers[upright].mean(axis=0)
    x, y = (centers - middle).T
    one, none = np.ones_like(x), np.zeros_like(x)
    # to the first order, for (a x + s y, r x + e y) / (1 + g x + h y): logarithms of the slopes along x and along y,
    # and how lines lean that it makes upright, and those that it makes level; terms are log a, log e, g, h, s, r
    design = np.concatenate(
        [
            np.stack([one, none, -2 * x, -y, none, none], axis=1),
            np.stack([none, one, -x, -2 * y, none, none], axis=1),
            np.stack([none, none, none, x, -one, none], axis=1),
            np.stack([none, none, y, none, none, -one], axis=1),
        ]
    )
    shown = np.concatenate([np.log(told.ratios).T, told.leans.T]).ravel()
    held = np.diag([0.0, *np.array([UNTOLD, PERSPECTIVE, PERSPECTIVE, UNTOLD, UNTOLD]) ** -2])
    trust = weights
    for _ in range(_ROUNDS):
        terms = np.linalg.solve(design.T @ (design * trust[:, None]) + held, design.T @ (trust * shown))
        off = shown - design @ terms
        trust = weights / (1 + np.square(off / EVEN))
    if np.median(np.abs(off[: len(x)][upright])) > EVEN:
        return None
    to_middle = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1.0]])
    (a, e), (g, h, s, r) = np.exp(terms[:2]), terms[2:]
    return np.linalg.inv(to_middle) @ np.array([[a, s, 0], [r, e, 0], [g, h, 1.0]]) @ to_middle


def lie_elsewhere(panels: Sequence[Panel], places: np.ndarray, square: float) -> bool:
    """Whether upright lines of some panels lie beside those of others, so that no one grid holds all of them.

    places: (P,) of their lines, squares from the panels' middles.
    """
    middles = np.array([(panel.x0 + panel.x1) / 2 for panel in panels])
    turns = np.exp(2j * np.pi * (middles / square + places))
    off = np.abs(np.angle(turns * np.conj(turns.mean()))) / (2 * np.pi)
    return bool(np.quantile(off, 0.75) > ELSEWHERE)
