"""Benchmarks: what they measure is what they say."""

import cv2
import numpy as np
import pytest

from benchmarks.detection import leads_right, read_truth, true_boxes, turned
from benchmarks.synthesis import PAGE_PIXELS, measure
from ecgpage.leads import LEADS, PrintedLead
from ecgpage.recording import LeadBox, Page
from ecgpage.synthesis import DrawnLead
from ecgpage.synthesis.export import ExportSettings, export_pages


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
    [(picture, truth)] = read_truth(tmp_path)
    assert picture.stem == "01825_hr-0"
    whole = Page(np.zeros((4, 4, 3), np.uint8), (4, 4), np.eye(3), True)
    boxes, classes = true_boxes(truth, whole)
    assert boxes.shape == (13, 4)
    assert sorted(LEADS[k] for k in classes) == sorted((*LEADS, "II"))
    assert np.all(boxes[:, 2:] > boxes[:, :2])
    with pytest.raises(ValueError, match="expected pages with their ground truth"):
        read_truth(tmp_path / "nowhere")
