"""From a drawn page to what the detector should find on it."""

from __future__ import annotations

import numpy as np

from ecgpage.geometry import apply_homography
from ecgpage.leads import LEADS, PrintedLead
from ecgpage.recording import LEAST_BOX_HEIGHT
from ecgpage.synthesis import DrawnLead, DrawnPage


def lead_targets(page: DrawnPage, picture_to_view: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4), corner form in the view's pixels, and classes (N,), indices into LEADS, of a page's leads.

    picture_to_view: homography; size: (height, width) of the view. A rhythm strip is a wide box of its lead. A box is
    cut at the view's edge; a lead that is mostly outside or covered or has no printed sample is left out, so N may
    be 0.
    """
    leads, boxes = place_leads(page, picture_to_view, size)
    return boxes, np.array([LEADS.index(lead.name) for lead in leads], dtype=np.int64)


def place_leads(
    page: DrawnPage, picture_to_view: np.ndarray, size: tuple[int, int]
) -> tuple[list[PrintedLead], np.ndarray]:
    """The leads that ``lead_targets`` lists, and their boxes (N, 4)."""
    leads, boxes = [], []
    for lead in page.leads:
        box = lead_box(lead, picture_to_view) if lead.findable else None
        cut = None if box is None else _cut(box, size)
        if cut is not None:
            boxes.append(cut)
            leads.append(lead.lead)
    return leads, np.array(boxes, dtype=np.float64).reshape(-1, 4)


def lead_box(lead: DrawnLead, picture_to_view: np.ndarray) -> np.ndarray | None:
    """Corner-form box (4,) around a lead's printed samples, at least LEAST_BOX_HEIGHT high; None without samples."""
    printed = lead.points[np.isfinite(lead.points).all(axis=1)]
    if len(printed) < 2:
        return None
    points = apply_homography(picture_to_view, printed)
    low, high = points.min(axis=0), points.max(axis=0)
    pixels_per_mm = (high[0] - low[0]) / (lead.speed * len(printed) / lead.fs)
    missing = max(0.0, LEAST_BOX_HEIGHT * pixels_per_mm - (high[1] - low[1]))
    return np.array([low[0], low[1] - missing / 2, high[0], high[1] + missing / 2])


def _cut(box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    limit = np.array([size[1], size[0], size[1], size[0]], dtype=np.float64) - 0.5
    cut = np.clip(box, -0.5, limit)
    extent, whole = cut[2:] - cut[:2], box[2:] - box[:2]
    return cut if np.all(extent > 0.5 * whole) and np.all(extent > 1) else None
