"""How training pages come: drawn on the fly or read, in worker processes with one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset

from ecgpage.synthesis import Profile, find_profiles
from ecgpage.synthesis.records import DrawRecord, PageReader, RecordDrawer
from ecgpage.synthesis.signals import SignalSettings
from ecgpage.training.configuration import DrawingSettings, StageSettings


def page_source(
    drawing: DrawingSettings, signals: SignalSettings, adapt: Callable[[Profile], Profile] = lambda profile: profile
) -> DrawRecord:
    """What shows a stage one of a record's pages, at random.

    Pages are drawn in ``drawing.profiles``, each first adapted to the stage, with the signal changed by ``signals``;
    or, with ``drawing.drawn_before``, they are those that stand beside the record, as they are.
    """
    if drawing.drawn_before:
        return PageReader()
    return RecordDrawer([kind.each(adapt) for kind in find_profiles(drawing.profiles)], signals)


def page_loader(
    pages: Dataset,
    settings: StageSettings,
    batch_size: int | None,
    collate: Callable[[Any], Any] | None = None,
    shuffle: bool | None = None,
) -> DataLoader:
    """Batches of a data set of pages, by ``settings.workers`` processes that live as long as the loader.

    batch_size: None where the data set gives whole batches.
    """
    workers = (os.cpu_count() or 2) - 1 if settings.workers < 0 else settings.workers
    return DataLoader(
        pages,
        batch_size,
        shuffle=shuffle,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_work_alone,
        persistent_workers=workers > 0,
        # a forked process can hang in OpenCV, whose threads it has lost
        multiprocessing_context="spawn" if workers > 0 else None,
    )


def _work_alone(_: int) -> None:
    """Keep a worker to one thread: the others have the remaining cores."""
    cv2.setNumThreads(1)
