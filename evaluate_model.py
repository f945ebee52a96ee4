"""Score the outputs of the Challenge models against reference records.

    python evaluate_model.py -d REFERENCES -o OUTPUTS [-s SCORES] [-n] [-x] [-ta SNRS] [-tb F_MEASURES]

Prints the organisers' scores; ``--corrected_alignment`` repairs their treatment of estimates that come early. Values
that they leave undefined are defined in ``ecgpage.scoring``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgpage.header import RecordError
from ecgpage.io import find_records, has_signal, header_path, read_header, read_signal, write_text
from ecgpage.scoring import Alignment, LeadScores, f_measures, mean, score_signal


@dataclass(frozen=True)
class Evaluation:
    """leads: scores per record and lead; classes: F-measure per class."""

    leads: dict[str, dict[str, LeadScores]]
    classes: dict[str, float]

    def mean(self, score: str) -> float:
        """Mean of a score over all leads of all records."""
        return mean([getattr(lead, score) for leads in self.leads.values() for lead in leads.values()])


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Score the outputs of the Challenge models.")
    parser.add_argument("-d", "--data_folder", type=Path, required=True, help="reference records")
    parser.add_argument("-o", "--output_folder", type=Path, required=True, help="estimated records")
    parser.add_argument("-s", "--score_file", type=Path, help="file for the scores, instead of the screen")
    alignment = parser.add_mutually_exclusive_group()
    alignment.add_argument("-n", "--no_shift", action="store_true", help="do not align the estimates")
    alignment.add_argument(
        "-c", "--corrected_alignment", action="store_true", help="keep estimates whole that are aligned as early"
    )
    parser.add_argument("-x", "--extra_scores", action="store_true", help="print four further scores")
    parser.add_argument("-ta", "--snr_table", type=Path, help="file for the SNR of each record and lead")
    parser.add_argument("-tb", "--f_measure_table", type=Path, help="file for the F-measure of each class")
    return parser


def evaluate(
    data_folder: Path, output_folder: Path, alignment: Alignment = "official", extra: bool = False
) -> Evaluation:
    """Score all records of a folder. Raises RecordError for a folder without records and for an output whose
    sampling rate is not its reference's."""
    records = find_records(data_folder)
    if not records:
        raise RecordError(f"no records (*.hea) in {data_folder}")
    leads, references, estimates = {}, [], []
    for record in records:
        header = read_header(data_folder / record)
        if has_signal(header):
            leads[record] = _score_record(data_folder / record, output_folder / record, alignment, extra)
        if header.labels:
            references.append(header.labels)
            output = header_path(output_folder / record)
            estimates.append(read_header(output).labels if output.is_file() else ())
    return Evaluation(leads, f_measures(references, estimates))


def _score_record(reference: Path, output: Path, alignment: Alignment, extra: bool) -> dict[str, LeadScores]:
    signal, fs, names = read_signal(reference, np.float64)
    if not header_path(output).is_file() or not has_signal(read_header(output)):
        return score_signal(signal, names, None, (), fs, alignment, extra)
    estimate, output_fs, output_names = read_signal(output, np.float64)
    if output_fs != fs:
        raise RecordError(f"{output}: expected the reference's sampling rate, {fs:g} Hz, found {output_fs:g} Hz")
    return score_signal(signal, names, estimate, output_names, fs, alignment, extra)


def format_scores(evaluation: Evaluation, extra: bool = False) -> str:
    """Return the lines that are printed."""
    lines = {"SNR": evaluation.mean("snr")}
    if extra:
        lines |= {
            "SNR median": evaluation.mean("snr_median"),
            "KS metric": evaluation.mean("ks"),
            "ASCI metric": evaluation.mean("asci"),
            "Weighted absolute difference metric": evaluation.mean("weighted_absolute_difference"),
        }
    lines["F-measure"] = mean(list(evaluation.classes.values()))
    return "".join(f"{name}: {value:.3f}\n" for name, value in lines.items())


def format_snr_table(evaluation: Evaluation) -> str:
    """Return tab-separated SNRs, a row per record and a column per lead."""
    names = sorted({name for leads in evaluation.leads.values() for name in leads})
    rows = [["Record", *names]]
    for record, leads in evaluation.leads.items():
        rows.append([record, *(str(leads[name].snr) if name in leads else "" for name in names)])
    return "".join("\t".join(row) + "\n" for row in rows)


def format_f_measure_table(evaluation: Evaluation) -> str:
    """Return tab-separated classes and F-measures."""
    return "".join(f"{name}\t{value}\n" for name, value in evaluation.classes.items())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    args = get_parser().parse_args(arguments)
    alignment: Alignment = "none" if args.no_shift else "corrected" if args.corrected_alignment else "official"
    try:
        evaluation = evaluate(args.data_folder, args.output_folder, alignment, args.extra_scores)
    except RecordError as error:
        print(f"evaluate_model.py: {error}", file=sys.stderr)
        return 1
    scores = format_scores(evaluation, args.extra_scores)
    if args.score_file:
        write_text(args.score_file, scores)
    else:
        print(scores, end="")
    if args.snr_table:
        write_text(args.snr_table, format_snr_table(evaluation))
    if args.f_measure_table:
        write_text(args.f_measure_table, format_f_measure_table(evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
