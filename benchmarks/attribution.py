"""Where the error comes from: ``python -m benchmarks.attribution PAGES ... [--model DIR]``.

Digitizes pages whose truth is known (see ``true_pages``), then again with one stage's outcome replaced by the truth:

- *boxes*: the leads' boxes, names and times;
- *scale*: the size of a millimetre along and across the page (its middle);
- *paper*: the whole mapping from flat paper to picture, scale, angle, perspective;
- *origin*: where time 0 lies on the paper that was found;
- *traces*: the heights in the crops;
- *all but traces*: boxes, paper and origin together.

Prints the mean SNR over leads, dB, with the corrected alignment and, in the second table, without any. A third table
tells the calibration's errors: of the scale along and across, of the time origin. What the pipeline does beyond that is
left out: leads of bent paper looked for on it laid flat, and strokes that traces leave out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.true_pages import TruePage, read_truth
from ecgpage.calibration.assembly import assemble
from ecgpage.calibration.first_line import time_begins
from ecgpage.calibration.grid import GridEstimate
from ecgpage.calibration.lead_ends import tell_ends
from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.reconciliation import reconciled
from ecgpage.cli import HERE
from ecgpage.detection.targets import lead_box
from ecgpage.digitization.rows import trace_rows
from ecgpage.geometry import Bend, apply_homography, flat_box, flat_points
from ecgpage.io import read_image
from ecgpage.leads import LEADS, Gains
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.recording import LeadBox, LeadTrace, Page
from ecgpage.reporting import text_table
from ecgpage.scoring import mean, score_lead
from ecgpage.synthesis import DrawnLead

GIVEN = ("as it is", "boxes", "scale", "paper", "origin", "traces", "all but traces")
"""What the truth is put in for."""


@dataclass(frozen=True)
class Found:
    """What the pipeline found of a page, before calibration."""

    page: Page
    grid: GridEstimate
    leads: tuple[LeadBox, ...]


def find(picture: np.ndarray, pipeline: Pipeline) -> Found:
    """Run the pipeline up to the arranged leads."""
    page, grid, leads, _ = pipeline.find_leads(picture)
    return Found(page, grid, leads)


def true_leads(drawn_leads: Sequence[DrawnLead], page: Page) -> tuple[LeadBox, ...]:
    """The leads that the page shows, boxes in page pixels."""
    leads = []
    for drawn in drawn_leads:
        place = drawn.lead
        box = lead_box(drawn, np.linalg.inv(page.page_to_picture))
        if box is not None:
            times = {"start": place.start, "duration": place.duration, "strip": place.strip}
            leads.append(LeadBox(place.name, tuple(box), 1.0, inverted=place.inverted, row=len(leads), **times))
    return tuple(leads)


def paper_errors(truth: TruePage, paper_to_picture: np.ndarray) -> tuple[float, float]:
    """By which factors a paper's millimetres are larger than true ones at the leads' middle, along and across."""
    middle = np.mean([np.nanmean(lead.points, axis=0) for lead in truth.leads], axis=0)
    found = apply_homography(np.linalg.inv(paper_to_picture), middle[None])[0]
    reach = 20.0
    around = found + reach * np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])
    true = apply_homography(np.linalg.inv(truth.paper_to_picture) @ paper_to_picture, around)
    along, across = np.linalg.norm(true[1] - true[0]), np.linalg.norm(true[3] - true[2])
    return float(along / (2 * reach)), float(across / (2 * reach))


def true_origin(truth: TruePage, paper_to_picture: np.ndarray, bend: Bend | None = None) -> float:
    """Where on a paper (x, mm) time 0 lies: the median over all samples."""
    places = []
    for lead in truth.leads:
        times = lead.lead.start + np.arange(len(lead.points)) / lead.fs
        x = flat_points(paper_to_picture, lead.points, bend)[:, 0]
        places.append(x - lead.speed * times)
    return float(np.nanmedian(np.concatenate(places)))


def true_traces(
    truth: TruePage, paper_to_picture: np.ndarray, traces: Sequence[LeadTrace], bend: Bend | None = None
) -> list[LeadTrace]:
    """The found traces with the heights at which their leads are printed; one of a lead that is not there is left."""
    drawn = {(lead.lead.name, lead.lead.strip): lead for lead in truth.leads}
    result = []
    for trace in traces:
        lead = drawn.get((trace.lead.name, trace.lead.strip))
        if lead is None:
            result.append(trace)
            continue
        points = lead.points[np.isfinite(lead.points).all(axis=1)]
        x, y = flat_points(paper_to_picture, points, bend).T
        order = np.argsort(x)
        presence = ((trace.x >= x.min()) & (trace.x <= x.max())).astype(float)
        result.append(replace(trace, y=np.interp(trace.x, x[order], y[order]), presence=presence))
    return result


def true_gains(leads: Sequence[DrawnLead]) -> Gains:
    """What limb and chest leads are printed at, mm/mV; a page of one kind alone has its gain for both."""
    kinds = [[abs(lead.gain) for lead in leads if (lead.lead.name in LEADS[6:]) == chest] for chest in (False, True)]
    limb, chest = (kind or other for kind, other in zip(kinds, reversed(kinds), strict=True))
    return limb[0], chest[0]


def digitize(found: Found, truth: TruePage, pipeline: Pipeline, given: str) -> tuple[np.ndarray, float, np.ndarray]:
    """Digitize a page with the truth put in for one thing.

    Returns (signal (samples, 12) mV, time origin found minus true in s, paper to picture (3, 3)).
    """
    samples = len(truth.reference)
    all_given = given == "all but traces"
    leads = true_leads(truth.leads, found.page) if all_given or given == "boxes" else found.leads
    if not leads:
        return np.full((samples, len(LEADS)), np.nan), float("nan"), truth.paper_to_picture
    calibration, _ = pipeline.calibrate_and_trace(found.page, found.grid, leads)
    paper_to_page, page_to_picture = calibration.paper_to_page, found.page.page_to_picture
    if all_given or given == "paper":
        paper_to_page = np.linalg.inv(page_to_picture) @ truth.paper_to_picture
        calibration = replace(calibration, line_spacing=float("nan"), column_lines=None)  # its lines lie elsewhere
    elif given == "scale":
        along, across = paper_errors(truth, page_to_picture @ paper_to_page)
        paper_to_page = paper_to_page @ np.diag([1 / along, 1 / across, 1.0])
    paper_to_picture = page_to_picture @ paper_to_page
    bend = None if all_given or given == "paper" else calibration.bend
    on_paper = [replace(lead, box=flat_box(paper_to_page, lead.box, bend)) for lead in leads]
    traces = trace_rows(pipeline.digitizer, found.page.image, paper_to_picture, on_paper, bend)
    calibration = replace(calibration, paper_to_page=paper_to_page, bend=bend)
    calibration, timed = pipeline.told_scale(found.page, calibration, traces)
    if leads is found.leads:  # else their times are true
        traces = list(timed)
    if all_given:
        calibration = replace(calibration, speed=truth.leads[0].speed, gains=true_gains(truth.leads))
    speed, gains, lines = calibration.speed, calibration.gains, calibration.column_lines
    origin = true_origin(truth, paper_to_picture, bend)
    placed = place_traces(traces, speed, lines).traces
    begin = time_begins(placed, found.page, calibration) if placed else float("nan")
    if given == "traces":
        placed = place_traces(true_traces(truth, paper_to_picture, traces, bend), speed, lines).traces
    known = origin if all_given or given == "origin" else begin
    read = assemble(placed, LEADS, truth.fs, samples, known, speed, gains)
    told = tell_ends(*read, truth.fs)
    return reconciled(*told, LEADS, truth.fs, gains[0]), (begin - origin) / speed, paper_to_picture


def scores(truth: TruePage, signal: np.ndarray) -> tuple[float, float]:
    """Mean SNR over the reference's leads, dB: aligned (corrected) and unaligned."""
    pairs = [(truth.reference[:, k], signal[:, k]) for k in range(len(LEADS))]
    aligned = mean([score_lead(true, found, truth.fs, "corrected").snr for true, found in pairs])
    return aligned, mean([score_lead(true, found, truth.fs, "none").snr for true, found in pairs])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.attribution", description="Where the error comes from.")
    parser.add_argument("pages", nargs="+", type=Path, help="folders of pages with their truth")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    parser.add_argument("--list", action="store_true", help="print every page's figures")
    parser.add_argument("--only", choices=GIVEN, nargs="+", default=GIVEN, help="what to put the truth in for")
    return parser


def main() -> None:
    """Digitize the folders and print the tables."""
    options = build_parser().parse_args()
    pipeline = build_pipeline(options.model)
    aligned, unaligned, errors = [], [], []
    for folder in options.pages:
        per_page, wrong = [], []
        for truth in read_truth(folder):
            found = find(read_image(truth.picture), pipeline)
            results = [digitize(found, truth, pipeline, given) for given in options.only]
            per_page.append([scores(truth, signal) for signal, _, _ in results])
            along, across = paper_errors(truth, results[0][2])
            wrong.append((100 * (along - 1), 100 * (across - 1), 1000 * results[0][1]))
            if options.list:
                figures = "  ".join(f"{a:6.2f} {u:6.2f}" for a, u in per_page[-1])
                print(f"{truth.picture.name:20s} {figures}  | {wrong[-1][0]:6.2f} % {wrong[-1][1]:6.2f} %", end=" ")
                print(f"{wrong[-1][2]:7.1f} ms", flush=True)
        table = np.mean(per_page, axis=0)  # (given, 2)
        aligned.append([folder.name, *table[:, 0]])
        unaligned.append([folder.name, *table[:, 1]])
        errors.append([folder.name, *np.percentile(np.abs(wrong), (50, 90, 100), axis=0).T.ravel()])
    print(text_table(["aligned SNR", *options.only], aligned))
    print(text_table(["unaligned SNR", *options.only], unaligned))
    heads = [f"{name} {share}" for name in ("along %", "across %", "origin ms") for share in ("50", "90", "100")]
    print(text_table(["error", *heads], errors, digits=3))


if __name__ == "__main__":
    main()
