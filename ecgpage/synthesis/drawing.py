"""Draws one distorted page of a record, with exact ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ecgpage.leads import LEADS, PrintedLead
from ecgpage.synthesis.annotations import DrawnLead, DrawnPage, DrawnWord, ScaleField
from ecgpage.synthesis.arrangement import Arrangement
from ecgpage.synthesis.camera import Warp, choose_warp, page_corners
from ecgpage.synthesis.damage import HIDDEN_PER_MM, damage_page
from ecgpage.synthesis.design import design_page
from ecgpage.synthesis.exposure import expose
from ecgpage.synthesis.grid import choose_grid, draw_paper
from ecgpage.synthesis.ink import InkMask, choose_color, lay_ink, wear_off
from ecgpage.synthesis.layout import PageDesign, trace_on_paper
from ecgpage.synthesis.profile import Mixture, Profile, choose_profile
from ecgpage.synthesis.scene import place_page, show_fingers

MILLIMETERS_PER_INCH = 25.4

LARGEST_PAGE = 15_000_000
"""Pixels of a flat page: letter paper at 400 dpi. Larger papers are drawn at a lower resolution."""

HEADER_ENDS = 15.0
"""Millimetres above the first row's zero line: what stands higher is taken for the header when names are redacted."""

_FINGER_SHRINK = 4  # picture pixels per pixel of the map of fingers


@dataclass(frozen=True)
class _Print:
    """A printed page, flat: page (H, W, 4) uint8; leads with their values and points, mm; the words' boxes,
    (x0, y0, x1, y1) mm, with text and the layout's lead that they name, -1 for other words."""

    page: np.ndarray
    leads: tuple[tuple[PrintedLead, np.ndarray, np.ndarray], ...]
    words: tuple[tuple[str, int, tuple[float, float, float, float]], ...]


def draw_page(
    signal: np.ndarray, fs: float, arrangement: Arrangement, profile: Profile | Mixture, rng: np.random.Generator
) -> DrawnPage:
    """Draw ``signal`` as a page.

    signal: (samples, 12), mV at ``fs`` Hz, leads in the order of ``leads.LEADS``; NaN is not drawn, and a lead that is
    NaN throughout is not on the page (its name is).
    Raises ValueError if the record is shorter than the layout or its shape is not (samples, 12).
    """
    _check(signal, fs, arrangement)
    profile = choose_profile(profile, rng)
    design = design_page(arrangement, profile.print, rng)
    area = design.size[0] * design.size[1] / MILLIMETERS_PER_INCH**2
    resolution = np.exp(rng.uniform(*np.log(profile.resolution)))  # halves are as likely as doubles
    scale = min(resolution, np.sqrt(LARGEST_PAGE / area)) / MILLIMETERS_PER_INCH
    printed = _print(signal, fs, arrangement, design, profile, scale, rng)
    header = design.rows[0] - HEADER_ENDS
    hidden = damage_page(printed.page, scale, profile.damage, header, rng)
    warp = choose_warp(printed.page.shape[:2], profile.camera, rng)
    scene = place_page(printed.page, warp, profile.scene, rng)
    fingers = show_fingers(scene, profile.scene, rng)
    picture = expose(scene, profile.exposure, rng)
    truth = _Truth(printed, design, scale, warp)
    leads, kept = _locate_leads(printed, fs, arrangement, truth, hidden, fingers)
    names, words = [], []
    for (text, lead, box), polygon in zip(printed.words, truth.words, strict=True):
        shown = _share_visible(box, polygon, truth, hidden, fingers)
        (words if lead < 0 else names).append(DrawnWord(text, kept.get(lead, -1), polygon, shown))
    return DrawnPage(
        image=picture,
        paper_to_picture=truth.homography,
        paper_size=design.size,
        outline=truth.outline,
        pixels_per_mm=float(scale),
        leads=leads,
        names=tuple(names),
        words=tuple(words),
        pulses=truth.pulses,
        scale=truth.scale,
        layout=arrangement.layout.name,
        profile=profile.name,
    )


def _check(signal: np.ndarray, fs: float, arrangement: Arrangement) -> None:
    if signal.ndim != 2 or signal.shape[1] != len(LEADS):
        raise ValueError(f"a page needs a signal of shape (samples, {len(LEADS)}), came {signal.shape}")
    layout = arrangement.layout
    if len(signal) < round(layout.duration * fs):
        raise ValueError(
            f"layout {layout.name} prints {layout.duration:g} s, the record has {len(signal) / fs:g} s: "
            "draw a layout of fewer seconds"
        )


def _print(
    signal: np.ndarray,
    fs: float,
    arrangement: Arrangement,
    design: PageDesign,
    profile: Profile,
    scale: float,
    rng: np.random.Generator,
) -> _Print:
    """Print the page flat; millimetres times ``scale`` are its pixels."""
    shape = (round(design.size[1] * scale), round(design.size[0] * scale))
    grid = choose_grid(profile.grid, rng)
    page = draw_paper(shape, scale, grid, design.grids)
    thinnest, widest = profile.ink.width
    width = thinnest + (widest - thinnest) * rng.random() ** 2  # wide pens are rare
    ink, leads = InkMask(shape, scale), []
    for lead in arrangement.layout.leads:
        first, last = round(lead.start * fs), round((lead.start + lead.duration) * fs)
        values = signal[first:last, LEADS.index(lead.name)].astype(np.float32)
        runs = _finite_runs(values)
        drawn = np.full_like(values, np.nan)  # a sample alone makes no trace
        for run in runs:
            drawn[run] = values[run]
        points = trace_on_paper(design, arrangement, lead, drawn, fs)
        for run in runs:
            ink.trace(points[run], width)
        leads.append((lead, drawn, points))
    for pulse in design.pulses:
        ink.line(pulse, width)
    if rng.random() < profile.ink.broken:
        wear_off(ink.coverage, scale, rng)
    color = choose_color(profile.ink, grid.paper, rng)
    words = ink
    if rng.random() < profile.ink.other_text:
        lay_ink(page, ink.coverage, color)
        words, color = InkMask(shape, scale), choose_color(profile.ink, grid.paper, rng)
    for bar in design.bars:
        words.bar(bar)
    boxes = [(word, words.word(word)) for word in design.words]
    lay_ink(page, words.coverage, color)
    return _Print(page, tuple(leads), tuple((word.text, word.lead, box) for word, box in boxes))


def _finite_runs(values: np.ndarray) -> list[slice]:
    """Stretches without NaN, each of at least two samples."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


class _Truth:
    """Where everything printed lies in the picture; all points go through the warp together.

    size: of the picture, (height, width); paper_size: (width, height), mm; paper, points: (n, 2) millimetres and
    picture pixels of all leads' samples; polygons: (k, 2) around each lead, NaN for one without
    samples; words, pulses: (4, 2) each; outline: (4, 2); homography: from millimetres, fitted to the whole paper;
    scale: the local scale.
    """

    def __init__(self, printed: _Print, design: PageDesign, scale: float, warp: Warp) -> None:
        self.size = warp.size
        self.paper_size = design.size
        self.paper = np.concatenate([points for _, _, points in printed.leads])
        x, y = (np.linspace(0, length, count) for length, count in zip(design.size, (13, 9), strict=True))
        lattice = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
        steps = np.array([[0, 0], [-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])  # mm
        parts = [
            page_corners(printed.page.shape[:2]) / scale,
            (lattice + steps[:, None]).reshape(-1, 2),
            *(_corners(box) for _, _, box in printed.words),
            *(_corners((*pulse.min(axis=0), *pulse.max(axis=0))) for pulse in design.pulses),
            *(_lead_outline(points) for _, _, points in printed.leads),
            self.paper,
        ]
        mapped = warp.to_picture(np.concatenate(parts) * scale)
        pieces = iter(np.split(mapped, np.cumsum([len(part) for part in parts])[:-1]))
        self.outline = next(pieces)
        around = next(pieces).reshape(5, -1, 2)
        self.words = tuple(next(pieces) for _ in printed.words)
        self.pulses = tuple(next(pieces) for _ in design.pulses)
        self.polygons = tuple(next(pieces).astype(np.float32) for _ in printed.leads)
        self.points = next(pieces)
        across, down = (np.hypot(*(around[k + 1] - around[k]).T).reshape(len(y), len(x)) for k in (1, 3))
        self.scale = ScaleField(x, y, across, down)
        homography = np.diag([scale, scale, 1.0]) if warp.plain else cv2.findHomography(lattice, around[0], 0)[0]
        self.homography = homography / homography[2, 2]


def _locate_leads(
    printed: _Print,
    fs: float,
    arrangement: Arrangement,
    truth: _Truth,
    hidden: np.ndarray,
    fingers: tuple[np.ndarray, ...],
) -> tuple[tuple[DrawnLead, ...], dict[int, int]]:
    """Where the leads lie in the picture, and the drawn lead of each index into the layout."""
    visible = _visible(truth.paper, truth.points, truth, hidden, fingers)
    leads, kept, first = [], {}, 0
    for index, (lead, values, _) in enumerate(printed.leads):
        part = slice(first, first + len(values))
        first += len(values)
        if not np.isfinite(values).any():
            continue
        kept[index] = len(leads)
        gain = arrangement.gain(lead.name) * (-1 if lead.inverted else 1)
        seen = truth.points[part].astype(np.float32)
        leads.append(DrawnLead(lead, values, fs, seen, visible[part], truth.polygons[index], arrangement.speed, gain))
    return tuple(leads), kept


def _share_visible(
    box: tuple[float, float, float, float],
    polygon: np.ndarray,
    truth: _Truth,
    hidden: np.ndarray,
    fingers: tuple[np.ndarray, ...],
) -> float:
    """Share of a word that can be seen; box: (x0, y0, x1, y1) mm of its ink, polygon: its corners (4, 2) in pixels."""
    across, down = (part.reshape(-1, 1) for part in np.meshgrid((np.arange(12) + 0.5) / 12, (np.arange(3) + 0.5) / 3))
    paper, picture = (
        (1 - down) * ((1 - across) * corners[0] + across * corners[1])
        + down * ((1 - across) * corners[3] + across * corners[2])
        for corners in (_corners(box), polygon)
    )
    return float(_visible(paper, picture, truth, hidden, fingers).mean())


def _visible(
    paper: np.ndarray, picture: np.ndarray, truth: _Truth, hidden: np.ndarray, fingers: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Which places, (n, 2) mm on paper and (n, 2) picture pixels, lie on the paper and in the picture and are not
    covered, (n,) bool."""
    size = truth.size
    with np.errstate(invalid="ignore"):
        seen = np.all((picture >= 0) & (picture <= np.array(size[::-1]) - 1), axis=1)
        seen &= np.all((paper >= 0) & (paper <= truth.paper_size), axis=1)
    seen &= ~_looked_up(hidden, paper * HIDDEN_PER_MM)
    if fingers:
        covered = np.zeros((size[0] // _FINGER_SHRINK + 1, size[1] // _FINGER_SHRINK + 1), np.uint8)
        for outline in fingers:
            cv2.fillPoly(covered, [np.round(outline / _FINGER_SHRINK).astype(np.int32)], 255)
        seen &= ~_looked_up(covered, picture / _FINGER_SHRINK)
    return seen


def _looked_up(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether a mask is set at points (n, 2), its pixels; not outside of it."""
    where = np.round(np.nan_to_num(points, nan=-1.0)).astype(int)
    inside = np.all((where >= 0) & (where < mask.shape[::-1]), axis=1)
    where = np.where(inside[:, None], where, 0)
    return inside & (mask[where[:, 1], where[:, 0]] > 0)


def _corners(box: tuple[float, float, float, float]) -> np.ndarray:
    """Corners (4, 2) of (x0, y0, x1, y1): top left, top right, bottom right, bottom left."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _lead_outline(points: np.ndarray, steps: int = 8) -> np.ndarray:
    """Outline of the upright box around points (n, 2), with points between its corners, (4 steps, 2)."""
    with np.errstate(invalid="ignore"):
        printed = points[np.isfinite(points).all(axis=1)]
    if not len(printed):
        return np.full((4 * steps, 2), np.nan)
    corners = _corners((*printed.min(axis=0), *printed.max(axis=0)))
    share = np.arange(steps)[:, None] / steps
    return np.concatenate([corners[k] * (1 - share) + corners[(k + 1) % 4] * share for k in range(4)])
