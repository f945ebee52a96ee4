"""Tables as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.reporting import text_table, tsv_table
from ecgpage.reporting.tables import format_value


def test_numbers_stand_right_and_words_left():
    table = text_table(["record", "SNR"], [["a", 1.0], ["long name", 12.345]])
    assert table.splitlines() == ["record       SNR", "---------  -----", "a           1.00", "long name  12.35"]


def test_total_is_set_apart():
    lines = text_table(["n", "x"], [["a", 1.0], ["b", 2.0], ["all", 3.0]], total=True).splitlines()
    assert lines[-2] == lines[1]
    assert lines[-1].startswith("all")


def test_unknown_values_are_dashes():
    assert [format_value(value) for value in (None, float("nan"), -0.5, 3, "x")] == ["-", "-", "-0.50", "3", "x"]


def test_rows_of_another_length_are_refused():
    with pytest.raises(ValueError, match="a row of 1 cells under a header of 2"):
        text_table(["a", "b"], [["x"]])


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_tsv_keeps_its_shape(rows):
    lines = tsv_table(["a", "b"], rows).split("\n")
    assert lines[-1] == ""
    assert len(lines) == len(rows) + 2
    assert all(line.count("\t") == 1 for line in lines[:-1])


def test_tables_without_rows_are_headers():
    assert text_table(["a"], []) == "a\n-"
    assert tsv_table(["a", "b"], []) == "a\tb\n"
