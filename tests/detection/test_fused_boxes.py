"""Boxes of several looks told together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.detection.fused_boxes import fused, with_mean_ends
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox

READING = (0.7, 0.3)


def test_edges_readings_and_scores_are_means_and_what_one_look_saw_counts_less():
    first = LeadBox("II", (0.0, 0.0, 100.0, 20.0), 0.8, reading=(1.0, 0.0))
    second = LeadBox("II", (4.0, 0.0, 100.0, 24.0), 0.4, reading=(0.4, 0.6))
    alone = LeadBox("V1", (0.0, 50.0, 100.0, 70.0), 0.9, reading=READING)
    together = fused([[first, alone], [second], []])
    assert [box.name for box in together] == ["II", "V1"]
    assert together[0].box == pytest.approx((4 / 3, 0, 100, 64 / 3))
    assert together[0].score == pytest.approx(1.2 / 3) and together[0].reading == pytest.approx((0.8, 0.2))
    assert together[1] == replace(alone, score=pytest.approx(0.3))


def test_boxes_of_one_look_of_other_names_and_far_off_stay_apart():
    box = LeadBox("II", (0.0, 0.0, 100.0, 20.0), 0.8)
    assert len(fused([[box, replace(box, score=0.5)]])) == 2
    assert len(fused([[box], [replace(box, name="III")]])) == 2
    assert len(fused([[box], [replace(box, box=(0.0, 6.0, 100.0, 26.0))]])) == 2
    assert fused([]) == fused([[], []]) == []


def test_an_unread_box_leaves_the_best_reading_as_it_is():
    box = LeadBox("II", (0.0, 0.0, 100.0, 20.0), 0.8, reading=READING)
    assert fused([[box], [replace(box, reading=(), score=0.6)]])[0].reading == READING
    assert fused([[box], [replace(box, reading=(), score=0.9)]])[0].reading == ()


@st.composite
def page_boxes(draw):
    """Boxes of one look, each of another name or far from the others of its name."""
    places = draw(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 3)), unique=True, max_size=12))
    scores = draw(st.lists(st.floats(0.1, 1.0), min_size=len(places), max_size=len(places)))
    return [
        LeadBox(LEADS[name], (200.0 * column, 40.0 * name, 200.0 * column + 150, 40.0 * name + 30), score)
        for (name, column), score in zip(places, scores, strict=True)
    ]


@given(boxes=page_boxes(), looks=st.integers(1, 4))
def test_looks_that_agree_give_what_each_has_seen(boxes, looks):
    together = fused([boxes] * looks)
    assert [box.score for box in together] == sorted((box.score for box in together), reverse=True)
    assert len(together) == len(boxes)
    for one in boxes:
        same = min((box for box in together if box.name == one.name), key=lambda box: abs(box.box[0] - one.box[0]))
        np.testing.assert_allclose(same.box, one.box)
        assert same.score == pytest.approx(one.score)


def test_leads_seen_twice_have_their_ends_between_both_and_their_heights_from_the_later_look():
    later = (
        LeadBox("I", (10.0, 20.0, 70.0, 30.0), 0.9, row=0, column=0),
        LeadBox("II", (10.0, 40.0, 70.0, 50.0), 0.9, row=1, column=0),
        LeadBox("II", (10.0, 60.0, 250.0, 70.0), 0.9, strip=True, row=2, column=0),
    )
    before = (
        LeadBox("I", (12.0, 5.0, 68.0, 45.0), 0.5, row=0, column=0),
        LeadBox("III", (0.0, 35.0, 90.0, 55.0), 0.5, row=1, column=0),
        LeadBox("II", (14.0, 50.0, 246.0, 90.0), 0.5, strip=True, row=2, column=0),
    )
    first, second, strip = with_mean_ends(later, before)
    assert first == replace(later[0], box=(11.0, 20.0, 69.0, 30.0))
    assert second == later[1]  # it was another lead's place
    assert strip == replace(later[2], box=(12.0, 60.0, 248.0, 70.0))
    assert with_mean_ends(later, ()) == later
