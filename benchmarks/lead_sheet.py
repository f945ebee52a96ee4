"""What is found on pictures without ground truth, to look at: ``python -m benchmarks.lead_sheet PICTURES -o SHEET``.

Draws every picture's straightened page with its lead boxes and names on one contact sheet (.jpg, .png) and prints a
line for each: how many leads are named, and what the layout step says.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.sheet_tiles import READ, TITLE_HEIGHT, framed
from ecgpage.cli import HERE, find_pictures
from ecgpage.io import read_image
from ecgpage.pipeline import build_pipeline
from ecgpage.recording import LeadBox, Page, PageError
from ecgpage.reporting.page_panel import panel_size, straightened
from ecgpage.synthesis.sheet import check_sheet_name, stack_tiles, write_sheet

TILE = (400, 520)
"""(height, width) of a page on the sheet, pixels."""

COLUMNS = 4

RECOVERED = (0, 110, 230)
"""Colour (RGB) of leads that the layout alone places; detected ones are drawn as what is read."""


def draw_tile(page: Page, leads: Sequence[LeadBox], title: str) -> np.ndarray:
    """The page (height, width, 3) uint8 with its leads, in the middle of a tile."""
    height, width = TILE[0] - TITLE_HEIGHT, TILE[1] - 4
    wide, high = panel_size(page, width, height)
    panel = straightened(page, (wide, high)).copy()
    scale = np.array([wide / page.size[1], high / page.size[0]] * 2)
    for lead in leads:
        x0, y0, x1, y1 = np.round((np.array(lead.box) + 0.5) * scale).astype(int).tolist()
        color = READ if lead.score > 0 else RECOVERED
        cv2.rectangle(panel, (x0, y0), (x1, y1), color, 1, cv2.LINE_AA)
        name = ("-" if lead.inverted else "") + lead.name
        cv2.putText(panel, name, (x0 + 1, max(9, y0 - 1)), cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, 1, cv2.LINE_AA)
    return framed(panel, TILE, title)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.lead_sheet", description="What is found, to look at.")
    parser.add_argument("pictures", type=Path, help="a picture, or a folder of pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the sheet (.jpg, .png)")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    return parser


def main() -> None:
    """Draw the sheet and print a line for each picture."""
    options = build_parser().parse_args()
    check_sheet_name(options.output)
    pipeline, tiles = build_pipeline(options.model), []
    for picture in find_pictures(options.pictures):
        try:
            page, _, leads, warnings = pipeline.find_leads(read_image(picture))
        except PageError as error:
            print(f"{picture.name}: {error}", flush=True)
            continue
        tiles.append(draw_tile(page, leads, f"{picture.stem}: {len(leads)}"))
        print(f"{picture.name}: {len(leads)} leads. {' '.join(warnings)}", flush=True)
    if not tiles:
        raise SystemExit(f"none of the pictures in {options.pictures} can be read")
    write_sheet(options.output, stack_tiles(tiles, COLUMNS))


if __name__ == "__main__":
    main()
