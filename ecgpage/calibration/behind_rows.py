"""A grid behind rows that were taken for its lines: rows 18 mm apart are also rows of squares of 6 mm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgpage.calibration.patchwork import AS_TOLD, PanelReader, down_over_along, lead_panels
from ecgpage.calibration.ripple import GridMaps
from ecgpage.calibration.scale import by_faint_grid
from ecgpage.recording import Calibration, LeadBox, LeadTrace, Page

NEARBY = np.linspace(0.98, 1.02, 41)
"""Ratios to lines' expected frequency at which they are looked for."""


def grid_behind_rows(
    page: Page, leads: Sequence[LeadBox], traces: Sequence[LeadTrace], calibration: Calibration
) -> Calibration:
    """The calibration by a grid of squares as high as wide, where the calibration's are not and one is seen; else
    itself.

    It is looked for through the whole page, and taken where its lines stand in the rows, each row by itself, at least
    as high as those that the calibration has: panels of a figure, whose squares may be higher than wide, show theirs
    higher. leads: boxes in page pixels; traces: of them, on the calibration's paper.
    """
    square = calibration.line_spacing
    if calibration.source != "grid" or not np.isfinite(square):
        return calibration
    panels = lead_panels([trace for trace in traces if trace.printed.any()])
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    taller = down_over_along(paper_to_picture, panels) if panels else 1.0
    if abs(np.log(taller)) <= AS_TOLD:
        return calibration
    found = by_faint_grid(page, leads, paper_to_picture @ np.diag([1.0, 1 / taller, 1.0]))
    ratio = 1.0 if found is None else calibration.pixels_per_mm[1] / found.pixels_per_mm[1]
    if abs(np.log(ratio)) <= AS_TOLD:
        return calibration
    maps = GridMaps.of(page)
    heights = PanelReader(maps.bare, maps.page_to_image, square).level_heights(
        calibration, panels, np.concatenate([NEARBY, ratio * NEARBY])
    )
    here, there = np.split(heights.sum(axis=0), 2)
    return found if there.max() >= here.max() else calibration
