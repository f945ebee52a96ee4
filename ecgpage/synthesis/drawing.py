"""Draws one distorted page of a record, with exact ground truth."""

from __future__ import annotations

import numpy as np

from ecgpage.geometry import apply_homography
from ecgpage.leads import LEADS, PageLayout, layout_3x4
from ecgpage.synthesis.annotations import DrawnLead, DrawnPage
from ecgpage.synthesis.camera import Warp, choose_warp, expose, surroundings
from ecgpage.synthesis.damage import shading
from ecgpage.synthesis.grid import choose_grid, draw_paper
from ecgpage.synthesis.ink import FONTS, InkMask, draw_furniture, lay_ink
from ecgpage.synthesis.layout import PageDesign, design_page, trace_on_paper
from ecgpage.synthesis.profile import Profile

MILLIMETERS_PER_INCH = 25.4


def choose_layout(profile: Profile, rng: np.random.Generator, seconds: float = 10.0) -> PageLayout:
    """Choose a 3x4 page of ``seconds`` with as many rhythm strips as ``profile`` makes likely."""
    chances = np.array(profile.strips) / sum(profile.strips)
    count = int(rng.choice(len(chances), p=chances))
    if count == 1 and (profile.fixed_print == 1.0 or rng.random() < 0.8):
        return layout_3x4(("II",), seconds)
    strips = rng.choice(["II", "V1", "V5", "I", "V2", "aVF"], count, replace=False)
    return layout_3x4(tuple(str(name) for name in strips), seconds)


def draw_page(
    signal: np.ndarray, fs: float, layout: PageLayout, profile: Profile, rng: np.random.Generator
) -> DrawnPage:
    """Draw ``signal`` as a page of ``layout``.

    signal: (samples, 12), mV at ``fs`` Hz, leads in the order of ``leads.LEADS``; NaN is not drawn, and a lead that is
    NaN throughout is not on the page (its name is).
    Raises ValueError if the record is shorter than the layout or its shape is not (samples, 12).
    """
    _check(signal, fs, layout)
    design = design_page(layout, profile, rng)
    scale = rng.uniform(*profile.resolution) / MILLIMETERS_PER_INCH
    shape = (round(design.size[1] * scale), round(design.size[0] * scale))
    flat, traces = _print(signal, fs, layout, design, profile, scale, shape, rng)
    warp = choose_warp(shape, profile, rng)
    picture = _photograph(flat, warp, profile, rng)
    paper_to_flat = _paper_to_flat(scale)
    printed = (trace for trace in traces if np.isfinite(trace[1]).any())
    leads = tuple(
        DrawnLead(lead, values, fs, warp.to_picture(apply_homography(paper_to_flat, points)).astype(np.float32))
        for lead, values, points in printed
    )
    height, width = shape
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    homography = warp.flat_to_picture @ paper_to_flat
    return DrawnPage(picture, homography / homography[2, 2], design.size, warp.to_picture(corners), scale, leads)


def _paper_to_flat(scale: float) -> np.ndarray:
    """Millimetres -> pixels of the flat page; the ink mask and the grid use the same convention."""
    return np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0], [0.0, 0.0, 1.0]])


def _check(signal: np.ndarray, fs: float, layout: PageLayout) -> None:
    if signal.ndim != 2 or signal.shape[1] != len(LEADS):
        raise ValueError(f"a page needs a signal of shape (samples, {len(LEADS)}), came {signal.shape}")
    if len(signal) < round(layout.duration * fs):
        raise ValueError(
            f"layout {layout.name} prints {layout.duration:g} s, the record has {len(signal) / fs:g} s: "
            "draw a layout of fewer seconds"
        )


def _print(
    signal: np.ndarray,
    fs: float,
    layout: PageLayout,
    design: PageDesign,
    profile: Profile,
    scale: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[np.ndarray, list]:
    """Print the page flat: ((H, W, 3) uint8, [(lead, values mV, points mm)])."""
    grid = choose_grid(profile.paper_colors, profile.grid_colors, rng.random() < profile.random_colors, rng)
    flat = draw_paper(shape, scale, grid, design.grid_origin)
    width = rng.uniform(*profile.trace_width)
    mask, traces = InkMask(shape, scale), []
    for lead in layout.leads:
        first, last = round(lead.start * fs), round((lead.start + lead.duration) * fs)
        values = signal[first:last, LEADS.index(lead.name)].astype(np.float32)
        points = trace_on_paper(design, lead.row, first / fs, values, fs)
        for run in _finite_runs(values):
            mask.line(points[run], width)
        traces.append((lead, values, points))
    font = FONTS[0] if rng.random() < max(0.4, profile.fixed_print) else str(rng.choice(FONTS))
    draw_furniture(mask, design, width, font)
    darkest = float(grid.paper.min())
    ink = rng.uniform(0, 70) + rng.uniform(0, 15, 3)
    if rng.random() < 0.15:
        ink = np.array([20.0, 25.0, rng.uniform(60, 140)])  # blue pens and plotters
    return lay_ink(flat, mask.render(), np.minimum(ink, darkest * 0.6)), traces


def _finite_runs(values: np.ndarray) -> list[slice]:
    """Stretches without NaN, each of at least two samples."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def _photograph(flat: np.ndarray, warp: Warp, profile: Profile, rng: np.random.Generator) -> np.ndarray:
    identity = warp.bend is None and np.allclose(warp.flat_to_picture, np.eye(3)) and warp.size == flat.shape[:2]
    if identity:
        picture = flat
    else:
        picture, paper = warp.image(flat, (0, 0, 0))
        outside = paper < 255
        if outside.any():
            alpha = paper[:, :, None].astype(np.float32) / 255
            scene = picture + surroundings(warp.size, rng) * (1 - alpha)
            picture = np.clip(scene + 0.5, 0, 255).astype(np.uint8)
    shade = shading(picture.shape[:2], profile, rng)
    if shade is not None:
        picture = np.clip(picture * shade[:, :, None], 0, 255).astype(np.uint8)
    return expose(picture, profile, rng)
