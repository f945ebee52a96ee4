"""What flows from stage to stage: a straightened page, lead boxes, a calibration, traces, a recording.

Three coordinate frames, always (x, y), x to the right and y down, pixel centres at whole numbers:

- *picture*: pixels of the picture as it was read;
- *page*: pixels of the straightened, upright page, at about the picture's resolution;
- *paper*: millimetres on the flat paper, with any origin; x runs with time, y against voltage.

Homographies are (3, 3) float64 arrays named ``a_to_b``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ecgpage.geometry import Bend
from ecgpage.leads import MILLIMETERS_PER_SECOND, USUAL_GAINS, Gains

RULED = 0.15
"""Sway, mm, up to which a trace may be a ruled line or an axis; of two axes taken for strips 0.05, 0.07 mm."""

CORNERS = 0.05, 0.95
"""Quantiles of a trace's heights beyond which it may run along a frame's corners."""

PRINTED = 0.35
"""Presence from which on a point of a trace counts as printed."""

LEAST_BOX_HEIGHT = 4.0
"""Millimetres: a flat trace gets a box of this height around it, for a box without height cannot be found."""


class PageError(ValueError):
    """A picture that cannot be digitized; the message says what was expected and what came."""


@dataclass(frozen=True)
class Page:
    """A picture and the straightened page found in it.

    image: (H, W, 3) uint8 RGB, the picture itself; resampled only where paper is laid flat to look for leads.
    size: (height, width) of the straightened page, page pixels.
    page_to_picture: homography.
    outlined: whether the paper's outline was found (else the whole picture is taken as the page).
    """

    image: np.ndarray
    size: tuple[int, int]
    page_to_picture: np.ndarray
    outlined: bool


@dataclass(frozen=True)
class LeadBox:
    """One detected lead sequence: box (x0, y0, x1, y1) in page pixels, from its first to its last printed sample and
    from its highest to its lowest point, at least ``LEAST_BOX_HEIGHT`` high; ``score`` in [0, 1]; row, column, start
    (s), duration (s) once the layout is known, else -1 / NaN. inverted: printed upside down ("-aVR"). reading: how
    likely the print beside it is each of ``name_reader.NAMES``, () where it was not read. others: boxes in which the
    same lead was seen less surely, page pixels."""

    name: str
    box: tuple[float, float, float, float]
    score: float
    strip: bool = False
    row: int = -1
    column: int = -1
    start: float = float("nan")
    duration: float = float("nan")
    inverted: bool = False
    reading: tuple[float, ...] = ()
    others: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class ColumnLines:
    """Where each column of a figure, whose panels have grids of their own, has strong upright lines: one of them, x in
    paper millimetres, by the column's number, and how many millimetres they are apart."""

    places: Mapping[int, float]
    spacing: float


class PixelsPerSecond(NamedTuple):
    """Page pixels per second at 25 mm/s at the page's middle.

    sure: whether the grid alone tells its squares' size; else they are taken for 5 mm.
    """

    value: float
    sure: bool


@dataclass(frozen=True)
class Calibration:
    """Where the flat paper lies on the page.

    paper_to_page: homography from paper millimetres to page pixels.
    pixels_per_mm: (x, y), page pixels at the page's middle.
    source: "grid" where the printed grid was measured, "layout" where it fell back to the extent of the leads.
    speed: mm/s; gains: mm/mV of limb and of chest leads; the usual ones unless page, print or pulse tell others.
    bend: of paper that is not flat, beside the homography. usual_squares: whether the grid's lines were taken to be 1
    or 5 mm apart; where not, the millimetres may be twice or half the true ones, as of another paper speed.
    line_spacing: millimetres on whole multiples of which the flat paper has lines of its grid, strong ones where they
    are told apart; NaN where no line's place is told. column_lines: where grids begin anew in every panel, their lines.
    """

    paper_to_page: np.ndarray
    pixels_per_mm: tuple[float, float]
    source: str
    speed: float = MILLIMETERS_PER_SECOND
    gains: Gains = USUAL_GAINS
    bend: Bend | None = None
    usual_squares: bool = True
    line_spacing: float = float("nan")
    column_lines: ColumnLines | None = None

    def corrected(self, correction: np.ndarray) -> Calibration:
        """The calibration of paper that is flat with its millimetres moved by a homography, (3, 3)."""
        paper_to_page = self.paper_to_page @ np.linalg.inv(correction)
        scale = self.pixels_per_mm / np.diag(correction)[:2]
        pixels_per_mm = (float(scale[0]), float(scale[1]))
        return replace(self, paper_to_page=paper_to_page / paper_to_page[2, 2], pixels_per_mm=pixels_per_mm)

    @property
    def is_usual(self) -> bool:
        """Whether the page runs at 25 mm/s and 10 mm/mV throughout."""
        return self.speed == MILLIMETERS_PER_SECOND and self.gains == USUAL_GAINS

    @property
    def scale(self) -> str:
        """Speed and gain in words."""
        limb, chest = self.gains
        gain = f"{limb:g} mm/mV" if limb == chest else f"{limb:g} mm/mV (chest leads {chest:g})"
        return f"{self.speed:g} mm/s, {gain}"


@dataclass(frozen=True)
class LeadTrace:
    """One digitized trace on flat paper.

    x, y: (N,) paper millimetres, x ascending; presence: (N,) in [0, 1], how likely the trace is printed there;
    spread: (N,) millimetres, standard deviation of the height's distribution; zero: height of 0 mV, paper millimetres,
    NaN where it is not known. cut: whether the picture's edge cuts it off where it begins, and where it ends.
    """

    lead: LeadBox
    x: np.ndarray
    y: np.ndarray
    presence: np.ndarray
    spread: np.ndarray
    zero: float = float("nan")
    cut: tuple[bool, bool] = (False, False)

    @property
    def printed(self) -> np.ndarray:
        """Which points count as printed, (N,) bool."""
        return self.presence >= PRINTED

    @property
    def sway(self) -> float:
        """Standard deviation of the printed heights, mm, those beyond ``CORNERS`` taken as if at them; 0 where nothing
        is printed."""
        heights = self.y[self.printed]
        return float(np.std(np.clip(heights, *np.quantile(heights, CORNERS)))) if len(heights) else 0.0

    def moved(self, along: float) -> LeadTrace:
        """The trace and its lead's box moved along the time axis, mm; the lead's times stay."""
        x0, y0, x1, y1 = self.lead.box
        lead = replace(self.lead, box=(x0 + along, y0, x1 + along, y1))
        return replace(self, lead=lead, x=self.x + along)

    def enlarged(self, times: float) -> LeadTrace:
        """The trace and its lead's box on paper of so many times as many millimetres; the lead's times stay."""
        x0, y0, x1, y1 = (times * edge for edge in self.lead.box)
        lead, spread = replace(self.lead, box=(x0, y0, x1, y1)), times * self.spread
        return replace(self, lead=lead, x=times * self.x, y=times * self.y, spread=spread, zero=times * self.zero)


@dataclass(frozen=True)
class Diagnosis:
    """What the classifier says of a page: labels, at least one; the probability of every class and of "abnormal";
    whether the record is judged abnormal."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    abnormal: bool


@dataclass(frozen=True)
class Recording:
    """A digitized page.

    signal: (samples, leads) float32 mV at ``fs`` Hz, NaN where nothing is printed; names: the columns' leads.
    diagnosis: None without a classifier. limb_lead_quality: dB, see ``calibration.assembly.limb_lead_quality``, of the
    leads as they were read, before they were made to agree (``calibration.reconciliation``); NaN where it cannot be
    had. warnings: what a reader should know before trusting the signal, as sentences. deviation:
    (samples, leads) mV, how far off each sample is expected to be (one standard deviation), NaN with its sample; None
    where it is not known.
    """

    signal: np.ndarray
    fs: float
    names: tuple[str, ...]
    diagnosis: Diagnosis | None = None
    limb_lead_quality: float = float("nan")
    warnings: tuple[str, ...] = ()
    deviation: np.ndarray | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The diagnosis' labels, () without one."""
        return () if self.diagnosis is None else self.diagnosis.labels

    @property
    def expected_errors(self) -> dict[str, float]:
        """Root mean square of the deviation of each lead that is printed, mV."""
        if self.deviation is None:
            return {}
        known = {name: values[np.isfinite(values)] for name, values in zip(self.names, self.deviation.T, strict=True)}
        return {name: float(np.sqrt(np.mean(values**2))) for name, values in known.items() if values.size}


@dataclass(frozen=True)
class DigitizedPage:
    """A recording with the evidence it was read from, for reports and for looking into errors.

    Without a single lead found, ``calibration`` is None and ``traces`` is empty.
    """

    page: Page
    leads: tuple[LeadBox, ...]
    calibration: Calibration | None
    traces: tuple[LeadTrace, ...]
    recording: Recording
