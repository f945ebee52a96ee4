"""What else PTB-XL's tables say of its records: statements that the signal network learns beside the classes.

A cardiologist's codes (SCP-ECG), the heart's axis and an electrocardiograph's own statements (12SL, of PTB-XL+) tell of
the same beats in finer words. Networks learn to give them too, and what gives them is cut off when they have learnt
(multi-task learning, Caruana 1997).
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecgpage.diagnosis.folds import FoldError, record_number

STATEMENTS = "12sl_statements.csv"
"""PTB-XL+'s table beside PTB-XL's; its columns ecg_id and statements are read."""

FEWEST = 15
"""Records of a statement from which on it is learnt."""


def read_statements(names: Sequence[str], database: Path | None) -> np.ndarray:
    """What the tables state of records: (records, statements) float32 of 0, 1 and NaN where a table tells nothing.

    names: of the records, such as "00012_hr" or "12"; database: PTB-XL's table; without it there are no statements,
    and without PTB-XL+'s beside it none of 12SL. Statements of fewer than ``FEWEST`` of the records are left out.
    Raises FoldError for a table that cannot be read.
    """
    numbers = [record_number(name) for name in names]
    columns: list[np.ndarray] = []
    if database is not None:
        columns += _columns(numbers, _read_table(database, "scp_codes"))
        columns += _columns(numbers, _read_table(database, "heart_axis"))
        if (table := database.with_name(STATEMENTS)).is_file():
            columns += _columns(numbers, _read_table(table, "statements"))
    return np.stack(columns, axis=1) if columns else np.zeros((len(names), 0), np.float32)


def digest_of(statements: np.ndarray) -> str:
    """What tells statements, (records, statements) of 0, 1 and NaN, from others: 32 hexadecimal digits."""
    content = json.dumps(np.nan_to_num(statements, nan=2.0).astype(int).tolist())
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _columns(numbers: Sequence[str], said: Mapping[str, frozenset[str]]) -> list[np.ndarray]:
    """(records,) of each statement that enough records have, in alphabetical order."""
    words = sorted({word for number in numbers for word in said.get(number, ())})
    columns = [
        np.array([float(word in said[number]) if number in said else np.nan for number in numbers], np.float32)
        for word in words
    ]
    return [column for column in columns if np.nansum(column) >= FEWEST]


def _read_table(path: Path, column: str) -> dict[str, frozenset[str]]:
    """What a column states of every ecg_id: a word, or Python's notation of a dict or list of words.

    An empty field states nothing, nor do rows of other numbers and a column that is not there.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                (record_number((row.get("ecg_id") or "").removesuffix(".0")), row.get(column))
                for row in csv.DictReader(file)
            ]
        return {number: _words(text) for number, text in rows if number and text}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError, SyntaxError) as error:
        raise FoldError(f"expected words as {column} in {path}: {error!r}") from error


def _words(text: str) -> frozenset[str]:
    return frozenset(map(str, ast.literal_eval(text))) if text[0] in "[{" else frozenset([text])
