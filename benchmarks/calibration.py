"""How well a page's millimetres are found: ``python -m benchmarks.calibration -d DATA [-n PAGES] [PROFILE ...]``.

Draws pages of every profile, measures their millimetres as the pipeline does (the leads' boxes are true, so that
nothing but the calibration counts), and compares with where the samples were drawn:

- *no grid*, *other squares*: pages scaled by their leads for want of a grid to be seen, which the second table is of,
  and those whose squares were taken for larger or smaller ones (off by more than 5 %); other figures leave both out;
- *no lead*: pages that show none that could be found;
- *along %*: error of a millimetre of time, lead by lead: median, 90th percentile, largest;
- *across %*: error of a millimetre of voltage, page by page;
- *time mm*, *height mm*: how far samples lie from their places, root mean square over a page, each lead's own offset in
  time and height aside.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.attribution import true_leads
from ecgpage.calibration.grid import GridEstimate
from ecgpage.calibration.parts import find_grid
from ecgpage.calibration.scale import calibrate
from ecgpage.cli import HERE
from ecgpage.digitization.dataset import visible_leads
from ecgpage.geometry import apply_homography, flat_points
from ecgpage.io import find_records
from ecgpage.page.rectification import rotate_page, straighten_with_grid
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.recording import Page
from ecgpage.reporting import text_table
from ecgpage.synthesis import PROFILES, DrawnPage
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import VARIED

LARGEST_ERROR = 0.05
"""Relative error of a page's millimetres from which on other squares were seen than are printed."""


class Errors(NamedTuple):
    """Of one page. along: (leads,) relative; across: relative; time, height: mm."""

    along: np.ndarray
    across: float
    time: float
    height: float


def upright(image: np.ndarray, paper_to_picture: np.ndarray) -> tuple[Page, GridEstimate]:
    """The straightened page with its grid, turned as the paper truly lies (which the detector tells)."""
    page, grid = straighten_with_grid(image)
    for _ in range(3):
        paper_to_page = np.linalg.inv(page.page_to_picture) @ paper_to_picture
        left, right = apply_homography(paper_to_page, np.array([[100.0, 80.0], [120.0, 80.0]]))
        if right[0] - left[0] > abs(right[1] - left[1]):
            break
        page = rotate_page(page, 1)
        grid = find_grid(page)
    return page, grid


def page_errors(drawn: DrawnPage, pipeline: Pipeline | None = None) -> tuple[str, Errors] | None:
    """How the millimetres of a drawn page were found (``Calibration.source``), and their errors.

    None without leads, and, where no pipeline is given to trace them with, without a grid whose lines are told at once.
    """
    page, grid = upright(drawn.image, drawn.paper_to_picture)
    shown = [lead for lead in visible_leads(drawn) if lead.findable]
    leads = true_leads(shown, page)
    if not leads:
        return None
    calibration = calibrate(page, leads, grid)
    if calibration.source != "grid" or not grid.tells_lines:
        if pipeline is None:
            return None
        calibration, _ = pipeline.calibrate_and_trace(page, grid, leads)
    paper_to_picture = page.page_to_picture @ calibration.paper_to_page
    along, places, true, read = [], [], [], []
    for lead in shown:
        known = np.isfinite(lead.points).all(axis=1) & np.isfinite(lead.values)
        if known.sum() < 2:
            continue
        x, y = flat_points(paper_to_picture, lead.points[known], calibration.bend).T
        time = lead.speed * np.arange(len(lead.points))[known] / lead.fs
        height = -lead.gain * lead.values[known]
        along.append(np.polyfit(time, x, 1)[0] - 1)
        places.append(np.stack([x - time - np.median(x - time), y - height - np.median(y - height)], axis=1))
        true.append(height - height.mean())
        read.append(y - y.mean())
    heights = np.concatenate(true)
    across = float(heights @ np.concatenate(read) / max(1e-9, heights @ heights)) - 1
    off = np.sqrt(np.mean(np.concatenate(places) ** 2, axis=0))
    return calibration.source, Errors(np.array(along), across, float(off[0]), float(off[1]))


def measure(profile: str, data: Path, pages: int, pipeline: Pipeline) -> tuple[list[object], list[object]]:
    """A profile's rows of the two tables: of pages with a grid, and of pages without."""
    draw, records = RecordDrawer([PROFILES[profile]], VARIED), find_records(data)
    if not records:
        raise ValueError(f"expected records to draw in {data}, found none")
    found: list[Errors] = []
    scaled: list[Errors] = []
    other = bare = 0
    for number in range(pages):
        measured = page_errors(draw(data / records[number % len(records)], np.random.default_rng(number)), pipeline)
        if measured is None:
            bare += 1
            continue
        source, errors = measured
        if source != "grid":
            scaled.append(errors)
        elif abs(np.median(errors.along)) > LARGEST_ERROR:
            other += 1
        else:
            found.append(errors)
    return [profile, len(scaled), other, bare, *figures(found)], [profile, len(scaled), *figures(scaled)]


def figures(pages: list[Errors]) -> list[float]:
    """Percentiles of the pages' errors: along and across, %, at 50, 90, 100; time and height, mm, at 50 and 90."""
    if not pages:
        return [float("nan")] * 10
    result: list[float] = []
    for values in (np.concatenate([errors.along for errors in pages]), np.array([e.across for e in pages])):
        result += np.percentile(np.abs(100 * values), (50, 90, 100)).tolist()
    for values in (np.array([e.time for e in pages]), np.array([e.height for e in pages])):
        result += np.percentile(values, (50, 90)).tolist()
    return result


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help="profiles (default: every one)")
    parser.add_argument("-d", "--data", type=Path, required=True, help="records to draw")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    parser.add_argument("-n", type=int, default=16, help="pages of each profile")
    return parser


def main() -> None:
    """Print a line for each profile."""
    options = build_parser().parse_args()
    pipeline = build_pipeline(options.model, diagnosis=False)
    rows = [measure(profile, options.data, options.n, pipeline) for profile in options.profiles or sorted(PROFILES)]
    names = [f"{name} {share}" for name in ("along %", "across %") for share in ("50", "90", "100")]
    names += [f"{name} {share}" for name in ("time mm", "height mm") for share in ("50", "90")]
    print(text_table(["profile", "no grid", "other squares", "no lead", *names], [row for row, _ in rows], digits=3))
    print(text_table(["without a grid", "pages", *names], [row for _, row in rows], digits=3))


if __name__ == "__main__":
    main()
