"""Pages with their ground truth, ours or those of ECG-Image-Kit.

A folder is one that ``python -m ecgpage synthesize`` wrote; or it holds ``hidden/`` (pictures and headers), ``ref/``
(signals) and ``truth/NAME-0.json.gz`` with, per lead, ``lead_name`` and ``plotted_pixels``, the picture position
[y, x] of every printed sample, as ECG-Image-Kit writes them.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ecgpage.digitization.dataset import visible_leads
from ecgpage.geometry import apply_homography
from ecgpage.io import find_records, read_header, read_signal
from ecgpage.leads import LEADS, MILLIMETERS_PER_MILLIVOLT, MILLIMETERS_PER_SECOND, PrintedLead, standard_leads
from ecgpage.synthesis import DrawnLead
from ecgpage.synthesis.annotations import LEAST_SEEN
from ecgpage.synthesis.records import PageReader, read_standard_leads

KIT_FS = 500.0
"""Samples per second of ECG-Image-Kit's positions."""

KIT_CORNER = 0.5
"""Its positions count from the corner of the first pixel, ours from its centre."""


@dataclass(frozen=True)
class TruePage:
    """One page's picture and truth.

    leads: those in view, points in picture pixels. paper_to_picture: (3, 3) homography from millimetres. record: the
    reference's path without extension; reference: (samples, 12) mV of ``leads.LEADS``, NaN where nothing is printed;
    fs: Hz.
    """

    picture: Path
    leads: list[DrawnLead]
    paper_to_picture: np.ndarray
    record: Path
    reference: np.ndarray
    fs: float


def read_truth(folder: Path) -> list[TruePage]:
    """The pages of a folder. Raises ValueError for a folder without any."""
    pages = [_kit_page(folder, path) for path in sorted((folder / "truth").glob("*.json.gz"))]
    for header in () if pages else find_records(folder):
        record = folder / header
        for picture in read_header(record).images:
            signal, fs = read_standard_leads(record)
            page = PageReader().read(picture, signal)
            leads = [lead for lead in visible_leads(page) if lead.findable]
            pages.append(TruePage(picture, leads, page.paper_to_picture, record, signal, fs))
    if not pages:
        raise ValueError(f"expected pages with their ground truth in {folder}, found none")
    return pages


def _kit_page(folder: Path, path: Path) -> TruePage:
    stem = path.name.removesuffix(".json.gz")
    pictures = sorted((folder / "hidden").glob(f"{stem}.[pj]*"))
    if not pictures:
        raise ValueError(f"expected the picture of {path} in {folder / 'hidden'}, found none")
    with gzip.open(path) as stream:
        truth = json.load(stream)
    record = folder / "ref" / stem.rpartition("-")[0]
    signal, fs, names = read_signal(record)
    reference = standard_leads(signal, names)
    leads = [_kit_lead(lead, reference) for lead in truth["leads"]]
    with Image.open(pictures[0]) as opened:
        size = np.array(opened.size)
    in_view = [((lead.points > -0.5) & (lead.points < size - 0.5)).all(axis=1).mean() >= LEAST_SEEN for lead in leads]
    bent = np.array(truth.get("homography_clean_to_photo_xy", np.eye(3)))
    shown = [lead for lead, seen in zip(leads, in_view, strict=True) if seen]
    flat = flat_paper(leads, np.linalg.inv(bent))
    return TruePage(pictures[0], shown, bent @ flat, record, reference, fs)


def _kit_lead(lead: dict, reference: np.ndarray) -> DrawnLead:
    points = np.array(lead["plotted_pixels"], np.float32)[:, ::-1] - KIT_CORNER
    start, stop = lead["start_sample"], lead["start_sample"] + len(points)
    strip = stop - start > len(reference) / 2
    place = PrintedLead(lead["lead_name"], 0, 0, start / KIT_FS, len(points) / KIT_FS, strip)
    values = reference[start:stop, LEADS.index(lead["lead_name"])].astype(np.float32)
    return DrawnLead(place, values, KIT_FS, points)


def flat_paper(leads: list[DrawnLead], picture_to_flat: np.ndarray) -> np.ndarray:
    """(3, 3) affine map from paper millimetres to the flat picture of a page, fitted to its leads' samples.

    A sample lies at 25 mm of time and 10 mm of voltage below its row's zero line, which every lead may have elsewhere.
    """
    rows, goals = [], []
    for k, lead in enumerate(leads):
        time = lead.lead.start + np.arange(len(lead.points)) / lead.fs
        design = np.zeros((len(time), 2 + len(leads)))
        design[:, 0] = MILLIMETERS_PER_SECOND * time
        design[:, 1] = -MILLIMETERS_PER_MILLIVOLT * lead.values
        design[:, 2 + k] = 1
        known = np.isfinite(design).all(axis=1)
        rows.append(design[known])
        goals.append(apply_homography(picture_to_flat, lead.points)[known])
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(goals), rcond=None)[0]
    affine = np.eye(3)
    affine[:2] = solution[:3].T
    return affine
