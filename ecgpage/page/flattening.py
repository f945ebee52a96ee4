"""Bent paper laid flat: a picture of it as it would lie on a table, for what looks for boxes.

On bent paper a row is no box: an upright rectangle around it holds its neighbours as well.
"""

from __future__ import annotations

import numpy as np

from ecgpage.geometry import map_box, sample_bent
from ecgpage.recording import Calibration, Page
from yolov7.postprocess import FILL

LARGEST_STRETCH = 1.5
"""The flat paper's sides are at most this many times the page's longer side: a calibration that says more is wrong."""

LARGEST_SIDE = 4000
"""Pixels a side at most: leads are found and names read on less."""


def laid_flat(page: Page, calibration: Calibration) -> tuple[Page, np.ndarray] | None:
    """The paper of a page laid flat, at the page's resolution, and the (3, 3) homography from its pixels to paper, mm.

    Its picture is resampled, to look for leads; traces are read from the page itself. What the page does not show is
    grey. None where the calibration has the paper far larger than the page.
    """
    height, width = page.size
    x0, y0, x1, y1 = map_box(np.linalg.inv(calibration.paper_to_page), (0, 0, width - 1, height - 1))
    longest, scale = max(x1 - x0, y1 - y0), float(np.mean(calibration.pixels_per_mm))
    if not longest * scale < LARGEST_STRETCH * max(page.size):
        return None
    scale = min(scale, LARGEST_SIDE / longest)
    size = (round((y1 - y0) * scale) + 1, round((x1 - x0) * scale) + 1)
    flat_to_paper = np.array([[1 / scale, 0, x0], [0, 1 / scale, y0], [0, 0, 1.0]])
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    image = sample_bent(page.image, paper_to_picture, flat_to_paper, size, calibration.bend, borderValue=(FILL,) * 3)
    return Page(image, size, np.eye(3), page.outlined), flat_to_paper
