import math

import pytest
import torch

from ecgpage.digitization.loss import (
    INK_ROWS,
    DigitizerBatch,
    DigitizerLoss,
    DigitizerLossSettings,
    log_error_ratio,
    near_ends,
)
from ecgpage.digitization.network import STEM_STRIDE, DigitizerOutput

ROWS, TIME = 40, 30


def batch(height: float = 30.0, printed: bool = True) -> DigitizerBatch:
    return DigitizerBatch(
        torch.zeros(2, 5, ROWS * STEM_STRIDE, TIME // 3),
        torch.full((2, TIME), height),
        torch.full((2, TIME), printed, dtype=torch.bool),
    )


def output(height: float, sigma: float = 1.6, presence: float = 20.0) -> DigitizerOutput:
    rows = torch.arange(ROWS) * STEM_STRIDE
    log_probability = torch.log_softmax(-((rows - height) ** 2) / (2 * sigma**2), dim=0)
    scores = log_probability[None, :, None].expand(2, ROWS, TIME).clone().requires_grad_()
    heights = (scores.exp() * rows[:, None]).sum(dim=1)
    return DigitizerOutput(heights, torch.full((2, TIME), presence), scores, torch.ones(2, TIME))


def test_a_perfect_answer_costs_nothing():
    _, terms = DigitizerLoss()(output(30.0), batch())
    assert abs(terms["cross_entropy"]) < 1e-4
    assert terms["height"] < 1e-6
    assert terms["presence"] < 1e-6


def test_height_and_entropy_of_a_known_error():
    _, terms = DigitizerLoss()(output(34.0), batch())
    # Smooth L1 with beta 2 of an error of 4 is 4 - 1 = 3, in units of beta 1.5.
    assert terms["height"] == pytest.approx(1.5, abs=0.01)
    # Divergence of two Gaussians of one sigma: distance^2 / (2 sigma^2) = 16 / 5.12.
    assert terms["cross_entropy"] == pytest.approx(16 / 5.12, rel=0.01)


def test_only_printed_subcolumns_count_for_height():
    target = batch()
    wrong = target.height.clone()
    wrong[:, 10:] = 0
    presence = target.presence.clone()
    presence[:, 10:] = False
    _, terms = DigitizerLoss()(output(30.0), DigitizerBatch(target.crops, wrong, presence))
    assert terms["height"] < 1e-6
    assert terms["presence"] == pytest.approx(20 * 2 / 3, rel=1e-3)  # logit 20 on two thirds that are not printed


@pytest.mark.parametrize("head", ["distribution", "mean"])
def test_nothing_printed_is_an_ordinary_batch(head):
    answer = output(30.0)
    if head == "mean":
        answer = answer._replace(log_probability=None)
    logits = torch.zeros(2, TIME, requires_grad=True)
    loss, terms = DigitizerLoss()(answer._replace(presence=logits), batch(printed=False))
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0
    assert terms["presence"] == pytest.approx(math.log(2), rel=1e-4)
    assert terms["height"] == 0


def test_a_mask_costs_what_it_misses():
    """Right and sure of every pixel it costs nothing; knowing nothing, ln 2 a pixel, ten times that of ink."""
    target = batch(printed=True)
    rows = torch.arange(ROWS) * STEM_STRIDE
    ink = ((rows[:, None] - target.height[:, None]).abs() <= INK_ROWS) & target.presence[:, None]
    _, right = DigitizerLoss()(output(30.0)._replace(mask=torch.where(ink, 30.0, -30.0)), target)
    _, vague = DigitizerLoss()(output(30.0)._replace(mask=torch.zeros(ink.shape)), target)
    assert right["mask"] < 1e-6
    assert vague["mask"] == pytest.approx(math.log(2) * (1 + 9 * float(ink.float().mean())), rel=1e-4)
    assert "mask" not in DigitizerLoss()(output(30.0), target)[1]


def test_log_error_ratio_by_hand():
    height = torch.tensor([[0.0, 20.0] * 10, [5.0, 5.0] * 10])
    error = torch.tensor([[1.0, -1.0] * 10, [0.5, -0.5] * 10])
    # First crop: signal power 100, error power 1. Second: flat, so measured against 5 rows: 25, error power 0.25.
    expected = math.log(0.01 + 1e-3)
    ratio = log_error_ratio(error, height, torch.ones_like(height))
    assert float(ratio) == pytest.approx(expected, rel=1e-5)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="above 0"):
        DigitizerLossSettings(sigma=0.0)


def test_ends_are_where_presence_changes():
    printed = torch.zeros(1, 300)
    printed[:, 100:220] = 1
    near = near_ends(printed)[0].nonzero().flatten().tolist()  # 1.5 mm are 36 sub-columns
    assert near == [*range(64, 136), *range(184, 256)]
    assert near_ends(torch.ones(1, 50)).sum() == near_ends(torch.zeros(1, 50)).sum() == 0


def test_presence_counts_more_near_the_ends():
    printed = torch.zeros(2, TIME, dtype=torch.bool)
    printed[:, 15:] = True
    target = DigitizerBatch(batch().crops, batch().height, printed)
    wrong = torch.where(printed, 5.0, -5.0)
    wrong[:, 14] *= -1
    far = DigitizerLoss(DigitizerLossSettings(ends=1.0))(output(30.0)._replace(presence=wrong), target)[1]["presence"]
    assert far == pytest.approx(5 / TIME, rel=0.05)
    with pytest.raises(ValueError, match="ends must be at least 1"):
        DigitizerLossSettings(ends=0.5)
