"""The pipeline's own decisions, with stages that answer as told."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ecgpage import pipeline
from ecgpage.calibration.assembly import limb_lead_quality
from ecgpage.calibration.grid import nothing_found
from ecgpage.calibration.scale_reader import PrintedScale
from ecgpage.geometry import Bend, apply_homography, bent_box, map_box
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.pipeline import Pipeline, digitize_record, merge_pages
from ecgpage.recording import Calibration, DigitizedPage, LeadBox, LeadTrace, Page, PageError, Recording
from tests.diagnosis.test_pace import FS as HEART_FS
from tests.diagnosis.test_pace import heart
from tests.page.drawn_paper import draw_paper, similarity

PICTURE = np.full((170, 220, 3), 255, np.uint8)


def page_of(signal, names=LEADS, warnings=()):
    page = Page(PICTURE, PICTURE.shape[:2], np.eye(3), False)
    quality = limb_lead_quality(signal, names)
    recording = Recording(signal, 500.0, tuple(names), limb_lead_quality=quality, warnings=warnings)
    return DigitizedPage(page, (), None, (), recording)


class NoLeads:
    """A detector that finds nothing, whichever way up the page is."""

    def __init__(self):
        self.seen = []

    def __call__(self, page):
        self.seen.append(page.size)
        return []


class UpsideDownOnly(NoLeads):
    """A detector that recognises pages turned by 180 degrees."""

    def __call__(self, page):
        corner = page.page_to_picture @ [0, 0, 1]
        if corner[0] / corner[2] > 100 and corner[1] / corner[2] > 80:
            return [LeadBox(name, (10 * k, 20, 10 * k + 9, 40), 0.9) for k, name in enumerate(LEADS)]
        return []


def test_a_picture_without_leads_gives_nan_and_says_so():
    page = Pipeline(NoLeads(), None).digitize(PICTURE, 500, 5000, LEADS)
    assert page.recording.signal.shape == (5000, 12)
    assert np.isnan(page.recording.signal).all()
    assert any("no ECG lead found in this picture of 220 x 170 pixels" in text for text in page.recording.warnings)


def test_a_page_without_clear_leads_is_looked_at_from_all_sides():
    detector = NoLeads()
    Pipeline(detector, None).find_leads(PICTURE)
    assert len(detector.seen) == 8  # four ways round, and as many on its negative
    assert detector.seen[0] == detector.seen[2] == detector.seen[1][::-1]


def test_a_page_upside_down_is_turned():
    page, _, leads, _ = Pipeline(UpsideDownOnly(), None).find_leads(PICTURE)
    assert len(leads) == 12
    assert (page.page_to_picture @ [0, 0, 1])[0] > 100


def test_the_grid_of_a_turned_page_is_as_it_lies_then():
    """Its lines are numbered to the right and downwards there, and lie where they are printed."""
    paper_to_picture = similarity(6.0, 2.0, (600, 800), (65.0, 50.0))
    picture = draw_paper(paper_to_picture, (600, 800), noise=5.0)
    page, grid, *_ = Pipeline(UpsideDownOnly(), None).find_leads(picture)
    assert (page.page_to_picture @ [0, 0, 1])[0] > 100 and grid.found
    assert grid.vectors == pytest.approx(np.diag(1 / np.array(grid.pitch)), abs=1e-3)
    on_paper = apply_homography(
        np.linalg.inv(paper_to_picture) @ page.page_to_picture @ grid.lattice_to_page,
        np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    )
    square = np.hypot(*(on_paper[1] - on_paper[0]))
    assert square == pytest.approx(5.0, abs=0.05) or square == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(on_paper / square, np.round(on_paper / square), atol=0.1)
    np.testing.assert_allclose(on_paper[1:] - on_paper[0], -square * np.eye(2), atol=0.05)


NAMES_3X4 = [lead.name for lead in layout_3x4(()).leads]


class Rows:
    """A detector that finds twelve leads in 3x4 on any look at a page, or what it is told to find on what it sees.

    ``told``: from (width of what is seen, whether the right way up) to scores and names; looks are counted.
    """

    def __init__(self, told):
        self.told, self.looks = told, 0

    def __call__(self, page):
        self.looks += 1
        to_page = np.linalg.inv(page.page_to_picture)
        upright = page.page_to_picture[0, 0] > 0 and page.page_to_picture[1, 1] > 0
        score, names = self.told(page.size[1], upright)
        boxes = [(40 + 35 * (k % 4), 40 + 30 * (k // 4), 75 + 35 * (k % 4), 60 + 30 * (k // 4)) for k in range(12)]
        return [
            LeadBox(name, map_box(to_page, box), score)
            for name, box in zip(names, boxes, strict=True)
            if name is not None
        ]


def some_wrong(names):
    return [name if k % 3 else names[(k + 3) % 12] for k, name in enumerate(names)]


UNKNOWN = [LEADS[k] for k in (5, 9, 0, 7, 2, 10, 4, 1, 11, 6, 3, 8)]


def test_a_page_that_is_well_explained_is_not_looked_at_again():
    detector = Rows(lambda width, upright: (0.95, NAMES_3X4))
    _, _, leads, _ = Pipeline(detector, None).find_leads(PICTURE)
    assert [lead.name for lead in leads] == NAMES_3X4
    assert detector.looks == 2  # at the page, and at the part of it that holds the leads


class ScaleBelow:
    """A reader that reads a scale where the page lies with this corner of its picture at the upper left."""

    def __init__(self, below):
        self.below, self.asked = below, 0

    def __call__(self, page, calibration):
        self.asked += 1
        turned = page.page_to_picture[0, 0] < 0
        return PrintedScale(25.0) if turned == self.below else PrintedScale()


@pytest.mark.parametrize("turned", [False, True])
def test_a_page_lies_the_way_in_which_its_scale_is_read(turned):
    """Leads are doubtful both ways, and explained better the wrong way."""

    def told(width, upright):
        names = NAMES_3X4 if upright else NAMES_3X4[::-1]  # in the same places of the picture
        return 0.5, some_wrong(names) if upright != turned else names

    detector = Rows(told)
    reader = ScaleBelow(turned)
    page, *_ = Pipeline(detector, None, scale_reader=reader).find_leads(PICTURE)
    assert bool(page.page_to_picture[0, 0] < 0) == turned and reader.asked
    page, *_ = Pipeline(detector, None).find_leads(PICTURE)
    assert bool(page.page_to_picture[0, 0] < 0) != turned


def test_a_page_of_clear_leads_is_not_asked_for_its_scale():
    reader = ScaleBelow(True)
    detector = Rows(lambda width, upright: (0.95, NAMES_3X4))
    page, *_ = Pipeline(detector, None, scale_reader=reader).find_leads(PICTURE)
    assert page.page_to_picture[0, 0] > 0 and not reader.asked


@pytest.mark.parametrize("clear", [145, 155, 141], ids=["cut closely", "with a margin", "squeezed"])
def test_the_look_is_kept_that_an_arrangement_explains_best(clear):
    """Names are right on one of the further looks only, told by its width in pixels."""
    detector = Rows(lambda width, _: (0.95, NAMES_3X4 if width == clear else some_wrong(NAMES_3X4)))
    _, _, leads, warnings = Pipeline(detector, None).find_leads(PICTURE)
    assert [lead.name for lead in leads] == NAMES_3X4
    assert warnings == () and detector.looks == 5
    np.testing.assert_allclose(leads[0].box, (40, 40, 75, 60), atol=0.5)


def test_looks_that_are_explained_alike_are_told_together():
    """Each look misses three leads, and each lead is missed once."""
    look_of = {145: 0, 155: 1, 141: 2}

    def told(width, _):
        missed = {4 * row + (look_of.get(width, 3) + row) % 4 for row in range(3)}
        return 0.95, [None if k in missed else name for k, name in enumerate(NAMES_3X4)]

    detector = Rows(told)
    _, _, leads, warnings = Pipeline(detector, None).find_leads(PICTURE)
    assert [lead.name for lead in leads] == NAMES_3X4 and warnings == ()
    assert [lead.score for lead in leads] == pytest.approx([0.95 * 3 / 4] * 12)


def test_a_further_look_that_is_explained_worse_is_not_kept():
    detector = Rows(lambda width, _: (0.95, some_wrong(NAMES_3X4) if width > 180 else UNKNOWN))
    _, _, leads, _ = Pipeline(detector, None).find_leads(PICTURE)
    assert [lead.name for lead in leads] == NAMES_3X4  # put right by their neighbours


def test_a_page_in_no_known_arrangement_is_not_given_up_for_a_few_boxes_that_fit_one():
    few = [name if k % 4 < 2 else None for k, name in enumerate(NAMES_3X4)]
    detector = Rows(lambda width, _: (0.95, UNKNOWN) if width > 180 else (0.3, few))
    _, _, leads, warnings = Pipeline(detector, None).find_leads(PICTURE)
    assert len(leads) == 12 and "no known arrangement" in warnings[0]


def test_a_page_lies_the_way_that_an_arrangement_explains():
    """Upside down there is a little more to see, in no order."""
    detector = Rows(lambda _, upright: (0.5, NAMES_3X4) if upright else (0.6, UNKNOWN))
    page, _, leads, _ = Pipeline(detector, None).find_leads(PICTURE)
    assert [lead.name for lead in leads] == NAMES_3X4 and page.page_to_picture[0, 0] > 0


class LevelOnly(Rows):
    """A detector that recognises pages whose rows are about level in the picture."""

    def __call__(self, page):
        return super().__call__(page) if abs(page.page_to_picture[0, 1]) < 0.3 else []


def test_a_pattern_that_is_no_grid_does_not_turn_a_page_away():
    """As a screen's raster, which runs askew of what the screen shows."""
    picture = draw_paper(similarity(6.0, 35.0, (600, 800), (65.0, 50.0)), (600, 800), traces=False, noise=5.0)
    page, grid, leads, _ = Pipeline(LevelOnly(lambda width, _: (0.95, NAMES_3X4)), None).find_leads(picture)
    assert len(leads) == 12 and not grid.found
    assert abs(page.page_to_picture[0, 1]) < 0.3


def test_a_grid_is_kept_where_nothing_is_found_without_it_either():
    picture = draw_paper(similarity(6.0, 35.0, (600, 800), (65.0, 50.0)), (600, 800), traces=False, noise=5.0)
    _, grid, leads, _ = Pipeline(NoLeads(), None).find_leads(picture)
    assert leads == () and grid.found


def with_traces():
    """A picture with a dark line through each of the boxes of ``Rows``."""
    picture = PICTURE.copy()
    for row in range(3):
        picture[50 + 30 * row : 52 + 30 * row, 40:180] = 20
    return picture


@pytest.mark.parametrize("finds_on_dark", [True, False])
def test_a_negative_is_read_as_what_it_is_of(finds_on_dark):
    picture = with_traces()

    class Anything(Rows):
        def __call__(self, page):
            return super().__call__(page) if finds_on_dark or page.image.mean() > 128 else []

    pipe = Pipeline(Anything(lambda width, _: (0.95, NAMES_3X4)), None)
    for image, notes in ((picture, 0), (255 - picture, 1)):
        page, _, leads, warnings = pipe.find_leads(image)
        assert [lead.name for lead in leads] == NAMES_3X4
        np.testing.assert_array_equal(page.image, picture)
        assert len(warnings) == notes and all("negative" in text for text in warnings)


def test_what_looks_like_a_negative_stays_where_less_is_found_on_what_it_would_be_of():
    picture = 255 - with_traces()

    class OnDark(Rows):
        def __call__(self, page):
            return super().__call__(page) if page.image.mean() < 128 else []

    page, _, leads, warnings = Pipeline(OnDark(lambda width, _: (0.95, NAMES_3X4)), None).find_leads(picture)
    assert len(leads) == 12 and warnings == ()
    np.testing.assert_array_equal(page.image, picture)


def test_merging_fills_what_the_best_page_lacks():
    full, part = np.full((1000, 12), np.nan, np.float32), np.full((1000, 12), np.nan, np.float32)
    full[:, :11], part[:, 6:] = 1.0, 2.0
    merged = merge_pages([page_of(part, warnings=("b",)), page_of(full, warnings=("a",))])
    assert (merged.signal[:, :11] == 1).all()
    assert (merged.signal[:, 11] == 2).all()
    assert merged.warnings == ("a", "b")


def test_at_equal_shares_the_page_whose_limb_leads_agree_is_taken():
    rng = np.random.default_rng(0)
    right = rng.standard_normal((1000, 12)).astype(np.float32)
    right[:, 2] = right[:, 1] - right[:, 0]
    wrong = rng.standard_normal((1000, 12)).astype(np.float32)
    assert (merge_pages([page_of(wrong), page_of(right)]).signal == right).all()


def test_no_pages_are_refused():
    with pytest.raises(ValueError, match="at least one digitized page"):
        merge_pages([])


HEADER = """page 2 100 1000
page.dat 16 1000.0(0)/mV 16 0    V1
page.dat 16 1000.0(0)/mV 16 0    AVR
"""


def test_a_record_with_one_unreadable_picture_uses_the_other(tmp_path):
    (tmp_path / "page.hea").write_text(HEADER + "# Image: page-0.png, page-1.png\n")
    (tmp_path / "page-0.png").write_bytes(b"not a picture")
    Image.fromarray(PICTURE).save(tmp_path / "page-1.png")
    recording = digitize_record(tmp_path / "page", Pipeline(NoLeads(), None))
    assert recording.signal.shape == (1000, 2)
    assert (recording.fs, recording.names) == (100.0, ("V1", "AVR"))
    assert "page-0.png" in recording.warnings[0]


@pytest.mark.parametrize("images", ["", "# Image:\n", "# Image: page-0.png\n"])
def test_a_record_without_a_readable_picture_is_refused_by_name(tmp_path, images):
    (tmp_path / "page.hea").write_text(HEADER + images)
    with pytest.raises(PageError, match="page"):
        digitize_record(tmp_path / "page", Pipeline(NoLeads(), None))


def test_quality_of_a_merged_record_is_that_of_its_first_page_as_read():
    """Not that of its signal, whose limb leads were made to agree since."""
    signal = np.random.default_rng(1).standard_normal((1000, 12)).astype(np.float32)
    page = page_of(signal)
    read = replace(page, recording=replace(page.recording, limb_lead_quality=12.5))
    assert merge_pages([read]).limb_lead_quality == 12.5


def test_quality_of_limb_leads_that_are_filled_in_is_that_of_their_page_as_read():
    signal = np.random.default_rng(1).standard_normal((1000, 12)).astype(np.float32)
    chest, limb = signal.copy(), signal.copy()
    chest[:, :5], limb[:, 5:] = np.nan, np.nan
    read = page_of(limb)
    pages = [page_of(chest), replace(read, recording=replace(read.recording, limb_lead_quality=15.2))]
    assert merge_pages(pages).limb_lead_quality == 15.2


def test_quality_of_a_record_from_several_pages_is_that_of_what_they_show_together():
    signal = np.random.default_rng(1).standard_normal((1000, 12)).astype(np.float32)
    first, second = signal.copy(), signal.copy()
    first[:, 2], second[:, :2] = np.nan, np.nan
    merged = merge_pages([page_of(first), page_of(second)])
    assert merged.limb_lead_quality == pytest.approx(limb_lead_quality(signal, LEADS))


def test_limb_leads_are_reconciled_and_how_they_agreed_as_read_is_told(monkeypatch):
    """Leads that are read with 0.2 mm of noise obey I + III = II by themselves to some 20 dB."""
    x, rng = np.arange(0, 250, 0.1), np.random.default_rng(0)
    beats = np.exp(-(((x % 21.3 - 9.0) / 0.6) ** 2))
    traces = []
    for row, (name, height) in enumerate({"I": 6.0, "II": 10.0, "III": 4.0}.items()):
        lead = LeadBox(name, (0.0, 25.0 * row, 250.0, 25.0 * row + 20), 1.0, False, row, 0, 0.0, 10.0)
        zero, ones = 25.0 * row + 15, np.ones(len(x))
        y = zero - height * beats + 0.2 * rng.standard_normal(len(x))
        traces.append(LeadTrace(lead, x, y, ones, 0.3 * ones, zero))
    leads = tuple(trace.lead for trace in traces)
    page, calibration = page_of(np.zeros((5000, 12))).page, Calibration(np.eye(3), (1.0, 1.0), "grid")
    monkeypatch.setattr(Pipeline, "read_leads", lambda *_: (page, leads, calibration, tuple(traces), ()))
    recording = Pipeline(None, None).digitize(PICTURE, 500, 5000, ("I", "II", "III")).recording
    assert 15 < recording.limb_lead_quality < 30
    assert limb_lead_quality(recording.signal, recording.names) > recording.limb_lead_quality + 10


@pytest.mark.parametrize(
    ("answers", "tracings", "source"),
    [
        (["grid"], 1, "grid"),
        (["layout", "grid"], 2, "grid"),
        (["layout", "layout", "grid"], 3, "grid"),  # the second look is for a grid
        (["layout", "layout", "layout"], 2, "layout"),  # and changes nothing without one
    ],
)
def test_a_page_without_a_grid_is_calibrated_again_by_its_traces(monkeypatch, answers, tracings, source):
    left = [Calibration(np.diag([k, k, 1.0]), (k, k), answer) for k, answer in enumerate(answers, 1)]
    scales, traced = iter(left), []

    def again(page, leads, traces, calibration, grid):
        return calibration if calibration.source == "grid" else next(scales)

    def trace(digitizer, image, paper_to_picture, leads, bend):
        traced.append(paper_to_picture[0, 0])
        return [f"traced at {paper_to_picture[0, 0]:g}"]

    monkeypatch.setattr(pipeline, "calibrate", lambda page, leads, grid: next(scales))
    monkeypatch.setattr(pipeline, "calibrate_again", again)
    monkeypatch.setattr(pipeline, "trace_rows", trace)
    page = Page(np.zeros((50, 60, 3), np.uint8), (50, 60), np.eye(3), False)
    box = LeadBox("I", (1.0, 2.0, 30.0, 20.0), 1.0, start=0.0, duration=2.5)
    calibration, traces = Pipeline(None, None).calibrate_and_trace(page, nothing_found(), (box,))
    assert calibration.source == source and len(traced) == tracings
    assert traces == (f"traced at {calibration.paper_to_page[0, 0]:g}",)


@pytest.mark.parametrize("panels_tell", [True, False])
def test_a_grid_behind_rows_is_looked_for_where_panels_tell_nothing(monkeypatch, panels_tell):
    rows, panels, squares = (Calibration(np.diag([1.0, k, 1.0]), (1.0, k), "grid") for k in (1.2, 1.1, 1.0))
    monkeypatch.setattr(pipeline, "calibrate", lambda page, leads, grid: rows)
    monkeypatch.setattr(pipeline, "even_patchwork", lambda page, told, traces, grid: panels if panels_tell else told)
    monkeypatch.setattr(pipeline, "grid_behind_rows", lambda page, leads, traces, told: squares)
    monkeypatch.setattr(pipeline, "trace_rows", lambda *_: [])
    page = Page(np.zeros((50, 60, 3), np.uint8), (50, 60), np.eye(3), False)
    box = LeadBox("I", (1.0, 2.0, 30.0, 20.0), 1.0, start=0.0, duration=2.5)
    calibration, _ = Pipeline(None, None).calibrate_and_trace(page, nothing_found(), (box,))
    assert calibration is (panels if panels_tell else squares)


@pytest.mark.parametrize("refuted", [True, False])
def test_leads_are_traced_again_without_a_bend_that_their_rows_refute(monkeypatch, refuted):
    bend = Bend(np.array([[0.0, 0]] * 5 + [[0, 3.0]]), 2, (55.0, 42.0), (55.0, 42.0))
    calibrated, traced = Calibration(np.eye(3), (1.0, 1.0), "grid", bend=bend), []

    def trace(digitizer, image, paper_to_picture, leads, bend):
        traced.append(bend)
        return []

    monkeypatch.setattr(pipeline, "calibrate", lambda *_: calibrated)
    monkeypatch.setattr(pipeline, "trace_rows", trace)
    monkeypatch.setattr(pipeline, "rows_refute", lambda traces, calibration: refuted)
    page = Page(np.zeros((50, 60, 3), np.uint8), (50, 60), np.eye(3), False)
    monkeypatch.setattr(pipeline, "calibrate_again", lambda page, leads, traces, calibration, grid: calibration)
    calibration, _ = Pipeline(None, None).calibrate_and_trace(page, nothing_found(), ())
    assert calibration.bend is (None if refuted else bend)
    assert traced == ([bend, None] if refuted else [bend])


class OnBentPaper(Rows):
    """A detector that finds these names on a page as it lies, and those on its paper laid flat."""

    def __init__(self, as_it_lies, laid_flat):
        super().__init__(None)
        self.names = as_it_lies, laid_flat

    def __call__(self, page):
        names = self.names[page.image is not PICTURE]
        self.told = lambda *_: (0.95, names)
        return super().__call__(page)


def on_bent_paper(monkeypatch, detector, height, usual_squares=True):
    """Digitize a page whose rows rise by so many mm; also the leads that were traced each time, boxes in mm."""
    curve = Bend(np.array([[0.0, 0]] * 5 + [[0, height]]), 2, (55.0, 42.0), (55.0, 42.0))
    to_page = np.diag([2.0, 2.0, 1.0])
    bent = Calibration(to_page, (2.0, 2.0), "grid", speed=7.0, bend=curve, usual_squares=usual_squares)
    traced = []

    def trace(digitizer, image, paper_to_picture, leads, bend):
        traced.append(leads)
        ones = np.ones(50)
        return [
            LeadTrace(lead, np.linspace(lead.box[0], lead.box[2], 50), lead.box[3] * ones, ones, 0.1 * ones, 0.0)
            for lead in leads
        ]

    monkeypatch.setattr(pipeline, "calibrate", lambda *_: bent)
    monkeypatch.setattr(pipeline, "calibrate_again", lambda page, leads, traces, calibration, grid: calibration)
    monkeypatch.setattr(pipeline, "trace_rows", trace)
    return Pipeline(detector, None).digitize(PICTURE, 500.0, 5000, LEADS), traced


@pytest.mark.parametrize("height", [0.4, 5.0])
def test_leads_of_bent_paper_are_looked_for_on_it_laid_flat(monkeypatch, height):
    """A row rises by what its part of the page does: 0.4 mm are not worth a look."""
    page, traced = on_bent_paper(monkeypatch, OnBentPaper(some_wrong(NAMES_3X4), NAMES_3X4), height)
    assert [lead.name for lead in page.leads] == NAMES_3X4
    put_right = any("put right by their neighbours" in text for text in page.recording.warnings)
    assert (len(traced), put_right) == ((1, True) if height < 1 else (2, False))
    if len(traced) == 2:
        x0, y0, x1, y1 = traced[-1][0].box
        assert (x1 - x0, y1 - y0) == pytest.approx((17.5, 10), abs=0.5)  # as the detector saw it, at 2 pixels a mm
        on_page = bent_box(page.calibration.paper_to_page, (x0, y0, x1, y1), page.calibration.bend)
        np.testing.assert_allclose(page.leads[0].box, on_page, atol=8)


@pytest.mark.parametrize("laid_flat", [[None] * 12, ["I"] + [None] * 11, None], ids=["nothing", "one", "too large"])
def test_without_leads_on_paper_laid_flat_those_before_stay(monkeypatch, laid_flat):
    """Three leads in no arrangement, which nothing explains either."""
    few = ["V2", None, "I", None, None, "V6"] + [None] * 6
    if laid_flat is None:
        monkeypatch.setattr(pipeline, "laid_flat", lambda page, calibration: None)
    page, traced = on_bent_paper(monkeypatch, OnBentPaper(few, laid_flat or NAMES_3X4), 5.0)
    assert {lead.name for lead in page.leads} >= {"V2", "I", "V6"} and len(traced) == 1


def test_leads_laid_flat_at_another_speed_are_left(monkeypatch):
    monkeypatch.setattr(pipeline, "runs_at", lambda speed, leads: False)
    page, traced = on_bent_paper(monkeypatch, OnBentPaper(some_wrong(NAMES_3X4), NAMES_3X4), 5.0)
    assert len(traced) == 1 and any("put right" in text for text in page.recording.warnings)


@pytest.mark.parametrize("usual", [True, False])
def test_strokes_are_followed_where_millimetres_are_sure(monkeypatch, usual):
    asked = []
    monkeypatch.setattr(
        pipeline, "follow_strokes", lambda image, to_picture, traces, bend: asked.append(traces) or traces
    )
    on_bent_paper(monkeypatch, OnBentPaper(NAMES_3X4, NAMES_3X4), 0.0, usual_squares=usual)
    assert len(asked) == usual


def test_what_is_seen_on_paper_laid_flat_is_left_where_no_arrangement_explains_it_as_well(monkeypatch):
    page, traced = on_bent_paper(monkeypatch, OnBentPaper(NAMES_3X4, UNKNOWN), 5.0)
    assert [lead.name for lead in page.leads] == NAMES_3X4 and len(traced) == 1


def traces_of(slower: float) -> list[LeadTrace]:
    """A 3x4 page's traces at 25 mm/s of a heart at 70 beats a minute, all of it so many times slower."""
    signal, traces = heart(70.0, slower), []
    for lead in layout_3x4(()).leads:
        first, count = round(lead.start * HEART_FS), round(lead.duration * HEART_FS)
        x = 20.0 + 25.0 * (lead.start + np.arange(count) / HEART_FS)
        y = 40.0 + 30 * lead.row - 10.0 * signal[first : first + count, LEADS.index(lead.name)]
        box = (float(x[0]), float(y.min()), float(x[-1]), float(y.max()))
        known = LeadBox(lead.name, box, 0.9, False, lead.row, lead.column, lead.start, lead.duration)
        traces.append(LeadTrace(known, x, y, np.ones(count), np.full(count, 0.1), zero=40.0 + 30 * lead.row))
    return traces


@pytest.mark.parametrize(("slower", "printed", "speed"), [(2.0, None, 50.0), (2.0, 25.0, 25.0), (1.0, None, 25.0)])
def test_beats_tell_the_speed_of_a_page_that_does_not(slower, printed, speed):
    """Twice as slow as any heart; on a page that prints its speed; as they are."""
    page = Page(PICTURE, PICTURE.shape[:2], np.eye(3), False)
    stages = Pipeline(NoLeads(), None, scale_reader=lambda *_: PrintedScale(printed))
    calibration, traces = stages.told_scale(page, Calibration(np.eye(3), (1.0, 1.0), "grid"), traces_of(slower))
    assert calibration.speed == speed
    assert {trace.lead.duration for trace in traces} == {2.5 * 25 / speed}
    assert max(trace.lead.start for trace in traces) == 7.5 * 25 / speed


@pytest.mark.parametrize(
    ("found_by", "usual", "smaller", "speed"),
    [
        ("layout", PrintedScale(), PrintedScale(50.0, (10.0, 10.0), 0.99), 50.0),
        ("layout", PrintedScale(25.0, None, 0.95), PrintedScale(50.0, (10.0, 10.0), 0.99), 50.0),
        ("layout", PrintedScale(25.0, None, 0.97), PrintedScale(50.0, (10.0, 10.0), 0.95), 25.0),
        ("layout", PrintedScale(25.0, None, 0.95), PrintedScale(12.5, None, 0.99), 25.0),
        ("grid", PrintedScale(25.0, None, 0.95), PrintedScale(50.0, (10.0, 10.0), 0.99), 25.0),
    ],
)
def test_print_of_half_the_size_tells_the_millimetres_of_a_page_that_its_leads_scale(found_by, usual, smaller, speed):
    """Ten seconds at 50 mm/s, of which nothing but print says that they are not at 25 mm/s, on half the millimetres."""

    def reads(_, calibration):
        return usual if calibration.paper_to_page[0, 0] == 1.0 else smaller

    page, traces = Page(PICTURE, PICTURE.shape[:2], np.eye(3), False), traces_of(1.0)
    stages = Pipeline(NoLeads(), None, scale_reader=reads)
    calibration, told = stages.told_scale(page, Calibration(np.eye(3), (1.0, 1.0), found_by), traces)
    assert calibration.speed == speed and calibration.pixels_per_mm == (25 / speed, 25 / speed)
    for before, after in zip(traces, told, strict=True):
        assert (after.lead.start, after.lead.duration) == (before.lead.start, before.lead.duration)
        ends = np.array([[trace.x, trace.y] for trace in (before, after)])
        on_page = ends * np.array([1.0, calibration.paper_to_page[0, 0]])[:, None, None]
        np.testing.assert_allclose(on_page[0], on_page[1])
