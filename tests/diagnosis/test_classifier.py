import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpage.diagnosis import Classifier, load_classifier, save_classifier
from ecgpage.diagnosis.network import PageClassifier
from ecgpage.recording import Page
from ecgpage.training import CheckpointError

CLASSES = ("NORM", "STTC", "PVC")


@pytest.fixture
def classifier() -> Classifier:
    torch.manual_seed(0)
    return Classifier(PageClassifier(3, width=8).eval(), CLASSES, (0.5, 0.25, 0.125))


def blank_page(height: int = 300, width: int = 400) -> Page:
    return Page(np.full((height, width, 3), 255, np.uint8), (height, width), np.eye(3), False)


@pytest.mark.parametrize("size", [(300, 400), (1, 1), (2000, 100)])
def test_every_page_has_a_label(classifier: Classifier, size: tuple[int, int]) -> None:
    labels, probabilities = classifier.predict(blank_page(*size))
    assert labels and set(labels) <= set(CLASSES)
    assert list(probabilities) == [*CLASSES, "abnormal"]
    assert all(0 <= value <= 1 for value in probabilities.values())


def test_the_network_sees_the_page(classifier: Classifier) -> None:
    page = blank_page()
    drawn = page.image.copy()
    drawn[100:104, 50:350] = 0
    other = Page(drawn, page.size, page.page_to_picture, False)
    assert classifier.predict(page)[1] != classifier.predict(other)[1]


def test_a_saved_classifier_predicts_as_before(classifier: Classifier, tmp_path: Path) -> None:
    save_classifier(tmp_path, classifier, {"data": "three pages"})
    loaded = load_classifier(tmp_path)
    assert loaded is not None and not loaded.network.training
    assert (loaded.classes, loaded.thresholds) == (classifier.classes, classifier.thresholds)
    before, after = classifier.predict(blank_page())[1], loaded.predict(blank_page())[1]
    assert after == pytest.approx(before, abs=2e-3)  # weights are stored in half precision
    assert json.loads((tmp_path / "model.json").read_text())["classifier"]["data"] == "three pages"


def test_a_folder_without_a_classifier_gives_none(tmp_path: Path) -> None:
    assert load_classifier(tmp_path) is None


def test_weights_of_other_classes_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    save_classifier(tmp_path, classifier, {"classes": ["NORM"], "thresholds": [0.5]})
    with pytest.raises(CheckpointError, match=r"classifier\.safetensors"):
        load_classifier(tmp_path)
    save_classifier(tmp_path, classifier, {"classes": None})
    with pytest.raises(CheckpointError, match="expected classes"):
        load_classifier(tmp_path)


def test_thresholds_must_fit_the_network() -> None:
    with pytest.raises(ValueError, match="3 outputs"):
        Classifier(PageClassifier(3, width=8), CLASSES, (0.5,))
