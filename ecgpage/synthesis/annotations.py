"""Ground truth of a drawn page: where everything lies in the final picture."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ecgpage.leads import LEADS, MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_SECOND, PrintedLead

LEAST_SEEN = 0.4
"""Share of a lead's samples that must be seen for a detector to find it."""


@dataclass(frozen=True)
class DrawnLead:
    """One drawn trace.

    values: (n,) float32 mV at ``fs`` Hz, as printed; NaN where the record has no sample; at least one is finite.
    points: (n, 2) float32, (x, y) picture pixels of every sample, after all distortions; NaN with its sample.
    visible: (n,) bool, which samples can be seen: in the picture, not covered, not torn off. None: all that have a
    place. polygon: (k, 2) picture pixels around the trace, its upright box on paper as the picture shows it. speed:
    mm/s; gain: mm/mV, below 0 where the lead is printed upside down.
    """

    lead: PrintedLead
    values: np.ndarray
    fs: float
    points: np.ndarray
    visible: np.ndarray | None = None
    polygon: np.ndarray | None = None
    speed: float = MILLIMETERS_PER_SECOND
    gain: float = MILLIMETERS_PER_MILLIVOLT

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Smallest upright rectangle (x0, y0, x1, y1) around the printed samples, picture pixels."""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def seen(self) -> np.ndarray:
        """Which samples have a place in the picture and can be seen there, (n,) bool."""
        placed = np.isfinite(self.points).all(axis=1)
        return placed if self.visible is None else placed & self.visible

    @property
    def findable(self) -> bool:
        """Whether enough of the lead can be seen to find it."""
        return bool(self.seen.mean() >= LEAST_SEEN)


@dataclass(frozen=True)
class DrawnWord:
    """A printed text, the index of the lead that it names among the page's printed ones (-1 for a lead that is named
    but not drawn, and for other words), its corners, (4, 2) picture pixels, and the share of it that is not covered."""

    text: str
    lead: int
    polygon: np.ndarray
    visible: float = 1.0


@dataclass(frozen=True)
class ScaleField:
    """Local size of a millimetre.

    x: (w,), y: (h,) positions on paper, mm; across, down: (h, w) picture pixels per mm along and across the paper's
    time axis there.
    """

    x: np.ndarray
    y: np.ndarray
    across: np.ndarray
    down: np.ndarray


@dataclass(frozen=True)
class DrawnPage:
    """A drawn page and its ground truth.

    image: (H, W, 3) uint8 RGB.
    paper_to_picture: (3, 3) homography, millimetres on paper (origin at its top left corner) to picture pixels; for a
        page that bends the closest one, while the leads' ``points`` follow the bend.
    paper_size: (width, height), mm.
    outline: (4, 2) picture pixels of the paper's corners: top left, top right, bottom right, bottom left.
    pixels_per_mm: of the picture where the page lies flat and upright.
    names: printed lead names; words: all other printed texts, None where they are not known; pulses: corners (4, 2) of
        the calibration pulses' boxes; scale: see ``ScaleField``. layout, profile: their names.
    """

    image: np.ndarray
    paper_to_picture: np.ndarray
    paper_size: tuple[float, float]
    outline: np.ndarray
    pixels_per_mm: float
    leads: tuple[DrawnLead, ...]
    names: tuple[DrawnWord, ...] = ()
    words: tuple[DrawnWord, ...] | None = None
    pulses: tuple[np.ndarray, ...] = ()
    scale: ScaleField | None = None
    layout: str = ""
    profile: str = ""


def annotate(page: DrawnPage, image: str) -> dict[str, object]:
    """Return a page's ground truth as JSON values; ``image`` is its picture's name.

    Positions are [x, y] in picture pixels, lists of samples hold null where the record has none, ``visible`` lists
    the stretches [first, last + 1) of samples that can be seen.
    """
    return {
        "image": image,
        "size": list(page.image.shape[1::-1]),
        "profile": page.profile,
        "layout": page.layout,
        "paper_size_mm": _rounded(np.array(page.paper_size)),
        "pixels_per_mm": page.pixels_per_mm,
        "paper_to_picture": page.paper_to_picture.tolist(),
        "outline": _rounded(page.outline),
        "pixels_per_mm_field": None if page.scale is None else _annotate_scale(page.scale),
        "leads": [_annotate_lead(lead) for lead in page.leads],
        "names": [{"text": word.text, "lead": word.lead, "polygon": _rounded(word.polygon)} for word in page.names],
        "words": [
            {"text": word.text, "polygon": _rounded(word.polygon), "visible": word.visible} for word in page.words or ()
        ],
        "pulses": [_rounded(polygon) for polygon in page.pulses],
    }


def _annotate_lead(drawn: DrawnLead) -> dict[str, object]:
    place = drawn.lead
    return {
        "name": place.name,
        "row": place.row,
        "column": place.column,
        "strip": place.strip,
        "start": place.start,
        "duration": place.duration,
        "offset": place.offset,
        "inverted": place.inverted,
        "fs": drawn.fs,
        "mm_per_second": drawn.speed,
        "mm_per_millivolt": drawn.gain,
        "box": _rounded(np.array(drawn.box)),
        "polygon": None if drawn.polygon is None else _rounded(drawn.polygon),
        "visible": _stretches(drawn.seen),
        "points": _rounded(drawn.points),
    }


def _annotate_scale(field: ScaleField) -> dict[str, object]:
    return {
        "paper_x_mm": _rounded(field.x),
        "paper_y_mm": _rounded(field.y),
        "across": _rounded(field.across, 4),
        "down": _rounded(field.down, 4),
    }


def _rounded(values: np.ndarray, digits: int = 2) -> list:
    """Nested lists, None for NaN."""
    exact = np.round(np.asarray(values, np.float64), digits)
    return exact.tolist() if np.isfinite(exact).all() else np.where(np.isfinite(exact), exact, None).tolist()


def _stretches(flags: np.ndarray) -> list[list[int]]:
    """The stretches [first, last + 1) where flags (n,) are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()


def restore_page(truth: dict[str, Any], image: np.ndarray, signal: np.ndarray) -> DrawnPage:
    """Make the page that ``annotate`` described from its picture (H, W, 3) uint8 and its record.

    signal: (samples, 12) mV, leads in the order of ``leads.LEADS``. Raises ValueError where they do not match.
    """
    height, width = image.shape[:2]
    if [width, height] != truth["size"]:
        raise ValueError(f"{truth['image']}: expected {truth['size']} pixels, as drawn, came {[width, height]}")
    field = truth["pixels_per_mm_field"]
    return DrawnPage(
        image=image,
        paper_to_picture=_array(truth["paper_to_picture"]),
        paper_size=tuple(truth["paper_size_mm"]),
        outline=_array(truth["outline"]),
        pixels_per_mm=truth["pixels_per_mm"],
        leads=tuple(_restore_lead(lead, signal) for lead in truth["leads"]),
        names=tuple(DrawnWord(name["text"], name["lead"], _array(name["polygon"])) for name in truth["names"]),
        words=_restore_words(truth.get("words")),
        pulses=tuple(_array(polygon) for polygon in truth["pulses"]),
        scale=field and ScaleField(*(_array(field[key]) for key in ("paper_x_mm", "paper_y_mm", "across", "down"))),
        layout=truth["layout"],
        profile=truth["profile"],
    )


def _restore_words(words: list[dict[str, Any]] | None) -> tuple[DrawnWord, ...] | None:
    if words is None:
        return None
    return tuple(DrawnWord(word["text"], -1, _array(word["polygon"]), word["visible"]) for word in words)


def _restore_lead(truth: dict[str, Any], signal: np.ndarray) -> DrawnLead:
    points = _array(truth["points"]).reshape(-1, 2).astype(np.float32)
    first = round(truth["start"] * truth["fs"])
    values = signal[first : first + len(points), LEADS.index(truth["name"])].astype(np.float32)
    if len(values) != len(points):
        raise ValueError(f"lead {truth['name']}: {len(points)} samples were drawn, the record has {len(values)} there")
    visible = np.zeros(len(points), bool)
    for start, stop in truth["visible"]:
        visible[start:stop] = True
    place = PrintedLead(*(truth[field.name] for field in fields(PrintedLead)))
    polygon = None if truth["polygon"] is None else _array(truth["polygon"]).astype(np.float32)
    speed, gain = truth["mm_per_second"], truth["mm_per_millivolt"]
    return DrawnLead(place, values, truth["fs"], points, visible, polygon, speed, gain)


def _array(values: list) -> np.ndarray:
    """Nested lists as float64, NaN for None."""
    return np.array(values, np.float64)


def yolo_labels(page: DrawnPage) -> str:
    """A page's leads as YOLO text labels: class (index into ``leads.LEADS``), centre and size as fractions of the
    picture, one lead a line; boxes are cut at the picture's edge, leads mostly out of view or covered are left out."""
    height, width = page.image.shape[:2]
    lines = []
    for drawn in page.leads:
        box = np.clip(drawn.box, -0.5, np.array([width, height, width, height]) - 0.5) + 0.5
        if drawn.findable and np.all(box[2:] > box[:2]):
            x, y = (box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height
            extent = (box[2:] - box[:2]) / (width, height)
            lines.append(f"{LEADS.index(drawn.lead.name)} {x:.6f} {y:.6f} {extent[0]:.6f} {extent[1]:.6f}")
    return "".join(f"{line}\n" for line in lines)


def printed_record(page: DrawnPage, names: tuple[str, ...], fs: float, samples: int) -> np.ndarray:
    """What a page prints as a record: (samples, leads) float32 mV of the standard leads ``names``, NaN elsewhere."""
    signal = np.full((samples, len(names)), np.nan, np.float32)
    for drawn in page.leads:
        if drawn.lead.name in names:
            first = round(drawn.lead.start * fs)
            signal[first : first + len(drawn.values), names.index(drawn.lead.name)] = drawn.values[: samples - first]
    return signal
