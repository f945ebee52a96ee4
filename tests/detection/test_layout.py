"""Boxes to a consistent page."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.detection.arrangements import GRIDS
from ecgpage.detection.layout import MISSING, Support, arrange, support
from ecgpage.detection.lead_boxes import most_odds
from ecgpage.detection.name_reader import NAMES
from ecgpage.leads import CABRERA, LEADS, by_columns, layout_3x4, layout_grid
from ecgpage.recording import LeadBox, PixelsPerSecond
from ecgpage.synthesis.arrangement import GRIDS as SHAPES
from ecgpage.synthesis.arrangement import ArrangementSettings, choose_arrangement

WIDTH, PITCH, LEFT, TOP = 500.0, 240.0, 120.0, 600.0


def page_boxes(strips=("II",), tilt=0.0, jitter=0.0, seed=0):
    """Boxes of a 3x4 page as a detector would return them; heights and middles vary as traces do."""
    rng = np.random.default_rng(seed)
    boxes = []
    for lead in layout_3x4(strips).leads:
        x0 = LEFT + WIDTH * lead.column
        x1 = LEFT + WIDTH * (4 if lead.strip else lead.column + 1)
        middle = TOP + PITCH * lead.row + rng.uniform(-0.2, 0.2) * PITCH + tilt * (x0 + x1) / 2
        half = rng.uniform(0.15, 0.6) * PITCH
        shift = tilt * middle
        noise = rng.uniform(-jitter, jitter, 4)
        box = np.array([x0 - shift, middle - half, x1 - shift, middle + half]) + noise
        boxes.append(LeadBox(lead.name, tuple(float(v) for v in box), float(rng.uniform(0.5, 0.9))))
    return boxes


def expected(strips=("II",)):
    return [
        (lead.name, lead.row, lead.column, lead.start, lead.duration, lead.strip) for lead in layout_3x4(strips).leads
    ]


def described(leads):
    return [(lead.name, lead.row, lead.column, lead.start, lead.duration, lead.strip) for lead in leads]


@pytest.mark.parametrize("strips", [(), ("II",), ("V1",), ("II", "V1", "V5")])
def test_page_with_any_number_of_strips(strips):
    boxes = page_boxes(strips)
    leads, warnings = arrange([boxes[k] for k in np.random.default_rng(1).permutation(len(boxes))])
    assert described(leads) == expected(strips)
    assert warnings == ()
    for lead, box in zip(leads, boxes, strict=True):
        np.testing.assert_allclose(lead.box, box.box, atol=1e-3)


def test_wrong_name_is_put_right_by_its_neighbours():
    boxes = page_boxes()
    assert boxes[5].name == "aVL"
    boxes[5] = replace(boxes[5], name="aVF")
    leads, warnings = arrange(boxes)
    assert described(leads) == expected()
    assert len(warnings) == 1 and "aVF to aVL" in warnings[0]


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 11), max_size=4), st.integers(0, 100))
def test_missing_boxes_are_recovered_where_the_layout_has_them(missing, seed):
    boxes = page_boxes(seed=seed, tilt=0.02)
    leads, warnings = arrange([box for k, box in enumerate(boxes) if k not in missing])
    assert described(leads) == expected()
    assert bool(warnings) == bool(missing)
    for k in missing:
        assert leads[k].score == 0
        x0, y0, x1, y1 = boxes[k].box
        assert abs(leads[k].box[0] - x0) < 0.05 * WIDTH and abs(leads[k].box[2] - x1) < 0.05 * WIDTH
        assert abs((leads[k].box[1] + leads[k].box[3] - y0 - y1) / 2) < 0.5 * PITCH


def test_whole_first_column_missing():
    boxes = [
        box for box in page_boxes() if box.name not in ("I", "III") and not (box.name == "II" and box.box[2] < 700)
    ]
    assert len(boxes) == 10
    leads, warnings = arrange(boxes)
    assert described(leads) == expected()
    assert leads[0].box[0] == pytest.approx(LEFT, abs=5)
    assert "I, II, III" in warnings[0]


def test_duplicates_keep_the_best():
    boxes = page_boxes()
    copy = replace(boxes[3], box=tuple(v + 6 for v in boxes[3].box), score=0.3)
    other = replace(boxes[7], name="V1", box=tuple(v - 4 for v in boxes[7].box), score=0.2)
    leads, warnings = arrange([*boxes, copy, other])
    assert described(leads) == expected()
    assert [lead.score for lead in leads] == [box.score for box in boxes]
    assert warnings == ()


def test_edges_are_taken_from_all_boxes_together():
    """Single edges are off by up to 12 px here; together they are right to a few."""
    leads, _ = arrange(page_boxes(jitter=12.0, seed=3))
    for lead in leads:
        x0 = LEFT + WIDTH * lead.column
        x1 = LEFT + WIDTH * (4 if lead.strip else lead.column + 1)
        assert abs(lead.box[0] - x0) < 8 and abs(lead.box[2] - x1) < 8


@pytest.mark.parametrize("strips", [(), ("II",)])
@pytest.mark.parametrize(("blank", "kept"), [(60.0, True), (0.0, False), (12.0, False)])
def test_columns_that_stand_apart_keep_their_blanks(blank, kept, strips):
    """As a figure's panels do; a strip goes on as long as columns without blanks. Small ones are those of boxes."""
    lying = {lead: lead.column * blank * (not lead.strip) for lead in layout_3x4(strips).leads}
    boxes = [
        replace(box, box=(box.box[0] + off, box.box[1], box.box[2] + off, box.box[3]))
        for box, off in zip(page_boxes(strips, jitter=5.0), lying.values(), strict=True)
    ]
    leads, _ = arrange(boxes)
    assert described(leads) == expected(strips)
    for lead, off in zip(leads, lying.values(), strict=True):
        begin = LEFT + WIDTH * lead.column + off
        end = begin + WIDTH * (4 if lead.strip else 1)
        assert np.allclose([lead.box[0], lead.box[2]], [begin, end], atol=6.0) or not kept
    if not kept:  # they touch
        ends = {lead.column: lead.box for lead in leads if lead.row == 0}
        assert ends[1][0] == pytest.approx(ends[0][2], abs=3.0)


def test_stray_box_above_the_page_is_dropped():
    stray = LeadBox("V2", (LEFT + WIDTH, 60.0, LEFT + 2 * WIDTH, 110.0), 0.6)
    leads, _ = arrange([*page_boxes(), stray])
    assert described(leads) == expected()


def test_two_strips_of_one_name_or_place_are_one_strip():
    boxes = page_boxes()
    again = replace(boxes[-1], name="V1", score=0.3, box=tuple(v + 70 * (k % 2) for k, v in enumerate(boxes[-1].box)))
    leads, _ = arrange([*boxes, again])
    assert described(leads) == expected()


@pytest.mark.parametrize(("names", "kept"), [(("II",), False), (("II", "V1", "V5"), True)])
def test_a_strip_may_be_seen_under_several_names_none_of_them_sure(names, kept):
    boxes = page_boxes()
    strip = [replace(boxes[-1], name=name, score=0.12) for name in names]
    leads, _ = arrange([*boxes[:-1], *strip])
    assert described(leads) == expected(("II",) if kept else ())


def test_no_box():
    leads, warnings = arrange([])
    assert leads == ()
    assert warnings == ("No lead was found on the page.",)


@pytest.mark.parametrize("count", [1, 3])
def test_few_boxes_are_returned_with_a_warning(count):
    leads, warnings = arrange(page_boxes()[:count])
    assert len(leads) == count
    assert all(lead.duration > 0 and lead.row >= 0 for lead in leads)
    assert "not certain" in warnings[0]


def test_unknown_arrangement_says_so():
    """Two rows of six columns, filled by columns: no arrangement that is known."""
    boxes = [
        LeadBox(name, (100 + 300 * (k // 2), 100 + 450 * (k % 2), 400 + 300 * (k // 2), 280 + 450 * (k % 2)), 0.9)
        for k, name in enumerate(LEADS)
    ]
    leads, warnings = arrange(boxes)
    assert "not certain" in warnings[0]
    assert {lead.name: (lead.row, lead.column, lead.start) for lead in leads} == {
        name: (k % 2, k // 2, pytest.approx(10 * (k // 2) / 6)) for k, name in enumerate(LEADS)
    }


def boxes_of(layout, rng, pitch=150.0, width=1800.0, read=False):
    """Boxes of any layout, with the heights that traces have; ``read``: with the print's reading."""
    columns = 1 + max(lead.column for lead in layout.leads)
    boxes = []
    for lead in layout.leads:
        x0 = 100 + width / columns * lead.column
        x1 = x0 + width / (1 if lead.strip else columns)
        middle = 300 + pitch * (lead.row + rng.uniform(-0.15, 0.15))
        half = pitch * rng.uniform(0.15, 0.6)
        likely = np.full(len(NAMES), 0.01)
        likely[NAMES.index("-aVR" if lead.inverted else lead.name)] = 1.0
        reading = tuple(likely / likely.sum()) if read else ()
        box = (x0 + rng.normal(0, 3), middle - half, x1 + rng.normal(0, 3), middle + half)
        boxes.append(LeadBox(lead.name, box, float(rng.uniform(0.5, 0.95)), reading=reading))
    return boxes


def rows_and_names(leads):
    return sorted((lead.row, lead.column, lead.name, lead.strip) for lead in leads)


ARRANGEMENTS = ArrangementSettings(grid=tuple((name, 1.0) for name in SHAPES), cabrera=0.3, simultaneous=0.0)


def size_of(boxes):
    """(height, width) of a page that ends a little below and right of its boxes."""
    return round(max(box.box[3] for box in boxes) + 60), round(max(box.box[2] for box in boxes) + 60)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31))
def test_every_layout_of_the_synthesizer_is_recognised_with_boxes_missing_and_misnamed(seed):
    rng = np.random.default_rng(seed)
    layout = choose_arrangement(ARRANGEMENTS, rng).layout
    boxes = boxes_of(layout, rng, read=bool(rng.random() < 0.5))
    short = [k for k, lead in enumerate(layout.leads) if not lead.strip]
    spoilt = rng.permutation(short)[: 3 if len(short) == 12 else 1].tolist()
    boxes[spoilt[0]] = replace(boxes[spoilt[0]], name=str(rng.choice(LEADS)), reading=())
    leads, warnings = arrange([box for k, box in enumerate(boxes) if k not in spoilt[1:]], size=size_of(boxes))
    assert rows_and_names(leads) == rows_and_names(layout.leads)
    assert len(spoilt) == 1 or any("not detected" in text for text in warnings)
    if boxes[-1].reading and not any(layout.leads[k].name == "aVR" for k in spoilt):
        assert {lead.name for lead in leads if lead.inverted} == {lead.name for lead in layout.leads if lead.inverted}


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: grid.name)
@pytest.mark.parametrize(("strip", "above"), [(None, False), ("II", False), ("II", True), ("V5", False), ("V5", True)])
def test_every_arrangement_is_recognised_with_a_strip_below_or_above(grid, above, strip):
    """Names alone, unread; the strip of a one-column page is one more row, apart from the others."""
    layout = layout_grid(grid.names, (strip,) if strip else ())
    boxes = boxes_of(layout, np.random.default_rng(3))
    if above:
        box = boxes[-1].box
        boxes[-1] = replace(boxes[-1], box=(box[0], 60.0, box[2], 60.0 + box[3] - box[1]))
        boxes = [replace(box, box=(box.box[0], box.box[1] + 100, box.box[2], box.box[3] + 100)) for box in boxes]
    leads, warnings = arrange(boxes, size=size_of(boxes))
    rows = grid.shape[0]
    wanted = [(r + above, c, name, False) for name, (r, c) in grid.cells.items()]
    wanted += [(0 if above else rows, 0, strip, True)] if strip else []
    assert rows_and_names(leads) == sorted(wanted)
    assert all(type(lead.row) is int for lead in leads)
    assert not warnings or (strip and grid.shape[1] == 1)  # which may be a longer column that goes on


@pytest.mark.parametrize(("left", "certain"), [(2, True), (0, False)])
def test_half_a_page_is_certain_where_every_order_reads_it_alike(left, certain):
    """Cabrera's order differs in the limb leads only: unread, and with two names wrong, these are not certain."""
    boxes = [box for box in page_boxes(()) if left <= round((box.box[0] - LEFT) / WIDTH) < left + 2]
    if not certain:
        boxes[0], boxes[2] = replace(boxes[0], name="aVL"), replace(boxes[2], name="I")
    _, warnings = arrange(boxes, size=(1600, round(LEFT + WIDTH * (left + 2))))
    assert any("not certain" in text for text in warnings) != certain


def test_two_wide_columns_may_be_of_a_faster_paper():
    """6x2 at 50 mm/s: each column is as wide as the page's seconds at 25 mm/s, and still one half of them."""
    boxes = boxes_of(layout_grid(by_columns(LEADS, 2)), np.random.default_rng(0))
    leads, _ = arrange(boxes, 10.0, per_second=PixelsPerSecond(90.0, True))
    assert {(lead.start, lead.duration) for lead in leads} == {(0.0, 5.0), (5.0, 5.0)}


def test_a_strip_read_upside_down_is_said_to_be():
    boxes = boxes_of(
        layout_grid(by_columns(CABRERA, 4), ("aVR",), inverted=("aVR",)), np.random.default_rng(0), read=True
    )
    reading = np.full(len(NAMES), 0.01)
    reading[NAMES.index("-aVR")] = 1.0
    boxes[-1] = replace(boxes[-1], reading=tuple(reading / reading.sum()))
    leads, _ = arrange(boxes)
    assert [(lead.name, lead.strip) for lead in leads if lead.inverted] == [("aVR", False), ("aVR", True)]


def test_unknown_arrangement_keeps_a_strip_beside_the_lead_and_uses_the_known_scale():
    boxes = [
        LeadBox(name, (100 + 300 * (k // 2), 100 + 450 * (k % 2), 400 + 300 * (k // 2), 280 + 450 * (k % 2)), 0.9)
        for k, name in enumerate(LEADS)
    ]
    leads, warnings = arrange(
        [*boxes, LeadBox("II", (100, 1000, 1900, 1180), 0.8)], 10.0, per_second=PixelsPerSecond(200.0, True)
    )
    assert sorted(lead.name for lead in leads) == sorted((*LEADS, "II"))
    assert {lead.duration for lead in leads if not lead.strip} == {1.5}
    assert "13 leads" in warnings[0] and "1.5 s" in warnings[0]


def test_leads_as_long_as_the_page_show_the_same_time():
    layout = layout_grid(by_columns(LEADS, 4), (), 10.0, True, 10.0)
    boxes = boxes_of(layout, np.random.default_rng(0))
    for sure in (True, False):
        leads, _ = arrange(boxes, 10.0, per_second=PixelsPerSecond(45.0, sure))
        assert {(lead.start, lead.duration) for lead in leads} == {(10.0 * k, 10.0) for k in range(4)}
    leads, _ = arrange(boxes, 10.0, per_second=PixelsPerSecond(180.0, True))
    assert {(lead.start, lead.duration) for lead in leads} == {(2.5 * k, 2.5) for k in range(4)}


@pytest.mark.parametrize(
    ("width", "seconds"), [(2.0, 2.0), (2.04, 2.0), (1.75, 1.75), (1.81, 1.81), (2.4, 2.5), (1.25, 2.5)]
)
def test_columns_that_are_measured_to_be_short_last_as_long_as_they_measure(width, seconds):
    """15 leads in five columns of 2 s: the fifth, V7 to V9, is none of the twelve. Half as long is another speed."""
    leads, _ = arrange(page_boxes(), 10.0, per_second=PixelsPerSecond(WIDTH / width, True))
    for lead in leads[:12]:
        assert (lead.start, lead.duration) == (pytest.approx(seconds * lead.column), pytest.approx(seconds))
    [strip] = [lead for lead in leads if lead.strip]
    assert (strip.start, strip.duration) == (0.0, pytest.approx(4 * seconds))


def test_columns_are_not_short_by_squares_whose_size_is_not_sure():
    leads, _ = arrange(page_boxes(), 10.0, per_second=PixelsPerSecond(WIDTH / 2.0, False))
    assert {(lead.start, lead.duration) for lead in leads[:12]} == {(2.5 * k, 2.5) for k in range(4)}


def test_print_outweighs_the_detectors_guess_from_the_place():
    """The detector takes a Cabrera page for a usual one; the print says otherwise."""
    layout = layout_grid(by_columns(CABRERA, 4), ("V1",))
    usual = layout_3x4(("II",))
    boxes = [
        replace(box, name=lead.name)
        for box, lead in zip(boxes_of(layout, np.random.default_rng(1), read=True), usual.leads, strict=True)
    ]
    leads, warnings = arrange(boxes)
    assert rows_and_names(leads) == rows_and_names(layout.leads)
    assert not warnings


def test_two_arrangements_that_fit_alike_are_said_to_be_uncertain():
    """Half of the limb leads' names speak for Cabrera's order."""
    boxes = boxes_of(layout_3x4(()), np.random.default_rng(2))
    for k, name in {0: "aVL", 4: "I", 8: "aVR"}.items():
        boxes[k] = replace(boxes[k], name=name)
    assert any("not certain" in text for text in arrange(boxes)[1])


def test_leads_beyond_the_edge_of_the_page_are_not_recovered():
    """A picture that shows the left half of a page only."""
    boxes = [box for box in page_boxes(()) if box.box[2] < LEFT + 2 * WIDTH + 1]
    leads, _ = arrange(boxes, size=(1600, int(LEFT + 2 * WIDTH)))
    assert [lead.name for lead in leads] == ["I", "aVR", "II", "aVL", "III", "aVF"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(LEADS), *[st.floats(0, 1000)] * 2, *[st.floats(0.5, 800)] * 2, st.floats(0.0, 1.0)),
        max_size=20,
    )
)
def test_any_boxes_give_a_page(rows):
    boxes = [LeadBox(name, (x, y, x + w, y + h), score) for name, x, y, w, h, score in rows]
    leads, warnings = arrange(boxes)
    cells = [(lead.name, lead.strip) for lead in leads]
    assert len(cells) == len(set(cells))
    assert all(np.isfinite(lead.box).all() and np.isfinite((lead.start, lead.duration)).all() for lead in leads)
    assert warnings or len(leads) >= 6


@pytest.mark.parametrize(("score", "count"), [(0.45, 0), (0.55, 2)])
def test_boxes_in_no_arrangement_count_only_with_a_sure_one_among_them(score, count):
    boxes = [LeadBox("V3", (100, 100, 400, 160), score), LeadBox("V4", (100, 300, 400, 360), 0.3)]
    leads, warnings = arrange(boxes)
    assert len(leads) == count
    assert warnings


def test_tall_boxes_whose_middles_lie_rows_lower_keep_their_names():
    """Of twelve dense rows the chest leads' deep waves reach over the three rows below theirs."""
    pitch, boxes = 60.0, []
    for row, name in enumerate(LEADS):
        below = 3 * pitch if name in ("V1", "V2", "V3") else 20.0
        y = 300.0 + pitch * row
        boxes.append(LeadBox(name, (80.0, y - 20, 1500.0, y + below), 0.7))
    assert (boxes[6].box[1] + boxes[6].box[3]) / 2 > 300 + pitch * 7  # V1's middle lies below V2's row
    leads, warnings = arrange(boxes)
    assert [lead.name for lead in leads] == list(LEADS) and warnings == ()
    for lead, box in zip(leads, boxes, strict=True):
        assert lead.box[1::2] == box.box[1::2]


def test_a_wide_box_over_a_row_of_short_leads_is_no_strip():
    """Lead III has deep waves, so that its box's middle lies half a row lower, and so does the wide one's."""
    boxes = page_boxes(())
    x0, y0, x1, y1 = boxes[8].box
    boxes[8] = replace(boxes[8], box=(x0, y0, x1, y1 := y1 + 1.2 * PITCH))
    across = LeadBox("II", (x0, y0, x0 + 4 * WIDTH, y1), 0.6)
    leads, _ = arrange([*boxes, across])
    assert described(leads) == expected(())


def test_names_that_are_nearly_as_likely_as_others_agree_with_an_arrangement():
    """Half of the rows are named after the next one by detector and reader, both with as good as the same right."""
    boxes = []
    for row, name in enumerate(LEADS[6:]):
        y = 300.0 + 250.0 * row
        other = LEADS[6 + (row + 1) % 6] if row % 2 else name
        reading = np.full(len(NAMES), 0.02)
        reading[[LEADS.index(name), LEADS.index(other)]] = 0.38, 0.4
        box = LeadBox(other, (100.0, y - 60, 2300.0, y + 60), 0.6, reading=tuple(reading / reading.sum()))
        boxes += [box, replace(box, name=name, score=0.55)]
    assert [lead.name for lead in arrange(boxes)[0]] == list(LEADS[6:])


def test_support_grows_with_what_speaks_for_the_arrangement():
    """As read, then unread, then with a lead missing, then with names that contradict each other; scores are alike."""
    layout = layout_3x4(("II",))
    read = [replace(box, score=0.9) for box in boxes_of(layout, np.random.default_rng(0), read=True)]
    unread = [replace(box, reading=()) for box in read]
    fewer = unread[:3] + unread[4:]
    mixed = [replace(box, name=LEADS[(5 * k) % 12]) if k % 3 == 0 else box for k, box in enumerate(fewer)]
    values = [support(boxes) for boxes in (read, unread, fewer, mixed)]
    assert values[0].value > values[1].value > values[2].value > values[3].value > 0
    assert values[1].share > values[2].share > values[3].share > 0


@pytest.mark.parametrize("read", [True, False])
def test_support_is_whole_for_sure_boxes_whether_read_or_not(read):
    """Half a page that ends there lacks nothing; one that goes on lacks six leads."""
    boxes = [replace(box, score=1.0) for box in boxes_of(layout_3x4(()), np.random.default_rng(0))]
    for k, box in enumerate(boxes):
        likely = np.zeros(len(NAMES))
        likely[NAMES.index(box.name)] = 1.0
        boxes[k] = replace(box, reading=tuple(likely)) if read else box
    assert support(boxes).share == pytest.approx(1.0)
    half = [box for box in boxes if box.box[0] < 800]
    cut = size_of(half)
    assert support(half, cut).share == pytest.approx(1.0)
    assert support(half, (cut[0], 2 * cut[1])).share == pytest.approx(0.5 - 0.5 * MISSING / most_odds(read))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_only_what_is_recognised_has_support(seed):
    """A page of the synthesizer, then more and more of its boxes moved anywhere under any name."""
    rng = np.random.default_rng(seed)
    boxes = boxes_of(choose_arrangement(ARRANGEMENTS, rng).layout, rng, read=bool(rng.random() < 0.5))
    assert 0 < support(boxes).share <= 1
    for k in rng.permutation(len(boxes)):
        x, y = rng.uniform(0, 1500, 2)
        box = (float(x), float(y), float(x + rng.uniform(50, 500)), float(y + rng.uniform(50, 500)))
        boxes[k] = replace(boxes[k], name=str(rng.choice(LEADS)), box=box, reading=())
        found = support(boxes)
        unknown = any("no known arrangement" in text for text in arrange(boxes)[1])
        assert found == Support(0.0, 0.0) if unknown else 0 <= found.share <= 1
