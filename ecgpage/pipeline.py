"""Composes the stages: the one place that knows their order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from ecgpage.calibration.assembly import assemble, limb_lead_quality
from ecgpage.calibration.behind_rows import grid_behind_rows
from ecgpage.calibration.first_line import time_begins
from ecgpage.calibration.grid import GridEstimate, nothing_found
from ecgpage.calibration.lead_ends import tell_ends
from ecgpage.calibration.parts import find_grid
from ecgpage.calibration.patchwork import even_patchwork
from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.pulse import Pulse, find_pulse
from ecgpage.calibration.reconciliation import reconciled
from ecgpage.calibration.row_bend import rows_refute
from ecgpage.calibration.scale import (
    by_squares_alone,
    calibrate,
    calibrate_again,
    layout_scale,
    pixels_per_second,
    runs_at,
)
from ecgpage.calibration.scale_reader import PrintedScale, ScaleReader, load_scale_reader
from ecgpage.calibration.told_scale import FAST, apply_scale, at_fast_speed, at_speed, pace_needed, runs_fast
from ecgpage.calibration.traced_boxes import boxes_of_all_their_time, traced_boxes
from ecgpage.detection.closer import Region, detect_closely, look_again, turns_to_try, upright_evidence
from ecgpage.detection.detector import LeadDetector, load_detector
from ecgpage.detection.fused_boxes import fused, with_mean_ends
from ecgpage.detection.layout import Support, arrange, support
from ecgpage.detection.name_reader import NameReader, load_name_reader
from ecgpage.diagnosis.classifier import Classifier, load_classifier
from ecgpage.diagnosis.pace import runs_at_half_pace
from ecgpage.digitization.digitizer import Digitizer, load_digitizer
from ecgpage.digitization.rows import trace_rows
from ecgpage.digitization.strokes import follow_strokes
from ecgpage.geometry import bent_box, flat_box, largest_rise, map_box
from ecgpage.header import RecordHeader
from ecgpage.io import read_header, read_image
from ecgpage.leads import LEADS, MILLIMETERS_PER_SECOND, PAGE_SECONDS, USUAL_GAINS
from ecgpage.page.flattening import laid_flat
from ecgpage.page.negative import SURE_NEGATIVE, bright_over_dark
from ecgpage.page.rectification import rotate_page, straighten_with_grid, straighten_without_grid
from ecgpage.recording import Calibration, Diagnosis, DigitizedPage, LeadBox, LeadTrace, Page, PageError, Recording

WELL_EXPLAINED = 0.87
"""Share of the greatest support from which on an arrangement explains a page so well that it is not looked at again."""

COMPARABLE = 0.6
"""Share of the most evidence that a look must have to be taken for what an arrangement says of it."""

ALIKE = 0.8
"""Share of the best look's support that a look needs to be told together with it, and that they must have together."""

LOOKS = 2
"""How often a page without a grid's lines is calibrated again by its traces; from the second on for a grid alone."""

BENT = 1.0
"""Millimetres by which the paper's bend leads a row up or down from which on leads are looked for on it laid flat."""

PACE_FS = 250.0
"""Hz at which beats are looked at for their pace."""

POOR_QUALITY = 5.0
"""dB; limb leads that agree less than this make a page doubtful (see ``assembly.limb_lead_quality``)."""


class SupportsDigitize(Protocol):
    """What a record's pictures are digitized with: a ``Pipeline``."""

    def digitize(self, image: np.ndarray, fs: float, num_samples: int, names: Sequence[str]) -> DigitizedPage:
        """Digitize a picture (H, W, 3) uint8 RGB into a recording of ``num_samples`` at ``fs`` Hz."""


class Pipeline:
    """From a picture to a recording, with models that are loaded once.

    name_reader: reads the printed lead names; without one, names are the detector's and the layout's alone.
    scale_reader: reads the printed paper speed and gain; without one, leads' lengths and calibration pulses tell them.
    stage_seconds: how long each stage of the last page took, s.
    """

    def __init__(
        self,
        detector: LeadDetector,
        digitizer: Digitizer,
        classifier: Classifier | None = None,
        name_reader: NameReader | None = None,
        scale_reader: ScaleReader | None = None,
    ) -> None:
        self.detector = detector
        self.digitizer = digitizer
        self.classifier = classifier
        self.name_reader = name_reader
        self.scale_reader = scale_reader
        self.stage_seconds: dict[str, float] = {}

    def judged_by(self, classifier: Classifier | None) -> Pipeline:
        """The same stages with another classifier, or with none."""
        other = copy(self)
        other.classifier = classifier
        return other

    def digitize(self, image: np.ndarray, fs: float, num_samples: int, names: Sequence[str]) -> DigitizedPage:
        """Digitize one picture of a page, (H, W, 3) uint8 RGB.

        The recording has ``num_samples`` samples at ``fs`` Hz of the leads ``names`` (any order, any case), mV, NaN
        where nothing is printed. A picture without leads gives a recording of NaN that says so in its warnings.
        """
        self.stage_seconds = {}
        page, leads, calibration, traces, warnings = self.read_leads(image, min(PAGE_SECONDS, num_samples / fs))
        with self._clock("assembly"):
            speed = calibration.speed if calibration else MILLIMETERS_PER_SECOND
            gains = calibration.gains if calibration else USUAL_GAINS
            placed = place_traces(traces, speed, calibration.column_lines if calibration else None)
            traces = placed.named(traces)
            begin = time_begins(placed.traces, page, calibration) if calibration and placed.traces else None
            read = assemble(placed.traces, names, fs, num_samples, begin, speed, gains)
            signal, deviation = tell_ends(*read, fs)
            quality = limb_lead_quality(signal, names)
            signal = reconciled(signal, deviation, names, fs, gains[0])
            leads = leads if calibration is None else traced_boxes(leads, traces, calibration, placed.gap)
        warnings += placed.notes + _doubts(page, calibration, placed.left_out, quality)
        diagnosis = self._diagnose(page, signal, fs, names)
        recording = Recording(signal, fs, tuple(names), diagnosis, quality, warnings, deviation)
        return DigitizedPage(page, leads, calibration, traces, recording)

    def read_leads(
        self, image: np.ndarray, seconds: float = PAGE_SECONDS
    ) -> tuple[Page, tuple[LeadBox, ...], Calibration | None, tuple[LeadTrace, ...], tuple[str, ...]]:
        """Find the leads of a page of ``seconds`` and trace them: (page, leads, calibration, traces, warnings).

        Leads on paper that bends are looked for again on it laid flat; strokes that traces leave out are followed,
        where millimetres are sure to be none of another paper speed. Of an arrangement, leads whose boxes end well
        inside their time are traced again in longer ones. Boxes of leads are in page pixels, those of traces in paper
        millimetres; without leads there are neither calibration nor traces. Raises as ``find_leads``.
        """
        page, grid, leads, warnings = self.find_leads(image, seconds)
        if not leads:
            return page, (), None, (), warnings
        calibration, traces = self.calibrate_and_trace(page, grid, leads)
        if largest_rise(calibration.bend, [trace.lead.box for trace in traces]) >= BENT:
            flat = self._look_laid_flat(page, grid, leads, calibration, seconds)
            leads, traces, warnings = flat or (leads, traces, warnings)
        traces = self._with_strokes(page, traces, calibration)
        calibration, traces = self.told_scale(page, calibration, traces)
        arranged = support(leads, page.size).value > 0  # else times are a guess
        longer = boxes_of_all_their_time(traces, page, calibration) if arranged else None
        if longer is not None:
            traces = self._with_strokes(page, self._trace_on_paper(page, longer, calibration), calibration)
        return page, leads, calibration, traces, warnings

    def find_leads(
        self, image: np.ndarray, seconds: float = PAGE_SECONDS
    ) -> tuple[Page, GridEstimate, tuple[LeadBox, ...], tuple[str, ...]]:
        """Straighten a picture of a page of ``seconds`` and find its leads, whichever way up it is.

        A page without clear leads is also looked at turned by 90, 180 and 270 degrees; one whose names are hardly read
        turned by 180, for upside down a page looks much alike, but no scale is read there. Where no arrangement
        explains well what is found, it is looked at again, closer and squeezed, and looks that are explained alike are
        told together. The look is kept that an arrangement explains best. What looks like a negative, and a picture on
        which no lead is found, is looked at with bright and dark exchanged as well, and taken so if that is explained
        alike, or better where it may be none. Returns (page, grid, leads, warnings), boxes in page pixels. Raises
        PageError for a picture too small or too large.
        """
        page, grid, leads, warnings = self._find_leads(image, seconds)
        bright = bright_over_dark(page, leads) if leads else SURE_NEGATIVE
        if bright > 1.0:
            other, its_grid, others, notes = self._find_leads(255 - image, seconds)
            needed = (ALIKE if bright >= SURE_NEGATIVE else 1.0) * support(leads, page.size).value
            if support(others, other.size).value > needed:
                notes = ("The picture is a negative: bright and dark were exchanged.", *notes)
                return other, its_grid, others, notes
        return page, grid, leads, warnings

    def _find_leads(
        self, image: np.ndarray, seconds: float
    ) -> tuple[Page, GridEstimate, tuple[LeadBox, ...], tuple[str, ...]]:
        """As ``find_leads``, of a picture whose traces are darker than paper."""
        with self._clock("rectification"):
            page, grid = straighten_with_grid(image)
        with self._clock("detection"):
            look, grid = self._turned_upright(page, grid, seconds)
        if grid.found and not look.support.value:  # it may be a screen's raster
            with self._clock("rectification"):
                page = straighten_without_grid(image)
            with self._clock("detection"):
                plain, _ = self._turned_upright(page, nothing_found(), seconds)
                look, grid = (plain, nothing_found()) if plain.support.value else (look, grid)
        with self._clock("detection"):
            boxes, page = look.boxes, look.page
            leads, warnings = arrange(boxes, seconds, page.size, pixels_per_second(grid)) if boxes else ((), ())
        return page, grid, leads, warnings

    def _turned_upright(self, page: Page, grid: GridEstimate, seconds: float) -> tuple[_Look, GridEstimate]:
        """The best look at a page of ``seconds``, turned by quarter turns, and its grid: where one of them makes a
        printed scale legible that one, else the one that an arrangement explains best."""
        region, boxes = grid.region, self._detect(page, grid.region)
        tries = [self._best_look(page, boxes)]
        for turns in turns_to_try(boxes):
            turned = rotate_page(page, turns)
            there = region and map_box(np.linalg.inv(turned.page_to_picture) @ page.page_to_picture, region)
            tries.append(self._best_look(turned, self._detect(turned, there)))
        legible = [look for look in tries if len(tries) > 1 and self._shows_scale(look, seconds)]
        best = _best_explained(legible or tries)
        return best, grid if best.page is page else find_grid(best.page)

    def _shows_scale(self, look: _Look, seconds: float) -> bool:
        """Whether a scale is read surely on a page of ``seconds``, its millimetres told by its leads' lengths."""
        scale = layout_scale(arrange(look.boxes, seconds, look.page.size)[0]) if look.boxes else None
        if scale is None:
            return False
        rough = Calibration(np.diag([scale, scale, 1.0]), (scale, scale), "layout")
        return self.printed_scale(look.page, rough) != PrintedScale()

    def _best_look(self, page: Page, boxes: list[LeadBox]) -> _Look:
        """The boxes or, of a page that no arrangement explains well, those of further looks: of all that are explained
        alike together or, where these are not, of the best."""
        first = _Look(page, boxes)
        if first.support.share >= WELL_EXPLAINED:
            return first
        again = look_again(self.detector, self.name_reader, page, boxes)
        looks = [first, *(_Look(page, found) for found in again)]
        best = _best_explained(looks)
        alike = [look for look in looks if look.is_explained_like(best)]
        together = _Look(page, fused([look.boxes for look in alike])) if len(alike) > 1 else best
        return together if together.is_explained_like(best) else best

    def _detect(self, page: Page, gridded: Region | None) -> list[LeadBox]:
        """Detect a page's leads and read their names; boxes in page pixels."""
        boxes = detect_closely(self.detector, page, gridded)
        return boxes if self.name_reader is None else self.name_reader(page, boxes)

    def _look_laid_flat(
        self,
        page: Page,
        grid: GridEstimate,
        leads: tuple[LeadBox, ...],
        calibration: Calibration,
        seconds: float,
    ) -> tuple[tuple[LeadBox, ...], tuple[LeadTrace, ...], tuple[str, ...]] | None:
        """Leads, traces and warnings of a page whose paper bends, looked for on the paper laid flat.

        leads: those found on it as it is. None where an arrangement explains what is found on flat paper less well than
        these, or none does, and where time would not run there as the calibration has it.
        """
        with self._clock("detection"):
            laid = laid_flat(page, calibration)
            if laid is None:
                return None
            flat, flat_to_paper = laid
            look = self._best_look(flat, self._detect(flat, None))
            if not 0 < look.support.value >= ALIKE * support(leads, page.size).value:
                return None
            told = pixels_per_second(grid)
            along = told and told._replace(value=MILLIMETERS_PER_SECOND / flat_to_paper[0, 0])
            found, warnings = arrange(look.boxes, seconds, flat.size, along)
        on_paper = tuple(replace(lead, box=map_box(flat_to_paper, lead.box), others=()) for lead in found)
        if not runs_at(calibration.speed, on_paper):
            return None
        on_paper = with_mean_ends(on_paper, self._on_paper(leads, calibration))
        traced = self._trace_on_paper(page, on_paper, calibration)
        paper_to_page, bend = calibration.paper_to_page, calibration.bend
        on_page = tuple(replace(lead, box=bent_box(paper_to_page, lead.box, bend)) for lead in on_paper)
        return on_page, traced, warnings

    def calibrate_and_trace(
        self, page: Page, grid: GridEstimate, leads: Sequence[LeadBox]
    ) -> tuple[Calibration, tuple[LeadTrace, ...]]:
        """Find the page's millimetres, and the leads' traces on them, before print and pulse tell other scales.

        Where no grid's lines are told the traces, once made, tell more of the millimetres, or where its lines must be,
        and are made again; so are those on paper whose bend they refute, or whose grid is a patchwork. leads: boxes in
        page pixels, at least one. Raises PageError where there is neither a grid nor a lead of known duration.
        """
        with self._clock("calibration"):
            calibration = calibrate(page, leads, grid)
        traces = self._trace_leads(page, leads, calibration)
        for look in range(LOOKS):
            if look and calibration.source == "grid":
                break
            with self._clock("calibration"):
                better = calibrate_again(page, leads, traces, calibration, grid)
            if better is calibration or (look and better.source != "grid"):
                break
            calibration, traces = better, self._trace_leads(page, leads, better)
        even = self._evened(page, grid, leads, calibration, traces)
        if rows_refute(traces, even):
            even = replace(even, bend=None)
        if even is not calibration:
            calibration, traces = even, self._trace_leads(page, leads, even)
        return calibration, traces

    def _evened(
        self,
        page: Page,
        grid: GridEstimate,
        leads: Sequence[LeadBox],
        calibration: Calibration,
        traces: Sequence[LeadTrace],
    ) -> Calibration:
        """The calibration with millimetres by the panels of a figure, where the page is one, or by a grid that rows
        were taken for; else itself.

        A grid whose lines do not stand together may be one of many panels.
        """
        if calibration.source == "grid":
            even = even_patchwork(page, calibration, traces, grid)
            return grid_behind_rows(page, leads, traces, calibration) if even is calibration else even
        by_squares = by_squares_alone(page, leads, grid)
        if by_squares is None:
            return calibration
        even = even_patchwork(page, by_squares, self._trace_leads(page, leads, by_squares), grid)
        return calibration if even is by_squares else even

    def _trace_leads(self, page: Page, leads: Sequence[LeadBox], calibration: Calibration) -> tuple[LeadTrace, ...]:
        return self._trace_on_paper(page, self._on_paper(leads, calibration), calibration)

    @staticmethod
    def _on_paper(leads: Sequence[LeadBox], calibration: Calibration) -> tuple[LeadBox, ...]:
        """Leads whose boxes are in page pixels, with boxes in paper millimetres."""
        paper_to_page, bend = calibration.paper_to_page, calibration.bend
        return tuple(replace(lead, box=flat_box(paper_to_page, lead.box, bend), others=()) for lead in leads)

    def _trace_on_paper(
        self, page: Page, leads: tuple[LeadBox, ...], calibration: Calibration
    ) -> tuple[LeadTrace, ...]:
        """Trace leads whose boxes are in paper millimetres."""
        with self._clock("digitization"):
            paper_to_picture = page.page_to_picture @ calibration.paper_to_page
            return tuple(trace_rows(self.digitizer, page.image, paper_to_picture, leads, calibration.bend))

    def _with_strokes(self, page: Page, traces: Sequence[LeadTrace], calibration: Calibration) -> tuple[LeadTrace, ...]:
        """Traces in paper millimetres with the strokes that they leave out, where millimetres are sure."""
        if not calibration.usual_squares:
            return tuple(traces)
        with self._clock("strokes"):
            paper_to_picture = page.page_to_picture @ calibration.paper_to_page
            return tuple(follow_strokes(page.image, paper_to_picture, traces, calibration.bend))

    def told_scale(
        self, page: Page, calibration: Calibration, traces: Sequence[LeadTrace]
    ) -> tuple[Calibration, tuple[LeadTrace, ...]]:
        """Calibration and traces at the speed and the gains that print and pulse tell.

        Where they tell no speed and the beats run at half the pace of any heart, the page is taken to run at ``FAST``.
        A page that its leads alone scale is also asked for print as small as it is if they last as long at that speed,
        which it then has if this is read more surely.
        """
        with self._clock("calibration"):
            pulse, printed = _pulse(page, calibration, traces), self.printed_scale(page, calibration)
            at_fast = at_fast_speed(calibration, traces, printed, pulse)
            if at_fast is not None:
                smaller = self.printed_scale(page, at_fast[0])
                if runs_fast(printed, smaller, pulse):
                    calibration, traces = at_fast
                    pulse, printed = _pulse(page, calibration, traces), smaller
            told = apply_scale(calibration, traces, printed, pulse)
            needed = pace_needed(printed, pulse)
            if calibration.speed == MILLIMETERS_PER_SECOND and needed is not None:
                placed = place_traces(told[1], calibration.speed, calibration.column_lines).traces
                signal, _ = assemble(placed, LEADS, PACE_FS, round(PAGE_SECONDS * PACE_FS), speed=calibration.speed)
                if runs_at_half_pace(signal, PACE_FS, needed):
                    return at_speed(*told, FAST)
            return told

    def printed_scale(self, page: Page, calibration: Calibration) -> PrintedScale:
        """What the page prints of its paper speed and gain, as far as it is read."""
        return PrintedScale() if self.scale_reader is None else self.scale_reader(page, calibration)

    def _diagnose(self, page: Page, signal: np.ndarray, fs: float, names: Sequence[str]) -> Diagnosis | None:
        if self.classifier is None:
            return None
        with self._clock("diagnosis"):
            return self.classifier.predict(page, signal, fs, names)

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + time.perf_counter() - begin


@dataclass(frozen=True)
class _Look:
    """What was found on a page, boxes in its pixels."""

    page: Page
    boxes: list[LeadBox]

    @cached_property
    def support(self) -> Support:
        """How well an arrangement explains the boxes."""
        return support(self.boxes, self.page.size)

    @cached_property
    def evidence(self) -> float:
        """How much the boxes look like leads of a page that lies the right way up."""
        return upright_evidence(self.boxes)

    def is_explained_like(self, other: _Look) -> bool:
        """Whether an arrangement explains the boxes, and by ``ALIKE`` as well as those of another look."""
        return self.support.value >= ALIKE * other.support.value > 0


def _pulse(page: Page, calibration: Calibration, traces: Sequence[LeadTrace]) -> Pulse | None:
    """The pulse that a page shows beside its traces, measured on the calibration's millimetres; None without one."""
    return find_pulse(page.image, page.page_to_picture @ calibration.paper_to_page, traces, calibration.bend)


def _best_explained(looks: Sequence[_Look]) -> _Look:
    """The look that an arrangement explains best, the first of equals. One with far less evidence is not taken, for the
    page may be in no known arrangement."""
    most = max(look.evidence for look in looks)
    comparable = [look for look in looks if look.evidence >= COMPARABLE * most]
    return max(comparable, key=lambda look: (look.support.value, look.evidence))


def _doubts(
    page: Page, calibration: Calibration | None, left_out: Sequence[LeadTrace], quality: float
) -> tuple[str, ...]:
    """What a reader should know before trusting the recording, whose limb leads agree to ``quality`` dB."""
    if calibration is None:
        height, width = page.image.shape[:2]
        return (f"no ECG lead found in this picture of {width} x {height} pixels: is a whole page in view?",)
    doubts = []
    if calibration.source != "grid":
        doubts.append(f"no grid found: time and voltage are scaled by the leads' extent, {calibration.scale} assumed")
    elif not calibration.is_usual:
        doubts.append(f"by its print, calibration pulse, grid and beats the page runs at {calibration.scale}")
    if left_out:
        names = ", ".join(trace.lead.name for trace in left_out)
        doubts.append(f"left out, their traces being more likely wrong than right: {names}")
    if quality < POOR_QUALITY:
        doubts.append(f"the limb leads disagree: I + III = II holds to {quality:.1f} dB only, check the traces")
    return tuple(doubts)


def merge_pages(pages: Sequence[DigitizedPage]) -> Recording:
    """One recording from several pictures of the same record.

    The page that shows most is taken, at equal shares the one whose limb leads agree best; what it does not show is
    filled from the others in that order. Its limb leads' agreement is that of the first page that shows enough of them,
    as it was read, or, where none does, of what they show together. Raises ValueError for no pages.
    """
    if not pages:
        raise ValueError("expected at least one digitized page, came none")
    order = sorted((page.recording for page in pages), key=_quality, reverse=True)
    signal, deviation = order[0].signal.copy(), order[0].deviation
    deviation = None if deviation is None else deviation.copy()
    for recording in order[1:]:
        missing = np.isnan(signal)
        signal[missing] = recording.signal[missing]
        if deviation is not None and recording.deviation is not None:
            deviation[missing] = recording.deviation[missing]
    warnings = tuple(dict.fromkeys(text for recording in order for text in recording.warnings))
    read = (recording.limb_lead_quality for recording in order)
    quality = next(filter(np.isfinite, read), limb_lead_quality(signal, order[0].names))
    return replace(order[0], signal=signal, warnings=warnings, limb_lead_quality=quality, deviation=deviation)


def _quality(recording: Recording) -> tuple[float, float]:
    shown = float(np.isfinite(recording.signal).mean())
    agreement = recording.limb_lead_quality
    return round(shown, 1), agreement if np.isfinite(agreement) else -100.0


def digitize_record(record: Path, pipeline: Pipeline) -> Recording:
    """Digitize the pictures that a record's header lists and merge them, as its header says (leads, fs, length).

    A picture that cannot be read is left out with a warning. Raises PageError where the header lists none or none can
    be read.
    """
    header = read_header(record)
    pages, failures = digitize_pictures(header, pipeline)
    if not pages:
        raise PageError(f"{record}: none of its pictures can be digitized: {'; '.join(failures)}")
    recording = merge_pages([page for _, page in pages])
    return replace(recording, warnings=(*failures, *recording.warnings))


def digitize_pictures(
    header: RecordHeader, pipeline: SupportsDigitize
) -> tuple[list[tuple[Path, DigitizedPage]], list[str]]:
    """Digitize every picture that a header lists: ([(picture, page)], why others could not be)."""
    if not header.images:
        return [], ["expected a line '# Image: NAME.png' in the header, found no picture listed"]
    pages, failures = [], []
    for path in header.images:
        try:
            page = pipeline.digitize(read_image(path), header.fs, header.num_samples, header.names)
        except PageError as error:
            failures.append(str(error))
        else:
            pages.append((path, page))
    return pages, failures


def build_pipeline(model_folder: Path, diagnosis: bool = True) -> Pipeline:
    """Load detector, digitizer, readers of names and scale and, for ``diagnosis``, classifier from a model folder; the
    readers and the classifier may be missing.

    Raises CheckpointError naming the file that is missing or broken. No file is unpickled.
    """
    folder = Path(model_folder)
    return Pipeline(
        detector=load_detector(folder),
        digitizer=load_digitizer(folder),
        classifier=load_classifier(folder) if diagnosis else None,
        name_reader=load_name_reader(folder),
        scale_reader=load_scale_reader(folder),
    )
