"""How well leads alone tell millimetres: ``python -m benchmarks.leads_alone FOLDER ...``.

Reads pages with their truth (``true_pages``) and tells their millimetres as if no grid did: by where the traces of
what is found begin and end. A page that has a grid is straightened by it all the same, and may be read better for it
than one without. Columns of the table: pages that show a lead, those of which nothing is told, how far a millimetre of
time is off, lead by lead, at the scale of their boxes and of their ends (%, median, 75th and 90th percentile), and of
how many pages at most ``CLOSE`` in the mean, %. Bends are not followed, and pages whose columns last otherwise are off
by that.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.true_pages import TruePage, read_truth
from ecgpage.calibration.extent import even_paper
from ecgpage.calibration.grid import nothing_found
from ecgpage.calibration.scale import calibrate
from ecgpage.cli import HERE
from ecgpage.digitization.rows import trace_rows
from ecgpage.geometry import apply_homography, flat_box
from ecgpage.io import read_image
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.recording import PageError
from ecgpage.reporting import text_table

CLOSE = 0.003
"""By which a page's millimetres are off, root mean square over its leads, at most: 30 ms over ten seconds."""

HEADER = ("pages", "nothing", *(f"{by} {share}" for by in ("boxes", "ends") for share in ("50", "75", "90")), "close")


def lead_errors(true: TruePage, paper_to_picture: np.ndarray) -> np.ndarray:
    """How far a millimetre of time is off on a paper, relative, for each lead whose samples are seen: (leads,)."""
    picture_to_paper, errors = np.linalg.inv(paper_to_picture), []
    for lead in true.leads:
        seen = np.isfinite(lead.points).all(axis=1) & (True if lead.visible is None else lead.visible)
        if seen.sum() >= lead.fs:
            x = apply_homography(picture_to_paper, lead.points[seen])[:, 0]
            errors.append(np.polyfit(MILLIMETERS_PER_SECOND * np.flatnonzero(seen) / lead.fs, x, 1)[0] - 1)
    return np.array(errors)


def page_errors(true: TruePage, pipeline: Pipeline) -> tuple[np.ndarray, np.ndarray] | None:
    """A page's errors (``lead_errors``) by its leads' boxes and by their ends; None where they tell nothing."""
    page, _, leads, _ = pipeline.find_leads(read_image(true.picture))
    try:
        calibration = calibrate(page, leads, nothing_found())
    except PageError:
        return None
    by_boxes = page.page_to_picture @ calibration.paper_to_page
    boxes = [flat_box(calibration.paper_to_page, lead.box, None) for lead in leads]
    on_paper = [replace(lead, box=box, others=()) for lead, box in zip(leads, boxes, strict=True)]
    by_ends = even_paper(trace_rows(pipeline.digitizer, page.image, by_boxes, on_paper, None), by_boxes)
    return lead_errors(true, by_boxes), lead_errors(true, by_boxes if by_ends is None else by_ends)


def row(pages: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> list[object]:
    """The table's figures of pages' errors (``page_errors``)."""
    told = [errors for errors in pages if errors is not None]
    if not told:
        return [len(pages), len(pages), *[float("nan")] * 7]
    shares = [np.percentile(np.abs(100 * np.concatenate(errors)), (50, 75, 90)) for errors in zip(*told, strict=True)]
    close = np.mean([np.sqrt(np.mean(by_ends**2)) <= CLOSE for _, by_ends in told])
    return [len(pages), len(pages) - len(told), *np.concatenate(shares).tolist(), 100 * float(close)]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of pages with their truth")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    return parser


def main() -> None:
    """Print a line for each folder."""
    options = build_parser().parse_args()
    pipeline = build_pipeline(options.model, diagnosis=False)
    rows = []
    for folder in options.folders:
        shown = [true for true in read_truth(folder) if len(lead_errors(true, true.paper_to_picture))]
        rows.append([folder.name, *row([page_errors(true, pipeline) for true in shown])])
    print(text_table(["folder", *HEADER], rows, digits=3))


if __name__ == "__main__":
    main()
