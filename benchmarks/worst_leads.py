"""Every lead's SNR, and the worst to look at: ``python -m benchmarks.worst_leads PAGES ... -o SHEET [-n 10]``.

Digitizes pages whose truth is known (see ``true_pages``), prints a table of the SNR (dB, corrected alignment) of every
lead and draws the worst leads on a sheet (.jpg, .png): the picture around the lead, what is printed in green, what was
read in red.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.sheet_tiles import READ, TITLE_HEIGHT, draw_line, framed
from benchmarks.true_pages import TruePage, read_truth
from ecgpage.cli import HERE
from ecgpage.digitization.crop import crop_lead, paper_to_crop
from ecgpage.digitization.dataset import paper_box
from ecgpage.geometry import apply_homography, bent_points
from ecgpage.io import read_image
from ecgpage.leads import LEADS
from ecgpage.pipeline import build_pipeline
from ecgpage.recording import DigitizedPage
from ecgpage.reporting import text_table
from ecgpage.scoring import mean, score_lead
from ecgpage.synthesis.sheet import check_sheet_name, stack_tiles, write_sheet

TILE = (300, 760)
"""(height, width) of a lead on the sheet, pixels."""

COLUMNS = 2

PRINTED = (0, 150, 0)
"""Colour (RGB) of the truth."""


def draw_tile(truth: TruePage, page: DigitizedPage, name: str, title: str) -> np.ndarray:
    """The picture around one lead of a page with its truth and what was read, (height, width, 3) uint8."""
    drawn = [lead for lead in truth.leads if lead.lead.name == name]
    if not drawn:
        return framed(np.zeros((1, 1, 3), np.uint8), TILE, f"{title}, out of view")
    shortest = min(drawn, key=lambda lead: lead.lead.duration)
    crop = crop_lead(page.page.image, truth.paper_to_picture, paper_box(shortest, truth.paper_to_picture))

    def place(points: np.ndarray) -> np.ndarray:
        return paper_to_crop(apply_homography(np.linalg.inv(truth.paper_to_picture), points), crop.origin)

    panel = crop.image.copy()
    draw_line(panel, place(shortest.points), PRINTED)
    for trace in page.traces if page.calibration is not None else ():
        if trace.lead.name == name:
            found = page.page.page_to_picture @ page.calibration.paper_to_page
            points = bent_points(found, np.stack([trace.x, trace.y], axis=1), page.calibration.bend)
            draw_line(panel, np.where(trace.printed[:, None], place(points), np.nan), READ)
    scale = min((TILE[0] - TITLE_HEIGHT) / panel.shape[0], TILE[1] / panel.shape[1])
    size = int(panel.shape[1] * scale), int(panel.shape[0] * scale)
    return framed(cv2.resize(panel, size, interpolation=cv2.INTER_AREA), TILE, title)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.worst_leads", description="Every lead's SNR, and the worst.")
    parser.add_argument("pages", nargs="+", type=Path, help="folders of pages with their truth")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the sheet (.jpg, .png)")
    parser.add_argument("-n", "--number", type=int, default=10, help="leads to draw")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    return parser


def main() -> None:
    """Print the tables and draw the sheet."""
    options = build_parser().parse_args()
    check_sheet_name(options.output)
    pipeline, worst = build_pipeline(options.model), []
    for folder in options.pages:
        rows = []
        for truth in read_truth(folder):
            samples = len(truth.reference)
            page = pipeline.digitize(read_image(truth.picture), truth.fs, samples, LEADS)
            pairs = zip(truth.reference.T, page.recording.signal.T, strict=True)
            snrs = [score_lead(true, found, truth.fs, "corrected").snr for true, found in pairs]
            rows.append([truth.picture.stem, *snrs, mean(snrs)])
            worst += [
                (snr, f"{folder.name} {truth.picture.stem} {name}: {snr:.1f} dB", truth, page, name)
                for snr, name in zip(snrs, LEADS, strict=True)
                if np.isfinite(snr)
            ]
            worst = sorted(worst, key=lambda one: one[0])[: options.number]
        rows.append(["mean", *(mean(list(column)) for column in np.array([row[1:] for row in rows], float).T)])
        print(text_table([folder.name, *LEADS, "mean"], rows, digits=1, total=True), flush=True)
    tiles = [draw_tile(truth, page, name, title) for _, title, truth, page, name in worst]
    write_sheet(options.output, stack_tiles(tiles, COLUMNS))


if __name__ == "__main__":
    main()
