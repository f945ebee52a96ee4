"""Pages on disk: Challenge headers, references with NaN where nothing is printed, ground truth beside them."""

from __future__ import annotations

import json
from unittest.mock import patch

import numpy as np
import pytest

from ecgpage.header import RecordError
from ecgpage.io import read_header, read_image, read_signal, write_record
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.synthesis import export
from ecgpage.synthesis.annotations import printed_record
from ecgpage.synthesis.arrangement import Arrangement
from ecgpage.synthesis.drawing import draw_page
from ecgpage.synthesis.export import ExportSettings, export_pages
from ecgpage.synthesis.profile import PROFILES
from ecgpage.synthesis.records import PageReader

FS = 100.0
SMALL = PROFILES["clean"].drawn_at(60, 60)


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
    headers = export_pages(records, tmp_path / "pages", ExportSettings("clean", seed=3, number=2), report=quiet)
    assert [path.name for path in headers] == ["one.hea", "two.hea"]
    header = read_header(headers[0])
    assert header.labels == ("NORM", "PVC")
    assert header.items("Age") == ("54",)
    assert header.items("Profile") == ("clean", "seed 3", "2 pages", "signals as recorded")
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
    export_pages(records / "one.hea", tmp_path / "pages", ExportSettings("clean", seed=3), report=quiet)
    truth = json.loads((tmp_path / "pages" / "one-0.json").read_text())
    grey = read_image(tmp_path / "pages" / truth["image"]).mean(axis=2)
    seen = [lead["points"][first:last] for lead in truth["leads"] for first, last in lead["visible"]]
    columns, rows = np.round(np.concatenate(seen)).astype(int).T
    assert grey[rows, columns].mean() < 0.5 * np.median(grey)


def test_leads_in_any_order_and_case(records, tmp_path):
    export_pages(records / "two", tmp_path / "pages", ExportSettings("kit"), report=quiet)
    header = read_header(tmp_path / "pages" / "two")
    reference, _, _ = read_signal(tmp_path / "pages" / "two")
    first = {name: np.flatnonzero(np.isfinite(reference[:, k]))[0] for k, name in enumerate(header.names)}
    assert header.labels == ()
    truth = json.loads((tmp_path / "pages" / "two-0.json").read_text())
    assert (first["V4"], first["III"]) == (750, 0)  # last column and first, in this profile always 3x4
    assert {lead["name"] for lead in truth["leads"]} == set(LEADS[2:])  # I and II are missing


def test_a_record_is_drawn_alike_alone_and_among_others(records, tmp_path):
    export_pages(records, tmp_path / "all", ExportSettings("clean", seed=5), report=quiet)
    export_pages(records / "two.hea", tmp_path / "alone", ExportSettings("clean", seed=5), report=quiet)
    export_pages(records / "two.hea", tmp_path / "other", ExportSettings("clean", seed=6), report=quiet)
    picture = read_header(tmp_path / "alone" / "two").images[0].name
    assert (tmp_path / "all" / picture).read_bytes() == (tmp_path / "alone" / picture).read_bytes()
    assert (tmp_path / "all" / "two-0.json").read_text() != (tmp_path / "other" / "two-0.json").read_text()


def test_nothing_half_written_stays(records, tmp_path):
    export_pages(records / "one.hea", tmp_path / "pages", ExportSettings("clean"), report=quiet)
    names = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert names == ["one-0.json", "one-0.png", "one-0.txt", "one.dat", "one.hea"]


def test_the_usual_page_prints_two_and_a_half_seconds_of_each_lead():
    """2.5 of 10 s of eleven leads and all of the strip's are printed, in the record's order of leads."""
    page = draw_page(np.zeros((1000, 12)), FS, Arrangement(layout_3x4(("II",))), SMALL, np.random.default_rng(0))
    printed = np.isfinite(printed_record(page, LEADS[::-1], FS, 1000))
    assert printed.sum(axis=0).tolist() == [250] * 10 + [1000, 250]
    assert np.flatnonzero(printed[:, LEADS[::-1].index("V1")])[[0, -1]].tolist() == [500, 749]


def test_workers_change_nothing(records, tmp_path):
    for jobs in (1, 2):
        headers = export_pages(records, tmp_path / str(jobs), ExportSettings("photo", number=2), jobs, quiet)
        assert [path.name for path in headers] == ["one.hea", "two.hea"]
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "2").iterdir())
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_stopped_run_goes_on(records, tmp_path, monkeypatch):
    """Stopped while the second record is drawn: the first stays, the second has no header until it is whole."""
    pages, settings = tmp_path / "pages", ExportSettings("clean", number=2)

    real = export.write_bytes

    def interrupted(path, content):
        if path.stem == "two-1":
            raise KeyboardInterrupt
        return real(path, content)

    monkeypatch.setattr(export, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_pages(records, pages, settings, report=quiet)
    assert (pages / "one.hea").exists() and not (pages / "two.hea").exists()
    monkeypatch.setattr(export, "write_bytes", real)
    (pages / ".two-1.png.77.partial").write_bytes(b"half")  # as a run that was killed leaves it
    before = (pages / "one-0.png").stat().st_mtime_ns
    said = []
    export_pages(records, pages, settings, report=said.append)
    assert (pages / "one-0.png").stat().st_mtime_ns == before
    assert "there already" in said[0] and "there already" not in said[1]
    assert read_header(pages / "two").images[1].exists()
    assert not list(pages.glob(".*"))
    export_pages(records, pages, ExportSettings("clean", seed=1), report=said.append)
    assert "there already" not in said[2]
    assert not list(pages.glob("*-1.*"))  # of the two pages that stood there


def test_labels_of_changed_signals_are_left_out(records, tmp_path):
    export_pages(records / "one.hea", tmp_path / "pages", ExportSettings("kit", varied=True), report=quiet)
    assert read_header(tmp_path / "pages" / "one").labels == ()


def test_yolo_labels_are_the_boxes_of_the_truth(records, tmp_path):
    export_pages(records / "one.hea", tmp_path / "pages", ExportSettings("kit", seed=1), report=quiet)
    truth = json.loads((tmp_path / "pages" / "one-0.json").read_text())
    width, height = truth["size"]
    rows = [line.split() for line in (tmp_path / "pages" / "one-0.txt").read_text().splitlines()]
    assert [LEADS[int(row[0])] for row in rows] == [lead["name"] for lead in truth["leads"]]
    for row, lead in zip(rows, truth["leads"], strict=True):
        x, y, w, h = (float(value) for value in row[1:])
        edges = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        box = edges * (width, height, width, height) - 0.5
        inside = np.clip(lead["box"], -0.5, np.array([width, height, width, height]) - 0.5)
        np.testing.assert_allclose(box, inside, atol=0.02)


@pytest.mark.parametrize("profile", ["clean", "photo-damaged", "screen"])
def test_a_page_read_again_is_the_page_that_was_drawn(records, tmp_path, profile):
    """Truth returns from JSON to a hundredth of a pixel; the picture to what JPEG leaves of it."""
    export_pages(records / "one.hea", tmp_path / "pages", ExportSettings(profile, seed=2, number=3), report=quiet)
    drawn = []
    real = export.draw_page
    with patch.object(export, "draw_page", lambda *args: drawn.append(real(*args)) or drawn[-1]):
        export_pages(records / "one.hea", tmp_path / "again", ExportSettings(profile, seed=2, number=3), report=quiet)
    seen = {}
    for seed in range(20):
        page = PageReader()(tmp_path / "pages" / "one", np.random.default_rng(seed))
        seen[page.outline.tobytes()] = page
    assert len(seen) == 3
    for original in drawn:
        page = min(seen.values(), key=lambda one: np.abs(one.outline - original.outline).max())
        assert page.image.shape == original.image.shape
        assert np.abs(page.image.astype(int) - original.image).mean() < 4
        assert np.allclose(page.paper_to_picture, original.paper_to_picture)
        assert np.allclose(page.scale.down, original.scale.down, atol=1e-3)
        for restored, lead in zip(page.leads, original.leads, strict=True):
            assert restored.lead == lead.lead
            assert np.allclose(restored.points, lead.points, atol=0.01)
            assert np.array_equal(restored.seen, lead.seen)
            assert np.allclose(restored.values, lead.values, atol=0.0006)
            assert (restored.speed, restored.gain, restored.fs) == (lead.speed, lead.gain, lead.fs)


def test_pages_without_truth_cannot_be_read(records, tmp_path):
    with pytest.raises(RecordError, match="header lists none"):
        PageReader()(records / "two", np.random.default_rng(0))
    with pytest.raises(RecordError, match="expected its ground truth"):
        PageReader()(records / "one", np.random.default_rng(0))


def test_wrong_requests_are_refused(records, tmp_path):
    with pytest.raises(RecordError, match="choose another folder"):
        export_pages(records, records, ExportSettings("clean"))
    with pytest.raises(RecordError, match="no records"):
        export_pages(tmp_path / "nowhere", tmp_path / "pages", ExportSettings("clean"))
    with pytest.raises(ValueError, match="no profile fax: expected one of all, clean"):
        export_pages(records, tmp_path / "pages", ExportSettings("fax"))
    with pytest.raises(ValueError, match="at least one page"):
        export_pages(records, tmp_path / "pages", ExportSettings("clean", number=0))


def test_records_that_cannot_be_drawn_are_named_and_the_others_drawn(tmp_path):
    folder = tmp_path / "records"
    write_record(folder, "short", np.zeros((50, 12)), FS, LEADS)
    write_record(folder, "odd", np.zeros((500, 1)), FS, ["MLII"])
    (folder / "broken.hea").write_text("no header\n")
    write_record(folder, "sound", np.zeros((2500, 12)), 250.0, LEADS)
    with pytest.raises(RecordError, match="3 of 4 records could not be drawn") as error:
        export_pages(folder, tmp_path / "pages", ExportSettings("clean"), report=quiet)
    assert "short: a page needs at least 2 s" in str(error.value)
    assert "odd: expected at least one of the leads" in str(error.value)
    assert sorted(path.name for path in (tmp_path / "pages").glob("*.hea")) == ["sound.hea"]


@pytest.mark.parametrize(("fs", "seconds"), [(100.0, 4.0), (1000.0, 10.0), (500.0, 30.0)])
def test_any_rate_and_length(tmp_path, fs, seconds):
    """A record of 4 s fills its page; of one of 30 s the first 10 are printed; a missing lead is NaN."""
    time = np.arange(round(fs * seconds)) / fs
    signal = 0.5 * np.sin(2 * np.pi * time)[:, None] * np.ones(12)
    signal[:, 4] = np.nan
    write_record(tmp_path / "records", "one", signal, fs, LEADS)
    export_pages(tmp_path / "records", tmp_path / "pages", ExportSettings("kit", seed=1), report=quiet)
    reference, rate, _ = read_signal(tmp_path / "pages" / "one")
    assert (rate, len(reference)) == (fs, len(signal))
    printed = np.flatnonzero(np.isfinite(reference).any(axis=1))
    assert printed[0] == 0
    assert printed[-1] + 1 == min(seconds, 10.0) * fs  # in this profile columns follow each other at 25 mm/s
    assert np.isnan(reference[:, 4]).all()
