"""The data tools: PTB-XL headers with labels, pictures listed, hidden data removed."""

import csv

import numpy as np
import pytest

import prepare_image_data
import prepare_ptbxl_data
import remove_hidden_data
from ecgpage.io import read_header, read_signal, write_record

DATABASE = ("ecg_id", "age", "sex", "height", "weight", "recording_date", "scp_codes")
ROWS = [
    (1, "56.0", 1, "", "63.0", "1984-11-09 09:17:34", "{'NORM': 100.0, 'SR': 0.0, 'PVC': 0.0}"),
    (2, "", 0, "170.5", "", "1985-01-02 00:00:01", "{'IMI': 15.0, 'AFLT': 0.0, 'IRBBB': 100.0}"),
    (3, "300", 0, "", "", "1986-01-02 00:00:01", "{'AMI': 0.0, 'PSVT': 0.0, 'LVH': 50}"),
    (4, "40", 0, "", "", "1986-01-02 00:00:01", "{'SBRAD': 0.0, 'NDT': -1.0}"),
]
STATEMENTS = [
    ("", "diagnostic", "diagnostic_class"),
    *(("NORM", "1.0", "NORM"), ("IMI", "1.0", "MI"), ("AMI", "1.0", "MI"), ("IRBBB", "1.0", "CD")),
    *(("LVH", "1.0", "HYP"), ("NDT", "1.0", "STTC"), ("SR", "", ""), ("PVC", "", "")),
]


def write_csv(path, rows):
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def ptbxl(tmp_path):
    """A folder with four PTB-XL-like records and their tables."""
    for number in range(1, 5):
        write_record(tmp_path / "records500" / "00000", f"{number:05}_hr", np.ones((5, 2)), 500, ("I", "AVR"))
    write_csv(tmp_path / "ptbxl_database.csv", [DATABASE, *ROWS])
    write_csv(tmp_path / "scp_statements.csv", STATEMENTS)
    sl = [("ecg_id", "statements"), (1, "['NSR']"), (2, "['NSR', 'STEMI']"), (3, "['NOSTEMI']")]
    write_csv(tmp_path / "12sl_statements.csv", sl)
    mapping = [("StatementNumber", "Acronym"), (821, "STEMI"), (19, "NSR"), (1000, "NOSTEMI"), ("", "")]
    write_csv(tmp_path / "12slv23ToSNOMED.csv", mapping)
    return tmp_path


def prepare(folder, *flags):
    tables = ["-d", folder / "ptbxl_database.csv", "-s", folder / "scp_statements.csv"]
    arguments = ["-i", folder / "records500", *tables, *flags, "-o", folder / "out"]
    return prepare_ptbxl_data.main([str(argument) for argument in arguments])


def sl_tables(folder):
    return "-sd", folder / "12sl_statements.csv", "-sm", folder / "12slv23ToSNOMED.csv"


def test_labels_by_hand(ptbxl):
    assert prepare(ptbxl, *sl_tables(ptbxl)) == 0
    labels = [read_header(ptbxl / "out" / "00000" / f"{number:05}_hr").labels for number in range(1, 5)]
    assert labels == [
        ("NORM", "PVC"),
        ("Acute MI", "CD", "AFIB/AFL"),
        ("Old MI", "HYP", "TACHY"),  # NOSTEMI is no STEMI
        ("BRADY",),  # a negative likelihood does not count
    ]


def test_header_lines_and_signals(ptbxl):
    prepare(ptbxl, *sl_tables(ptbxl))
    prepare_again = (ptbxl / "out" / "00000" / "00002_hr.hea").read_text()
    assert prepare_again.splitlines()[0] == "00002_hr 2 500 5 00:00:01 02/01/1985"
    assert prepare_again.splitlines()[3:] == [
        "# Age: Unknown",
        "# Sex: Male",
        "# Height: 170.5",
        "# Weight: Unknown",
        "# Labels: Acute MI, CD, AFIB/AFL",
    ]
    assert (read_signal(ptbxl / "out" / "00000" / "00002_hr")[0] == 1).all()


def test_preparing_twice_changes_nothing(ptbxl):
    prepare(ptbxl, *sl_tables(ptbxl))
    before = (ptbxl / "out" / "00000" / "00001_hr.hea").read_text()
    (ptbxl / "records500").rename(ptbxl / "original")
    (ptbxl / "out").rename(ptbxl / "records500")
    prepare(ptbxl, *sl_tables(ptbxl))
    assert (ptbxl / "out" / "00000" / "00001_hr.hea").read_text() == before


def test_without_12sl_tables_every_infarction_is_old(ptbxl, capsys):
    assert prepare(ptbxl) == 0
    assert read_header(ptbxl / "out" / "00000" / "00002_hr").labels == ("Old MI", "CD", "AFIB/AFL")
    assert "every infarction is labelled Old MI" in capsys.readouterr().err


def test_unknown_record_and_missing_table_are_named(ptbxl, capsys):
    write_record(ptbxl / "records500", "page", np.ones((5, 2)), 500, ("I", "II"))
    assert prepare(ptbxl) == 1
    assert "page: expected a name that starts with an ecg_id" in capsys.readouterr().err
    (ptbxl / "scp_statements.csv").unlink()
    assert prepare(ptbxl) == 1
    assert "no table" in capsys.readouterr().err


def test_labels_and_hidden_headers_of_real_records(shared, tmp_path, capsys):
    """Against the pages' own references and hidden headers, which came from the organisers' tools."""
    tables = shared / "data" / "ptb-xl"
    reference, hidden = shared / "pages" / "clean" / "ref", shared / "pages" / "clean" / "hidden"
    names = ["-d", "ptbxl_database.csv", "-s", "scp_statements.csv"]
    names += ["-sd", "12sl_statements.csv", "-sm", "12slv23ToSNOMED.csv"]
    arguments = [str(tables / name) if name.endswith("csv") else name for name in names]
    assert prepare_ptbxl_data.main(["-i", str(reference), *arguments, "-o", str(tmp_path / "prepared")]) == 0
    assert remove_hidden_data.main(["-i", str(reference), "-o", str(tmp_path / "hidden")]) == 0
    for path in reference.glob("*.hea"):
        ours, theirs = read_header(tmp_path / "prepared" / path.name), read_header(path)
        assert sorted(ours.comments) == sorted(theirs.comments)
        assert (tmp_path / "hidden" / path.name).read_text() == (hidden / path.name).read_text()
        assert not (tmp_path / "hidden" / path.with_suffix(".dat").name).exists()


@pytest.fixture
def pages(tmp_path):
    """Two records with labels, one with pictures."""
    for name in ("a", "a-b"):
        write_record(
            tmp_path / "data" / "x", name, np.ones((5, 2)), 500, ("I", "II"), ["NORM"], ["Age: 5", "Image: old.png"]
        )
    for name in ("a-10.png", "a-2.JPG", "a-b-0.png", "c-0.png", "a-0.txt", "a.png"):
        (tmp_path / "data" / "x" / name).write_bytes(b"picture")
    return tmp_path


def test_pictures_are_listed_by_number(pages):
    assert prepare_image_data.main(["-i", str(pages / "data"), "-o", str(pages / "out")]) == 0
    assert read_header(pages / "out" / "x" / "a").items("Image") == ("a-2.JPG", "a-10.png")
    assert read_header(pages / "out" / "x" / "a-b").items("Image") == ("a-b-0.png",)
    copied = sorted(path.name for path in (pages / "out" / "x").iterdir())
    assert copied == ["a-10.png", "a-2.JPG", "a-b-0.png", "a-b.dat", "a-b.hea", "a.dat", "a.hea"]


def test_pictures_are_listed_in_place(pages):
    prepare_image_data.main(["-i", str(pages / "data"), "-o", str(pages / "data")])
    header = read_header(pages / "data" / "x" / "a")
    assert header.items("Image") == ("a-2.JPG", "a-10.png")
    assert header.labels == ("NORM",)
    assert (read_signal(pages / "data" / "x" / "a")[0] == 1).all()


@pytest.mark.parametrize(
    ("flags", "comments", "files"),
    [
        ((), ("Image: a-2.JPG, a-10.png",), {"a.hea", "a-2.JPG", "a-10.png"}),
        (("-w", "-l", "-v"), ("Labels: NORM", "Image: a-2.JPG, a-10.png"), {"a.hea", "a.dat", "a-2.JPG", "a-10.png"}),
        (("--no-include_images",), (), {"a.hea"}),
    ],
)
def test_hidden_data_are_removed(pages, flags, comments, files):
    prepare_image_data.main(["-i", str(pages / "data"), "-o", str(pages / "data")])
    assert remove_hidden_data.main(["-i", str(pages / "data"), "-o", str(pages / "out"), *flags]) == 0
    header = read_header(pages / "out" / "x" / "a")
    assert set(header.comments) == set(comments)
    assert header.signals[0].initial_value is None
    assert {path.name for path in (pages / "out" / "x").iterdir() if not path.name.startswith("a-b")} == files
    assert (pages / "data" / "x" / "a.dat").exists()


def test_hidden_data_are_removed_in_place(pages):
    assert remove_hidden_data.main(["-i", str(pages / "data"), "-o", str(pages / "data")]) == 0
    assert not (pages / "data" / "x" / "a.dat").exists()
    assert (pages / "data" / "x" / "a-10.png").exists()


@pytest.mark.parametrize("command", [prepare_image_data, remove_hidden_data])
def test_folder_without_records_is_an_error(command, tmp_path, capsys):
    assert command.main(["-i", str(tmp_path), "-o", str(tmp_path)]) == 1
    assert "no records" in capsys.readouterr().err
