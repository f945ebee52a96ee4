"""The page report: what is drawn where, and that nothing found is drawn too."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ecgpage.leads import LEADS
from ecgpage.recording import Recording
from ecgpage.reporting import page_panel, page_report, save_picture, signal_panel, summary_panel
from ecgpage.reporting.canvas import REFERENCE, TRACE
from ecgpage.reporting.figures import PAGE_WIDTH, SHEET_WIDTH


def count(picture: np.ndarray, color: str, tolerance: int = 12) -> int:
    """Pixels of ``picture`` that have ``color``."""
    wanted = np.round(np.array(to_rgb(color)) * 255)
    return int((np.abs(picture.astype(int) - wanted).max(axis=2) <= tolerance).sum())


def record(signal: np.ndarray) -> Recording:
    return Recording(signal, 100.0, LEADS[: signal.shape[1]])


def test_report_shows_the_page_left_and_the_leads_right(make_page):
    page = make_page(diagnosis=None, limb_lead_quality=float("nan"))
    shifted = page.recording.signal + 0.3  # 3 mm above the recovered traces
    plain, compared = page_report(page, "page.png"), page_report(page, "page.png", shifted)
    assert plain.dtype == np.uint8
    assert plain.shape[2] == 3
    assert plain.flags["C_CONTIGUOUS"]
    assert PAGE_WIDTH + 1200 < plain.shape[1] < PAGE_WIDTH + SHEET_WIDTH + 150
    middle = PAGE_WIDTH + 40
    assert count(plain[:, :middle], TRACE) < 200 < 500 < count(plain[:, middle:], TRACE)
    assert count(plain, REFERENCE) == 0
    assert count(compared, REFERENCE) > 1000
    assert ("I + III = II, as read", "not available") in summary_panel.facts(page)


def test_reference_of_another_shape_is_refused(make_page):
    with pytest.raises(ValueError, match=r"\(10, 12\)"):
        page_report(make_page(), "a", np.zeros((10, 12)))


@pytest.mark.parametrize("samples", [1, 1000])
def test_nothing_found_is_drawn(make_page, samples):
    page = make_page(signal=np.full((samples, 12), np.nan, np.float32), warnings=("no lead found",) * 30)
    page = replace(page, leads=(), calibration=None, traces=())
    picture = page_report(page, "$not_math$", np.full((samples, 12), np.nan))
    assert count(picture, TRACE) < 4000  # the bar of a class is all that has the traces' colour


def test_straightened_page_keeps_the_printed_points(make_page):
    """Traces of ground truth, mapped into the panel, lie on the page's darkest ink."""
    page = make_page("clean", seed=1)
    size = page_panel.panel_size(page.page, 1100, 2000)
    image = cv2.cvtColor(page_panel.straightened(page.page, size), cv2.COLOR_RGB2GRAY)
    page_to_panel = np.diag([size[0] / page.page.size[1], size[1] / page.page.size[0], 1.0])
    path = page_panel.trace_on_panel(page.traces[-1], page.calibration, page_to_panel)
    columns, rows = np.round(path).astype(int).T
    darkest = np.min([image[rows + d, columns] for d in (-1, 0, 1)], axis=0)
    assert darkest.mean() < image.mean() - 60


def test_unprinted_parts_of_a_trace_are_left_out(make_page):
    page = make_page()
    trace = page.traces[0]
    half = replace(trace, presence=(np.arange(len(trace.x)) < len(trace.x) // 2).astype(float))
    path = page_panel.trace_on_panel(half, page.calibration, np.eye(3))
    assert np.isfinite(path[: len(path) // 2]).all()
    assert np.isnan(path[len(path) // 2 :]).all()


def test_tall_pages_are_bounded(make_page):
    page = replace(make_page().page, size=(3000, 1000))
    assert page_panel.panel_size(page, 1100, 1300) == (433, 1300)


def test_usual_page_is_three_rows_of_four_and_its_strip(make_page):
    sheet = signal_panel.arrange(make_page().recording, None, 1340)
    assert [len(row) for row in sheet.rows] == [4, 4, 4, 1]
    assert [cell.column for cell in sheet.rows[0]] == [LEADS.index(name) for name in ("I", "aVR", "V1", "V4")]
    assert sheet.rows[3][0].column == LEADS.index("II")
    assert sheet.pixels_per_mm == 5  # 265 mm of paper in 1340 pixels


def test_whole_leads_take_one_row_each():
    sheet = signal_panel.arrange(record(np.zeros((1000, 12))), None, 1340)
    assert [len(row) for row in sheet.rows] == [1] * 12


def test_leads_out_of_their_columns_take_one_row_each():
    signal = np.full((1000, 12), np.nan)
    signal[500:700, 0] = 0.1  # lead I in the third quarter
    assert len(signal_panel.arrange(record(signal), None, 1340).rows) == 12


def test_rows_leave_room_for_tall_leads(make_page):
    low = signal_panel.arrange(make_page().recording, None, 1340)
    tall = signal_panel.arrange(replace(make_page().recording, signal=make_page().recording.signal * 2), None, 1340)
    assert tall.size[1] > low.size[1]


def test_accent_stands_out_from_the_page():
    blue_page = np.full((200, 200, 3), (0, 87, 217), np.uint8)
    assert page_panel.accent_for(blue_page) != "#0057d9"


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_are_written_whole_into_new_folders(tmp_path, suffix):
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, :, 0] = 200
    path = tmp_path / "new" / f"a{suffix}"
    save_picture(path, image)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    back = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert np.abs(back.astype(int) - image).max() <= (0 if suffix == ".png" else 4)


def test_pictures_of_unknown_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name it .png or .jpg"):
        save_picture(tmp_path / "a.gif", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\(2, 2\) of float64"):
        save_picture(tmp_path / "a.png", np.zeros((2, 2)))
