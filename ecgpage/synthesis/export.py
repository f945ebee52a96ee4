"""Draws the pages of a folder of records into a Challenge-style folder: the same header, signal and pictures that the
Challenge hands out, with the ground truth of every page beside it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ecgpage.header import IMAGES, LABELS, RecordError
from ecgpage.io import find_records, header_path, read_header, read_signal, write_bytes, write_record
from ecgpage.leads import LEADS, PageLayout, canonical_lead
from ecgpage.synthesis.annotations import DrawnPage
from ecgpage.synthesis.drawing import choose_layout, draw_page
from ecgpage.synthesis.profile import PROFILES, Profile
from ecgpage.synthesis.records import PAGE_SECONDS, SHORTEST_SECONDS, read_standard_leads

PROFILE = "Profile"
"""Key of the header's comment that tells the profile a record's pages are drawn with."""

LARGEST_PNG = 1_200_000
"""Bytes; a picture that needs more as PNG is written as JPEG."""

JPEG_QUALITY = 90


def export_pages(
    records: Path,
    pages: Path,
    profile: str,
    seed: int = 0,
    number: int = 1,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Draw ``number`` pages of every record and return the new headers' paths.

    records: a folder of WFDB records, or one record's header. pages: where ``NAME.hea`` and ``NAME.dat`` (NaN where
    nothing is printed), ``NAME-0.png`` or ``.jpg`` and ``NAME-0.json`` are written; every file appears whole.
    A record's pages depend on its name, ``profile`` and ``seed``, not on the other records; all show the same leads.
    Raises RecordError for no records, records too short to draw and a folder drawn into itself, ValueError for an
    unknown profile and a number below 1.
    """
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}: expected one of {', '.join(PROFILES)}")
    if number < 1:
        raise ValueError(f"expected at least one page of each record, came {number}")
    folder, names = _records(Path(records))
    if Path(pages).resolve() == folder.resolve():
        raise RecordError(f"pages would be written over their records in {folder}: choose another folder")
    headers = []
    for name in names:
        headers.append(_export_record(folder / name, Path(pages) / Path(name).parent, PROFILES[profile], seed, number))
        report(f"{headers[-1].with_suffix('')}: {number} {profile} page{'s' if number > 1 else ''}")
    return headers


def _records(path: Path) -> tuple[Path, list[str]]:
    """Return (folder, names of its records) for a folder or for one record."""
    if header_path(path).is_file():
        return path.parent, [header_path(path).stem]
    names = find_records(path) if path.is_dir() else []
    if not names:
        raise RecordError(f"no records (*.hea) in {path}")
    return path, names


def _export_record(record: Path, folder: Path, profile: Profile, seed: int, number: int) -> Path:
    header = read_header(record)
    signal, fs, names = read_signal(record)
    seconds = min(PAGE_SECONDS, len(signal) / fs)
    if seconds < SHORTEST_SECONDS:
        raise RecordError(f"{header.name}: a page needs at least {SHORTEST_SECONDS:g} s, the record has {seconds:g} s")
    if not {canonical_lead(name) for name in names} & set(LEADS):
        raise RecordError(
            f"{header.name}: expected at least one of the leads {', '.join(LEADS)}, came {', '.join(names)}"
        )
    rng = np.random.default_rng([seed, zlib.crc32(f"{profile.name} {header.name}".encode())])
    layout = choose_layout(profile, rng, seconds)
    images = []
    for k in range(number):
        page = draw_page(read_standard_leads(record)[0], fs, layout, profile, rng)
        images.append(_write_picture(folder, f"{header.name}-{k}", page))
        annotations = {"profile": profile.name, "seed": seed, "layout": layout.name} | annotate(page, images[-1])
        write_bytes(folder / f"{header.name}-{k}.json", (json.dumps(annotations) + "\n").encode())
    comments = [
        *header.comments_without(IMAGES, LABELS, PROFILE),
        f"{LABELS}: {', '.join(header.labels)}",
        f"{PROFILE}: {profile.name}",
        f"{IMAGES}: {', '.join(images)}",
    ]
    return write_record(folder, header.name, printed_part(signal, names, fs, layout), fs, names, comments=comments)


def printed_part(signal: np.ndarray, names: tuple[str, ...], fs: float, layout: PageLayout) -> np.ndarray:
    """Return ``signal`` (samples, leads) with NaN wherever ``layout`` does not print it."""
    printed = np.zeros(signal.shape, bool)
    for lead in layout.leads:
        first, last = round(lead.start * fs), round((lead.start + lead.duration) * fs)
        for column, name in enumerate(names):
            if canonical_lead(name) == lead.name:
                printed[first:last, column] = True
    return np.where(printed, signal, np.nan)


def _write_picture(folder: Path, stem: str, page: DrawnPage) -> str:
    """Write a page's picture and return its name; a file of the other format from an earlier run is removed."""
    pixels = cv2.cvtColor(page.image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    suffix, other = ".png", ".jpg"
    if done and data.size > LARGEST_PNG:
        suffix, other = other, suffix
        done, data = cv2.imencode(suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(
            f"a page of {page.image.shape[1]}x{page.image.shape[0]} pixels could not be written as {suffix}"
        )
    write_bytes(folder / f"{stem}{suffix}", data.tobytes())
    (folder / f"{stem}{other}").unlink(missing_ok=True)
    return f"{stem}{suffix}"


def annotate(page: DrawnPage, image: str) -> dict[str, object]:
    """Return a page's ground truth as JSON values: frames, outline, and each lead's place, box and points, pixels."""
    leads = [
        {
            "name": drawn.lead.name,
            "row": drawn.lead.row,
            "column": drawn.lead.column,
            "strip": drawn.lead.strip,
            "start": drawn.lead.start,
            "duration": drawn.lead.duration,
            "box": [round(value, 2) for value in drawn.box],
            "points": np.round(drawn.points.astype(float), 2).tolist(),
        }
        for drawn in page.leads
    ]
    return {
        "image": image,
        "size": list(page.image.shape[1::-1]),
        "paper_size_mm": list(page.paper_size),
        "pixels_per_mm": page.pixels_per_mm,
        "paper_to_picture": page.paper_to_picture.tolist(),
        "outline": np.round(page.outline, 2).tolist(),
        "leads": leads,
    }
