"""Reading the printed paper speed and gain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.scale_reader import (
    PIXELS_PER_MM,
    PRINTED_GAINS,
    STRIDE,
    VALUES,
    PrintedScale,
    ScaleNetwork,
    ink_to_tensor,
    load_scale_reader,
    printed_scale,
    save_scale_reader,
    scaled_view,
    value_text,
    view_ink,
)
from ecgpage.calibration.scale_training import (
    CROP,
    IGNORED,
    ScaleExamples,
    _drawn_places,
    collate_scales,
    scale_loss,
    train_scale_reader,
)
from ecgpage.geometry import apply_homography
from ecgpage.io import read_image, write_record
from ecgpage.leads import GAINS, LEADS
from ecgpage.pipeline import build_pipeline
from ecgpage.recording import Calibration, Page
from ecgpage.synthesis.profile import PROFILES
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training.checkpoints import CheckpointError
from ecgpage.training.configuration import DrawingSettings, StageSettings

SHAPE = (60, 90)  # places of a view


def chances(*marks):
    """Probabilities with values printed at (value, column, row), each so likely."""
    found = np.zeros((1 + len(VALUES), *SHAPE))
    found[0] = 1.0
    for value, column, row, likely in marks:
        found[:, row, column] = 0.0
        found[0, row, column], found[1 + VALUES.index(value), row, column] = 1 - likely, likely
    return found


def test_speed_and_gain_are_read_wherever_they_stand():
    assert printed_scale(chances(("50 mm/s", 5, 50, 0.999), ("20 mm/mV", 80, 2, 0.999))) == PrintedScale(
        50.0, (20.0, 20.0)
    )
    assert printed_scale(chances(("25 mm/s", 5, 50, 0.95))) == PrintedScale(25.0, None)
    assert printed_scale(chances()) == PrintedScale()


def test_how_likely_a_speed_is_that_is_read_is_told():
    sure, surer = (printed_scale(chances(("25 mm/s", 5, 50, likely))).likely for likely in (0.95, 0.99))
    assert 0.9 < sure < surer < 1.0
    assert printed_scale(chances(("25 mm/s", 5, 50, 0.8))).likely == 0.0


def test_what_is_not_sure_is_not_read_and_what_is_rare_must_be_surer():
    assert printed_scale(chances(("25 mm/s", 5, 50, 0.8), ("10 mm/mV", 20, 50, 0.8))) == PrintedScale()
    likely = 0.97
    assert printed_scale(chances(("10 mm/mV", 20, 50, likely))).gains == (10.0, 10.0)
    assert printed_scale(chances(("2.5 mm/mV", 20, 50, likely))).gains is None


@given(st.sampled_from(GAINS[1:]), st.sampled_from(GAINS[1:]), st.integers(3, 30), st.integers(50, 80))
def test_two_gains_in_one_line_are_the_limb_leads_and_the_chest_leads(limb, chest, left, right):
    words = ((f"{limb:g} mm/mV", left, 40, 0.999), (f"{chest:g} mm/mV", right, 41, 0.9995))
    assert printed_scale(chances(*words)).gains == (limb, chest)


def test_one_gain_is_not_taken_for_all_beside_another_that_is_not_sure():
    line = (("10 mm/mV", 10, 40, 0.99), ("5 mm/mV", 40, 40, 0.8))
    assert printed_scale(chances(*line)).gains is None
    assert printed_scale(chances(line[0], ("10 mm/mV", 40, 40, 0.8))).gains == (10.0, 10.0)
    assert printed_scale(chances(line[0], ("5 mm/mV", 40, 40, 0.93))).gains == (10.0, 5.0)  # rare, but not beside 10
    assert printed_scale(chances(line[0], ("5 mm/mV", 40, 40, 0.83))).gains == (10.0, 5.0)  # half of it
    assert printed_scale(chances(line[0], ("20 mm/mV", 40, 40, 0.83))).gains is None
    assert printed_scale(chances(line[0], ("20 mm/mV", 2, 40, 0.83))).gains == (20.0, 10.0)  # the sure one is half
    assert printed_scale(chances(line[0], ("5 mm/mV", 2, 40, 0.83))).gains is None  # the limb leads' would be half


@given(st.sampled_from(PRINTED_GAINS), st.integers(10, 70), st.integers(10, 50))
def test_one_word_may_tell_both_gains(gains, column, row):
    text = value_text(*gains, unit="mm/mV")
    assert text in VALUES and text.count("/") == (1 if gains[0] == gains[1] else 2)
    assert printed_scale(chances((text, column, row, 0.9999))).gains == gains


@given(st.sampled_from(PRINTED_GAINS[len(GAINS) :]), st.sampled_from(GAINS), st.integers(10, 70), st.integers(10, 50))
def test_a_word_of_both_gains_needs_no_other_in_its_line(gains, gain, column, row):
    other = (f"{gain:g} mm/mV", (column + 40) % SHAPE[1], row, 0.97)
    assert printed_scale(chances((value_text(*gains, unit="mm/mV"), column, row, 0.9999), other)).gains == gains


def test_the_rarer_pair_must_be_surer_than_its_part():
    assert printed_scale(chances(("10/5 mm/mV", 20, 50, 0.95))).gains is None
    assert printed_scale(chances(("10/5 mm/mV", 20, 50, 0.999))).gains == (10.0, 5.0)


def test_a_word_that_is_partly_taken_for_its_right_half_is_read_whole():
    found = chances(("10/5 mm/mV", 20, 50, 0.95))
    found[1 + VALUES.index("5 mm/mV"), 50, 20], found[0, 50, 20] = 0.0499, 0.0001
    found[:, 50, 22] = 0.0
    found[1 + VALUES.index("5 mm/mV"), 50, 22], found[0, 50, 22] = 0.98, 0.02
    assert printed_scale(found).gains == (10.0, 5.0)


def test_in_a_line_with_a_sure_value_the_other_is_expected():
    rare = ("5 mm/mV", 60, 40, 0.95)
    assert printed_scale(chances(rare)).gains is None
    assert printed_scale(chances(rare, ("25 mm/s", 20, 41, 0.99))) == PrintedScale(25.0, (5.0, 5.0))
    assert printed_scale(chances(rare, ("25 mm/s", 20, 50, 0.99))) == PrintedScale(25.0, None)  # another line
    fast = ("50 mm/s", 20, 40, 0.95)
    assert printed_scale(chances(fast)).speed is None
    assert printed_scale(chances(fast, ("10 mm/mV", 60, 40, 0.99))) == PrintedScale(50.0, (10.0, 10.0))


def test_of_two_gains_in_different_lines_the_surer_holds():
    words = (("10 mm/mV", 10, 40, 0.98), ("5 mm/mV", 60, 10, 0.9999))
    assert printed_scale(chances(*words)).gains == (5.0, 5.0)


def test_one_place_has_one_value():
    words = (("10 mm/mV", 10, 40, 0.999), ("20 mm/mV", 12, 40, 0.97))
    assert printed_scale(chances(*words)).gains == (10.0, 10.0)


@settings(max_examples=20, deadline=None)
@given(st.floats(1.0, 20.0), st.floats(1.0, 20.0), st.integers(60, 900), st.integers(60, 900))
def test_the_view_shows_the_page_at_one_scale(across, down, height, width):
    page = Page(np.full((height, width, 3), 200, np.uint8), (height, width), np.eye(3), False)
    view = scaled_view(page, np.diag([across, down, 1.0]))
    expected = np.array([height / down, width / across]) * PIXELS_PER_MM
    if view is None:
        assert expected.max() > 3500
    else:
        assert all(side % STRIDE == 0 for side in view.shape[:2])
        np.testing.assert_allclose(view.shape[:2], expected, atol=STRIDE + PIXELS_PER_MM)


@pytest.mark.parametrize("zoom", [1.0, 2.5])
def test_a_place_of_the_page_stands_in_the_view_where_its_millimetres_say(zoom):
    """A dot at (40, 25) mm of a page of 6 by 4 pixels a millimetre, which its picture shows moved and larger."""
    size, across, down = (300, 480), 6.0, 4.0
    page_to_picture = np.array([[zoom, 0, 30.0], [0, zoom, 50.0], [0, 0, 1.0]])
    image = np.full((round(300 * zoom) + 100, round(480 * zoom) + 100, 3), 230, np.uint8)
    [[x, y]] = apply_homography(page_to_picture, np.array([[40 * across, 25 * down]]))
    image[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5] = 0
    view = scaled_view(Page(image, size, page_to_picture, False), np.diag([across, down, 1.0]))
    rows, columns = np.nonzero(view[..., 0] < 115)
    assert (columns.mean(), rows.mean()) == pytest.approx((40 * PIXELS_PER_MM, 25 * PIXELS_PER_MM), abs=1.0)


def test_ink_is_dark_print_and_bright_print_has_the_other_sign():
    view = np.full((80, 160, 3), 220, np.uint8)
    view[40:44, 60:80] = 30
    ink = view_ink(view)
    assert ink.dtype == np.int8 and ink[42, 70] > 100 and abs(int(ink[10, 10])) < 5
    assert view_ink(255 - view)[42, 70] < -100
    assert np.abs(view_ink(np.full_like(view, 127))).max() == 0


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    time = np.arange(1000) / 100
    write_record(folder, "sine", np.stack([0.5 * np.sin(time * (k + 1)) for k in range(12)], axis=1), 100.0, LEADS)
    return folder / "sine"


@pytest.fixture(scope="module")
def page(record):
    drawn = RecordDrawer([PROFILES["kit"].drawn_at(100, 150)], AS_RECORDED)
    pages = (drawn(record, np.random.default_rng(seed)) for seed in range(20))
    return next(page for page in pages if any("mm/mV" in word.text for word in page.words))


def test_examples_show_the_printed_scale_at_its_place(page):
    """The crop around each value has its class; ink is there."""
    crops, classes = ScaleExamples()(page, np.random.default_rng(2))
    assert crops.shape[1:] == CROP and classes.shape[1:] == (CROP[0] // STRIDE, CROP[1] // STRIDE)
    assert {VALUES.index("25 mm/s") + 1, VALUES.index("10 mm/mV") + 1} <= set(classes.ravel())
    assert classes.min() >= IGNORED and classes.max() <= len(VALUES)
    for crop, row, column in ((crops[k], r, c) for k, r, c in np.argwhere(classes > 0)):
        around = crop[STRIDE * row : STRIDE * (row + 1), STRIDE * (column - 2) : STRIDE * (column + 3)]
        assert np.abs(around.astype(int)).max() > 10
    loss, parts = scale_loss(ScaleNetwork(), collate_scales([(crops, classes), (crops[:1], classes[:1])]))
    assert loss.item() > 0 and 0 <= parts["right"] <= 1


def test_words_that_are_not_values_and_covered_words_teach_neither_way_or_nothing(page):
    """No place along them is taught to be empty unless the word is covered."""
    word = next(word for word in page.words if "mm/mV" in word.text)
    others = tuple(other for other in page.words if other is not word)

    def classes_there(changed):
        shown = replace(page, words=(*others, changed))
        places, _ = _drawn_places(shown, np.linalg.inv(to_paper))
        return sorted({kind for x, y, kind in places if abs(y - middle) < 4 and left <= x <= right + STRIDE})

    to_paper = np.diag([1 / PIXELS_PER_MM, 1 / PIXELS_PER_MM, 1.0])
    corners = apply_homography(np.linalg.inv(to_paper) @ np.linalg.inv(page.paper_to_picture), word.polygon)
    (left, middle, right) = corners[:, 0].min(), corners[:, 1].mean(), corners[:, 0].max()
    assert classes_there(word) == [VALUES.index("10 mm/mV") + 1]
    assert classes_there(replace(word, text="L:10mm/mV  C:5mm/mV")) == [IGNORED]
    assert classes_there(replace(word, visible=0.6)) == [IGNORED]
    assert classes_there(replace(word, visible=0.1)) == []
    assert classes_there(replace(word, text="10/5mm/mV")) == [VALUES.index("10/5 mm/mV") + 1]
    assert classes_there(replace(word, text="10/2.5mm/mV")) == [IGNORED]  # no pair that is printed


def test_views_without_a_value_teach_that_there_is_none():
    crops, classes = torch.zeros(2, *CROP, dtype=torch.int8), torch.zeros(2, 16, 40, dtype=torch.int64)
    loss, parts = scale_loss(ScaleNetwork(), (crops, classes))
    loss.backward()
    assert loss.item() > 0 and parts["right"] == 1.0


def test_the_network_speaks_of_every_eighth_pixel():
    with torch.inference_mode():
        assert ScaleNetwork()(ink_to_tensor(np.zeros((2, 64, 96), np.int8))).shape == (2, 1 + len(VALUES), 8, 12)


def test_reader_is_trained_and_kept(record, tmp_path):
    stage = StageSettings(batch_size=1, steps=2, seconds=60, warmup_steps=1, device="cpu")
    reader = train_scale_reader([record], DrawingSettings(("kit",), 1), stage, tmp_path / "state", lambda _: None)
    save_scale_reader(tmp_path / "model", reader, {"records": 1})
    loaded = load_scale_reader(tmp_path / "model")
    view = ink_to_tensor(np.random.default_rng(0).integers(-127, 128, (1, 64, 96)).astype(np.int8))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.network(view), reader.network.eval()(view), atol=2e-2, rtol=1e-2)
    page = Page(np.full((300, 400, 3), 200, np.uint8), (300, 400), np.eye(3), False)
    assert loaded(page, Calibration(np.diag([4.0, 4.0, 1]), (4.0, 4.0), "grid")) == PrintedScale()  # blank
    assert loaded(page, Calibration(np.diag([0.1, 0.1, 1]), (0.1, 0.1), "grid")) == PrintedScale()  # 4 m of paper
    assert load_scale_reader(tmp_path) is None
    (tmp_path / "model" / "model.json").write_text('{"scale_reader": {"values": ["25 mm/s"]}}')
    with pytest.raises(CheckpointError, match=r"with values \[.12.5 mm/s., .25 mm/s.,"):
        load_scale_reader(tmp_path / "model")


def test_the_shipped_reader_reads_a_drawn_page(page, root):
    """Whose words say 25 mm/s and 10 mm/mV; with them covered it reads nothing."""
    reader = load_scale_reader(root / "model")
    straight = Page(page.image, page.image.shape[:2], np.eye(3), False)
    calibration = Calibration(page.paper_to_picture, (page.pixels_per_mm,) * 2, "grid")
    assert reader(straight, calibration) == PrintedScale(25.0, (10.0, 10.0))
    covered = page.image.copy()
    for word in page.words:
        (x0, y0), (x1, y1) = word.polygon.min(axis=0).astype(int) - 2, word.polygon.max(axis=0).astype(int) + 3
        covered[max(0, y0) : y1, max(0, x0) : x1] = 240
    hidden = Page(covered, straight.size, np.eye(3), False)
    assert reader(hidden, calibration) == PrintedScale()


def test_the_pipeline_scales_each_lead_by_its_printed_gain(root):
    pipeline = build_pipeline(root / "model", diagnosis=False)
    assert pipeline.scale_reader is not None
    image, signals = read_image(root / "samples" / "01825_hr-0.png"), []
    for limb in (10.0, 5.0):
        pipeline.scale_reader = lambda page, calibration, limb=limb: PrintedScale(25.0, (limb, 10.0))
        signals.append(pipeline.digitize(image, 500, 5000, LEADS).recording.signal)
    rounding = 1e-7  # mV: where a trace crosses zero, its single precision is coarser than any share of it
    np.testing.assert_allclose(signals[1][:, :6], 2 * signals[0][:, :6], rtol=1e-5, atol=rounding)
    np.testing.assert_allclose(signals[1][:, 6:], signals[0][:, 6:], rtol=1e-5)


def test_pages_of_unknown_words_are_refused(page):
    with pytest.raises(ValueError, match="draw the pages again"):
        ScaleExamples()(replace(page, words=None), np.random.default_rng(0))
