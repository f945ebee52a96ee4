import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.diagnosis.metrics import (
    binary_f_measure,
    calibration_error,
    choose_binary_threshold,
    choose_thresholds,
    class_f_measures,
    confusion_counts,
    macro_f_measure,
    refine_thresholds,
    reliability,
)


def test_f_measures_by_hand() -> None:
    """First class: 1 hit, 1 missed, 1 false alarm: 2 / (2 + 1 + 1). Second: never there, alarms do not count. Third:
    there but never found."""
    targets = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0]])
    predictions = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(class_f_measures(targets, predictions), [0.5, np.nan, 0.0])
    assert macro_f_measure(targets, predictions) == 0.25
    assert np.isnan(macro_f_measure(np.zeros((3, 2)), np.ones((3, 2))))


def test_a_threshold_lies_half_way_between_what_it_parts() -> None:
    targets = np.array([[0], [0], [1], [1]])
    probabilities = np.array([[0.1], [0.2], [0.6], [0.7]])
    np.testing.assert_allclose(choose_thresholds(targets, probabilities), [0.4])


def test_a_class_without_positives_or_without_negatives_keeps_the_default() -> None:
    probabilities = np.full((3, 2), 0.2)
    np.testing.assert_array_equal(choose_thresholds(np.array([[0, 1]] * 3), probabilities, default=0.3), [0.3, 0.3])
    np.testing.assert_array_equal(choose_thresholds(np.zeros((0, 2)), np.zeros((0, 2))), [0.5, 0.5])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0])), min_size=2, max_size=20))
def test_no_other_threshold_does_better(records: list[tuple[bool, float]]) -> None:
    targets = np.array([[positive] for positive, _ in records])
    probabilities = np.array([[probability] for _, probability in records])
    chosen = choose_thresholds(targets, probabilities)
    assert 0 < chosen[0] < 1
    if targets.any() and not targets.all():
        others = [
            macro_f_measure(targets, probabilities >= other) for other in (1e-4, 0.05, 0.2, 0.4, 0.6, 0.9, 0.9999)
        ]
        assert macro_f_measure(targets, probabilities >= chosen) >= max(others) - 1e-12


def test_thresholds_chosen_together_reckon_with_classes_that_exclude_each_other() -> None:
    """The first class hides the second. Alone, both are best taken everywhere (F 2/3 each); together the second would
    never be left. With the first only where it is likelier than 0.5, both are right everywhere."""
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    probabilities = np.array([[0.9, 0.9], [0.8, 0.8], [0.2, 0.7], [0.1, 0.6]])

    def first_hides_second(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        taken = probabilities >= thresholds
        return np.stack([taken[:, 0], taken[:, 1] & ~taken[:, 0]], axis=1)

    start = np.array([0.05, 0.05])
    refined = refine_thresholds(targets, probabilities, start, first_hides_second)
    assert macro_f_measure(targets, first_hides_second(probabilities, start)) < 0.4
    assert macro_f_measure(targets, first_hides_second(probabilities, refined)) == 1.0


def test_binary_f_is_the_mean_of_both_sides() -> None:
    """Abnormal: 1 hit, 1 missed, 0 false: 2/3. Normal: 2 hits, 1 false, 0 missed: 4/5. The unknown does not count."""
    targets = np.array([1.0, 1.0, 0.0, 0.0, np.nan])
    said = np.array([True, False, False, False, True])
    assert binary_f_measure(targets, said) == (2 / 3 + 4 / 5) / 2
    assert np.isnan(binary_f_measure(np.full(3, np.nan), np.ones(3, bool)))


def test_counts_by_hand() -> None:
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])
    said = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    np.testing.assert_array_equal(confusion_counts(targets, said), [[1, 1, 1, 1], [0, 0, 1, 3]])


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, float("nan")]), st.floats(0, 1)), max_size=30))
def test_the_binary_threshold_is_a_probability(records: list[tuple[float, float]]) -> None:
    targets, probabilities = np.array(records, float).reshape(-1, 2).T
    threshold = choose_binary_threshold(targets, probabilities)
    assert 0 < threshold < 1
    if len(set(targets[np.isfinite(targets)].tolist())) < 2:
        assert threshold == 0.5


def test_the_binary_threshold_parts_what_can_be_parted() -> None:
    targets, probabilities = np.repeat([0.0, 1.0], 50), np.linspace(0.05, 0.5, 100)
    threshold = choose_binary_threshold(targets, probabilities)
    assert binary_f_measure(targets, probabilities >= threshold) > 0.97
    assert binary_f_measure(targets, probabilities >= 0.5) < 0.4


def test_reliability_by_hand() -> None:
    """Two records at 0.1 to 0.2 of which one is positive, one at 1.0 that is: off by (2 x 0.35 + 1 x 0) / 3."""
    targets, probabilities = np.array([0.0, 1.0, 1.0]), np.array([0.12, 0.18, 1.0])
    low, high = reliability(targets, probabilities)
    assert (low["records"], low["true"], round(low["said"], 6)) == (2, 0.5, 0.15)
    assert (high["from"], high["records"], high["true"]) == (0.9, 1, 1.0)
    np.testing.assert_allclose(calibration_error(targets, probabilities), 0.7 / 3)
    assert np.isnan(calibration_error(targets[:0], probabilities[:0]))
