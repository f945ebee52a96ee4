"""Whether a picture is a negative: traces bright on dark paper, as inverted scans and dark screens show them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ecgpage.page.view import page_view
from ecgpage.recording import LeadBox, Page

SIZE = (512, 640)
"""(height, width) in which a page is looked at."""

TAILS = (1.0, 99.0)
"""Percentiles of brightness that stand for a box's darkest and brightest pixels: a trace covers that much of one."""

SLACK = 4.0
"""Grey levels that count for nothing."""

SURE_NEGATIVE = 1.5
"""How many times as far from the paper the brightest pixels are as the darkest on what is a negative for sure: of 382
drawn pages three have more than 1, 1.3 at most, and half of them less than a quarter."""


def bright_over_dark(page: Page, leads: Sequence[LeadBox]) -> float:
    """How many times as far from the paper the brightest pixels in the boxes of a page's leads are as the darkest: more
    than 1 where it may be a negative, ``SURE_NEGATIVE`` where it is one, 0 where no box is on the picture.

    leads: boxes in page pixels, at least one; the middle one of them all counts.
    """
    view, fit = page_view(page.image, page.page_to_picture, page.size, SIZE)
    gray = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)
    boxes = np.array([lead.box for lead in leads])
    corners = np.round(boxes * fit.scale + np.tile([fit.left, fit.top], 2)).astype(int).clip(0)
    parts = [part for x0, y0, x1, y1 in corners if (part := gray[y0 : y1 + 1, x0 : x1 + 1]).size]
    return float(np.median([_brighter(part) for part in parts])) if parts else 0.0


def _brighter(part: np.ndarray) -> float:
    """How many times as far from the usual grey of a picture's part the brightest pixels are as the darkest."""
    dark, usual, bright = np.percentile(part, (TAILS[0], 50, TAILS[1]))
    return float((bright - usual + SLACK) / (usual - dark + SLACK))
