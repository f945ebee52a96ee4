"""Add demographics and Challenge labels to the headers of PTB-XL records.

    python prepare_ptbxl_data.py -i ptb-xl/records500 -d ptb-xl/ptbxl_database.csv -s ptb-xl/scp_statements.csv \\
        -sd ptb-xl/12sl_statements.csv -sm ptb-xl/12slv23ToSNOMED.csv -o OUTPUT

Tables: PTB-XL (https://physionet.org/content/ptb-xl) and, for the split of infarctions into acute and old, PTB-XL+
(https://physionet.org/content/ptb-xl-plus). As in the Challenge, the 12SL statements alone make an acute infarction.
"""

from __future__ import annotations

import argparse
import ast
import csv
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from ecgpage.header import LABELS, RecordError
from ecgpage.io import find_records, header_path, read_header, write_text

ACUTE_MI_STATEMENTS = frozenset({821, 822, 823, 827, 829, 902, 903, 904, 963, 964, 965, 966, 967, 968})
"""Numbers of the 12SL statements that speak of an acute infarction."""

RHYTHMS = {
    "PAC": {"PAC"},
    "PVC": {"PVC"},
    "AFIB/AFL": {"AFIB", "AFLT"},
    "TACHY": {"STACH", "SVTAC", "PSVT"},
    "BRADY": {"SBRAD"},
}
"""Challenge classes that stand for SCP codes themselves, not for their superclasses."""

DEMOGRAPHICS = ("Age", "Sex", "Height", "Weight")


@dataclass(frozen=True)
class Tables:
    """What PTB-XL's and PTB-XL+'s tables say.

    records: row per ecg_id; superclasses: diagnostic superclass per SCP code; acute: ecg_ids with an acute infarction
    among their 12SL statements.
    """

    records: dict[int, dict[str, str]]
    superclasses: dict[str, str]
    acute: frozenset[int]


def read_tables(database: Path, statements: Path, sl_statements: Path | None, sl_mapping: Path | None) -> Tables:
    """Read the tables; without the two 12SL tables no infarction is acute."""
    records = {int(row["ecg_id"]): row for row in _rows(database)}
    superclasses = {
        row[""].strip(): row["diagnostic_class"].strip()
        for row in _rows(statements)
        if row["diagnostic"] and float(row["diagnostic"]) == 1
    }
    acute: frozenset[int] = frozenset()
    if sl_statements and sl_mapping:
        numbers = {str(number) for number in ACUTE_MI_STATEMENTS}
        acronyms = {row["Acronym"] for row in _rows(sl_mapping) if row["StatementNumber"] in numbers}
        acute = frozenset(
            int(row["ecg_id"])
            for row in _rows(sl_statements)
            if acronyms.intersection(ast.literal_eval(row["statements"]))
        )
    return Tables(records, superclasses, acute)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise RecordError(f"no table {path}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def challenge_labels(ecg_id: int, tables: Tables) -> list[str]:
    """Return the Challenge's classes of a PTB-XL record, in the Challenge's order."""
    likelihoods = ast.literal_eval(tables.records[ecg_id]["scp_codes"])
    codes = {code for code, likelihood in likelihoods.items() if likelihood >= 0}
    superclasses = {tables.superclasses.get(code) for code in codes}
    acute = ecg_id in tables.acute
    labels = {
        "NORM": "NORM" in superclasses,
        "Acute MI": acute,
        "Old MI": "MI" in superclasses and not acute,
        **{name: name in superclasses for name in ("STTC", "CD", "HYP")},
        **{name: bool(codes & own) for name, own in RHYTHMS.items()},
    }
    return [name for name, present in labels.items() if present]


def challenge_header(text: str, ecg_id: int, tables: Tables) -> str:
    """Return a PTB-XL header with recording time, demographics and labels, in place of any it already has."""
    row = tables.records[ecg_id]
    date, time = row["recording_date"].split()
    year, month, day = date.split("-")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = " ".join(lines[0].split()[:4]) + f" {time} {day}/{month}/{year}"
    ours = tuple(f"# {key}:" for key in (*DEMOGRAPHICS, LABELS))
    kept = [line for line in lines[1:] if not line.startswith(ours)]
    values = {
        "Age": _number(row["age"]),
        "Sex": {"0": "Male", "1": "Female"}.get(_number(row["sex"]), "Unknown"),
        "Height": _number(row["height"]),
        "Weight": _number(row["weight"]),
        LABELS: ", ".join(challenge_labels(ecg_id, tables)),
    }
    return "\n".join([first, *kept, *(f"# {key}: {value}".rstrip() for key, value in values.items())]) + "\n"


def _number(text: str) -> str:
    """Write a table's number without needless decimals; Unknown where there is none."""
    try:
        value = float(text)
    except ValueError:
        return "Unknown"
    return str(int(value)) if value.is_integer() else str(value)


def prepare(input_folder: Path, output_folder: Path, tables: Tables) -> int:
    """Write the headers, and copy the signals where the folders differ; returns the number of records."""
    records = find_records(input_folder)
    if not records:
        raise RecordError(f"no records (*.hea) in {input_folder}")
    for record in records:
        match = re.match(r"\d+", Path(record).name)
        if match is None or int(match[0]) not in tables.records:
            raise RecordError(f"{input_folder / record}: expected a name that starts with an ecg_id of the database")
        source, target = header_path(input_folder / record), header_path(output_folder / record)
        write_text(target, challenge_header(source.read_text(encoding="utf-8"), int(match[0]), tables))
        if source.resolve() != target.resolve():
            for name in {field.file for field in read_header(source).signals}:
                if (source.parent / name).is_file():
                    shutil.copy2(source.parent / name, target.parent / name)
    return len(records)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; the organisers' names of the options are understood too."""
    parser = argparse.ArgumentParser(description="Add demographics and Challenge labels to PTB-XL headers.")
    parser.add_argument("-i", "--input_folder", type=Path, required=True, help="PTB-XL records")
    parser.add_argument(
        "-d", "-pd", "--ptbxl_database_file", dest="database", type=Path, required=True, help="ptbxl_database.csv"
    )
    parser.add_argument(
        "-s", "-pm", "--ptbxl_mapping_file", dest="statements", type=Path, required=True, help="scp_statements.csv"
    )
    parser.add_argument("-sd", "--sl_database_file", dest="sl_statements", type=Path, help="12sl_statements.csv")
    parser.add_argument("-sm", "--sl_mapping_file", dest="sl_mapping", type=Path, help="12slv23ToSNOMED.csv")
    parser.add_argument("-o", "--output_folder", type=Path, required=True, help="folder for the prepared records")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    args = get_parser().parse_args(arguments)
    if not (args.sl_statements and args.sl_mapping):
        print("prepare_ptbxl_data.py: without -sd and -sm every infarction is labelled Old MI", file=sys.stderr)
    try:
        tables = read_tables(args.database, args.statements, args.sl_statements, args.sl_mapping)
        count = prepare(args.input_folder, args.output_folder, tables)
    except RecordError as error:
        print(f"prepare_ptbxl_data.py: {error}", file=sys.stderr)
        return 1
    print(f"{count} records prepared in {args.output_folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
