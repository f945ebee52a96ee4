"""Lower part of a page report: diagnostic classes, quality figures, warnings."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.patches import Rectangle

from ecgpage.diagnosis.labels import ABNORMAL
from ecgpage.leads import LEADS, canonical_lead
from ecgpage.recording import Diagnosis, DigitizedPage, Recording
from ecgpage.reporting.canvas import (
    BAR,
    HEADING_SIZE,
    INK,
    MUTED,
    RULE,
    SMALL_SIZE,
    TEXT_SIZE,
    TRACE,
    WARNING,
    Canvas,
)

_LINE = 24.0
_BAR_NAME, _BAR_WIDTH, _BAR_COLUMN = 96.0, 150.0, 330.0
_WARNING_LINES = 7


def facts(digitized: DigitizedPage) -> list[tuple[str, str]]:
    """Return what is known of the page's quality as (name, value) pairs."""
    recording, calibration = digitized.recording, digitized.calibration
    found = {canonical_lead(lead.name) for lead in digitized.leads} & set(LEADS)
    written = sum(bool(np.isfinite(column).any()) for column in recording.signal.T)
    if calibration is None:
        scale = paper = "none"
    else:
        x, y = calibration.pixels_per_mm
        origin = "from the printed grid" if calibration.source == "grid" else "from the extent of the leads"
        scale = f"{x:.2f} x {y:.2f} px/mm, {origin}"
        bent = "flat" if calibration.bend is None else "bent, its grid followed"
        paper = f"{calibration.scale}; {bent}"
    quality = recording.limb_lead_quality
    limb = f"{quality:.1f} dB" if np.isfinite(quality) else "not available"
    return [
        ("Diagnosis", "none" if recording.diagnosis is None else verdict(recording.diagnosis)),
        ("Leads found", f"{len(found)} of {len(LEADS)}, {len(digitized.leads)} boxes"),
        ("Leads recovered", f"{written} of {len(recording.names)}"),
        ("I + III = II, as read", limb),
        ("Scale", scale),
        ("Paper", paper),
        ("Paper's outline", "found" if digitized.page.outlined else "not found, whole picture taken"),
    ]


def verdict(diagnosis: Diagnosis) -> str:
    """Return whether a record is judged normal or abnormal, and how likely it is abnormal."""
    probability = diagnosis.probabilities[ABNORMAL]
    return f"{'abnormal' if diagnosis.abnormal else 'normal'}, probability of abnormal {probability:.2f}"


def height() -> int:
    """Return the summary's height in pixels."""
    return round(34 + 7 * _LINE)


def draw_summary(canvas: Canvas, digitized: DigitizedPage, columns: tuple[float, float, float], top: float) -> None:
    """Write classes, quality and warnings in three columns that begin at ``columns`` pixels from the left."""
    labels, quality, warnings = columns
    for x, heading in ((labels, "Diagnostic classes"), (quality, "Quality"), (warnings, "Warnings")):
        canvas.text(x, top + 18, heading, HEADING_SIZE, weight="bold")
    _draw_classes(canvas, digitized.recording, labels, top + 34)
    for k, (name, value) in enumerate(facts(digitized)):
        canvas.text(quality, top + 34 + (k + 0.75) * _LINE, name, color=MUTED)
        canvas.text(quality + 190, top + 34 + (k + 0.75) * _LINE, value)
    _draw_warnings(canvas, digitized.recording.warnings, warnings, top + 34)


def _draw_classes(canvas: Canvas, recording: Recording, x: float, top: float) -> None:
    """Every class with its probability as a bar, six to a column; those that are given in bold."""
    if recording.diagnosis is None:
        canvas.text(x, top + 0.75 * _LINE, "none", color=MUTED)
        return
    ranked = sorted(recording.diagnosis.probabilities.items(), key=lambda item: -item[1])[:12]
    axes = canvas.axes(x, top, 2 * _BAR_COLUMN, 6 * _LINE)
    for k, (name, probability) in enumerate(ranked):
        left, line = _BAR_COLUMN * (k // 6), _LINE * (k % 6)
        chosen = name in recording.labels or (name == ABNORMAL and recording.diagnosis.abnormal)
        share = float(np.clip(probability, 0, 1)) if np.isfinite(probability) else 0.0
        for width, color in ((_BAR_WIDTH, RULE), (_BAR_WIDTH * share, TRACE if chosen else BAR)):
            axes.add_patch(Rectangle((left + _BAR_NAME, line + 7), width, 11, facecolor=color, edgecolor="none"))
        baseline = top + line + 0.75 * _LINE
        weight = "bold" if chosen else "normal"
        canvas.text(x + left, baseline, name, TEXT_SIZE, INK if chosen else MUTED, weight=weight)
        canvas.text(x + left + _BAR_NAME + _BAR_WIDTH + 10, baseline, f"{share:.2f}", SMALL_SIZE, MUTED)


def _draw_warnings(canvas: Canvas, warnings: tuple[str, ...], x: float, top: float) -> None:
    characters = max(20, int((canvas.width - 32 - x) / 8.2))
    lines = [line for warning in warnings for line in textwrap.wrap(warning, characters, subsequent_indent="   ")]
    if len(lines) > _WARNING_LINES:
        lines = lines[: _WARNING_LINES - 1] + ["..."]
    for k, line in enumerate(lines or ["none"]):
        canvas.text(x, top + (0.75 + 0.85 * k) * _LINE, line, color=WARNING if warnings else MUTED)
