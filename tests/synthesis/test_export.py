"""Pages on disk: Challenge headers, references with NaN where nothing is printed, ground truth beside them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ecgpage.header import RecordError
from ecgpage.io import read_header, read_image, read_signal, write_record
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.synthesis.export import export_pages, printed_part

FS = 100.0


def quiet(_: str) -> None:
    """Report nothing."""


@pytest.fixture
def records(tmp_path):
    """Two records of 10 s: the standard leads, and ten of them in another order and case."""
    folder = tmp_path / "records"
    time = np.arange(1000) / FS
    signal = np.sin(2 * np.pi * 1.3 * time)[:, None] * np.linspace(0.2, 1.3, 12)
    write_record(folder, "one", signal, FS, LEADS, ["NORM", "PVC"], comments=["Age: 54", "Image: old.png"])
    write_record(folder, "two", signal[:, :10], FS, [name.upper() for name in LEADS[2:][::-1]], [])
    return folder


def test_headers_references_pictures_and_truth(records, tmp_path):
    headers = export_pages(records, tmp_path / "pages", "clean", seed=3, number=2, report=quiet)
    assert [path.name for path in headers] == ["one.hea", "two.hea"]
    header = read_header(headers[0])
    assert header.labels == ("NORM", "PVC")
    assert header.items("Age") == ("54",)
    assert header.items("Profile") == ("clean",)
    assert [image.stem for image in header.images] == ["one-0", "one-1"]
    whole, _, _ = read_signal(records / "one")
    reference, fs, names = read_signal(tmp_path / "pages" / "one")
    assert (fs, names) == (FS, LEADS)
    printed = np.isfinite(reference)
    assert np.array_equal(reference[printed], whole[printed])
    for k, image in enumerate(header.images):
        truth = json.loads((tmp_path / "pages" / f"one-{k}.json").read_text())
        picture = read_image(image)
        assert truth["image"] == image.name
        assert truth["size"] == [picture.shape[1], picture.shape[0]]
        assert sum(len(lead["points"]) for lead in truth["leads"]) >= printed.sum()


def test_points_of_the_truth_are_printed_dark(records, tmp_path):
    """Ink lies where the ground truth says: a one-pixel shift in either axis would halve the contrast."""
    export_pages(records / "one.hea", tmp_path / "pages", "clean", seed=3, report=quiet)
    truth = json.loads((tmp_path / "pages" / "one-0.json").read_text())
    grey = read_image(tmp_path / "pages" / truth["image"]).mean(axis=2)
    columns, rows = np.round(np.concatenate([lead["points"] for lead in truth["leads"]])).astype(int).T
    assert grey[rows, columns].mean() < 0.5 * np.median(grey)


def test_leads_in_any_order_and_case(records, tmp_path):
    export_pages(records / "two", tmp_path / "pages", "clean", report=quiet)
    header = read_header(tmp_path / "pages" / "two")
    reference, _, _ = read_signal(tmp_path / "pages" / "two")
    first = {name: np.flatnonzero(np.isfinite(reference[:, k]))[0] for k, name in enumerate(header.names)}
    assert header.labels == ()
    assert first["V4"] in (0, 750)  # last column, or a strip
    assert first["III"] == 0


def test_a_record_is_drawn_alike_alone_and_among_others(records, tmp_path):
    export_pages(records, tmp_path / "all", "clean", seed=5, report=quiet)
    export_pages(records / "two.hea", tmp_path / "alone", "clean", seed=5, report=quiet)
    export_pages(records / "two.hea", tmp_path / "other", "clean", seed=6, report=quiet)
    picture = read_header(tmp_path / "alone" / "two").images[0].name
    assert (tmp_path / "all" / picture).read_bytes() == (tmp_path / "alone" / picture).read_bytes()
    assert (tmp_path / "all" / "two-0.json").read_text() != (tmp_path / "other" / "two-0.json").read_text()


def test_nothing_half_written_stays(records, tmp_path):
    export_pages(records / "one.hea", tmp_path / "pages", "clean", report=quiet)
    names = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert names == ["one-0.json", "one-0.png", "one.dat", "one.hea"]


def test_printed_part_of_the_usual_page():
    """2.5 of 10 s of eleven leads and all of the strip's are printed."""
    printed = np.isfinite(printed_part(np.zeros((1000, 12)), LEADS, FS, layout_3x4(("II",))))
    assert printed.sum(axis=0).tolist() == [250, 1000] + [250] * 10
    assert np.flatnonzero(printed[:, LEADS.index("V1")])[[0, -1]].tolist() == [500, 749]


def test_wrong_requests_are_refused(records, tmp_path):
    with pytest.raises(RecordError, match="choose another folder"):
        export_pages(records, records, "clean")
    with pytest.raises(RecordError, match="no records"):
        export_pages(tmp_path / "nowhere", tmp_path / "pages", "clean")
    with pytest.raises(ValueError, match="no profile 'fax'"):
        export_pages(records, tmp_path / "pages", "fax")
    with pytest.raises(ValueError, match="at least one page"):
        export_pages(records, tmp_path / "pages", "clean", number=0)


def test_records_that_cannot_be_drawn_are_named(tmp_path):
    write_record(tmp_path / "records", "short", np.zeros((50, 12)), FS, LEADS)
    with pytest.raises(RecordError, match="short: a page needs at least 2 s"):
        export_pages(tmp_path / "records", tmp_path / "pages", "clean", report=quiet)
    write_record(tmp_path / "other", "odd", np.zeros((500, 1)), FS, ["MLII"])
    with pytest.raises(RecordError, match="odd: expected at least one of the leads"):
        export_pages(tmp_path / "other", tmp_path / "pages", "clean", report=quiet)
