"""Training crops for the digitizer: leads of pages drawn on the fly, cut as inexactly as the pipeline will cut them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ecgpage.digitization.crop import CropPadding, LeadCrop, crop_lead
from ecgpage.digitization.features import crop_features
from ecgpage.digitization.loss import DigitizerBatch
from ecgpage.digitization.targets import TraceTarget, trace_target
from ecgpage.geometry import apply_homography
from ecgpage.synthesis import DrawnLead, DrawnPage
from ecgpage.synthesis.records import DrawRecord

COLUMNS = 512
"""Width of a training crop."""

FEWEST_POINTS = 250
"""Leads of which fewer samples are in view are not shown: half a second at 500 Hz."""

COLUMN_MM = 64.0
"""Paper across a training crop."""


@dataclass(frozen=True)
class CropJitter:
    """How far a training crop may be off; each figure is the largest deviation to either side.

    time, height: of the box's edges, mm; scale: of millimetres in either direction, fraction; rotation, shear: rad;
    zero: of the zero line, mm. no_zero: chance that the zero line is not known. astray: chance that a box's upper and
    lower edges are off by up to ``stray`` mm instead, as a detector's are where rows are crowded. cut: chance that its
    upper or its lower edge cuts off up to ``most_cut`` of its height, as where a detector misses a tall wave.
    """

    time: float = 4.0
    height: float = 4.0
    scale: float = 0.01
    rotation: float = 0.009
    shear: float = 0.005
    zero: float = 3.0
    no_zero: float = 0.5
    astray: float = 0.1
    stray: float = 12.0
    cut: float = 0.12
    most_cut: float = 0.8

    def __post_init__(self) -> None:
        if not (min(self.astray, self.cut) >= 0 and self.astray + self.cut <= 1):
            raise ValueError(f"astray and cut must be chances of one draw, got {self.astray} and {self.cut}")
        if not 0 <= self.most_cut <= 1:
            raise ValueError(f"most_cut must be a share of a box's height, got {self.most_cut}")


@dataclass(frozen=True)
class CropSampling:
    """leads: crops of one page; buffer: crops among which a batch is drawn; jitter: see ``CropJitter``.

    crowded: how much more often a lead is shown whose box lies wholly under others, whose traces are those that are
    mixed up: 2 shows it three times as often as one that stands alone.
    """

    leads: int = 5
    buffer: int = 64
    jitter: CropJitter = CropJitter()
    crowded: float = 2.0

    def __post_init__(self) -> None:
        if self.leads < 1 or self.buffer < 1:
            raise ValueError(f"leads and buffer must be at least 1, got {self.leads} and {self.buffer}")
        if not self.crowded >= 0:
            raise ValueError(f"crowded must not be negative, got {self.crowded}")


Example = tuple[LeadCrop, TraceTarget]


class DrawnLeadBatches(IterableDataset):
    """Batches of crops of one size. An epoch shows one page of every record, chosen at random.

    pages_per_record: different pages of a record, told apart by their seed; 0 draws a new one every time.
    Chance follows torch's generator, so that a seeded training can be repeated and a resumed one sees new crops.
    """

    def __init__(
        self,
        records: Sequence[Path],
        draw: DrawRecord,
        batch_size: int,
        pages_per_record: int = 0,
        seed: int = 0,
        sampling: CropSampling | None = None,
    ) -> None:
        super().__init__()
        self.records = tuple(records)
        self.draw = draw
        self.batch_size = batch_size
        self.pages_per_record = pages_per_record
        self.seed = seed
        self.sampling = sampling or CropSampling()

    def __iter__(self) -> Iterator[DigitizerBatch]:
        rng = np.random.default_rng([self.seed, int(torch.randint(2**31, ()))])
        buffer: list[Example] = []
        for examples in self.examples(rng):
            buffer += examples
            while len(buffer) >= self.sampling.buffer + self.batch_size:
                yield collate(take_batch(buffer, self.batch_size, rng))
        while buffer:
            yield collate(take_batch(buffer, self.batch_size, rng))

    def examples(self, rng: np.random.Generator) -> Iterator[list[Example]]:
        """The examples of one page of every record, page by page, in random order."""
        worker = get_worker_info()
        share = range(worker.id, len(self.records), worker.num_workers) if worker else range(len(self.records))
        for index in rng.permutation(np.array(share, dtype=int)):
            seed = [self.seed, index, rng.integers(self.pages_per_record or 2**31)]
            try:
                page = self.draw(self.records[index], np.random.default_rng(seed))
            except ValueError as error:
                warnings.warn(f"left out of training: {error}", stacklevel=2)
                continue
            leads = [lead for lead in visible_leads(page) if _printed(lead).sum() >= FEWEST_POINTS]
            weights = 1 + self.sampling.crowded * share_under_others(leads, page.paper_to_picture)
            count = min(len(leads), round(self.sampling.leads * float(weights.mean()))) if leads else 0
            chosen = rng.choice(len(leads), count, replace=False, p=weights / weights.sum()) if count else []
            yield [draw_example(page, leads[k], self.sampling.jitter, rng) for k in chosen]


def visible_leads(page: DrawnPage) -> list[DrawnLead]:
    """The page's leads, with NaN for the points that lie outside the picture or are covered there."""
    return [replace(lead, points=np.where(lead.seen[:, None], lead.points, np.float32("nan"))) for lead in page.leads]


def paper_box(lead: DrawnLead, paper_to_picture: np.ndarray) -> tuple[float, float, float, float]:
    """Box (x0, y0, x1, y1) in paper millimetres around a drawn lead's printed samples."""
    points = lead.points[_printed(lead)]
    if not len(points):
        raise ValueError(f"lead {lead.lead.name} has no printed sample")
    on_paper = apply_homography(np.linalg.inv(paper_to_picture), points)
    return (*on_paper.min(axis=0), *on_paper.max(axis=0))


def share_under_others(leads: Sequence[DrawnLead], paper_to_picture: np.ndarray) -> np.ndarray:
    """The share of each lead's box on paper that the other leads' boxes cover, (n,), at most 1.

    What several of them cover counts for each. paper_to_picture: (3, 3) homography, millimetres to picture pixels.
    Raises ValueError for a lead without a printed sample.
    """
    boxes = np.array([paper_box(lead, paper_to_picture) for lead in leads]).reshape(-1, 4)
    low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    own = np.diag(common)
    return np.minimum((common.sum(axis=1) - own) / np.maximum(own, 1e-9), 1)


def zero_height(lead: DrawnLead, paper_to_picture: np.ndarray) -> float:
    """Paper y, mm, of a drawn lead's zero line: the median over its printed samples. NaN without one."""
    on_paper = apply_homography(np.linalg.inv(paper_to_picture), lead.points)
    return float(np.nanmedian(on_paper[:, 1] + lead.gain * lead.values))


def _printed(lead: DrawnLead) -> np.ndarray:
    """Which samples have a place in the picture, (n,) bool."""
    return np.isfinite(lead.points).all(axis=1)


def draw_example(page: DrawnPage, lead: DrawnLead, jitter: CropJitter, rng: np.random.Generator) -> Example:
    """Cut a window of ``COLUMNS`` columns out of a lead's crop, with its target."""
    box = paper_box(lead, page.paper_to_picture)
    paper_to_picture = page.paper_to_picture @ _inexact_paper(box, jitter, rng)
    box = _inexact_box(paper_box(lead, paper_to_picture), jitter, rng)
    usual = CropPadding()
    padding = CropPadding(max(usual.time, (COLUMN_MM - (box[2] - box[0])) / 2), usual.height)
    zero = zero_height(lead, paper_to_picture) + jitter.zero * rng.triangular(-1, 0, 1)
    crop = crop_lead(page.image, paper_to_picture, box, padding, None if rng.random() < jitter.no_zero else zero)
    spare = crop.image.shape[1] - COLUMNS
    # Starts beyond either end count as the end, which shows the ends of long strips often enough.
    margin = min(spare, COLUMNS // 4)
    start = int(np.clip(rng.integers(-margin, spare + margin + 1), 0, spare))
    window = crop.columns(start, start + COLUMNS)
    return window, trace_target(lead.points, window, paper_to_picture)


def take_batch(buffer: list[Example], size: int, rng: np.random.Generator) -> list[Example]:
    """Take up to ``size`` random examples of one crop height out of the buffer; commoner heights go first."""
    heights = np.array([crop.image.shape[0] for crop, _ in buffer])
    values, counts = np.unique(heights, return_counts=True)
    full = counts >= size
    height = rng.choice(values[full], p=counts[full] / counts[full].sum()) if full.any() else values[counts.argmax()]
    chosen = rng.permutation(np.flatnonzero(heights == height))[:size]
    return [buffer.pop(index) for index in sorted(chosen, reverse=True)]


def collate(examples: Sequence[Example]) -> DigitizerBatch:
    """Stack examples of one size."""
    return DigitizerBatch(
        torch.from_numpy(np.stack([crop_features(crop) for crop, _ in examples])),
        torch.from_numpy(np.stack([target.height for _, target in examples])),
        torch.from_numpy(np.stack([target.presence for _, target in examples])),
    )


def _inexact_paper(box: tuple[float, float, float, float], jitter: CropJitter, rng: np.random.Generator) -> np.ndarray:
    """Homography from paper as the pipeline may have found it to true paper, exact at the box's middle."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    angle = rng.uniform(-jitter.rotation, jitter.rotation)
    shear = rng.uniform(-jitter.shear, jitter.shear)
    scale_x, scale_y = 1 + rng.uniform(-jitter.scale, jitter.scale, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.array([[scale_x, shear], [0.0, scale_y]])
    homography = np.eye(3)
    homography[:2, :2] = linear
    homography[:2, 2] = np.array([x, y]) - linear @ (x, y)
    return homography


def _inexact_box(
    box: tuple[float, float, float, float], jitter: CropJitter, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Move each edge; small deviations are the usual ones. Some boxes are far off, some cut off a wave at one side (see
    ``CropJitter``). A box keeps at least half of its width."""
    x0, y0, x1, y1 = box
    left, right = jitter.time * rng.triangular(-1, 0, 1, 2)
    kind = rng.random()
    top, bottom = (jitter.stray if kind < jitter.astray else jitter.height) * rng.triangular(-1, 0, 1, 2)
    if jitter.astray <= kind < jitter.astray + jitter.cut:
        missed = jitter.most_cut * rng.random() * (y1 - y0)
        top, bottom = (top + missed, bottom) if rng.random() < 0.5 else (top, bottom - missed)
    quarter = (x1 - x0) / 4
    x0, x1 = x0 + np.clip(left, -jitter.time, quarter), x1 + np.clip(right, -quarter, jitter.time)
    low, high = min(y0 + top, y1 + bottom), max(y0 + top, y1 + bottom)
    return float(x0), float(low), float(x1), float(high)
