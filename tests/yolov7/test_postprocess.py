"""Decoding, letterbox, suppression, average precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yolov7 import Detections, detect, yolov7_tiny
from yolov7.metrics import average_precision, mean_average_precision
from yolov7.postprocess import (
    Letterbox,
    decode,
    letterbox,
    letterbox_size,
    merged,
    non_maximum_suppression,
    select,
)

TINY = yolov7_tiny(2).eval()


def test_decode_by_hand():
    """All-zero logits: sigmoid 1/2, so xy = (0.5 + cell) stride and wh = anchor."""
    raw = [torch.zeros(1, 3, 64 // s, 96 // s, 7) for s in (8, 16, 32)]
    boxes = decode(raw, TINY.head.anchor_grid)
    assert boxes.shape == (1, 3 * (8 * 12 + 4 * 6 + 2 * 3), 7)
    cell = 1 * 8 * 12 + 2 * 12 + 5  # level 0, anchor 1, row 2, column 5
    torch.testing.assert_close(boxes[0, cell, :4], torch.tensor([5.5 * 8, 2.5 * 8, 16.0, 30.0]))
    torch.testing.assert_close(boxes[0, -1, :4], torch.tensor([2.5 * 32, 1.5 * 32, 373.0, 326.0]))


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([(416, 512), (640, 640), (512, 96)]))
def test_letterbox_boxes_round_trip(height, width, size):
    fit = Letterbox.fit(height, width, size)
    box = np.array([[0.0, 0.0, width, height], [0.2 * width, 0.1 * height, 0.5 * width, 0.6 * height]])
    inside = box * fit.scale + [fit.left, fit.top, fit.left, fit.top]
    assert inside.min() > -1e-6 and inside[:, 2].max() < size[1] + 1e-6 and inside[:, 3].max() < size[0] + 1e-6
    np.testing.assert_allclose(fit.boxes_to_image(inside), box, atol=1e-6)


def test_letterbox_matrix_maps_pixel_centres():
    """Scale 1/2: the centre of the input's first pixel lies between the image's first two, at 0.5."""
    fit = Letterbox.fit(128, 128, (64, 96))
    assert fit.scale == 0.5 and (fit.left, fit.top) == (16, 0)
    np.testing.assert_allclose(fit.matrix @ [0.5, 0.5, 1], [16, 0, 1])


def test_letterbox_pads_a_wide_image_above_and_below():
    image = np.full((50, 200, 3), 255, np.uint8)
    canvas, fit = letterbox(image, (96, 96))
    assert canvas.shape == (96, 96, 3) and fit.top == 36
    assert (canvas[:36] == 114).all() and (canvas[36:60] == 255).all() and (canvas[60:] == 114).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1700, 2200), (512, 640)), ((2200, 1700), (640, 512)), ((640, 640), (640, 640)), ((1, 9), (96, 640))],
)
def test_input_is_the_smallest_that_holds_the_image(shape, size):
    assert letterbox_size(*shape) == size


def test_longest_side_must_fit_the_network():
    with pytest.raises(ValueError, match="multiple of 32"):
        letterbox_size(100, 100, 500)


def test_a_box_counts_once_unless_every_class_is_asked_for():
    """Scores 0.9 x (0.8, 0.6): one detection of the best class, or one of each."""
    decoded = torch.tensor([[[50.0, 50, 20, 20, 0.9, 0.8, 0.6]]])
    [best] = select(decoded)
    assert best.classes.tolist() == [0] and best.scores[0] == pytest.approx(0.72)
    assert select(decoded, every_class=True)[0].classes.tolist() == [0, 1]


def test_suppression_is_by_class():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 20, 30, 30]], float)
    kept = non_maximum_suppression(boxes, np.array([0.6, 0.9, 0.5, 0.2]), np.array([0, 0, 1, 0]), 0.45)
    assert kept.tolist() == [1, 2, 3]


def test_nothing_found():
    found = select(torch.zeros(2, 10, 7))
    assert len(found) == 2
    assert found[0].boxes.shape == (0, 4) and found[0].scores.shape == (0,)
    assert len(non_maximum_suppression(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5)) == 0


def test_score_is_objectness_times_class_but_objectness_alone_for_one_class():
    row = torch.tensor([[[10.0, 10, 4, 4, 0.8, 0.5, 0.1]]])
    assert select(row)[0].scores.tolist() == pytest.approx([0.4])
    assert select(row[..., :6])[0].scores.tolist() == pytest.approx([0.8])


def test_detect_on_a_rectangular_image():
    found = detect(TINY, [np.zeros((64, 96, 3), np.uint8)], confidence=0.0)[0]
    assert 0 < len(found.boxes) <= 300
    assert (np.diff(found.scores) <= 0).all()


def test_average_precision_by_hand():
    """Right, wrong, right of 2: precision 1 to recall 1/2 (51 of 101 points), then 2/3."""
    assert average_precision(np.array([True, False, True]), 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average_precision(np.zeros(0, bool), 3) == 0


def test_mean_average_precision():
    truth = (np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]]), np.array([0, 1]))
    perfect = Detections(truth[0], np.array([0.9, 0.8]), truth[1])
    result = mean_average_precision([perfect], [truth])
    assert result.map50 == result.map50_95 == 1
    shifted = Detections(truth[0] + [2, 0, 2, 0], np.array([0.9, 0.8]), truth[1])  # IoU 8 / 12: right up to 0.65
    result = mean_average_precision([shifted], [truth])
    assert result.map50 == 1 and result.map50_95 == pytest.approx(0.4)
    swapped = Detections(truth[0], np.array([0.9, 0.8]), truth[1][::-1])
    assert mean_average_precision([swapped], [truth]).map50 == 0


def test_mean_average_precision_counts_a_second_find_of_one_object_as_wrong():
    truth = (np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]]), np.array([0, 0]))
    twice = Detections(
        np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]]), np.array([0.9, 0.8, 0.7]), np.zeros(3, int)
    )
    assert mean_average_precision([twice], [truth]).map50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_mean_average_precision_without_truth_is_nan():
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
    assert np.isnan(mean_average_precision([nothing], [(np.zeros((0, 4)), np.zeros(0, int))]).map50)


def test_merged_boxes_stand_at_the_weighted_mean_of_those_around_them():
    """Two boxes of one class 2 px apart, scores 0.9 and 0.3; one of another class and one elsewhere stay out."""
    boxes = np.array([[0, 0, 20, 20], [2, 0, 22, 20], [1, 0, 21, 20], [100, 0, 120, 20]], np.float32)
    scores, classes = np.array([0.9, 0.3, 0.8, 0.5]), np.array([0, 0, 1, 0])
    kept = non_maximum_suppression(boxes, scores, classes, 0.45)
    np.testing.assert_allclose(merged(boxes, scores, classes, kept, 0.6), [[0.5, 0, 20.5, 20], boxes[2], boxes[3]])
    assert merged(boxes, scores, classes, kept[:0], 0.6).shape == (0, 4)
