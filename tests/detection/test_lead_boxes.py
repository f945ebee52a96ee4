"""What boxes say before a page's arrangement is known."""

from dataclasses import replace

import pytest

from ecgpage.detection.lead_boxes import candidates, seen_otherwise
from ecgpage.recording import LeadBox

STRIP = LeadBox("II", (0.0, 100.0, 1000.0, 150.0), 0.8)


def part(name, x0, x1, score, y0=102.0, y1=149.0):
    return LeadBox(name, (x0, y0, x1, y1), score)


def names(*boxes):
    return sorted(one.box.name for one in candidates(boxes))


def test_parts_of_a_rhythm_strip_are_left_out():
    assert names(STRIP, part("V6", 510.0, 1000.0, 0.36), part("aVF", 20.0, 500.0, 0.2)) == ["II"]


@pytest.mark.parametrize(
    "other",
    [
        part("V6", 510.0, 1000.0, 0.45),  # more than half as sure
        part("V6", 510.0, 1000.0, 0.36, y0=60.0),  # higher
        part("V6", 900.0, 1400.0, 0.36),  # beside it
        part("V6", 300.0, 1000.0, 0.36),  # nearly as wide
    ],
)
def test_what_is_sure_or_lies_elsewhere_is_no_part(other):
    assert names(STRIP, other) == ["II", "V6"]


def test_a_rows_leads_are_no_parts_of_a_wide_box_over_them():
    row = [part(name, 250.0 * k, 250.0 * k + 240, 0.3) for k, name in enumerate(("I", "aVR", "V1", "V4"))]
    assert names(STRIP, *row) == sorted(["II", "I", "aVR", "V1", "V4"])


LEAD = LeadBox("V3", (100.0, 100.0, 300.0, 130.0), 0.6)


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (part("V3", 95.0, 310.0, 0.2, y0=90.0, y1=190.0), True),
        (part("V3", 95.0, 310.0, 0.1, y0=90.0, y1=190.0), False),  # hardly seen
        (part("V2", 95.0, 310.0, 0.2, y0=90.0, y1=190.0), False),  # another lead
        (part("V3", 95.0, 310.0, 0.2, y0=115.0, y1=190.0), False),  # another row
        (part("V3", 95.0, 510.0, 0.2, y0=90.0, y1=190.0), False),  # longer
        (part("V3", 200.0, 310.0, 0.2, y0=90.0, y1=190.0), False),  # beside it
    ],
)
def test_a_lead_keeps_the_other_boxes_that_it_was_seen_in(other, kept):
    lead = seen_otherwise(LEAD, candidates([LEAD, other]))
    assert lead == replace(LEAD, others=(other.box,) if kept else ())


def test_a_lead_that_was_not_seen_was_not_seen_in_other_boxes():
    other = part("V3", 95.0, 310.0, 0.2, y0=90.0, y1=190.0)
    assert seen_otherwise(replace(LEAD, score=0.0), candidates([other])).others == ()


def test_a_place_is_as_sure_as_all_its_names_together():
    boxes = [replace(STRIP, name=name, score=score) for name, score in (("II", 0.1), ("V1", 0.1), ("V1", 0.05))]
    (one,) = candidates(boxes)
    assert one.presence == pytest.approx(1 - 0.9 * 0.9)
