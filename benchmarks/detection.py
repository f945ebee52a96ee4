"""How many leads are found and rightly named: ``python -m benchmarks.detection PAGES ... [--model DIR]``.

A folder of pages is one that ``benchmarks.true_pages`` reads. A lead is right where a box of its name overlaps the box
around its samples, on the straightened page, by half (IoU 0.5) or more. Leads that are mostly out of view or covered do
not count.

Columns: mAP of the detector's boxes at IoU 0.5 and over 0.5 to 0.95; leads right after the layout step, leads named
right there (whatever the overlap is, the box that overlaps a lead most has its name), the same where each box is one
lead's (boxes and leads paired for the most overlap of all together: between close rows a neighbour's box may overlap a
lead most), and pages with every lead right, in percent; then the same of the leads as they are read in the end, with
their boxes around their traces and rhythm strips named after the leads that they repeat. ``--list`` names the pages
where one is not right;
``--angle`` first turns every picture by so many degrees counterclockwise, on a larger grey ground; ``--negative``
exchanges its bright and dark.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.true_pages import read_truth
from ecgpage.cli import HERE
from ecgpage.detection.closer import detect_closely
from ecgpage.detection.detector import LeadDetector
from ecgpage.detection.targets import lead_box
from ecgpage.io import read_image
from ecgpage.leads import LEADS
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.recording import LeadBox, Page
from ecgpage.reporting import text_table
from ecgpage.synthesis import DrawnLead
from yolov7.boxes import pairwise_iou
from yolov7.metrics import mean_average_precision
from yolov7.postprocess import Detections

LEAST_OVERLAP = 0.5

LEAST_CONFIDENCE = 0.005
"""Score down to which boxes count for the mean average precision, which is taken over all confidences."""


def turned(image: np.ndarray, truth: list[DrawnLead], degrees: float) -> tuple[np.ndarray, list[DrawnLead]]:
    """A picture (H, W, 3) and its leads turned counterclockwise about the middle; the ground grows with it."""
    height, width = image.shape[:2]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    size = (round(abs(width * cos) + abs(height * sin)), round(abs(width * sin) + abs(height * cos)))
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = (np.array(size) - 1) / 2 - turn @ [(width - 1) / 2, (height - 1) / 2]
    matrix = np.column_stack([turn, shift])
    picture = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_AREA, borderValue=(90, 90, 90))
    return picture, [replace(lead, points=(lead.points @ turn.T + shift).astype(np.float32)) for lead in truth]


def true_boxes(truth: list[DrawnLead], page: Page) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) around each lead's samples on the straightened page, and their classes (N,), indices into LEADS."""
    boxes = [lead_box(lead, np.linalg.inv(page.page_to_picture)) for lead in truth]
    return np.array(boxes).reshape(-1, 4), np.array([LEADS.index(lead.lead.name) for lead in truth], int)


def leads_right(found: tuple[LeadBox, ...], boxes: np.ndarray, classes: np.ndarray) -> int:
    """How many of the true boxes (N, 4) overlap a found lead of their name."""
    if not found or not len(boxes):
        return 0
    overlap, named = _compared(found, boxes, classes)
    return int(np.any((overlap >= LEAST_OVERLAP) & named, axis=1).sum())


def leads_named(found: tuple[LeadBox, ...], boxes: np.ndarray, classes: np.ndarray) -> int:
    """How many of the true boxes (N, 4) have the name of the found lead that overlaps them most."""
    if not found or not len(boxes):
        return 0
    overlap, named = _compared(found, boxes, classes)
    most = overlap.argmax(axis=1)
    each = np.arange(len(boxes))
    return int(np.sum((overlap[each, most] > 0) & named[each, most]))


def leads_paired(found: tuple[LeadBox, ...], boxes: np.ndarray, classes: np.ndarray) -> int:
    """As ``leads_named``, where each found lead is that of one true box, paired for the most overlap together."""
    if not found or not len(boxes):
        return 0
    overlap, named = _compared(found, boxes, classes)
    pairs = linear_sum_assignment(-overlap)
    return int(np.sum((overlap[pairs] > 0) & named[pairs]))


def _compared(found: tuple[LeadBox, ...], boxes: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Overlap (IoU) of each true box (N, 4) with each found lead, (N, found), and whether the name is the same."""
    overlap = pairwise_iou(torch.tensor(boxes), torch.tensor([lead.box for lead in found], dtype=torch.float64)).numpy()
    return overlap, classes[:, None] == np.array([LEADS.index(lead.name) for lead in found])


class Judged(NamedTuple):
    """What the table says of leads: mean average precision at IoU 0.5 and over 0.5 to 0.95; share of leads that are
    right, of those named right by most overlap and by pairs, and of pages on which all are right, in percent."""

    map50: float
    map50_95: float
    leads: float
    named: float
    paired: float
    pages: float


Truth = tuple[np.ndarray, np.ndarray]
"""A page's true boxes (N, 4) and classes (N,)."""


def judge(
    folder: Path, pipeline: Pipeline, note: Callable[[str], None], degrees: float = 0.0, negative: bool = False
) -> tuple[float, float, Judged, Judged]:
    """How well a folder's leads are found: the detector's mAP at IoU 0.5 and over 0.5 to 0.95, the leads after the
    layout step, and as they are read. ``note`` is told of each page with a lead that is not right in the end. degrees,
    negative: what is done to its pictures first."""
    detected, arranged, read = [], [], []
    truths: list[Truth] = []
    settings = replace(pipeline.detector.settings, confidence=LEAST_CONFIDENCE)
    unsure = LeadDetector(pipeline.detector.network, settings)
    for true in read_truth(folder):
        image, truth = read_image(true.picture), true.leads
        if degrees:
            image, truth = turned(image, truth, degrees)
        if negative:
            image = 255 - image
        page, _, leads, _ = pipeline.find_leads(image)
        digitized = pipeline.digitize(image, true.fs, len(true.reference), LEADS)
        truths.append(true_boxes(truth, page))
        detected.append(_detections(detect_closely(unsure, page)))
        arranged.append(leads)
        read.append(digitized.leads)
        count, wanted = leads_right(digitized.leads, *truths[-1]), len(truths[-1][0])
        if count < wanted:
            note(f"{true.picture.name}: {count} of {wanted} right. {' '.join(digitized.recording.warnings)}")
    precision = mean_average_precision(detected, truths)
    return precision.map50, precision.map50_95, _judge(arranged, truths), _judge(read, truths)


def _judge(found: Sequence[tuple[LeadBox, ...]], truths: Sequence[Truth]) -> Judged:
    right = np.array([leads_right(leads, *truth) for leads, truth in zip(found, truths, strict=True)])
    named, paired = (
        sum(count(leads, *truth) for leads, truth in zip(found, truths, strict=True))
        for count in (leads_named, leads_paired)
    )
    wanted = np.array([len(boxes) for boxes, _ in truths])
    precision = mean_average_precision([_detections(leads) for leads in found], truths)
    percent = 100 / max(1, wanted.sum())
    pages = 100 * float(np.mean(right == wanted))
    return Judged(precision.map50, precision.map50_95, percent * right.sum(), percent * named, percent * paired, pages)


def _detections(found: Sequence[LeadBox]) -> Detections:
    return Detections(
        np.array([box.box for box in found], np.float64).reshape(-1, 4),
        np.array([box.score for box in found]),
        np.array([LEADS.index(box.name) for box in found], int),
    )


def _silent(_: str) -> None:
    """Say nothing."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    description = "How many leads are found and rightly named."
    parser = argparse.ArgumentParser(prog="benchmarks.detection", description=description)
    parser.add_argument("pages", nargs="+", type=Path, help="folders of pages with their truth")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    parser.add_argument("--list", action="store_true", help="name the pages on which a lead is not right")
    parser.add_argument("--angle", type=float, default=0.0, help="turn the pictures by so many degrees")
    parser.add_argument("--negative", action="store_true", help="exchange bright and dark of the pictures")
    return parser


def main() -> None:
    """Judge the folders and print a line for each."""
    options = build_parser().parse_args()
    pipeline = build_pipeline(options.model).judged_by(None)
    note = print if options.list else _silent
    rows = []
    for folder in options.pages:
        map50, map50_95, arranged, read = judge(folder, pipeline, note, options.angle, options.negative)
        found = (arranged.leads, arranged.named, arranged.paired, arranged.pages)
        rows.append((folder.name, map50, map50_95, *found, *read))
    shares = ("leads right %", "named %", "paired %", "pages right %")
    columns = ("pages", "mAP50", "mAP50-95", *shares, "read: mAP50", "mAP50-95", *shares)
    print(text_table(columns, rows, digits=3))


if __name__ == "__main__":
    main()
