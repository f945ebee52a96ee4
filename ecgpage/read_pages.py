"""Reads a page of every record with the trained stages: what diagnosis is trained on, and how well pages are read."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from ecgpage.diagnosis.ink import ink_image
from ecgpage.diagnosis.reading import PageReading, ReadingError, read_reading, write_reading
from ecgpage.io import read_header
from ecgpage.leads import LEADS, PAGE_SECONDS
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.scoring import score_signal
from ecgpage.synthesis.annotations import printed_record
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training.checkpoints import keep_or_drop
from ecgpage.training.configuration import DrawingSettings
from ecgpage.training.loading import page_source

READ_BY = ("detector", "name_reader", "scale_reader", "digitizer")
"""Stages whose weights decide what is read."""

PROGRESS_SECONDS = 60.0


@dataclass(frozen=True)
class ReadingSettings:
    """Which page of each record is read: drawn in one of these profiles (none: all mixed) by this seed, or, with
    ``drawn_before``, the one that stands beside it.

    mixed: half precision on processors made for it (AVX-512 BF16), three times as fast there and 35 dB or more below
    the voltages.
    """

    profiles: tuple[str, ...] = ()
    drawn_before: bool = False
    seed: int = 0
    mixed: bool = True


def read_pages(
    records: Sequence[Path],
    model_folder: Path,
    folder: Path,
    settings: ReadingSettings,
    report: Callable[[str], None] = print,
    jobs: int = 0,
    seconds: float = float("inf"),
) -> list[PageReading | None]:
    """Draw a page of every record, read it with the stages of a model folder, and return the readings in order.

    folder: keeps the readings; those made of the same stages and settings are not made again. jobs: worker processes,
    0 for one per processor. seconds: after this long the records that are left, a random choice, stay None; so does
    one that cannot be drawn or read, with a line to ``report``. Raises CheckpointError for a model folder that lacks a
    stage, ValueError for records of the same name.
    """
    if len({record.name for record in records}) < len(records):
        raise ValueError("expected records of different names, came some twice: what is read is kept by name")
    build_pipeline(model_folder, diagnosis=False)  # says what is missing before any worker starts
    keep_or_drop(folder, reading_of(model_folder, settings), ["*.npz"], report)
    order = np.random.default_rng(settings.seed).permutation(len(records))
    missing = [records[k] for k in order if not _place(folder, records[k]).exists()]
    started = reported = time.monotonic()
    task = partial(_read_page, folder=folder, settings=settings)
    for count, fault in enumerate(_in_parallel(task, missing, model_folder, settings, jobs, seconds), 1):
        if fault:
            report(fault)
        now = time.monotonic()
        if now - reported > PROGRESS_SECONDS or count == len(missing):
            reported = now
            report(f"{count} of {len(missing)} pages read, {(now - started) / count:.2f} s each")
    return [_kept(_place(folder, record), report) for record in records]


def _place(folder: Path, record: Path) -> Path:
    return folder / f"{record.name}.npz"


def _kept(path: Path, report: Callable[[str], None]) -> PageReading | None:
    if not path.exists():
        return None
    try:
        return read_reading(path)
    except ReadingError as error:
        report(f"left out: {error}")
        return None


def reading_of(model_folder: Path, settings: ReadingSettings) -> str:
    """What readings are made of, as JSON: digests of the stages' weights that there are, and the settings."""
    weights = {stage: model_folder / f"{stage}.safetensors" for stage in READ_BY}
    digests = {
        stage: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for stage, path in weights.items()
        if path.exists()
    }
    return json.dumps(digests | asdict(settings), indent=2)


_pipeline: Pipeline | None = None
"""Of a worker process."""


def _start_worker(model_folder: Path, mixed: bool, threads: int) -> None:
    global _pipeline
    cv2.setNumThreads(1)
    torch.set_num_threads(threads)
    _pipeline = build_pipeline(model_folder, diagnosis=False)
    _pipeline.digitizer.mixed = mixed and torch.cpu._is_avx512_bf16_supported()


def _in_parallel(
    task: Callable[[Path], str],
    records: Iterable[Path],
    model_folder: Path,
    settings: ReadingSettings,
    jobs: int,
    seconds: float,
) -> Iterator[str]:
    processors = os.cpu_count() or 1
    jobs = jobs or processors
    end = time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    start = (model_folder, settings.mixed, max(1, processors // jobs))
    left = iter(records)
    with ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=start) as pool:
        running: set[Future[str]] = set()
        while True:
            while len(running) < 2 * jobs and time.monotonic() < end and (record := next(left, None)) is not None:
                running.add(pool.submit(task, record))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _read_page(record: Path, folder: Path, settings: ReadingSettings) -> str:
    """Read a page of one record; returns what went wrong, "" where nothing did."""
    assert _pipeline is not None
    drawing = DrawingSettings(settings.profiles, drawn_before=settings.drawn_before)
    rng = np.random.default_rng([settings.seed, 0, zlib.crc32(record.name.encode())])
    try:
        header = read_header(record)
        fs, count = header.fs, min(header.num_samples, round(PAGE_SECONDS * header.fs))
        drawn = page_source(drawing, AS_RECORDED)(record, rng)
        read = _pipeline.digitize(drawn.image, fs, count, LEADS)
    except (ValueError, OSError) as error:
        return f"left out: {record}: {error}"
    signal = read.recording.signal
    scores = score_signal(printed_record(drawn, LEADS, fs, count), LEADS, signal, LEADS, fs, "corrected")
    snr = np.array([scores[name].snr for name in LEADS])
    ink = ink_image(read.page.image, read.page.page_to_picture, read.page.size)
    write_reading(_place(folder, record), PageReading(signal, fs, ink, drawn.profile, snr))
    return ""
