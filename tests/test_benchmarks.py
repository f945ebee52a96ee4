"""Benchmarks: what they measure is what they say."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks import plotted_pages, same_seconds, scripted_pages
from benchmarks.attribution import paper_errors, true_leads, true_origin, true_traces
from benchmarks.bends import KINDS, bent, bent_picture
from benchmarks.bends import errors as bend_errors
from benchmarks.calibration import page_errors
from benchmarks.column_gaps import true_gap, with_gaps
from benchmarks.detection import leads_named, leads_paired, leads_right, true_boxes, turned
from benchmarks.detector_speed import differences
from benchmarks.digitizer_choices import CHOICES, draw_batches, evaluate
from benchmarks.faint_grids import look, row
from benchmarks.leads_alone import lead_errors
from benchmarks.leads_alone import row as scaled_by_leads
from benchmarks.learning_curve import follow
from benchmarks.pace import as_page, both_paces, fit_odds
from benchmarks.reconciliation import row as reconciliation_row
from benchmarks.reliability import draw
from benchmarks.row_steps import gains, moved, told_steps
from benchmarks.strokes import ends_of, off, summary
from benchmarks.synthesis import PAGE_PIXELS, measure
from benchmarks.trace_sheet import best_steps, sizes
from benchmarks.true_pages import TruePage, flat_paper, read_truth
from ecgpage.calibration.in_step import limb_laws
from ecgpage.diagnosis.classifier import NETWORKS
from ecgpage.diagnosis.train import GROWTH, TRAINERS, Evidence
from ecgpage.diagnosis.trees import TreeClassifier
from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.dataset import collate
from ecgpage.digitization.features import CHANNELS
from ecgpage.digitization.loss import DigitizerBatch
from ecgpage.digitization.network import DigitizerOutput
from ecgpage.leads import LEADS, PrintedLead, by_columns, layout_3x4, layout_grid
from ecgpage.recording import LeadBox, LeadTrace, Page
from ecgpage.synthesis import PROFILES, DrawnLead
from ecgpage.synthesis.export import ExportSettings, export_pages
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training.checkpoints import CheckpointError, TrainingState, save_model, save_state
from ecgpage.training.configuration import TrainingSettings
from ecgpage.training.optimizer import make_optimizer
from tests.calibration.beating_page import page as page_of_rows
from yolov7.average import AveragedModel


def test_strokes_are_compared_with_where_the_lead_is_printed():
    x, flat = np.arange(0, 50, 0.1), np.full(500, 30.0)
    before = LeadTrace(LeadBox("I", (0, 25, 50, 35), 1.0), x, flat, np.ones(500), np.zeros(500), 30.0)
    y = flat.copy()
    y[99:102], y[300] = (27, 20, 26), 38.0
    up, down = ends_of(before, replace(before, y=y))
    assert (up.x, up.y, up.upward) == pytest.approx((10.0, 20.0, True))
    assert (down.x, down.y, down.upward) == pytest.approx((30.0, 38.0, False))
    printed = np.column_stack([x, flat])
    printed[101], printed[300] = (10.1, 19.5), (30.0, 33.0)
    assert off(up, [printed, printed + (0, 40)]) == pytest.approx((0.1, 0.5))
    assert off(down, [printed]) == pytest.approx((0.0, -5.0))
    assert np.isinf(off(up, [])[1]) and ends_of(before, before) == []
    assert summary(np.zeros((0, 2)))[0] == 0 and summary(np.array([[0.1, 0.5], [0.3, 0.5]]))[:3] == (2, 0.2, 0.5)


def test_drawing_is_measured_at_the_size_it_says():
    pixels, seconds, memory = measure("kit", 2)
    assert 1.2 * PAGE_PIXELS < pixels < 4 * PAGE_PIXELS  # two letter pages at about 200 dpi, cut or with a margin
    assert seconds > 0
    assert memory > 50


def test_a_lead_is_right_where_name_and_place_are():
    """Half of the box, or more, overlaps: 10 x 10 shifted by 3 overlaps 70 of 130; by 4, 60 of 140, below one half."""
    boxes, classes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]), np.array([0, 6])
    assert leads_right((LeadBox("I", (3, 0, 13, 10), 1.0),), boxes, classes) == 1
    assert leads_right((LeadBox("I", (4, 0, 14, 10), 1.0),), boxes, classes) == 0
    assert leads_right((LeadBox("II", (0, 0, 10, 10), 1.0), LeadBox("V1", (20, 0, 30, 10), 0.4)), boxes, classes) == 1
    assert (
        leads_right((), boxes, classes) == leads_right((LeadBox("I", (0, 0, 1, 1), 1.0),), boxes[:0], classes[:0]) == 0
    )


def test_in_pairs_a_box_names_one_lead():
    """II, tall, overlaps the box of I more than I's own does, and is not I's for that: it is nearer to II's own."""
    boxes, classes = np.array([[0.0, 0, 10, 6], [0, 4, 10, 16]]), np.array([0, 1])
    first, second = LeadBox("I", (0, 0, 10, 3), 1.0), LeadBox("II", (0, 1, 10, 16), 1.0)
    assert leads_named((first, second), boxes, classes) == leads_paired((first, second), boxes, classes) == 2
    near = LeadBox("I", (0, 0, 10, 1), 1.0)
    assert leads_named((near, second), boxes, classes) == 1
    assert leads_paired((near, second), boxes, classes) == 2
    assert leads_paired((replace(near, name="V1"), second), boxes, classes) == 1
    assert leads_paired((second,), boxes, classes) == 1
    assert leads_paired((LeadBox("I", (40, 0, 50, 10), 1.0),), boxes, classes) == 0
    assert leads_paired((), boxes, classes) == leads_paired((first,), boxes[:0], classes[:0]) == 0


def test_a_lead_is_named_by_the_found_one_that_overlaps_it_most():
    """10 x 10 under a box of its name that is 30 high overlaps by a third, under another's of 10 x 5 by half."""
    boxes, classes = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]), np.array([0, 6])
    tall, other = LeadBox("I", (0, 0, 10, 30), 1.0), LeadBox("II", (0, 0, 10, 5), 1.0)
    assert leads_named((tall,), boxes, classes) == 1
    assert leads_named((tall, other), boxes, classes) == 0
    assert leads_named((LeadBox("I", (40, 0, 50, 10), 1.0),), boxes, classes) == 0
    assert leads_named((), boxes, classes) == leads_named((tall,), boxes[:0], classes[:0]) == 0


@pytest.mark.parametrize("degrees", [90.0, 33.0, 180.0, -120.0])
def test_truth_turns_with_the_picture(degrees):
    """A dark dot stays where the lead's sample says."""
    image = np.full((80, 120, 3), 255, np.uint8)
    image[19:22, 99:102] = 0
    lead = DrawnLead(
        PrintedLead("I", 0, 0, 0.0, 1.0), np.zeros(1, np.float32), 1.0, np.array([[100.0, 20.0]], np.float32)
    )
    picture, [moved] = turned(image, [lead], degrees)
    y, x = np.unravel_index(
        np.argmin(cv2.GaussianBlur(picture, (5, 5), 1)[..., 0] + 255 * (picture[..., 0] == 90)), picture.shape[:2]
    )
    assert np.hypot(*(moved.points[0] - (x, y))) < 1.5


def test_truth_of_drawn_pages_is_read(root, tmp_path):
    record = root / "benchmarks" / "records" / "01825_hr.hea"
    export_pages(record, tmp_path, ExportSettings("kit", seed=1), report=lambda _: None)
    [page] = read_truth(tmp_path)
    assert page.picture.stem == "01825_hr-0"
    whole = Page(np.zeros((4, 4, 3), np.uint8), (4, 4), np.eye(3), True)
    boxes, classes = true_boxes(page.leads, whole)
    assert boxes.shape == (13, 4)
    assert sorted(LEADS[k] for k in classes) == sorted((*LEADS, "II"))
    assert np.all(boxes[:, 2:] > boxes[:, :2])
    with pytest.raises(ValueError, match="expected pages with their ground truth"):
        read_truth(tmp_path / "nowhere")


AFFINE = np.array([[7.9, 0.3, 60.0], [-0.2, 8.1, 400.0], [0.0, 0.0, 1.0]])
"""Paper millimetres to picture pixels."""


def sampled_leads():
    """Two leads beside each other, drawn from 2.5 s and from 5 s on at 500 Hz, 12 mm below each other."""
    leads = []
    for k, name in enumerate(("I", "V1")):
        start = 2.5 * (k + 1)
        time = start + np.arange(1250) / 500
        values = np.sin(2 * np.pi * (k + 1) * time).astype(np.float32)
        paper = np.stack([25 * time, 12.0 * k - 10 * values], axis=1)
        place = PrintedLead(name, k, k, start, 2.5)
        leads.append(DrawnLead(place, values, 500.0, (paper @ AFFINE[:2, :2].T + AFFINE[:2, 2]).astype(np.float32)))
    return leads


def true_page():
    return TruePage(Path("page"), sampled_leads(), AFFINE, Path("record"), np.zeros((5000, 12)), 500.0)


def test_flat_paper_is_found_from_its_samples():
    np.testing.assert_allclose(flat_paper(sampled_leads(), np.eye(3)), AFFINE, atol=2e-3)


@pytest.mark.parametrize(("along", "across"), [(1.0, 1.0), (1.02, 0.97)])
def test_errors_of_scale_and_time_are_those_put_in(along, across):
    """Paper on which a millimetre is taken too large, and which begins 3 mm left of where it does."""
    found = AFFINE @ np.array([[along, 0, -3.0], [0, across, 5.0], [0, 0, 1]])
    assert paper_errors(true_page(), found) == pytest.approx((along, across), rel=1e-4)
    if along == 1.0:
        assert true_origin(true_page(), found) == pytest.approx(3.0, abs=1e-3)


def test_true_heights_replace_found_ones_where_the_lead_is_printed():
    x = np.linspace(60, 190, 3000)
    boxes = [LeadBox(name, (62.5, -10, 125, 10), 1.0) for name in ("I", "V6")]
    found = [LeadTrace(box, x, np.full(3000, 99.0), np.ones(3000), np.ones(3000)) for box in boxes]
    replaced, other = true_traces(true_page(), AFFINE, found)
    assert other is found[1]  # V6 is not there
    inside = (x > 62.6) & (x < 124.8)
    expected = -10 * np.sin(2 * np.pi * x[inside] / 25)
    np.testing.assert_allclose(replaced.y[inside], expected, atol=0.02)
    assert replaced.presence[inside].all() and not replaced.presence[(x < 62.4) | (x > 125)].any()


def test_true_boxes_hold_their_leads():
    page = Page(np.zeros((4, 4, 3), np.uint8), (4, 4), np.eye(3), True)
    for lead, drawn in zip(true_leads(true_page().leads, page), sampled_leads(), strict=True):
        assert (lead.name, lead.start, lead.duration) == (drawn.lead.name, drawn.lead.start, 2.5)
        np.testing.assert_allclose(lead.box, drawn.box, atol=1e-3)


def test_the_learning_curve_follows_a_straight_line_in_the_logarithm():
    """0.1 for each doubling."""
    assert follow([500, 1000, 2000], [0.5, 0.6, 0.7], 8000) == pytest.approx(0.9)


def test_reliability_is_drawn_of_every_way_of_judging():
    bins = [{"from": 0.0, "to": 0.1, "records": 7, "said": 0.05, "true": 0.1}]
    judged = {"reliability": bins, "calibration_error": {"abnormal": 0.05}}
    curve, counts = draw({"members": {"signal": judged, "image": judged}}).axes
    assert len(curve.lines) == 3 and len(counts.lines) == 2  # the diagonal too
    np.testing.assert_array_equal(curve.lines[1].get_xydata(), [[0.05, 0.1]])


def test_calibration_errors_are_those_of_the_paper_found(root):
    """On a clean page next to none; of a page shown 3 % too wide after it was drawn, 3 % along."""
    draw = RecordDrawer([PROFILES["clean"].drawn_at(150.0, 150.0)])
    page = draw(root / "benchmarks" / "records" / "01825_hr", np.random.default_rng(0))
    measured = page_errors(page)
    assert measured is not None
    source, errors = measured
    assert source == "grid"
    assert np.abs(errors.along).max() < 0.002 and abs(errors.across) < 0.005
    assert errors.time < 0.03 and errors.height < 0.03
    slower = replace(page, leads=tuple(replace(lead, speed=lead.speed / 1.03) for lead in page.leads))
    assert np.median(page_errors(slower)[1].along) == pytest.approx(0.03, abs=0.002)


def test_errors_of_leads_alone_are_those_of_a_millimetre_of_time(root):
    """On the paper that a page was drawn on none; on one whose millimetres are 2 % longer 2 % less."""
    draw = RecordDrawer([PROFILES["clean"].drawn_at(150.0, 150.0)])
    page = draw(root / "benchmarks" / "records" / "01825_hr", np.random.default_rng(0))
    true = TruePage(Path(), list(page.leads), page.paper_to_picture, Path(), np.zeros((0, 12)), 500.0)
    exact, longer = (lead_errors(true, page.paper_to_picture @ np.diag([size, 1.0, 1.0])) for size in (1.0, 1.02))
    assert len(exact) == len(page.leads) and np.abs(exact).max() < 1e-3
    np.testing.assert_allclose(longer, 1 / 1.02 - 1, atol=1e-3)
    found = scaled_by_leads([(longer, exact), (longer, longer), None])
    np.testing.assert_allclose(found, [3, 1, 1.96, 1.96, 1.96, 0.98, 1.96, 1.96, 50], atol=0.1)


def test_grids_are_looked_for_where_leads_would_say(root):
    record, settings = root / "benchmarks" / "records" / "01825_hr", PROFILES["clean"].drawn_at(110.0, 110.0)
    bare = replace(settings, grid=replace(settings.grid, pattern=(("none", 1.0),)))
    with_grid, without = (
        look(RecordDrawer([one])(record, np.random.default_rng(1)), np.random.default_rng(0))
        for one in (replace(settings, grid=replace(settings.grid, pattern=(("lines", 1.0),))), bare)
    )
    assert with_grid.at_once and np.abs(with_grid.off).max() < 0.003
    assert not without.at_once and without.off is None
    assert row("clean", [with_grid], [without]) == [
        "clean", 1, 1, 1, *[pytest.approx(100 * abs(off)) for off in with_grid.off.repeat(2)], 1, 0
    ]  # fmt: skip


def test_a_bent_page_is_measured_at_its_samples(root):
    draw = RecordDrawer([PROFILES["clean"].drawn_at(150.0, 150.0)])
    page = draw(root / "benchmarks" / "records" / "01825_hr", np.random.default_rng(0))
    places = np.stack(np.meshgrid(np.arange(20.0, 250, 10), np.arange(60.0, 190, 10)), axis=-1).reshape(-1, 2)
    still = bent_picture(page.image, page.paper_to_picture, np.zeros_like, np.random.default_rng(0))
    assert np.abs(bend_errors(*still, np.zeros_like, places)).max() < 0.05

    def right(at):
        return np.stack([0.02 * at[..., 0], np.zeros(at.shape[:-1])], axis=-1)  # read at 1.02 of its width

    off = bend_errors(*still, right, places)
    assert off.max() == pytest.approx(0.02 * 115, rel=0.05)  # of the places 115 mm beside the middle one


@pytest.mark.parametrize("kind", KINDS)
def test_paper_bends_without_tearing(kind):
    away = bent(kind, np.random.default_rng(1))
    at = np.stack(np.meshgrid(np.arange(0, 270, 3.0), np.arange(0, 210, 3.0)), axis=-1)
    there = at + away(at)
    assert (np.diff(there[..., 0], axis=1) > 0).all() and (np.diff(there[..., 1], axis=0) > 0).all()
    assert np.hypot(*np.moveaxis(away(at), -1, 0)).max() > 0.1


def test_crops_are_judged_by_their_heights(root):
    [examples] = draw_batches(root / "benchmarks" / "records", 1, 2, AS_RECORDED, seed=0)
    truth = collate(examples)

    def read(off: float):
        presence = torch.where(truth.presence, 9.0, -9.0)
        return lambda crops: DigitizerOutput(truth.height + off, presence, None, truth.height)

    perfect, off = evaluate(read(0.0), [examples]), evaluate(read(5.0), [examples])
    assert perfect.wrong.max() == 0 and perfect.snr.min() > 40
    power = [float(h[p].double().var(correction=0)) for h, p in zip(truth.height, truth.presence, strict=True)]
    np.testing.assert_allclose(off.snr, [10 * np.log10(max(value, 1) / 25) for value in power], atol=1e-3)


@pytest.mark.parametrize("name", list(CHOICES))
def test_every_choice_can_be_trained(name):
    """A step of each, on noise."""
    choice = CHOICES[name]
    torch.manual_seed(0)
    model = choice.kind(replace(choice.network, channels=(4, 6), blocks=(1, 1)), choice.loss).train()
    crops, shape = torch.randn(2, CHANNELS, 64, 32), (2, 32 * SUBCOLUMNS)
    loss, _ = model.loss(DigitizerBatch(crops, torch.full(shape, 30.0), torch.ones(shape, dtype=torch.bool)))
    loss.backward()
    assert torch.isfinite(loss)
    assert model.eval().read(crops).height.shape == shape


def test_steps_between_limb_leads_are_told():
    """I comes 8 ms late, III 4 ms early, of three leads that otherwise obey Einthoven's law."""
    rng = np.random.default_rng(0)
    one, two = np.cumsum(rng.normal(0, 0.02, (2, 1400)), axis=1)
    signal = np.full((5000, 12), np.nan)
    signal[:1200, 0], signal[:1200, 1], signal[:1200, 2] = one[96:1296], two[100:1300], (two - one)[102:1302]
    steps = best_steps(signal, 500.0)
    assert (steps.one, steps.three) == (8.0, -4.0)
    assert steps.quality > 60
    np.testing.assert_allclose(sizes(signal), np.nanstd(signal[:, :3], axis=0))
    assert np.isnan(best_steps(signal[:200], 500.0)).all()


@pytest.mark.parametrize("statements", [0, 5])
def test_a_kept_network_is_the_averaged_one_and_nothing_is_written(tmp_path, statements):
    torch.manual_seed(0)
    settings = TrainingSettings()
    trainer = TRAINERS["signal"](Evidence([], [], 0), np.zeros((0, 4), np.float32), settings, tmp_path, 5)
    network, average = (NETWORKS["signal"](3 + statements) for _ in range(2))
    average = AveragedModel(average, 0.9)
    checkpoint = tmp_path / "signal-0.safetensors"
    save_state(checkpoint, TrainingState(network, average, make_optimizer(network, settings.classifier), 7, 1.0))
    before = checkpoint.read_bytes()
    kept = trainer.kept(checkpoint)
    for name, weight in kept.state_dict().items():
        expected = average.module.state_dict()[name]
        torch.testing.assert_close(weight, expected[:4] if name.startswith("head.") else expected)
    assert not kept.training and checkpoint.read_bytes() == before
    with pytest.raises(CheckpointError, match="expected a classifier's training"):
        trainer.kept(tmp_path / "signal-1.safetensors")


def test_kept_trees_are_those_that_grew(tmp_path):
    trainer = TRAINERS["trees"](Evidence([], [], 0), np.zeros((0, 4), np.float32), TrainingSettings(), tmp_path, 5)
    trees = TreeClassifier(3, GROWTH.trees)
    trees.leaf.normal_()
    save_model(tmp_path / "trees-0.safetensors", trees)
    kept = trainer.kept(tmp_path / "trees-0.safetensors")
    torch.testing.assert_close(kept.leaf, trees.leaf.half().float())
    with pytest.raises(CheckpointError):
        trainer.kept(tmp_path / "trees-1.safetensors")


def test_steps_of_rows_that_are_out_of_step_hold_in_the_other_half():
    [einthoven, goldberger] = limb_laws(page_of_rows(0.0))
    late = moved(einthoven, np.array([0.1, -0.05, 0.0]))
    np.testing.assert_allclose(told_steps(late), [-0.1, 0.05, 0.0], atol=0.01)
    assert min(gains(late)) > 6
    assert max(np.abs(told_steps(goldberger))) < 0.01


def test_steps_told_by_noise_do_not_hold_in_the_other_half():
    rng = np.random.default_rng(2)
    rough = [replace(trace, y=trace.y + rng.normal(0, 0.5, len(trace.y))) for trace in page_of_rows(0.0)]
    assert np.mean([gains(law) for law in limb_laws(rough)]) < 0.5


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_blanks_between_columns_are_measured_where_they_are_drawn(root, chance):
    kind = with_gaps(PROFILES["photo"], chance).drawn_at(50, 60)
    record = root / "benchmarks" / "records" / "01825_hr"
    gaps = [true_gap(RecordDrawer([kind], AS_RECORDED)(record, np.random.default_rng(seed))) for seed in range(3)]
    low, high = (1.0, 6.0) if chance else (0.0, 0.0)
    assert all(low - 0.1 < gap < high + 0.1 for gap in gaps), gaps


def test_both_paces_of_a_record_are_told_by_its_page(root):
    signal = np.ones((1000, 12), np.float32)
    shown = as_page(signal, 100.0, np.random.default_rng(0))
    assert np.isfinite(shown).mean() == pytest.approx(0.25)
    usual, slowed = both_paces(root / "benchmarks" / "records" / "01825_hr", np.random.default_rng(0))
    assert usual[0] > slowed[0] and usual[1] < slowed[1] and usual[2] < slowed[2]


def test_odds_are_fitted_to_what_tells():
    """A logistic regression of known weights and bias."""
    rng = np.random.default_rng(4)
    figures = rng.normal([3.0, -1.0], 1.0, (20000, 2))
    slow = rng.random(20000) < 1 / (1 + np.exp(-(figures @ [1.5, -0.5] - 4.0)))
    np.testing.assert_allclose(fit_odds(figures, slow), [1.5, -0.5, -4.0], atol=0.2)


@pytest.mark.parametrize("same", [True, False])
def test_columns_show_their_own_seconds_or_the_first(same):
    """A signal that rises by 1 mV every second: V4's column starts at 7.5 s, or at 0; the strip always runs through."""
    signal = np.repeat(np.arange(2500)[:, None] / 250.0, 12, axis=1)
    traces = same_seconds.page_traces(signal, layout_3x4(), same)
    by_name = {trace.lead.name: trace for trace in traces if not trace.lead.strip}
    assert (by_name["V4"].zero - by_name["V4"].y[0]) / same_seconds.GAIN == pytest.approx(0 if same else 7.5, abs=0.05)
    [strip] = [trace for trace in traces if trace.lead.strip]
    assert len(strip.x) == 2500 and (strip.zero - strip.y[-1]) / same_seconds.GAIN == pytest.approx(10, abs=0.05)
    assert by_name["V4"].x[0] - strip.x[0] == pytest.approx(7.5 * 25, abs=0.3)


@pytest.mark.parametrize("layout", plotted_pages.LAYOUTS)
def test_plotted_pages_hold_what_their_layout_prints(layout):
    signal = np.arange(5000 * 12, dtype=float).reshape(5000, 12)
    shown = layout.printed(signal, 500.0)
    there = np.isfinite(shown)
    np.testing.assert_array_equal(shown[there], signal[there])
    assert (
        there.sum(axis=0) == [5000 if layout.strip and name == "II" else 500 * layout.seconds for name in LEADS]
    ).all()
    begins = there.argmax(axis=0) / 500.0
    rows = 12 // layout.columns
    expected = [layout.seconds * (k // rows) * layout.follow for k in range(12)]
    assert begins.tolist() == [0.0 if layout.strip and k == 1 else begin for k, begin in enumerate(expected)]


@pytest.mark.parametrize("draw", scripted_pages.DRAWERS)
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_scripted_pages_print_leads_where_their_layout_has_them(draw, columns):
    """Ink on the middle of each lead's zero line, and in a step of 1 mV, 10 mm above it."""
    signal = np.zeros((5000, 12))
    signal[1000:1200] = signal[2300:2400] = signal[3000:3100] = signal[4500:4600] = 1.0
    layout = layout_grid(by_columns(LEADS, columns), (), 10.0)
    picture = draw(signal, 500.0, layout, np.random.default_rng(2))
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    if draw is scripted_pages.subplots:
        return  # whose panels lie where Matplotlib puts them
    width, height, _, pitch = scripted_pages.page_size(layout)
    per_mm = picture.shape[1] / width
    assert picture.shape[0] / per_mm == pytest.approx(height, rel=0.01)
    for lead in layout.leads:
        middle = scripted_pages.MARGIN + 25 * (lead.offset + lead.duration / 2)
        up = 10 * signal[round(500 * (lead.start + lead.duration / 2)), 0]
        x, y = round(per_mm * middle), round(per_mm * (scripted_pages.TOP + pitch * lead.row - up))
        assert picture[y - 2 : y + 3, x].min() < 130


@pytest.mark.parametrize("finish", scripted_pages.FINISHES)
def test_finished_pages_stay_pictures(finish):
    picture = np.full((300, 500, 3), 240, np.uint8)
    picture[100:110] = 20
    finished = finish(picture, np.random.default_rng(0))
    assert finished.dtype == np.uint8 and finished.shape[2] == 3 and finished.min() < 100 and finished.max() > 180


def test_runtimes_are_compared_in_boxes_that_count_and_in_all():
    first = torch.tensor([[[10.0, 10.0, 900.0, 20.0, 0.001, 0.5], [10.0, 10.0, 90.0, 20.0, 0.5, 0.5]]])
    apart = torch.tensor([[[0.0, 0.0, 0.5, 0.0, 0.0, 0.25], [0.0, 0.125, 0.0, 0.0, 0.0, 0.0]]])
    told = differences([(first, first + apart), (first, first)])
    assert [row[1:] for row in told] == [(0.125, 0.0), (0.5, 0.25)]
    assert [row[0] for row in differences([(first[:, :1], first[:, :1])])] == ["all"]


def test_what_reconciling_gains_is_counted_by_pages_and_limb_leads():
    """Two pages of which one shows the limb leads alone, and a third that is read as before."""
    better, limb, same = (np.full((2, 12), 10.0) for _ in range(3))
    better[1, :6] += 2.0
    limb[:, 6:], limb[1, 0] = np.nan, 7.0
    name, number, read, reconciled, *rest = reconciliation_row("some", [better, limb, same])
    assert (name, number, read) == ("some", 3, pytest.approx(10.0))
    assert reconciled == pytest.approx((11.0 + 9.5 + 10.0) / 3)
    assert rest == [pytest.approx(10.0), pytest.approx((12 + 9.5 + 10) / 3), 1, 1]
    assert np.isnan(reconciliation_row("none", [])[2])
