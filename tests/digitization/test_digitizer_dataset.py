from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.dataset import (
    COLUMNS,
    CropJitter,
    CropSampling,
    DrawnLeadBatches,
    draw_example,
    paper_box,
    share_under_others,
    take_batch,
    visible_leads,
    zero_height,
)
from ecgpage.digitization.features import CHANNELS
from ecgpage.digitization.targets import heights_to_paper
from ecgpage.leads import PrintedLead
from ecgpage.synthesis import DrawnLead, DrawnPage

SCALE = 6.0


def drawn_page(rng: np.random.Generator) -> DrawnPage:
    """Two rows, the lower one a strip of 10 s, whose traces are painted as dark pixels on white paper."""
    image = np.full((600, 1800, 3), 255, np.uint8)
    leads = []
    for row, (name, seconds) in enumerate([("V1", 2.5), ("II", 10.0)]):
        n = round(seconds * 500)
        values = np.cumsum(rng.normal(0, 0.01, n)).clip(-0.6, 0.6).astype(np.float32)
        x = 20 + 25 * np.arange(n) / 500
        points = (np.stack([x, 30 + 40 * row - 10 * values], axis=1) * SCALE).astype(np.float32)
        column, line = np.rint(points).astype(int).T
        image[line, column] = image[line + 1, column] = 0
        leads.append(DrawnLead(PrintedLead(name, row, 0, 0.0, seconds), values, 500.0, points))
    outline = np.array([[0, 0], [1799, 0], [1799, 599], [0, 599]], float)
    return DrawnPage(image, np.diag([SCALE, SCALE, 1.0]), (300.0, 100.0), outline, SCALE, tuple(leads))


class Painter:
    def __init__(self):
        self.seen = []

    def __call__(self, path: Path, rng: np.random.Generator) -> DrawnPage:
        self.seen.append(path)
        return drawn_page(rng)


RECORDS = [Path(f"r{k}") for k in range(5)]


def test_an_epoch_shows_each_record_once_and_every_crop():
    painter = Painter()
    batches = list(DrawnLeadBatches(RECORDS, painter, 4, sampling=CropSampling(leads=2, buffer=3)))
    assert sorted(painter.seen) == RECORDS
    assert sum(len(batch.crops) for batch in batches) == 2 * len(RECORDS)
    for batch in batches:
        size, channels, _, columns = batch.crops.shape
        assert (channels, columns) == (CHANNELS, COLUMNS)
        assert batch.height.shape == batch.presence.shape == (size, COLUMNS * SUBCOLUMNS)
        assert batch.presence.any(dim=1).all()


def test_the_same_seed_gives_the_same_batches():
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(iter(DrawnLeadBatches(RECORDS, Painter(), 2, sampling=CropSampling(buffer=1)))).height

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_pages_per_record_limits_the_pages_drawn():
    heights = {float(drawn.image.sum()) for drawn in _pages_of_one_record(2)}
    assert len(heights) == 2


def _pages_of_one_record(pages: int) -> list[DrawnPage]:
    drawn = []

    def draw(path: Path, rng: np.random.Generator) -> DrawnPage:
        drawn.append(drawn_page(rng))
        return drawn[-1]

    dataset = DrawnLeadBatches(RECORDS[:1], draw, 1, pages, sampling=CropSampling(leads=1))
    torch.manual_seed(0)
    for _ in range(8):
        list(dataset)
    return drawn


def test_a_record_that_makes_no_page_is_left_out():
    def draw(path: Path, rng: np.random.Generator) -> DrawnPage:
        if path.name == "r2":
            raise ValueError("r2 is too short")
        return drawn_page(rng)

    with pytest.warns(UserWarning, match="r2 is too short"):
        batches = list(DrawnLeadBatches(RECORDS, draw, 4, sampling=CropSampling(leads=1)))
    assert sum(len(batch.crops) for batch in batches) == len(RECORDS) - 1


@pytest.mark.parametrize("seed", range(6))
def test_the_target_lies_on_the_ink_however_the_crop_was_shaken(seed):
    rng = np.random.default_rng(seed)
    page = drawn_page(rng)
    crop, target = draw_example(page, page.leads[seed % 2], CropJitter(), rng)
    middle = np.arange(1, COLUMNS * SUBCOLUMNS, SUBCOLUMNS)
    columns = np.flatnonzero(target.presence[middle])
    rows = target.height[middle][columns]
    # The line is two picture pixels high, its middle half a pixel (0.8 crop rows) below the target.
    darkness = 255 - crop.image.mean(axis=2)
    near = np.abs(np.arange(len(darkness))[:, None] - (rows + 0.8)) <= 6
    inked = (darkness[:, columns] * near).sum(axis=0)
    centre = (darkness[:, columns] * near * np.arange(len(darkness))[:, None]).sum(axis=0) / np.maximum(inked, 1)
    assert len(columns) > 300
    assert np.median(np.abs(centre - rows - 0.8)) < 0.8


def test_without_jitter_the_trace_is_where_it_was_drawn():
    page = drawn_page(np.random.default_rng(0))
    lead = page.leads[0]
    crop, target = draw_example(page, lead, CropJitter(0, 0, 0, 0, 0, 0, 0, astray=0, cut=0), np.random.default_rng(0))
    np.testing.assert_allclose(crop.box, paper_box(lead, page.paper_to_picture))
    assert crop.zero == pytest.approx(zero_height(lead, page.paper_to_picture))
    x, y = heights_to_paper(target.height, crop)
    truth = np.interp(x, lead.points[:, 0] / SCALE, lead.points[:, 1] / SCALE)
    np.testing.assert_allclose(y[target.presence], truth[target.presence], atol=1e-4)


def test_a_box_may_cut_off_a_wave_at_one_side_and_the_target_goes_on():
    page = drawn_page(np.random.default_rng(0))
    lead = page.leads[1]
    _, top, _, bottom = paper_box(lead, page.paper_to_picture)
    missed = []
    for seed in range(20):
        jitter = CropJitter(0, 0, 0, 0, 0, 0, 0, astray=0, cut=1, most_cut=0.5)
        crop, target = draw_example(page, lead, jitter, np.random.default_rng(seed))
        _, low, _, high = crop.box
        missed.append(((low - top) / (bottom - top), (bottom - high) / (bottom - top)))
        x, y = heights_to_paper(target.height, crop)
        truth = np.interp(x, lead.points[:, 0] / SCALE, lead.points[:, 1] / SCALE)
        np.testing.assert_allclose(y[target.presence], truth[target.presence], atol=1e-4)
    least, most = np.sort(missed, axis=1).T
    np.testing.assert_allclose(least, 0, atol=1e-6)
    assert most.min() >= 0 and 0.4 < most.max() <= 0.5 and np.ptp(np.argmax(missed, axis=1)) == 1


@pytest.mark.parametrize(
    "wrong", [{"astray": 0.6, "cut": 0.5}, {"cut": -0.1}, {"astray": float("nan")}, {"most_cut": 2}]
)
def test_chances_and_shares_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="astray and cut|most_cut"):
        CropJitter(**wrong)


def test_crowded_leads_are_not_shown_less_often():
    with pytest.raises(ValueError, match="crowded"):
        CropSampling(crowded=-0.5)


def test_the_share_of_a_lead_that_lies_under_others():
    page = drawn_page(np.random.default_rng(0))
    assert share_under_others(page.leads, page.paper_to_picture).tolist() == [0, 0]
    v1, ii = page.leads
    under = replace(v1, points=v1.points + np.float32([0, SCALE * 40]))  # in the strip's row, a quarter as long
    wide, short = share_under_others([ii, under], page.paper_to_picture)
    assert 0 < wide < 0.26 and short > wide
    assert share_under_others([ii, ii, ii], page.paper_to_picture).tolist() == [1, 1, 1]


def test_crowded_leads_are_shown_more_often():
    """Of three leads two lie on each other: each of these comes three times as often, and more leads are shown."""
    page = drawn_page(np.random.default_rng(0))
    crowded = replace(page, leads=(page.leads[0], page.leads[1], page.leads[1]))
    sampling = CropSampling(leads=1, jitter=CropJitter(0, 0, 0, 0, 0, 0, 0, astray=0, cut=0))
    batches = DrawnLeadBatches([Path(str(k)) for k in range(40)], lambda *_: crowded, 4, sampling=sampling)
    shown = [crop.box[2] > 100 for examples in batches.examples(np.random.default_rng(0)) for crop, _ in examples]
    assert len(shown) == 80  # round(mean of 1, 3 and 3) of each
    assert 0.75 < np.mean(shown) < 0.95


def test_a_batch_has_one_height_and_empties_the_buffer():
    rng = np.random.default_rng(0)
    page = drawn_page(rng)
    usual = draw_example(page, page.leads[0], CropJitter(), rng)
    tall = (type(usual[0])(np.zeros((512, COLUMNS, 3), np.uint8), (0.0, 0.0), (1.0, 1.0, 2.0, 2.0)), usual[1])
    buffer = [usual, tall, usual, tall, usual]
    assert [len(example[0].image) for example in take_batch(buffer, 3, rng)] == [len(usual[0].image)] * 3
    assert [len(example[0].image) for example in take_batch(buffer, 3, rng)] == [512, 512]
    assert buffer == []


def test_points_outside_of_the_picture_are_not_visible():
    page = drawn_page(np.random.default_rng(0))
    moved = (_moved(lead, -300) for lead in page.leads)
    leads = tuple(replace(lead, visible=lead.points[:, 0] >= 0) for lead in moved)
    cut = replace(page, image=page.image[:, 300:], leads=leads)
    for before, after in zip(cut.leads, visible_leads(cut), strict=True):
        seen = np.isfinite(after.points).all(axis=1)
        np.testing.assert_array_equal(seen, before.points[:, 0] >= 0)
        assert 0 < seen.sum() < len(seen)
        np.testing.assert_array_equal(after.points[seen], before.points[seen])


def _moved(lead: DrawnLead, x: float) -> DrawnLead:
    return replace(lead, points=lead.points + np.float32([x, 0]))


def test_the_zero_line_is_where_a_lead_has_no_voltage():
    time = np.arange(100.0)
    values = np.sin(time / 5).astype(np.float32)
    points = np.stack([time, 300 - SCALE * 5 * values], axis=1).astype(np.float32)
    lead = DrawnLead(PrintedLead("I", 0, 0, 0.0, 0.2), values, 500.0, points, gain=5.0)
    assert zero_height(lead, np.diag([SCALE, SCALE, 1.0])) == pytest.approx(300 / SCALE, abs=1e-4)
