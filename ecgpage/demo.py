"""The demonstration: digitizes a folder of pages whose records are known, scores the outcome and draws it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from ecgpage.header import RecordHeader
from ecgpage.io import find_records, has_signal, read_header, read_signal, write_record, write_text
from ecgpage.recording import DigitizedPage, PageError, Recording
from ecgpage.reporting import page_report, save_picture, text_table, tsv_table
from ecgpage.scoring import Alignment, f_measures, mean, score_signal

if TYPE_CHECKING:
    from ecgpage.pipeline import SupportsDigitize

Report = Callable[[str], None]

Submit = Callable[[np.ndarray, float], np.ndarray]
"""From a record's signal (samples, leads) and fs to what is handed to the Challenge."""

ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)


@dataclass(frozen=True)
class Sample:
    """One record's outcome.

    snr: mean over the reference's leads in dB, by alignment; empty without a reference. failure: why there is no
    recording, else empty. pictures: the reports that were drawn. seconds: time to digitize all its pages.
    """

    header: RecordHeader
    recording: Recording | None
    snr: dict[Alignment, float]
    pictures: tuple[Path, ...]
    seconds: float
    failure: str = ""


def as_it_is(signal: np.ndarray, fs: float) -> np.ndarray:
    """Hand a signal over unchanged."""
    return signal


def run(samples: Path, model: Path, output: Path, report: Report = print, submit: Submit = as_it_is) -> list[Sample]:
    """Digitize the records of ``samples`` with the model of folder ``model``, write WFDB records, page reports and
    ``scores.tsv`` into ``output``, and report the Challenge scores, the official one of what ``submit`` returns.

    Raises PageError for a folder without records, and what ``build_pipeline`` raises for a model that is not whole.
    """
    records = _records(Path(samples))
    from ecgpage.pipeline import build_pipeline  # loads torch, which takes seconds

    begin = time.perf_counter()
    pipeline = build_pipeline(Path(model))
    report(f"Model of {model} loaded in {time.perf_counter() - begin:.1f} s.")
    return run_samples(Path(samples), records, pipeline, Path(output), report, submit)


def _records(samples: Path) -> list[str]:
    records = find_records(samples) if samples.is_dir() else []
    if not records:
        raise PageError(f"no records (*.hea) in {samples}: expected a folder of headers with their page pictures")
    return records


def run_samples(
    folder: Path,
    records: Sequence[str],
    pipeline: SupportsDigitize,
    output: Path,
    report: Report,
    submit: Submit = as_it_is,
) -> list[Sample]:
    """Digitize, write, score and draw ``records`` of ``folder`` with a pipeline that is loaded already."""
    results = []
    for record in records:
        result = _digitize(folder / record, pipeline, output, submit)
        results.append(result)
        report(f"{record}: {result.failure or ', '.join(str(path.name) for path in result.pictures)}")
        for warning in result.recording.warnings if result.recording else ():
            report(f"  {warning}")
    header, rows = score_rows(results)
    write_text(output / "scores.tsv", tsv_table(header, rows))
    report("\n" + text_table(header, rows, total=True) + "\n")
    report(f"SNR: {rows[-1][2]:.3f}\nF-measure: {f_measure(results):.3f}\n")
    report(
        "SNR in dB, mean over leads: as handed to the Challenge (a little late, see team_code.py) with its alignment;\n"
        "as read with that alignment's early shifts corrected; as read, unaligned.\n"
        "I+III=II: how far the limb leads agree as read, dB. seconds: from the picture to the record."
    )
    report(f"Records, page reports (*.report.png) and scores.tsv are in {output.resolve()}")
    return results


def _digitize(record: Path, pipeline: SupportsDigitize, output: Path, submit: Submit) -> Sample:
    """Digitize one record's pictures, of which one that cannot be read is passed over, and write what is found."""
    from ecgpage.pipeline import digitize_pictures, merge_pages

    header = read_header(record)
    reference = _reference(header, record)
    begin = time.perf_counter()
    pages, failures = digitize_pictures(header, pipeline)
    seconds = time.perf_counter() - begin
    recording = merge_pages([page for _, page in pages]) if pages else None
    if recording is not None:
        write_record(output, header.name, recording.signal, recording.fs, recording.names, recording.labels)
    pictures = tuple(_draw(image, page, reference, output) for image, page in pages)
    snr = _snr(header, reference, recording, submit)
    return Sample(header, recording, snr, pictures, seconds, "" if pages else "; ".join(failures))


def _reference(header: RecordHeader, record: Path) -> np.ndarray | None:
    """Return the record's own signal (samples, leads), mV, or None where it has none."""
    return read_signal(record)[0] if has_signal(header) else None


def _draw(image: Path, page: DigitizedPage, reference: np.ndarray | None, output: Path) -> Path:
    path = output / f"{image.stem}.report.png"
    save_picture(path, page_report(page, image.name, reference))
    return path


def _snr(
    header: RecordHeader, reference: np.ndarray | None, recording: Recording | None, submit: Submit
) -> dict[Alignment, float]:
    """Mean over leads by alignment; the organisers' alignment sees what is handed to them."""
    if reference is None:
        return {}
    scores = {}
    for alignment in ALIGNMENTS:
        estimate, names = (None, ()) if recording is None else (recording.signal, recording.names)
        if estimate is not None and alignment == "official":
            estimate = submit(estimate, header.fs)
        leads = score_signal(reference, header.names, estimate, names, header.fs, alignment)
        scores[alignment] = mean([lead.snr for lead in leads.values()])
    return scores


def _labels(results: Sequence[Sample]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return (reference, estimate): the class names of every record whose reference has some."""
    labelled = [result for result in results if result.header.labels]
    found = [result.recording.labels if result.recording else () for result in labelled]
    return [result.header.labels for result in labelled], found


def f_measure(results: Sequence[Sample]) -> float:
    """Mean F-measure over the classes that the references have; NaN where they have none."""
    return mean(list(f_measures(*_labels(results)).values()))


def score_rows(results: Sequence[Sample]) -> tuple[list[str], list[list[str | float | None]]]:
    """Return (header, rows) of the scores: one row per record, the last one their means."""
    header = ["record", "page", "SNR", "corrected", "unaligned", "I+III=II", "labels", "found", "seconds"]
    rows: list[list[str | float | None]] = []
    for result in results:
        recording = result.recording
        rows.append(
            [
                result.header.name,
                ", ".join(result.header.items("Profile")),
                *(result.snr.get(alignment) for alignment in ALIGNMENTS),
                recording.limb_lead_quality if recording else None,
                ", ".join(result.header.labels),
                ", ".join(recording.labels) if recording else "",
                result.seconds,
            ]
        )
    means = [mean([result.snr[a] for result in results if result.snr]) for a in ALIGNMENTS]
    seconds = mean([result.seconds for result in results])
    rows.append(["all", "", *means, None, "", "", seconds])
    return header, rows
