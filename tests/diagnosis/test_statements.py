"""Statements from tables as PTB-XL's."""

from pathlib import Path

import numpy as np
import pytest

from ecgpage.diagnosis.folds import FoldError
from ecgpage.diagnosis.statements import FEWEST, STATEMENTS, digest_of, read_statements

RECORDS = 2 * FEWEST


def tables(folder: Path) -> Path:
    """Every record is NORM or LVH by turns, with an axis if NORM; 12SL has the first half alone, all NML, one AFIB."""
    rows = ["ecg_id,scp_codes,heart_axis"]
    for k in range(RECORDS):
        code, axis = ("LVH", "") if k % 2 else ("NORM", "MID")
        rows.append(f"{k + 1}.0,\"{{'{code}': 100.0}}\",{axis}")
    database = folder / "ptbxl_database.csv"
    database.write_text("\n".join(rows), encoding="utf-8")
    said = [f"{k + 1},\"['NML'{', ' + repr('AFIB') if k == 0 else ''}]\"" for k in range(FEWEST)]
    (folder / STATEMENTS).write_text("\n".join(["ecg_id,statements", *said]), encoding="utf-8")
    return database


def test_statements_of_enough_records_and_what_is_not_told(tmp_path: Path) -> None:
    names = [f"{k + 1:05d}_hr" for k in range(RECORDS)] + ["stranger"]
    found = read_statements(names, tables(tmp_path))
    assert found.shape == (RECORDS + 1, 4)  # LVH, NORM; MID; NML, not AFIB
    odd = np.arange(RECORDS) % 2
    np.testing.assert_array_equal(found[:RECORDS, 0], odd)
    np.testing.assert_array_equal(found[:RECORDS, 1], 1 - odd)
    np.testing.assert_array_equal(found[:RECORDS, 2], np.where(odd, np.nan, 1))
    np.testing.assert_array_equal(found[:RECORDS, 3], np.where(np.arange(RECORDS) < FEWEST, 1, np.nan))
    assert np.isnan(found[-1]).all()


def test_without_tables_nothing_is_stated(tmp_path: Path) -> None:
    assert read_statements(["1", "2"], None).shape == (2, 0)
    database, names = tables(tmp_path), [str(k + 1) for k in range(RECORDS)]
    (tmp_path / STATEMENTS).unlink()
    assert read_statements(names, database).shape == (RECORDS, 3)
    database.write_text("ecg_id,patient_id\n1,7\n", encoding="utf-8")
    assert read_statements(names, database).shape == (RECORDS, 0)


def test_rows_that_are_of_no_record_state_nothing(tmp_path: Path) -> None:
    database, names = tables(tmp_path), [str(k + 1) for k in range(RECORDS)]
    expected = read_statements(names, database)
    with database.open("a", encoding="utf-8") as file:
        file.write("\n,,\nJS0001,\"{'LVH': 100.0}\",MID\ninf,,\n")
    np.testing.assert_array_equal(read_statements(names, database), expected)


@pytest.mark.parametrize("content", ["ecg_id,scp_codes\n1,{'NORM", "ecg_id,scp_codes\n1,{NORM: 1}"])
def test_a_table_of_something_else_is_said_to_be(tmp_path: Path, content: str) -> None:
    database = tmp_path / "ptbxl_database.csv"
    database.write_text(content, encoding="utf-8")
    with pytest.raises(FoldError, match="expected"):
        read_statements(["1"], database)


def test_the_digest_tells_statements_apart() -> None:
    statements = np.array([[0, 1, np.nan]], np.float32)
    assert digest_of(statements) == digest_of(statements.copy())
    others = (statements.T, np.array([[0, 1, 0]], np.float32), np.zeros((1, 0), np.float32))
    assert len({digest_of(statements), *map(digest_of, others)}) == 4
