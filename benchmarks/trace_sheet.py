"""What is read of pictures without ground truth: ``python -m benchmarks.trace_sheet PICTURES -o SHEET``.

Draws every picture's straightened page with the traces that were read over it on one contact sheet (.jpg, .png) and
prints a line for each: its leads, how far its limb leads agree (see ``assembly.limb_lead_quality``), scale, doubts.
What limits the agreement is told by how late leads I and III come beside II (the steps, within 24 ms, with which it is
best), by the agreement without these steps, and by how large the three leads are (deviation from their mean, mV): where
a small II is the difference of two large leads, a fraction of a pixel decides. All this is told of the leads as they
were read, before they are made to agree.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.sheet_tiles import READ, TITLE_HEIGHT, draw_line, framed
from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.placement import place_traces
from ecgpage.cli import HERE, find_pictures
from ecgpage.io import read_image
from ecgpage.leads import LEADS, PAGE_SECONDS
from ecgpage.pipeline import build_pipeline
from ecgpage.recording import DigitizedPage, PageError
from ecgpage.reporting import text_table
from ecgpage.reporting.page_panel import panel_size, straightened, trace_on_panel
from ecgpage.synthesis.sheet import check_sheet_name, stack_tiles, write_sheet

TILE = (520, 760)
"""(height, width) of a page on the sheet, pixels."""

COLUMNS = 3

FS = 500.0
"""Samples per second of what is read: of the common records."""

LIMB = [LEADS.index(name) for name in ("I", "II", "III")]

LARGEST_STEP = 0.024
"""Seconds by which leads I and III are moved at most."""

GOOD_QUALITY = 10.0
"""dB; limb leads of a page that is read well agree at least so far."""


def draw_tile(digitized: DigitizedPage, title: str) -> np.ndarray:
    """A page (height, width, 3) uint8 with its traces, in the middle of a tile."""
    page, calibration = digitized.page, digitized.calibration
    height, width = TILE[0] - TITLE_HEIGHT, TILE[1] - 4
    wide, high = panel_size(page, width, height)
    panel = straightened(page, (wide, high)).copy()
    page_to_panel = np.diag([wide / page.size[1], high / page.size[0], 1.0])
    for trace in digitized.traces if calibration is not None else ():
        draw_line(panel, trace_on_panel(trace, calibration, page_to_panel), READ)
    return framed(panel, TILE, title)


def as_read(page: DigitizedPage) -> np.ndarray:
    """The page's leads before they are made to agree: (samples, 12) mV of ``leads.LEADS`` at ``FS``, NaN where none."""
    samples, calibration = round(PAGE_SECONDS * FS), page.calibration
    if calibration is None:
        return np.full((samples, len(LEADS)), np.nan)
    placed = place_traces(page.traces, calibration.speed, calibration.column_lines).traces
    return assemble(placed, LEADS, FS, samples, speed=calibration.speed, gains=calibration.gains).signal


class Steps(NamedTuple):
    """Milliseconds by which I and III come late, and the agreement without that, dB."""

    one: float
    three: float
    quality: float


def best_steps(signal: np.ndarray, fs: float) -> Steps:
    """The steps of leads I and III with which I + III = II holds best; signal: (samples, 12) mV of ``leads.LEADS``.

    All NaN where the three leads share less than half a second and the steps looked for.
    """
    limb = signal[:, LIMB].astype(np.float64)
    known = np.flatnonzero(np.isfinite(limb).all(axis=1))
    reach = round(LARGEST_STEP * fs)
    if len(known) < 2 * reach + fs / 2:
        return Steps(*[float("nan")] * 3)
    first, last = known[0] + reach, known[-1] - reach
    one, two, three = (np.interp(np.arange(known[0], known[-1] + 1), known, lead[known]) for lead in limb.T)
    middle = two[first - known[0] : last - known[0]]

    def moved(lead: np.ndarray) -> np.ndarray:
        return np.stack([lead[reach + step : reach + step + len(middle)] for step in range(-reach, reach + 1)])

    rest = middle - moved(one)[:, None] - moved(three)[None]  # (steps, steps, samples)
    power = rest.var(axis=2)
    i, j = np.unravel_index(int(np.argmin(power)), power.shape)
    quality = 10 * np.log10((middle.var() + 1e-12) / (power[i, j] + 1e-12))
    return Steps(1000 * (i - reach) / fs, 1000 * (j - reach) / fs, float(quality))


def sizes(signal: np.ndarray) -> list[float]:
    """Deviations of leads I, II and III from their means, mV; signal: (samples, 12) of ``leads.LEADS``."""
    limb = signal[:, LIMB].astype(np.float64)
    known = limb[np.isfinite(limb).all(axis=1)]
    return [float(value) for value in known.std(axis=0)] if len(known) else [float("nan")] * 3


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.trace_sheet", description="What is read, to look at.")
    parser.add_argument("pictures", type=Path, help="a picture, or a folder of pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the sheet (.jpg, .png)")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    return parser


def main() -> None:
    """Draw the sheet and print the table."""
    options = build_parser().parse_args()
    check_sheet_name(options.output)
    pipeline, tiles, rows = build_pipeline(options.model), [], []
    for picture in find_pictures(options.pictures):
        try:
            page = pipeline.digitize(read_image(picture), FS, round(PAGE_SECONDS * FS), LEADS)
        except PageError as error:
            print(f"{picture.name}: {error}", flush=True)
            continue
        quality, names = page.recording.limb_lead_quality, {lead.name for lead in page.leads}
        scale = "-" if page.calibration is None else f"{page.calibration.pixels_per_mm[0]:.2f}"
        signal = as_read(page)
        steps = best_steps(signal, FS)
        limits = [*(f"{value:.0f}" for value in steps[:2]), steps.quality]
        limits += [f"{value:.2f}" for value in sizes(signal)]
        rows.append([picture.stem, len(names), quality, scale, *limits, "; ".join(page.recording.warnings)])
        tiles.append(draw_tile(page, f"{picture.stem}: {len(names)} leads, {quality:.1f} dB"))
    if not tiles:
        raise SystemExit(f"none of the pictures in {options.pictures} can be read")
    print(
        text_table(
            [
                "picture",
                "leads",
                "I+III=II dB",
                "px/mm",
                "I late ms",
                "III late ms",
                "then dB",
                "I mV",
                "II mV",
                "III mV",
                "doubts",
            ],
            rows,
            digits=1,
        )
    )
    whole = np.array([row[2] for row in rows if row[1] == len(LEADS)], float)
    good = int((whole >= GOOD_QUALITY).sum())
    print(f"{good} of {len(whole)} pages with {len(LEADS)} leads agree to {GOOD_QUALITY:g} dB or better")
    write_sheet(options.output, stack_tiles(tiles, COLUMNS))


if __name__ == "__main__":
    main()
