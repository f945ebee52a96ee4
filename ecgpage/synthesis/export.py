"""Draws the pages of a folder of records into a Challenge-style folder: the same header, signal and pictures that the
Challenge hands out, with the ground truth of every page beside it."""

from __future__ import annotations

import glob
import json
import multiprocessing
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ecgpage.header import IMAGES, LABELS, RecordError
from ecgpage.io import find_records, header_path, read_header, read_signal, write_bytes, write_record, write_text
from ecgpage.leads import LEADS, PAGE_SECONDS, canonical_lead, standard_leads
from ecgpage.synthesis.annotations import DrawnPage, annotate, printed_record, yolo_labels
from ecgpage.synthesis.arrangement import choose_arrangement
from ecgpage.synthesis.drawing import draw_page
from ecgpage.synthesis.profile import Mixture, Profile, choose_profile, find_profiles
from ecgpage.synthesis.records import SHORTEST_SECONDS
from ecgpage.synthesis.signals import AS_RECORDED, VARIED, vary_signal

PROFILE = "Profile"
"""Key of the header's comment that tells how a record's pages were drawn."""

LARGEST_PNG = 1_200_000
"""Bytes; a picture that needs more as PNG is written as JPEG."""

JPEG_QUALITY = 90


@dataclass(frozen=True)
class ExportSettings:
    """What is drawn of each record: ``number`` pages of the kind named ``profile``; the same ``seed`` draws the same
    bytes. varied: signals changed at random (``signals.VARIED``) instead of printed as recorded; their records' labels
    no longer hold and are left out.

    Raises ValueError for an unknown profile and a number below 1.
    """

    profile: str
    seed: int = 0
    number: int = 1
    varied: bool = False

    def __post_init__(self) -> None:
        find_profiles([self.profile])
        if self.number < 1:
            raise ValueError(f"expected at least one page of each record, came {self.number}")

    @property
    def kind(self) -> Profile | Mixture:
        """The kind of pages."""
        return find_profiles([self.profile])[0]

    def note(self) -> str:
        """What a header says of how its pages were drawn."""
        signals = "varied signals" if self.varied else "signals as recorded"
        return f"{self.profile}, seed {self.seed}, {self.number} page{'s' if self.number > 1 else ''}, {signals}"


def export_pages(
    records: Path,
    pages: Path,
    settings: ExportSettings,
    jobs: int = 1,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Draw pages of every record and return the headers' paths, in the order of the records.

    records: a folder of WFDB records, or one record's header. pages: where ``NAME.hea`` and ``NAME.dat`` (NaN where
    nothing is printed), ``NAME-0.png`` or ``.jpg``, ``NAME-0.json`` (see ``annotations.annotate``) and ``NAME-0.txt``
    (YOLO labels) are written. jobs: worker processes; they change nothing but the time.

    A record's pages depend on its name and the settings, not on the other records; all show the same leads of the same
    signal in the same arrangement, on different paper, of a longer record the first ``PAGE_SECONDS``. A lead that is
    missing or NaN is not drawn. Every file appears whole, the header last: a run that was stopped goes on with the
    records that have none yet, or one of other settings. Records that cannot be drawn are passed over; once the others
    are done, RecordError names them. Raises RecordError for no records and for a folder drawn into itself.
    """
    folder, names = _records(Path(records))
    pages = Path(pages)
    if pages.resolve() == folder.resolve():
        raise RecordError(f"pages would be written over their records in {folder}: choose another folder")
    draw = partial(_export_record, folder, pages, settings)
    headers, failures = {}, {}
    for name, header, said in _in_parallel(draw, names, jobs):
        (failures if header is None else headers)[name] = said if header is None else header
        report(said)
    if failures:
        reasons = "; ".join(failures[name] for name in names if name in failures)
        raise RecordError(f"{len(failures)} of {len(names)} records could not be drawn: {reasons}")
    return [headers[name] for name in names]


Outcome = tuple[str, Path | None, str]
"""A record's name, its new header (None where it could not be drawn), and what there is to say."""


def _in_parallel(draw: Callable[[str], Outcome], names: Iterable[str], jobs: int) -> Iterator[Outcome]:
    if jobs < 1:
        raise ValueError(f"expected at least one worker process, came {jobs}")
    if jobs == 1:
        yield from map(draw, names)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(draw, name) for name in names]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _records(path: Path) -> tuple[Path, list[str]]:
    """Return (folder, names of its records) for a folder or for one record."""
    if header_path(path).is_file():
        return path.parent, [header_path(path).stem]
    names = find_records(path) if path.is_dir() else []
    if not names:
        raise RecordError(f"no records (*.hea) in {path}")
    return path, names


def _export_record(folder: Path, pages: Path, settings: ExportSettings, name: str) -> Outcome:
    """Draw one record's pages, unless they are there."""
    record, target = folder / name, pages / Path(name).parent
    done = target / header_path(Path(name).name)
    try:
        if done.is_file() and read_header(done).items(PROFILE) == tuple(settings.note().split(", ")):
            return name, done, f"{done.with_suffix('')}: there already"
        _clear(target, Path(name).name)
        header = _draw_record(record, target, settings)
    except (ValueError, OSError) as error:
        return name, None, str(error)
    return name, header, f"{header.with_suffix('')}: {settings.note()}"


def _clear(folder: Path, name: str) -> None:
    """Remove what an earlier run wrote of a record, its header first: pages of other settings, or half a run."""
    header_path(folder / name).unlink(missing_ok=True)
    stem = glob.escape(name)
    for pattern in (f".{stem}*.partial", *(f"{stem}-*{suffix}" for suffix in (".png", ".jpg", ".json", ".txt"))):
        for path in folder.glob(pattern):
            if path.suffix == ".partial" or path.stem.removeprefix(f"{name}-").isdigit():
                path.unlink(missing_ok=True)


def _draw_record(record: Path, folder: Path, settings: ExportSettings) -> Path:
    header = read_header(record)
    signal, fs, names = read_signal(record)
    seconds = min(PAGE_SECONDS, len(signal) / fs)
    if seconds < SHORTEST_SECONDS:
        raise RecordError(f"{header.name}: a page needs at least {SHORTEST_SECONDS:g} s, the record has {seconds:g} s")
    if not {canonical_lead(name) for name in names} & set(LEADS):
        raise RecordError(
            f"{header.name}: expected at least one of the leads {', '.join(LEADS)}, came {', '.join(names)}"
        )
    rng = np.random.default_rng([settings.seed, zlib.crc32(f"{settings.profile} {header.name}".encode())])
    profile = choose_profile(settings.kind, rng)
    arrangement = choose_arrangement(profile.arrangement, rng, seconds)
    printed = vary_signal(standard_leads(signal, names), fs, VARIED if settings.varied else AS_RECORDED, rng)
    images = []
    for k in range(settings.number):
        page = draw_page(printed, fs, arrangement, profile, rng)
        stem = f"{header.name}-{k}"
        images.append(_write_picture(folder, stem, page))
        truth = {"record": header.name, "seed": settings.seed} | annotate(page, images[-1])
        write_text(folder / f"{stem}.json", json.dumps(truth) + "\n")
        write_text(folder / f"{stem}.txt", yolo_labels(page))
    comments = [
        *header.comments_without(IMAGES, LABELS, PROFILE),
        f"{LABELS}: {'' if settings.varied else ', '.join(header.labels)}",
        f"{PROFILE}: {settings.note()}",
        f"{IMAGES}: {', '.join(images)}",
    ]
    reference = printed_record(page, tuple(canonical_lead(name) or "" for name in names), fs, len(signal))
    return write_record(folder, header.name, reference, fs, names, comments=comments)


def _write_picture(folder: Path, stem: str, page: DrawnPage) -> str:
    """Write a page's picture and return its name."""
    pixels = cv2.cvtColor(page.image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    suffix = ".png"
    if done and data.size > LARGEST_PNG:
        suffix = ".jpg"
        done, data = cv2.imencode(suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(
            f"a page of {page.image.shape[1]}x{page.image.shape[0]} pixels could not be written as {suffix}"
        )
    write_bytes(folder / f"{stem}{suffix}", data.tobytes())
    return f"{stem}{suffix}"
