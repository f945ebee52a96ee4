import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.diagnosis.labels import CHALLENGE_CLASSES, RHYTHMS, decide_labels, read_classes, targets_of

COUNT = len(CHALLENGE_CLASSES)


def test_classes_come_from_the_data_in_the_challenges_order() -> None:
    assert read_classes([("STTC", "Brugada"), (), ("NORM", "STTC"), ("Abnormal",)]) == (
        "NORM",
        "STTC",
        "Abnormal",
        "Brugada",
    )
    assert read_classes([]) == ()


@pytest.mark.parametrize(
    ("labels", "abnormal"),
    [(("NORM",), 0.0), (("NORM", "TACHY"), 0.0), (("NORM", "CD"), 1.0), (("HYP", "PVC"), 1.0), (("PVC",), np.nan)],
)
def test_norm_alone_is_normal_and_a_rhythm_alone_says_nothing(labels: tuple[str, ...], abnormal: float) -> None:
    targets = targets_of(labels, ("NORM", "CD", "PVC"))
    np.testing.assert_array_equal(targets, [*(float(name in labels) for name in ("NORM", "CD", "PVC")), abnormal])


def test_the_nearest_class_is_taken_where_none_reaches_its_threshold() -> None:
    """0.3 of 0.4 is nearer than 0.4 of 0.8."""
    assert decide_labels(np.array([0.4, 0.3]), np.array([0.8, 0.4]), ("NORM", "CD")) == ("CD",)


def test_norm_and_a_diagnosis_exclude_each_other_but_not_a_rhythm() -> None:
    classes, thresholds = ("NORM", "CD", "BRADY"), np.array([0.5, 0.5, 0.5])
    assert decide_labels(np.array([0.9, 0.6, 0.7]), thresholds, classes) == ("NORM", "BRADY")
    assert decide_labels(np.array([0.6, 0.9, 0.7]), thresholds, classes) == ("CD", "BRADY")


unit = st.floats(0.001, 0.999)


@given(st.lists(unit, min_size=COUNT, max_size=COUNT), st.lists(unit, min_size=COUNT, max_size=COUNT))
def test_labels_are_never_none_and_never_contradict(probabilities: list[float], thresholds: list[float]) -> None:
    labels = decide_labels(np.array(probabilities), np.array(thresholds), CHALLENGE_CLASSES)
    assert labels and set(labels) <= set(CHALLENGE_CLASSES)
    assert labels == tuple(name for name in CHALLENGE_CLASSES if name in labels)
    assert "NORM" not in labels or not set(labels) - RHYTHMS - {"NORM"}
