"""Rows: which of several traces a box means."""

from dataclasses import replace

import numpy as np
import pytest

from ecgpage.digitization.crop import CropPadding, crop_geometry
from ecgpage.digitization.explaining import VagueTrace
from ecgpage.digitization.rows import TALLER, row_lines, trace_rows
from ecgpage.recording import LeadBox, LeadTrace


def trace_at(lead: LeadBox, y: float, presence: float = 1.0, spread: float = 0.1) -> LeadTrace:
    x = np.linspace(lead.box[0], lead.box[2], 100)
    return LeadTrace(lead, x, np.full(100, y), np.full(100, presence), np.full(100, spread))


def lead(name: str, row: int) -> LeadBox:
    return LeadBox(name, (10.0, 20.0 * row, 70.0, 20.0 * row + 18), 0.9, row=row)


class Confused:
    """A digitizer that follows the row below in some leads, until it is shown the zero line."""

    def __init__(self, wrong, vague=(), stubborn=False):
        self.wrong, self.vague, self.stubborn = wrong, vague, stubborn
        self.asked = []

    def trace(self, image, paper_to_picture, leads, zeros=None, bend=None):
        self.asked.append([box.name for box in leads])
        lines = [None] * len(leads) if zeros is None else zeros
        return [self.one(box, zero) for box, zero in zip(leads, lines, strict=True)]

    def one(self, box, zero):
        right = 20.0 * box.row + 10
        if zero is not None:
            assert zero == pytest.approx(right, abs=0.5)
        astray = box.name in self.wrong and (zero is None or self.stubborn)
        return trace_at(box, right + (20 if astray else 0), spread=2.0 if box.name in self.vague else 0.1)


LEADS_OF_ROWS = [lead(name, row) for row, names in enumerate(("I aVR V1 V4", "II aVL V2 V5")) for name in names.split()]


def test_a_trace_off_its_row_is_traced_again_with_the_line_shown():
    digitizer = Confused(wrong=("V2",), vague=("I",))
    traces = trace_rows(digitizer, np.zeros((2, 2, 3), np.uint8), np.eye(3), LEADS_OF_ROWS)
    assert digitizer.asked[1:] == [["I", "V2"]]
    assert [trace.lead for trace in traces] == LEADS_OF_ROWS
    assert {trace.y[0] for trace in traces} == {10.0, 30.0}
    assert [trace.zero for trace in traces] == [10.0] * 4 + [30.0] * 4


def test_a_trace_lost_in_a_far_too_high_box_is_traced_in_a_usual_one_about_its_row():
    """As where a fold across the page makes a lead's box reach over the rows below."""
    asked = []

    class Lost:
        def trace(self, image, paper_to_picture, leads, zeros=None, bend=None):
            asked.append([(box.name, box.box[1], box.box[3]) for box in leads])
            high = [box.box[3] - box.box[1] > 30 for box in leads]
            return [
                trace_at(box, 55.0 if lost else 20.0 * box.row + 10, spread=5.0 if lost else 0.1)
                for box, lost in zip(leads, high, strict=True)
            ]

    leads = [replace(LEADS_OF_ROWS[0], box=(10.0, 0.0, 70.0, 60.0)), *LEADS_OF_ROWS[1:]]
    traces = trace_rows(Lost(), np.zeros((2, 2, 3), np.uint8), np.eye(3), leads)
    assert asked[1:] == [[("I", 0.0, 60.0)], [("I", 1.0, 19.0)]]
    assert traces[0].y[0] == 10.0 and traces[0].lead.box == (10.0, 1.0, 70.0, 19.0)
    asked.clear()
    trace_rows(Lost(), np.zeros((2, 2, 3), np.uint8), np.eye(3), leads[:1])
    assert asked[1:] == [[("I", 0.0, 60.0)]]  # alone, it tells its row itself


SIX_ROWS = [lead(name, row) for row, name in enumerate(("I", "II", "III", "aVR", "aVL", "aVF"))]


@pytest.mark.parametrize(
    ("box", "shown", "sway", "kept"),
    [
        ((22.0, 48.0), 30.0, 1.0, False),  # the row above, even beside its own row's line
        ((22.0, 48.0), 36.0, 0.0, False),  # a ruled line between the rows
        ((22.0, 48.0), 36.0, 1.0, True),  # a lead that leaves its row's line
        ((30.0, 38.0), 47.0, 1.0, False),  # its own row, on the edge of a box that is far above
    ],
)
def test_a_lead_in_a_wrong_box_is_traced_in_one_about_its_row(box, shown, sway, kept):
    between = replace(SIX_ROWS[2], box=(10.0, box[0], 70.0, box[1]))
    waves = np.sin(np.linspace(0, 20, 100))

    class Between:
        def trace(self, image, paper_to_picture, leads, zeros=None, bend=None):
            heights = [shown if box == between else 20.0 * box.row + 10 for box in leads]
            traces = [trace_at(box, y) for box, y in zip(leads, heights, strict=True)]
            return [replace(trace, y=trace.y + (sway if trace.lead == between else 1.0) * waves) for trace in traces]

    traces = trace_rows(Between(), np.zeros((2, 2, 3), np.uint8), np.eye(3), [*SIX_ROWS[:2], between, *SIX_ROWS[3:]])
    assert np.median(traces[2].y) == pytest.approx(shown if kept else 50.0, abs=0.2)
    others = [np.median(trace.y) for k, trace in enumerate(traces) if k != 2]
    np.testing.assert_allclose(others, [10.0, 30.0, 70.0, 90.0, 110.0], atol=0.2)


@pytest.mark.parametrize("wrong", range(6))
def test_of_two_leads_in_a_row_the_one_in_its_even_place_tells_the_line(wrong):
    leads = [
        *SIX_ROWS,
        *(replace(one, name=f"V{one.row + 1}", box=(70.0, *one.box[1:2], 130.0, one.box[3])) for one in SIX_ROWS),
    ]
    heights = [20.0 * one.row + 10 - 12.0 * (k == wrong) for k, one in enumerate(leads)]
    lines = row_lines([trace_at(one, y) for one, y in zip(leads, heights, strict=True)])
    np.testing.assert_allclose(lines, [20.0 * one.row + 10 for one in leads])


def test_a_trace_torn_between_its_row_and_the_one_below_is_left_its_own():
    class Torn(Confused):
        def one(self, box, zero):
            trace = trace_at(box, 20.0 * box.row + 10)
            if box.name != "V1":
                return trace
            heights = np.array([10.0, 30.0])
            odds = np.log(np.full((2, 20), 0.5, np.float32))
            vague = np.arange(40, 60)
            trace.y[vague], trace.spread[vague] = 20.0, 10.0
            return VagueTrace(**vars(trace), vague=vague, log_probability=odds, heights=heights)

    traces = trace_rows(Torn(wrong=()), np.zeros((2, 2, 3), np.uint8), np.eye(3), LEADS_OF_ROWS)
    np.testing.assert_allclose(traces[2].y, 10.0, atol=0.5)
    assert {type(trace) for trace in traces} == {LeadTrace}
    assert [trace.lead for trace in traces] == LEADS_OF_ROWS


def test_where_nothing_is_printed_nothing_is_looked_for_again():
    class Blank(Confused):
        def one(self, box, zero):
            return trace_at(box, 20.0 * box.row + 10, presence=0.0 if box.name == "V2" and zero is None else 1.0)

    digitizer = Blank(wrong=())
    traces = trace_rows(digitizer, np.zeros((2, 2, 3), np.uint8), np.eye(3), LEADS_OF_ROWS)
    assert digitizer.asked[1:] == [[]]
    assert [trace.lead.name for trace in traces if not trace.printed.any()] == ["V2"]


def test_a_second_look_that_is_no_better_changes_nothing():
    traces = trace_rows(Confused(("V2",), stubborn=True), np.zeros((2, 2, 3), np.uint8), np.eye(3), LEADS_OF_ROWS)
    assert [trace.y[0] for trace in traces if trace.lead.name == "V2"] == [50.0]
    assert traces[-1].zero == 30.0


def test_a_row_of_its_own_stands_where_even_spacing_has_it():
    names = ("I", "II", "III", "aVR", "aVL", "aVF")
    heights = [10.0, 30.5, 70.0, 69.5, 90.0, 110.2]  # the third follows the fourth
    traces = [trace_at(lead(name, row), y) for row, (name, y) in enumerate(zip(names, heights, strict=True))]
    lines = row_lines(traces)
    assert lines[2] == pytest.approx(50.0, abs=0.5)
    assert [line for k, line in enumerate(lines) if k != 2] == [y for k, y in enumerate(heights) if k != 2]


def test_a_row_without_print_has_no_line():
    traces = [trace_at(lead("I", 0), 10.0, presence=0.0), trace_at(lead("II", 1), 30.0)]
    lines = row_lines(traces)
    assert np.isnan(lines[0])
    assert lines[1] == 30.0


class Cropped:
    """A digitizer that sees a crop only: a wave down to y = 54 leaves it, and is lost or runs along its edge."""

    def __init__(self, lost: bool, other: bool = False):
        self.lost, self.other = lost, other
        self.boxes = []

    def trace(self, image, paper_to_picture, leads, zeros=None, bend=None):
        self.boxes.append([box.box for box in leads])
        return [self.one(box) for box in leads]

    def one(self, box):
        (_, top), (height, _) = crop_geometry(box.box, CropPadding())
        bottom = top + (height - 1) / 10
        x = np.linspace(box.box[0], box.box[2], 1500)
        y = 30 + 24 * np.exp(-(((x - 40) / 0.8) ** 2))
        if self.other and box.box[3] > 34.0:
            y = np.full(1500, 33.0)  # another course in the taller crop
        presence = np.where(y > bottom - 0.3, 0.0, 1.0) if self.lost else np.ones(1500)
        return LeadTrace(box, x, np.minimum(y, bottom - 0.2), presence, np.full(1500, 0.1))


@pytest.mark.parametrize("lost", [True, False])
def test_a_trace_cut_off_by_its_crop_is_traced_again_in_a_taller_one(lost):
    short = LeadBox("I", (10.0, 22.0, 70.0, 34.0), 0.9, row=0)
    digitizer = Cropped(lost)
    [trace] = trace_rows(digitizer, np.zeros((2, 2, 3), np.uint8), np.eye(3), [short])
    assert [boxes for boxes in digitizer.boxes if boxes][1:] == [[(10.0, 22.0, 70.0, 34.0 + TALLER)]]
    assert trace.y.max() == pytest.approx(54.0, abs=0.1) and trace.printed.all()
    assert trace.lead == short


def test_another_course_in_the_taller_crop_is_not_taken():
    short = LeadBox("I", (10.0, 22.0, 70.0, 34.0), 0.9, row=0)
    [trace] = trace_rows(Cropped(True, other=True), np.zeros((2, 2, 3), np.uint8), np.eye(3), [short])
    assert trace.y.max() < 45 and trace.y[0] == pytest.approx(30.0)


def test_a_trace_that_runs_free_is_traced_once():
    digitizer = Cropped(True)
    trace_rows(
        digitizer, np.zeros((2, 2, 3), np.uint8), np.eye(3), [LeadBox("I", (10.0, 22.0, 70.0, 62.0), 0.9, row=0)]
    )
    assert len([boxes for boxes in digitizer.boxes if boxes]) == 1


def test_no_leads_no_traces():
    assert trace_rows(Confused(()), np.zeros((2, 2, 3), np.uint8), np.eye(3), []) == []
