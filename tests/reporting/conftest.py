"""Digitized pages to report on, made from a drawn page's ground truth: every stage's perfect answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgpage.leads import LEADS, layout_3x4
from ecgpage.recording import Calibration, Diagnosis, DigitizedPage, LeadBox, LeadTrace, Page, Recording
from ecgpage.synthesis import PROFILES, Arrangement, DrawnPage, draw_page

FS, SAMPLES = 100.0, 1000


def beats(samples: int = SAMPLES, fs: float = FS) -> np.ndarray:
    """Twelve leads with one R peak a second, (samples, 12) mV, each lead of its own height."""
    phase = (np.arange(samples) / fs) % 1.0
    shape = np.exp(-(((phase - 0.4) / 0.02) ** 2)) + 0.2 * np.exp(-(((phase - 0.65) / 0.05) ** 2))
    return shape[:, None] * np.linspace(0.3, 1.4, len(LEADS))


def true_recording(page: DrawnPage, signal: np.ndarray) -> np.ndarray:
    """``signal`` with NaN where the page prints nothing."""
    printed = np.full_like(signal, np.nan)
    for drawn in page.leads:
        first = round(drawn.lead.start * FS)
        printed[first : first + len(drawn.values), LEADS.index(drawn.lead.name)] = drawn.values
    return printed


@pytest.fixture(scope="session")
def make_page() -> Callable[..., DigitizedPage]:
    """Return a function that draws a page of ``profile`` and returns what perfect stages would read from it."""

    def make(profile: str = "clean", seed: int = 1, **changes: object) -> DigitizedPage:
        signal = beats()
        drawn = draw_page(signal, FS, Arrangement(layout_3x4(("II",))), PROFILES[profile], np.random.default_rng(seed))
        height, width = drawn.image.shape[:2]
        boxes = tuple(LeadBox(d.lead.name, d.box, 0.9, d.lead.strip, d.lead.row, d.lead.column) for d in drawn.leads)
        picture_to_paper = np.linalg.inv(drawn.paper_to_picture)
        traces = []
        for box, d in zip(boxes, drawn.leads, strict=True):
            paper = np.c_[d.points, np.ones(len(d.points))] @ picture_to_paper.T
            x, y = paper[:, 0] / paper[:, 2], paper[:, 1] / paper[:, 2]
            traces.append(LeadTrace(box, x, y, np.ones(len(x)), np.full(len(x), 0.1)))
        values = {
            "signal": true_recording(drawn, signal).astype(np.float32),
            "diagnosis": Diagnosis(("NORM",), {"NORM": 0.91, "STTC": 0.12, "abnormal": 0.08}, False),
            "limb_lead_quality": 21.5,
            "warnings": (),
        } | changes
        recording = Recording(fs=FS, names=LEADS, **values)
        scale = (drawn.pixels_per_mm, drawn.pixels_per_mm)
        calibration = Calibration(drawn.paper_to_picture, scale, "grid")
        page = Page(drawn.image, (height, width), np.eye(3), True)
        return DigitizedPage(page, boxes, calibration, tuple(traces), recording)

    return make
