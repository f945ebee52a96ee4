"""The page fitted into the network's input, and the boxes on it."""

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.detection.closer import USUAL_SHAPE
from ecgpage.detection.dataset import PageExamples, collate, straighten
from ecgpage.detection.targets import lead_box, lead_targets
from ecgpage.geometry import apply_homography
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.page.view import page_view
from ecgpage.synthesis import PROFILES, Arrangement, DrawnLead, draw_page
from ecgpage.training.drawn_pages import DrawnPages, Jitter, relit

SIZE = (224, 256)
MAKE = PageExamples(SIZE)
UNSPOILT = Jitter(0.0, 0.0, (0.0, 0.0), 0.0, close=0.0, part=0.0, turned=0.0, light=0.0, grey=0.0)


def sine_signal(seconds=10.0, fs=100.0):
    t = np.arange(round(seconds * fs)) / fs
    return np.stack([np.sin(2 * np.pi * (1 + k / 12) * t) * 0.5 for k in range(12)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def page():
    return draw_page(sine_signal(), 100.0, Arrangement(layout_3x4()), PROFILES["kit"], np.random.default_rng(5))


def draw(record, rng):
    if record < 2:
        raise ValueError("too short")
    return draw_page(sine_signal(), 100.0, Arrangement(layout_3x4()), PROFILES["clean"].drawn_at(60, 80), rng)


@settings(max_examples=20, deadline=None)
@given(st.integers(200, 900), st.integers(200, 900), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_spot_on_the_page_is_seen_where_its_box_says(height, width, u, v):
    """A bright square of 40 px; its middle in the view, mapped back to the page, is where it was drawn."""
    image = np.zeros((1000, 1000, 3), np.uint8)
    to_picture = np.array([[1.0, 0.05, 20.0], [-0.04, 1.0, 60.0], [0.0, 0.0, 1.0]])
    spot = np.array([u * width, v * height])
    x, y = apply_homography(to_picture, spot[None])[0].round().astype(int)
    image[y - 20 : y + 21, x - 20 : x + 21] = 255
    view, fit = page_view(image, to_picture, (height, width), SIZE)
    weight = view[..., 0].astype(float) * (view[..., 0] != 114)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    seen = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    found = fit.boxes_to_image(np.array([*(seen + 0.5), *(seen + 0.5)]))[0, :2] - 0.5
    np.testing.assert_allclose(found, apply_homography(np.linalg.inv(to_picture), np.array([[x, y]]))[0], atol=1.5)


def test_thin_lines_fade_evenly_when_the_picture_shrinks():
    """One white row in eight, shrunk eight times: an even grey of 255 / 8, not lines and gaps."""
    image = np.zeros((2048, 2048, 3), np.uint8)
    image[::8] = 255
    view, _ = page_view(image, np.eye(3), (2048, 2048), (256, 256))
    assert abs(float(view[8:-8].mean()) - 255 / 8) < 3 and view[8:-8].std() < 4


def test_outside_of_the_page_is_filled(page):
    height, width = page.image.shape[:2]
    view, fit = page_view(page.image, np.eye(3), (height // 3, width), SIZE)
    assert fit.top > 20
    assert (view[: int(fit.top) - 1] == 114).all() and (view[-int(fit.top) + 2 :] == 114).all()


def test_targets_of_a_page_in_its_own_picture(page):
    boxes, classes = lead_targets(page, np.eye(3), page.image.shape[:2])
    assert [LEADS[label] for label in classes] == [lead.lead.name for lead in page.leads]
    for box, lead in zip(boxes, page.leads, strict=True):
        np.testing.assert_allclose(box, np.clip(lead.box, -0.5, None), atol=0.6)


def test_flat_lead_gets_four_millimetres():
    """100 samples at 50 Hz are 50 mm; drawn over 99 px that is about 2 px/mm: a box 8 px high around the line."""
    lead = layout_3x4().leads[0]
    points = np.stack([np.arange(100.0), np.full(100, 70.0)], axis=1).astype(np.float32)
    box = lead_box(DrawnLead(lead, np.zeros(100, np.float32), 50.0, points), np.eye(3))
    np.testing.assert_allclose(box, [0, 70 - 3.96, 99, 70 + 3.96], atol=1e-6)


def test_unprinted_lead_has_no_box():
    lead = layout_3x4().leads[0]
    drawn = DrawnLead(lead, np.full(9, np.nan, np.float32), 50.0, np.full((9, 2), np.nan, np.float32))
    assert lead_box(drawn, np.eye(3)) is None


def test_lead_outside_the_view_is_left_out(page):
    shift = np.array([[1.0, 0, -page.image.shape[1] * 0.5], [0, 1, 0], [0, 0, 1]])
    boxes, classes = lead_targets(page, shift, page.image.shape[:2])
    assert 0 < len(boxes) < len(page.leads)
    assert LEADS.index("aVR") not in classes.tolist() and LEADS.index("V6") in classes.tolist()


def test_straightened_page_without_jitter_is_upright(page):
    example = straighten(page, SIZE, UNSPOILT, np.random.default_rng(0))
    assert example.view.shape == (*SIZE, 3)
    left = {LEADS[label]: box for label, box in zip(example.classes[:-1], example.boxes[:-1], strict=True)}
    assert abs(left["I"][0] - left["III"][0]) < 0.5 and abs(left["V4"][2] - left["V6"][2]) < 0.5
    widths = np.array([box[2] - box[0] for box in left.values()])
    assert widths.std() / widths.mean() < 0.01


def test_on_a_turned_page_there_is_nothing_to_find(page):
    example = straighten(page, SIZE, Jitter(turned=1.0), np.random.default_rng(0))
    assert example.boxes.shape == (0, 4) and example.view.std() > 5


def test_each_round_shows_every_record_once_and_passes_over_short_ones():
    seen = []
    pages = DrawnPages([10.0, 10.5, 1.0, 11.0], lambda *a: (seen.append(a[0]), draw(*a))[1], MAKE, seed=3)
    examples = iter(pages)
    for _ in range(6):
        next(examples)
    rounds = [record for record in seen if record > 4]
    assert sorted(rounds[:3]) == sorted(rounds[3:6]) == [10.0, 10.5, 11.0]


def test_a_record_has_as_many_pages_as_asked():
    pages = DrawnPages([10.0], draw, MAKE, pages_per_record=2, seed=0)
    rng = np.random.default_rng(0)
    assert len({pages.draw_page(0, rng).image.tobytes() for _ in range(12)}) == 2


def test_a_page_is_shown_as_often_as_asked_and_others_between():
    drawn = []

    def count(*arguments):
        drawn.append(draw(*arguments))
        return drawn[-1]

    pages = DrawnPages([10.0], count, lambda page, _: id(page), shows=3)
    shown = list(islice(pages, 31))
    assert len(drawn) == 11 and len(set(shown)) >= 6
    assert shown[1] != shown[0]
    with pytest.raises(ValueError, match="at least once"):
        DrawnPages([10.0], draw, MAKE, shows=0)


def test_part_of_a_page_shows_some_of_its_leads(page):
    parts = Jitter(0.0, 0.0, (0.0, 0.0), 0.0, close=0.0, part=1.0, part_size=(0.5, 0.6), turned=0.0)
    counts = [len(straighten(page, SIZE, parts, np.random.default_rng(k)).boxes) for k in range(8)]
    assert min(counts) < 10 < len(straighten(page, SIZE, UNSPOILT, np.random.default_rng(0)).boxes)


def test_close_view_is_filled_by_the_leads(page):
    close = Jitter(0.0, 0.0, (0.0, 0.0), 0.0, close=1.0, around=(0.1, 0.1), part=0.0, turned=0.0)
    for seed in range(4):
        boxes = straighten(page, SIZE, close, np.random.default_rng(seed)).boxes
        assert np.ptp(boxes[:, [0, 2]]) > 0.8 * SIZE[1] or np.ptp(boxes[:, [1, 3]]) > 0.8 * SIZE[0]


def test_a_tall_page_is_shown_squeezed_with_its_boxes(page):
    """A page above blank paper fills the input's height; squeezed to the usual shape, its width, and boxes with it."""
    width, _ = page.paper_size
    tall = replace(page, paper_size=(width, 3 * width))
    plain, flat = (
        straighten(tall, SIZE, replace(UNSPOILT, squeezed=chance, squeeze=(1.0, 1.0)), np.random.default_rng(0))
        for chance in (0.0, 1.0)
    )
    assert flat.classes.tolist() == plain.classes.tolist() and len(flat.boxes) > 10
    spread = [np.ptp(example.boxes[:, [0, 2]]) for example in (plain, flat)]
    assert spread[1] > 3 * spread[0]
    height = SIZE[1] / USUAL_SHAPE  # of what is seen, in the middle of the input's
    expected = plain.boxes[:, [1, 3]] * height / SIZE[0] + (SIZE[0] - height) / 2
    np.testing.assert_allclose(flat.boxes[:, [1, 3]], expected, atol=1.0)
    plain, flat = (straighten(page, SIZE, replace(UNSPOILT, squeezed=k), np.random.default_rng(0)) for k in (0.0, 1.0))
    np.testing.assert_array_equal(flat.boxes, plain.boxes)  # a page of the usual shape


def test_page_without_leads_makes_an_example(page):
    bare = replace(page, leads=())
    example = straighten(bare, SIZE, Jitter(close=1.0, turned=0.0), np.random.default_rng(0))
    assert example.boxes.shape == (0, 4)


def test_other_light_keeps_ink_darker_than_paper():
    view = np.tile(np.array([30, 90, 200], np.uint8)[None, :, None], (4, 1, 3))
    for seed in range(20):
        lit = relit(view, Jitter(light=0.3), np.random.default_rng(seed)).astype(int)
        assert (np.diff(lit.mean((0, 2))) > 0).all()
    np.testing.assert_array_equal(relit(view, UNSPOILT, np.random.default_rng(0)), view)


def test_no_usable_record_is_said():
    with pytest.raises(ValueError, match="none of the 1 records"):
        next(iter(DrawnPages([1.0], draw, MAKE)))
    with pytest.raises(ValueError, match="got none"):
        DrawnPages([], draw, MAKE)


def test_collate_moves_pixel_centres_to_edges_and_takes_pages_without_leads(page):
    example = straighten(page, SIZE, Jitter(turned=0.0), np.random.default_rng(0))
    empty = type(example)(example.view, np.zeros((0, 4)), np.zeros(0, np.int64))
    views, targets = collate([empty, example])
    assert views.shape == (2, 3, *SIZE) and targets.shape == (len(example.boxes), 6)
    assert set(targets[:, 0].tolist()) == {1.0}
    x0, y0, x1, y1 = example.boxes[0]
    np.testing.assert_allclose(targets[0, 2:], [(x0 + x1 + 1) / 2, (y0 + y1 + 1) / 2, x1 - x0, y1 - y0], rtol=1e-5)
    assert collate([empty])[1].shape == (0, 6)


def test_a_worker_without_records_ends_and_the_others_go_on():
    pages = DrawnPages([10.0], draw, MAKE, seed=3)
    for worker, count in ((0, 3), (1, 0)):
        with patch(
            "ecgpage.training.drawn_pages.get_worker_info", lambda k=worker: SimpleNamespace(id=k, num_workers=2)
        ):
            assert len(list(islice(pages, 3))) == count
