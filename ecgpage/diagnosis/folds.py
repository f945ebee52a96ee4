"""Parts of the records for cross-validation: a patient never stands in two."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATABASE = "ptbxl_database.csv"
"""PTB-XL's table of records; its columns ecg_id, patient_id and strat_fold are read."""


class FoldError(ValueError):
    """Records that cannot be parted; the message says why."""


@dataclass(frozen=True)
class Origin:
    """Whose record it is, and the fold that the data set's makers gave it; "" where they gave none."""

    patient: str
    fold: str = ""


def assign_folds(names: Sequence[str], count: int, database: Path | None = None, seed: int = 0) -> np.ndarray:
    """Part records into ``count`` folds of about equal sizes: (records,) numbers from 0.

    names: of the records, such as "00012_hr" or "12". database: PTB-XL's table; its patients stay together, and so do
    its folds where there are at least ``count`` of them. A record that it does not list is its own patient. Raises
    FoldError for a table that cannot be read and for fewer patients than folds.
    """
    origins = _origins(names, database)
    given = {origin.fold for origin in origins if origin.fold}
    keep_given = len(given) >= count
    groups: dict[str, list[int]] = {}
    for k, origin in enumerate(origins):
        key = f"fold {origin.fold}" if keep_given and origin.fold else f"patient {origin.patient}"
        groups.setdefault(key, []).append(k)
    if len(groups) < count:
        raise FoldError(f"expected at least {count} patients for {count} folds, came {len(groups)}")
    order = np.random.default_rng(seed).permutation(len(groups))
    members = [list(groups.values())[k] for k in order]
    folds, sizes = np.zeros(len(names), int), np.zeros(count, int)
    for group in sorted(members, key=len, reverse=True):  # the largest first, each to the smallest fold
        fold = int(np.argmin(sizes))
        folds[group] = fold
        sizes[fold] += len(group)
    return folds


def count_patients(names: Sequence[str], database: Path | None = None) -> int:
    """How many patients the records are of, as ``assign_folds`` tells them apart."""
    return len({origin.patient for origin in _origins(names, database)})


def _origins(names: Sequence[str], database: Path | None) -> list[Origin]:
    """Of each record; one that the table does not list is a patient of its own name."""
    known = {} if database is None else read_origins(database)
    return [known.get(record_number(name), Origin(f"of {name}")) for name in names]


def record_number(name: str) -> str:
    """PTB-XL's ecg_id of a record's name, "" where it has none: "00012_hr" -> "12"."""
    found = re.fullmatch(r"0*(\d+)(?:_[hl]r)?", name)
    return found[1] if found else ""


def read_origins(database: Path) -> dict[str, Origin]:
    """Read PTB-XL's table: the origin of every ecg_id. Raises FoldError for anything else."""
    try:
        with database.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            row["ecg_id"]: Origin(row["patient_id"].removesuffix(".0"), row.get("strat_fold") or "") for row in rows
        }
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise FoldError(
            f"expected columns ecg_id and patient_id, as in {DATABASE}, in {database}: {error!r}"
        ) from error


def find_database(folder: Path) -> Path | None:
    """PTB-XL's table in the folder or beside it; None where there is none."""
    for place in (folder / DATABASE, folder.parent / DATABASE):
        if place.is_file():
            return place
    return None
