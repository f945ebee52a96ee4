"""Further looks at pages."""

from dataclasses import replace

import numpy as np
import pytest

from ecgpage.detection.closer import (
    AGAIN,
    USUAL_SHAPE,
    detect_closely,
    evidence,
    look_again,
    turns_to_try,
    upright_evidence,
)
from ecgpage.geometry import map_box
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox, Page

TRUE = [(700 + 30 * k, 500 + 10 * k, 725 + 30 * k, 520 + 10 * k) for k in range(12)]


class Detector:
    """Finds the leads that lie in the page, surer the larger they are in it."""

    def __init__(self):
        self.sizes = []

    def __call__(self, page):
        self.sizes.append(page.size)
        x, y = page.page_to_picture[:2, 2]
        score = min(0.9, 400 / page.size[1])
        return [
            LeadBox(name, (x0 - x, y0 - y, x1 - x, y1 - y), score)
            for name, (x0, y0, x1, y1) in zip(LEADS, TRUE, strict=True)
        ]


def page(height, width):
    return Page(np.zeros((8, 8, 3), np.uint8), (height, width), np.eye(3), False)


def test_small_page_is_looked_at_again_and_boxes_stay_in_page_pixels():
    detector = Detector()
    boxes = detect_closely(detector, page(1000, 1500))
    assert len(detector.sizes) == 2 and detector.sizes[1][1] < 600
    np.testing.assert_allclose([box.box for box in boxes], TRUE)
    assert boxes[0].score == pytest.approx(400 / detector.sizes[1][1])


def test_page_that_its_leads_fill_is_looked_at_once():
    detector = Detector()
    moved = Page(np.zeros((8, 8, 3), np.uint8), (160, 400), np.array([[1, 0, 680], [0, 1, 480], [0, 0, 1.0]]), False)
    boxes = detect_closely(detector, moved)
    assert len(detector.sizes) == 1 and boxes[0].box == (20, 20, 45, 40)


@pytest.mark.parametrize(("width", "clear"), [(3000, 12), (1900, 0)])
def test_a_wide_page_is_looked_at_squeezed_and_boxes_stay_in_page_pixels(width, clear):
    """Leads that are clear only on pages of the usual shape: on a page thrice as wide as high, and on one less wide."""
    seen = []

    def detector(narrow):
        seen.append(narrow.size)
        x, y = narrow.page_to_picture[:2, 2]
        stretch = narrow.page_to_picture[0, 0]
        if narrow.size[1] > 1.5 * narrow.size[0]:
            return []
        boxes = [((x0 - x) / stretch, y0 - y, (x1 - x) / stretch, y1 - y) for x0, y0, x1, y1 in TRUE]
        return [LeadBox(name, box, 0.8) for name, box in zip(LEADS, boxes, strict=True)]

    found = detect_closely(detector, page(1000, width))
    assert len(found) == clear and (not clear or seen[1] == (1000, round(1000 * USUAL_SHAPE)))
    np.testing.assert_allclose([box.box for box in found], TRUE[:clear] if clear else np.zeros((0,)))


@pytest.mark.parametrize(("height", "clear"), [(3000, 12), (1200, 0)])
def test_a_tall_page_is_looked_at_squeezed(height, clear):
    """Leads that are clear only on pages of the usual shape: on a page thrice as high as wide, and on one less high."""

    def detector(flat):
        picture_to_flat = np.linalg.inv(flat.page_to_picture)
        usual = flat.size[0] < 1.1 * flat.size[1] and flat.size[0] < 1000
        return [LeadBox(n, map_box(picture_to_flat, b), 0.8) for n, b in zip(LEADS, TRUE, strict=True) if usual]

    found = detect_closely(detector, page(height, 1150))
    assert len(found) == clear
    np.testing.assert_allclose([box.box for box in found], TRUE[:clear] if clear else np.zeros((0,)))


def test_very_long_paper_is_looked_at_squeezed_half_of_the_way_as_well():
    """A page eight times as wide as high whose leads are clear where it is 2 to 4 times as wide."""
    seen = []

    def detector(narrow):
        seen.append(narrow.size)
        picture_to_narrow = np.linalg.inv(narrow.page_to_picture)
        clear = 2 * narrow.size[0] < narrow.size[1] < 4 * narrow.size[0]
        return [LeadBox(n, map_box(picture_to_narrow, b), 0.8) for n, b in zip(LEADS, TRUE, strict=True) if clear]

    found = detect_closely(detector, page(500, 4000))
    assert (500, round(500 * np.sqrt(8 * USUAL_SHAPE))) in seen and (500, round(500 * USUAL_SHAPE)) in seen
    np.testing.assert_allclose([box.box for box in found], TRUE)


def test_the_better_look_is_kept():
    looks = iter([[LeadBox(name, box, 0.6) for name, box in zip(LEADS, TRUE, strict=True)], []])
    assert len(detect_closely(lambda _: next(looks), page(1000, 1500))) == 12


@pytest.mark.parametrize("boxes", [[], [LeadBox("I", (1, 1, 9, 9), 0.9)]])
def test_hardly_anything_found_leaves_nothing_to_look_at(boxes):
    assert detect_closely(lambda _: boxes, page(1000, 1500)) == boxes


def test_evidence_counts_each_name_once():
    assert evidence([LeadBox("I", (0, 0, 1, 1), s) for s in (0.2, 0.5)] + [LeadBox("II", (0, 0, 1, 1), 0.1)]) == 0.6


def test_where_little_is_found_the_gridded_part_is_looked_at():
    detector = Detector()
    detect_closely(detector, page(2000, 3000), (600.0, 450.0, 1200.0, 700.0))
    assert detector.sizes[:2] == [(2000, 3000), (251, 601)]
    boxes = detect_closely(detector, page(2000, 3000), (600.0, 450.0, 1200.0, 700.0))
    np.testing.assert_allclose([box.box for box in boxes], TRUE)
    clear = Detector()
    detect_closely(clear, page(160, 400), (100.0, 50.0, 300.0, 120.0))
    assert len(clear.sizes) == 1


def test_gridded_part_beyond_the_page_is_not_looked_at():
    looked = []
    detect_closely(lambda seen: looked.append(seen.size) or [], page(100, 150), (500.0, 500.0, 600.0, 600.0))
    assert looked == [(100, 150)]


def test_names_that_can_be_read_speak_for_a_page_the_right_way_up():
    """Scores 0.5 and 0.4; read with 0.9 and 0.5: 0.45 + 0.2. Unread, they count as they are."""
    boxes = [LeadBox("I", (0, 0, 1, 1), 0.5, reading=(0.9, 0.1)), LeadBox("II", (0, 0, 1, 1), 0.4, reading=(0.5, 0.5))]
    assert upright_evidence(boxes) == pytest.approx(0.65)
    assert upright_evidence([LeadBox("I", (0, 0, 1, 1), 0.5)]) == 0.5


@pytest.mark.parametrize(
    ("score", "reading", "turns"),
    [
        (0.9, (0.95, 0.05), ()),
        (0.9, (), ()),
        (0.9, (0.3, 0.2), (2,)),
        (0.5, (0.95, 0.05), (1, 2, 3)),
        (0.5, (), (1, 2, 3)),
    ],
)
def test_pages_without_clear_leads_or_readable_names_are_looked_at_turned(score, reading, turns):
    """Twelve leads: evidence of 10.8 is clear, 6 is not; upside down, leads look clear but names are hardly read."""
    assert turns_to_try([LeadBox(name, (0, 0, 1, 1), score, reading=reading) for name in LEADS]) == turns


def test_a_page_on_which_nothing_is_found_is_looked_at_every_way():
    assert turns_to_try([]) == (1, 2, 3)


def test_further_looks_keep_boxes_in_page_pixels_and_read_names_on_what_was_looked_at():
    """A detector and a reader that know where the leads are on any part, however squeezed."""
    seen, read = [], []

    def detector(part):
        seen.append(part.size)
        picture_to_part = np.linalg.inv(part.page_to_picture)
        boxes = [map_box(picture_to_part, box) for box in TRUE]
        return [LeadBox(name, box, 0.7) for name, box in zip(LEADS, boxes, strict=True)]

    def reader(part, boxes):
        read.append((part.size, boxes[0].box))
        return [replace(box, reading=(0.5, 0.5)) for box in boxes]

    whole = page(1000, 1500)
    first = [LeadBox(name, box, 0.5) for name, box in zip(LEADS, TRUE, strict=True)]
    looks = look_again(detector, reader, whole, first)
    assert len(looks) == len(AGAIN) == 3
    for boxes in looks:
        np.testing.assert_allclose([box.box for box in boxes], TRUE)
        assert all(box.reading == (0.5, 0.5) for box in boxes)
    close, wider, squeezed = seen
    assert close == (137, 364)  # the boxes' common 130 x 355 pixels, and 1 and 2 % on each side
    assert wider == (145, 392)  # and 5 % on each side
    assert squeezed[1] / squeezed[0] == pytest.approx(USUAL_SHAPE, abs=0.02)
    assert read[0] == (close, pytest.approx((4, 3, 29, 23))) and read[2][0] == (183, 428)


def test_further_looks_need_no_reader_and_something_to_look_at():
    looks = look_again(Detector(), None, page(1000, 1500), [LeadBox("I", TRUE[0], 0.9), LeadBox("II", TRUE[1], 0.9)])
    assert [len(boxes) for boxes in looks] == [12, 12, 12]
    assert look_again(Detector(), None, page(1000, 1500), [LeadBox("I", TRUE[0], 0.9)]) == []
    tiny = [LeadBox("I", (3, 3, 5, 4), 0.9), LeadBox("II", (5, 4, 7, 5), 0.9)]
    assert look_again(Detector(), None, page(1000, 1500), tiny) == []
