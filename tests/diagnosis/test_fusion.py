import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from ecgpage.diagnosis.fusion import equal_fusion, fit_fusion
from ecgpage.diagnosis.metrics import calibration_error


def test_one_networks_logits_are_calibrated() -> None:
    """Logits twice too large and 1 too high, as of an overconfident network: weight 1/2, bias -1/2 mends them."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, 20_000)
    targets = (rng.random(len(true)) < expit(true)).astype(float)[:, None]
    logits = (2 * true + 1)[:, None, None]
    fusion = fit_fusion(logits, targets)
    assert fusion.weights[0, 0] == pytest.approx(0.5, abs=0.03)
    assert fusion.bias[0] == pytest.approx(-0.5, abs=0.05)
    before, after = expit(logits[:, 0]), fusion(logits)
    assert calibration_error(targets[:, 0], after[:, 0]) < 0.01 < calibration_error(targets[:, 0], before[:, 0])


def test_the_better_network_weighs_more() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(0, 2, 4000)
    targets = (rng.random(len(true)) < expit(true)).astype(float)[:, None]
    logits = np.stack([true + rng.normal(0, 0.3, len(true)), rng.normal(0, 2, len(true))], axis=1)[:, :, None]
    good, useless = fit_fusion(logits, targets).weights[0]
    assert good > 0.8 and 0 <= useless < 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_probabilities_rise_with_every_members_logit(seed: int, members: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (40, members, 3))
    targets = rng.integers(0, 2, (40, 3)).astype(float)
    targets[rng.random(targets.shape) < 0.2] = np.nan
    fusion = fit_fusion(logits, targets)
    assert (fusion.weights >= 0).all()
    assert (fusion(logits + 1) >= fusion(logits)).all()


def test_a_class_without_both_kinds_keeps_the_mean() -> None:
    logits = np.random.default_rng(2).normal(size=(5, 2, 2))
    targets = np.array([[1.0, np.nan]] * 5)
    fusion = fit_fusion(logits, targets)
    np.testing.assert_allclose(fusion(logits), equal_fusion(2, 2)(logits))
    np.testing.assert_allclose(logit(fusion(logits)), logits.mean(axis=1))
