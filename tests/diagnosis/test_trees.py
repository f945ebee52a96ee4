from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from ecgpage.diagnosis.trees import DEPTH, Growth, TreeClassifier, grow
from ecgpage.training.checkpoints import CheckpointError, load_model, save_model

FEW = Growth(trees=12, learning_rate=0.2, smallest_leaf=5, features=1.0)


def measured(rows: int = 400, seed: int = 0) -> np.ndarray:
    """(rows, 5) in eighths, which half precision keeps, a fifth of them unknown."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-24, 25, (rows, 5)) / 8
    return np.where(rng.random(values.shape) < 0.2, np.nan, values).astype(np.float32)


def told(values: np.ndarray) -> np.ndarray:
    """(rows, 2): whether the first measurement is above 1, and whether the second is unknown."""
    return np.stack([np.nan_to_num(values[:, 0]) > 1, np.isnan(values[:, 1])], axis=1).astype(np.float32)


def ask(trees: TreeClassifier, values: np.ndarray) -> np.ndarray:
    return trees(torch.from_numpy(values)).double().numpy()


def test_trees_say_what_scikit_learns_do() -> None:
    values, weights = measured(), np.random.default_rng(1).uniform(0.5, 1, 400)
    targets = told(values)
    trees = grow(values, targets, weights, FEW)
    for output in range(2):
        booster = HistGradientBoostingClassifier(
            learning_rate=FEW.learning_rate,
            max_iter=FEW.trees,
            max_depth=DEPTH,
            max_leaf_nodes=None,
            min_samples_leaf=FEW.smallest_leaf,
            l2_regularization=FEW.l2,
            early_stopping=False,
            random_state=output,
        ).fit(values, targets[:, output] > 0.5, sample_weight=weights)
        np.testing.assert_allclose(ask(trees, values)[:, output], booster.decision_function(values), atol=5e-3)


def test_trees_learn_from_values_and_from_what_is_unknown() -> None:
    values = measured()
    trees, unseen = grow(values, told(values), np.ones(400), FEW), measured(seed=2)
    assert ((ask(trees, unseen) > 0) == (told(unseen) > 0.5)).mean() > 0.98


def test_rows_of_unknown_targets_do_not_count() -> None:
    values, targets = measured(), told(measured())
    unknown = targets.copy()
    unknown[300:, 0] = np.nan
    other = targets.copy()
    other[300:, 0] = 1 - other[300:, 0]
    shown = values[:300]
    fewer = grow(shown, targets[:300], np.ones(300), FEW)
    for rows in (unknown, np.where(np.isnan(unknown), np.nan, other)):
        np.testing.assert_array_equal(ask(grow(values, rows, np.ones(400), FEW), shown)[:, 0], ask(fewer, shown)[:, 0])


def test_a_measurement_that_is_never_known_says_nothing() -> None:
    values = measured()
    before = ask(grow(values, told(values), np.ones(400), FEW), values)
    wider = np.concatenate([values, np.full((400, 1), np.nan, np.float32)], axis=1)
    np.testing.assert_array_equal(ask(grow(wider, told(values), np.ones(400), FEW), wider), before)


def test_an_output_without_both_kinds_keeps_its_share() -> None:
    values = measured(40)
    targets = np.stack([np.ones(40), np.arange(40) % 4 == 0], axis=1).astype(np.float32)
    said = ask(grow(values, targets, np.ones(40), FEW), values)
    assert (said[:, 0] == said[0, 0]).all() and said[0, 0] > 5
    assert said[:, 1].mean() < 0


def test_kept_trees_say_the_same(tmp_path: Path) -> None:
    values = measured() * np.float32(1.001)  # thresholds that half precision rounds
    trees = grow(values, told(values), np.ones(400), FEW)
    save_model(tmp_path / "trees.safetensors", trees)
    loaded = TreeClassifier(1, FEW.trees)
    load_model(tmp_path / "trees.safetensors", loaded)
    np.testing.assert_array_equal(ask(loaded, values), ask(trees, values))
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "trees.safetensors", TreeClassifier(2, FEW.trees))
