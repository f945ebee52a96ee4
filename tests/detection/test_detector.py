"""Training and using the detector, on the smallest scale."""

import numpy as np
import pytest
import torch

from ecgpage.detection import DetectorSettings, LeadDetector, load_detector, save_detector, train, train_detector
from ecgpage.detection.detector import build_network
from ecgpage.io import write_record
from ecgpage.leads import LEADS
from ecgpage.recording import Page
from ecgpage.training.checkpoints import CheckpointError
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.model_folder import save_stage

SMALL = DetectorSettings(height=96, width=128)


def write_records(folder):
    """Three records of sines; returns their paths."""
    time = np.arange(1000) / 100
    for number in (1, 2, 3):
        signal = np.stack([0.5 * np.sin(time * (k + number)) for k in range(12)], axis=1)
        write_record(folder, f"sine{number}", signal, 100.0, LEADS)
    return [folder / f"sine{number}" for number in (1, 2, 3)]


def blank_page(height=300, width=400):
    return Page(np.full((height, width, 3), 200, np.uint8), (height, width), np.eye(3), outlined=False)


def test_training_writes_a_detector_that_loads_and_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "ANCHOR_PAGES", 3)
    lines = []
    stage = StageSettings(batch_size=2, steps=2, seconds=60, warmup_steps=1, device="cpu")
    drawing = DrawingSettings(("kit",), 1)
    records = write_records(tmp_path)
    trained = train_detector(records, drawing, stage, tmp_path / "state.safetensors", SMALL, lines.append)
    save_detector(tmp_path / "model", trained, {"records": 3})
    loaded = load_detector(tmp_path / "model")
    assert loaded.settings == SMALL
    torch.testing.assert_close(loaded.model.head.pixel_anchors, trained.model.head.pixel_anchors, rtol=1e-3, atol=1e-3)
    assert loaded.model.head.pixel_anchors[2, 2, 0] > 40  # re-clustered: a strip is most of 128 px wide
    assert any("fitness" in line for line in lines) and any("step 2/2" in line for line in lines)
    assert isinstance(loaded(blank_page()), list)


def test_training_from_a_detector_of_this_kind_keeps_its_anchors(tmp_path):
    network = build_network(SMALL)
    network.head.set_anchors(torch.arange(8.0, 26.0).reshape(9, 2))
    save_detector(tmp_path / "model", LeadDetector(network, SMALL))
    lines = []
    stage = StageSettings(batch_size=2, steps=1, seconds=60, warmup_steps=1, device="cpu")
    weights = tmp_path / "model" / "detector.safetensors"
    state = tmp_path / "state.safetensors"
    trained = train_detector(
        write_records(tmp_path), DrawingSettings(("kit",), 1), stage, state, SMALL, lines.append, weights
    )
    anchors = trained.network.head.pixel_anchors
    torch.testing.assert_close(anchors, network.head.pixel_anchors, rtol=1e-3, atol=1e-3)
    assert not any("fitness" in line for line in lines) and any(" 0 left as they were" in line for line in lines)


def test_boxes_are_in_page_pixels():
    """A network whose every box is its anchor around the cell's middle; only one cell's objectness is high."""
    torch.manual_seed(0)
    detector = LeadDetector(build_network(SMALL), SMALL)
    raw = [torch.zeros(1, 3, 96 // s, 128 // s, 17) for s in (8, 16, 32)]
    for level in raw:
        level[..., 4] = -20
    raw[0][0, 0, 6, 8, 4:] = torch.tensor([9.0] + [-9.0] * 4 + [9.0] + [-9.0] * 7)
    head = detector.model.head
    head.set_anchors(torch.full((9, 2), 16.0))
    head.forward = lambda features: raw
    page = Page(np.zeros((384, 384, 3), np.uint8), (384, 384), np.eye(3), outlined=False)
    (box,) = detector(page)
    assert box.name == LEADS[4] and box.score > 0.99
    # scale 1/4, 16 px left of the page; the box is (60, 44, 76, 60) in the input's edges
    np.testing.assert_allclose(
        box.box, [(60 - 16) * 4 - 0.5, 44 * 4 - 0.5, (76 - 16) * 4 - 0.5, 60 * 4 - 0.5], atol=1e-3
    )


def test_no_lead_is_an_empty_list():
    detector = LeadDetector(build_network(SMALL), DetectorSettings(height=96, width=128, confidence=1.0))
    assert detector(blank_page(33, 47)) == []


def test_folder_without_a_detector(tmp_path):
    with pytest.raises(CheckpointError):
        load_detector(tmp_path)
    save_stage(tmp_path, "detector", torch.nn.Linear(2, 2), {"settings": {"colour": 3}})
    with pytest.raises(CheckpointError, match="settings of the detector"):
        load_detector(tmp_path)
    save_stage(tmp_path, "detector", torch.nn.Linear(2, 2), {"settings": {}})
    with pytest.raises(CheckpointError, match="does not fit"):
        load_detector(tmp_path)


@pytest.mark.parametrize("wrong", [{"variant": "huge"}, {"height": 100}, {"confidence": 2.0}])
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DetectorSettings(**wrong)
