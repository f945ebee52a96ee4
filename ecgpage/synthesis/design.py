"""Designs a page: a recorder's sheet, one with numbered axes, or a plotting program's figure."""

from __future__ import annotations

import numpy as np

from ecgpage.synthesis.arrangement import Arrangement
from ecgpage.synthesis.figure import design_figure, number_axes
from ecgpage.synthesis.layout import PageDesign, PrintSettings, design_sheet


def design_page(arrangement: Arrangement, settings: PrintSettings, rng: np.random.Generator) -> PageDesign:
    """Arrange a page as ``settings`` ask, at random."""
    if settings.panels and rng.random() < settings.panels:
        return design_figure(arrangement, settings, rng)
    sheet = design_sheet(arrangement, settings, rng)
    return number_axes(arrangement, sheet, rng) if settings.numbered and rng.random() < settings.numbered else sheet
