"""Whether strokes that traces leave out are rightly followed: ``python -m benchmarks.strokes PAGES``.

Pages with their truth are read up to their traces, bent paper as it lies; then pacing spikes and narrow peaks are
followed in the ink (see ``digitization.strokes``). A stroke is right where the printed lead goes as far at its place,
to 1.5 mm. The table names the pages that have any, and how far the ends of those that are right lie from the printed
ones, in time and height.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.true_pages import TruePage, read_truth
from ecgpage.cli import HERE
from ecgpage.digitization.strokes import follow_strokes
from ecgpage.geometry import Bend, flat_points
from ecgpage.io import read_image
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.recording import LeadTrace
from ecgpage.reporting import text_table

LEAST = 1.0
"""Millimetres by which following strokes moves a trace there."""

NEAR, AS_FAR = 0.6, 1.5
"""Millimetres beside a stroke within which a lead is looked at, and by which its end may be off."""


class End(NamedTuple):
    """Where a followed stroke ends, mm, and whether it leads up."""

    x: float
    y: float
    upward: bool


def ends_of(before: LeadTrace, after: LeadTrace) -> list[End]:
    """The ends of the strokes that one trace follows and the other, of the same points, does not."""
    moved = after.y - before.y
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.abs(moved) > LEAST, [0]])))
    ends = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        upward = bool(moved[first:last].sum() < 0)
        k = first + int(np.argmin(after.y[first:last]) if upward else np.argmax(after.y[first:last]))
        ends.append(End(float(after.x[k]), float(after.y[k]), upward))
    return ends


def printed_places(true: TruePage, paper_to_picture: np.ndarray, bend: Bend | None, name: str) -> list[np.ndarray]:
    """The samples, (N, 2) paper millimetres, of each print of a lead."""
    prints = [lead.points for lead in true.leads if lead.lead.name == name]
    return [flat_points(paper_to_picture, points[np.isfinite(points).all(axis=1)], bend) for points in prints]


def off(end: End, prints: list[np.ndarray]) -> tuple[float, float]:
    """How far, mm in x and outwards in y, the nearest print of a lead ends from a stroke; infinite without one."""
    found = [(np.inf, np.inf)]
    for places in prints:
        beside = places[np.abs(places[:, 0] - end.x) < NEAR]
        if len(beside):
            x, y = beside[np.argmin(beside[:, 1]) if end.upward else np.argmax(beside[:, 1])]
            found.append((float(x) - end.x, float(end.y - y if end.upward else y - end.y)))
    return min(found, key=lambda one: abs(one[1]))


def judge(true: TruePage, pipeline: Pipeline) -> tuple[int, np.ndarray]:
    """How many strokes of a page are followed, and how far off, (right ones, 2) mm, those are that are right."""
    image = read_image(true.picture)
    page, grid, leads, _ = pipeline.find_leads(image)
    if not leads:
        return 0, np.zeros((0, 2))
    calibration, traces = pipeline.calibrate_and_trace(page, grid, leads)
    paper_to_picture, bend = page.page_to_picture @ calibration.paper_to_page, calibration.bend
    followed = follow_strokes(image, paper_to_picture, traces, bend)
    found = []
    for before, after in zip(traces, followed, strict=True):
        if after is not before:
            prints = printed_places(true, paper_to_picture, bend, after.lead.name)
            found += [off(end, prints) for end in ends_of(before, after)]
    apart = np.array(found).reshape(-1, 2)
    return len(apart), apart[np.abs(apart[:, 1]) < AS_FAR]


def summary(apart: np.ndarray) -> tuple[float, ...]:
    """How many there are of (N, 2), and their means and standard deviations, NaN without any."""
    if not len(apart):
        return (0, *[float("nan")] * 4)
    return (len(apart), *map(float, apart.mean(axis=0)), *map(float, apart.std(axis=0)))


def main() -> None:
    """Follow the strokes of the pages and print a line for each page with any, and for all."""
    parser = argparse.ArgumentParser(prog="benchmarks.strokes", description="Whether strokes are rightly followed.")
    parser.add_argument("pages", nargs="+", type=Path, help="folders of pages with their truth")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    options = parser.parse_args()
    pipeline = build_pipeline(options.model).judged_by(None)
    rows, apart, pages = [], [np.zeros((0, 2))], 0
    for true in (true for folder in options.pages for true in read_truth(folder)):
        count, right = judge(true, pipeline)
        pages += 1
        if count:
            rows.append((true.picture.name, count, *summary(right)))
            apart.append(right)
    rows.append((f"{pages} pages", sum(row[1] for row in rows), *summary(np.concatenate(apart))))
    columns = ("page", "strokes", "right", "x mm", "y mm", "x deviation", "y deviation")
    print(text_table(columns, rows, digits=3))


if __name__ == "__main__":
    main()
