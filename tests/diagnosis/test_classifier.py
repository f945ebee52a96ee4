import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpage.diagnosis import Classifier, load_classifier, save_classifier
from ecgpage.diagnosis.classifier import IMAGE, SIGNAL, TREES
from ecgpage.diagnosis.fusion import Fusion, equal_fusion
from ecgpage.diagnosis.measurements import MEASUREMENTS
from ecgpage.diagnosis.network import PageClassifier
from ecgpage.diagnosis.signal_network import SignalClassifier
from ecgpage.diagnosis.trees import TreeClassifier
from ecgpage.leads import LEADS
from ecgpage.recording import Diagnosis, Page
from ecgpage.training import CheckpointError

CLASSES = ("NORM", "STTC", "PVC")
BOTH = Fusion(np.array([[0.7, 0.3]] * 4), np.array([0.1, -0.2, 0.0, 0.3]))


def random_trees() -> TreeClassifier:
    """Trees that ask for the sizes of the leads' waves."""
    trees = TreeClassifier(3, 5)
    trees.feature.random_(MEASUREMENTS.index("I r"), MEASUREMENTS.index("V6 t low"))
    trees.unknown.random_(2)
    for part in (trees.threshold, trees.leaf):
        part.normal_(0, 0.3)
    return trees.half().float().eval()


def make_classifier(*members: str) -> Classifier:
    torch.manual_seed(0)
    networks = {
        SIGNAL: [SignalClassifier(3, width=8).eval() for _ in range(2)],
        IMAGE: [PageClassifier(3, width=8).eval()],
        TREES: [random_trees() for _ in range(2)],
    }
    used = {name: networks[name] for name in members}
    fusion = BOTH if len(used) == 2 else equal_fusion(len(used), 4)
    return Classifier(used, CLASSES, fusion, (0.5, 0.25, 0.125, 0.4))


@pytest.fixture(params=[(SIGNAL,), (IMAGE,), (TREES,), (SIGNAL, IMAGE), (SIGNAL, IMAGE, TREES)], ids="+".join)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return make_classifier(*request.param)


def blank_page(height: int = 300, width: int = 400) -> Page:
    return Page(np.full((height, width, 3), 255, np.uint8), (height, width), np.eye(3), False)


def beats() -> np.ndarray:
    """(1000, 12) mV at 100 Hz, a beat a second."""
    time = np.arange(1000) / 100
    return np.exp(-0.5 * ((time % 1 - 0.5) / 0.02) ** 2)[:, None] * np.linspace(-1, 1, 12)


def judge(classifier: Classifier, page: Page, signal: np.ndarray | None = None) -> Diagnosis:
    return classifier.predict(page, np.full((1000, 12), np.nan) if signal is None else signal, 100.0, LEADS)


@pytest.mark.parametrize("size", [(300, 400), (1, 1), (2000, 100)])
def test_every_page_has_a_label(classifier: Classifier, size: tuple[int, int]) -> None:
    said = judge(classifier, blank_page(*size))
    assert said.labels and set(said.labels) <= set(CLASSES)
    assert list(said.probabilities) == [*CLASSES, "abnormal"]
    assert all(0 <= value <= 1 for value in said.probabilities.values())
    assert said.abnormal == (said.probabilities["abnormal"] >= 0.4)


def test_each_member_sees_what_is_its_own() -> None:
    page = blank_page()
    drawn = page.image.copy()
    drawn[100:104, 50:350] = 0
    other = Page(drawn, page.size, page.page_to_picture, False)
    image = make_classifier(IMAGE)
    assert judge(image, page) != judge(image, other)
    assert judge(image, page) == judge(image, page, beats())
    for of_signal in (make_classifier(SIGNAL), make_classifier(TREES)):
        assert judge(of_signal, page) == judge(of_signal, other)
        assert judge(of_signal, page) != judge(of_signal, page, beats())


def test_leads_are_told_by_their_names() -> None:
    """In any order and any case; a lead that is none of the twelve is passed over."""
    classifier, order = make_classifier(SIGNAL), np.random.default_rng(0).permutation(12)
    names = [LEADS[k].upper() for k in order] + ["MCL1"]
    shuffled = np.concatenate([beats()[:, order], np.full((1000, 1), 9.0)], axis=1)
    assert classifier.predict(blank_page(), shuffled, 100.0, names) == judge(classifier, blank_page(), beats())


def test_a_saved_classifier_predicts_as_before(classifier: Classifier, tmp_path: Path) -> None:
    save_classifier(tmp_path, classifier, {"data": "three pages"})
    loaded = load_classifier(tmp_path)
    assert loaded is not None
    assert not any(network.training for part in loaded.networks.values() for network in part)
    assert (loaded.classes, loaded.thresholds) == (classifier.classes, classifier.thresholds)
    before, after = (judge(one, blank_page(), beats()).probabilities for one in (classifier, loaded))
    assert after == pytest.approx(before, abs=3e-3)  # weights are stored in half precision
    assert json.loads((tmp_path / "model.json").read_text())["classifier"]["data"] == "three pages"


def test_a_folder_without_a_classifier_gives_none(tmp_path: Path) -> None:
    assert load_classifier(tmp_path) is None


def test_weights_of_other_classes_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    fewer = {"weights": [[1.0] * len(classifier.networks)] * 2, "bias": [0.0] * 2}
    save_classifier(tmp_path, classifier, {"classes": ["NORM"], "thresholds": [0.5, 0.5], "fusion": fewer})
    with pytest.raises(CheckpointError, match=r"(classifier|trees)\.safetensors"):
        load_classifier(tmp_path)
    for broken in ({"classes": None}, {"members": {"smell": {"networks": 1, "width": 8}}}, {"fusion": {}}):
        save_classifier(tmp_path, classifier, broken)
        with pytest.raises(CheckpointError, match="expected classes"):
            load_classifier(tmp_path)


def test_parts_must_fit_each_other() -> None:
    networks = {IMAGE: [PageClassifier(3, width=8)]}
    with pytest.raises(ValueError, match="4 outputs"):
        Classifier(networks, CLASSES, equal_fusion(1, 4), (0.5,))
    with pytest.raises(ValueError, match="weights"):
        Classifier(networks, CLASSES, equal_fusion(2, 4), (0.5,) * 4)
    with pytest.raises(ValueError, match="networks of"):
        Classifier({}, CLASSES, equal_fusion(1, 4), (0.5,) * 4)
