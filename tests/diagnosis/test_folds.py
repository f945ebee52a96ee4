from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.diagnosis.folds import DATABASE, FoldError, assign_folds, count_patients, find_database


def table(path: Path, rows: list[tuple[int, float, object]]) -> Path:
    path.write_text("ecg_id,patient_id,strat_fold\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return path


@given(
    patients=st.lists(st.integers(1, 12), min_size=12, max_size=60).filter(lambda p: len(set(p)) >= 4),
    count=st.integers(2, 4),
)
def test_no_patient_stands_in_two_folds(
    tmp_path_factory: pytest.TempPathFactory, patients: list[int], count: int
) -> None:
    database = table(tmp_path_factory.mktemp("folds") / DATABASE, [(k, float(p), "") for k, p in enumerate(patients)])
    names = [f"{k:05d}_hr" for k in range(len(patients))]
    folds = assign_folds(names, count, database)
    for patient in set(patients):
        assert len({fold for fold, other in zip(folds, patients, strict=True) if other == patient}) == 1
    assert set(folds.tolist()) == set(range(count))


def test_the_data_sets_own_folds_are_kept_whole(tmp_path: Path) -> None:
    """Ten given folds, the tenth as large as four others: five folds, the tenth by itself."""
    given = [*range(1, 10), *([10] * 4)]
    database = table(tmp_path / DATABASE, [(k, k, fold) for k, fold in enumerate(given)])
    folds = assign_folds([f"{k:05d}_hr" for k in range(len(given))], 5, database)
    alone = {fold for fold, own in zip(folds, given, strict=True) if own == 10}
    assert len(alone) == 1
    assert not alone & {fold for fold, own in zip(folds, given, strict=True) if own != 10}
    np.testing.assert_array_equal(np.sort(np.bincount(folds)), [2, 2, 2, 3, 4])


def test_records_without_a_table_are_their_own_patients() -> None:
    folds = assign_folds([f"record {k}" for k in range(10)], 5)
    np.testing.assert_array_equal(np.bincount(folds), [2] * 5)
    np.testing.assert_array_equal(folds, assign_folds([f"record {k}" for k in range(10)], 5))


def test_patients_are_counted_as_they_are_parted(tmp_path: Path) -> None:
    database = table(tmp_path / DATABASE, [(1, 5, 1), (2, 5, 2), (3, 6, 3)])
    assert count_patients(["00001_hr", "00002_hr", "3", "another"], database) == 3
    assert count_patients(["00001_hr", "00002_hr"]) == 2 and count_patients([]) == 0


def test_too_few_patients_and_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FoldError, match="at least 3 patients"):
        assign_folds(["a", "b"], 3)
    (tmp_path / "other.csv").write_text("name,age\nx,3\n")
    with pytest.raises(FoldError, match=r"other\.csv"):
        assign_folds(["1", "2"], 2, tmp_path / "other.csv")


def test_the_table_is_found_in_the_folder_or_beside_it(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    assert find_database(tmp_path / "records") is None
    beside = table(tmp_path / DATABASE, [(1, 1, 1)])
    assert find_database(tmp_path / "records") == beside
    inside = table(tmp_path / "records" / DATABASE, [(1, 1, 1)])
    assert find_database(tmp_path / "records") == inside
