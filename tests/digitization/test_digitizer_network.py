import numpy as np
import pytest
import torch

from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.features import CHANNELS
from ecgpage.digitization.network import (
    STEM_STRIDE,
    DigitizerOutput,
    DigitizerSettings,
    DistributionHead,
    LeadDigitizer,
    Refiner,
)
from ecgpage.digitization.train import take_over

SMALL = {"channels": (4, 6, 8), "blocks": (1, 1, 1)}


@pytest.mark.parametrize("head", ["distribution", "mean"])
@pytest.mark.parametrize("size", [(64, 80), (128, 32)])
def test_any_size_gives_heights_per_subcolumn(head, size):
    network = LeadDigitizer(DigitizerSettings(head=head, refiner=head == "distribution", **SMALL))
    output = network(torch.randn(2, CHANNELS, *size))
    expected = (2, size[1] * SUBCOLUMNS)
    assert output.height.shape == output.presence.shape == output.spread.shape == expected
    if head == "distribution":
        assert output.log_probability.shape == (2, size[0] // STEM_STRIDE, expected[1])
        torch.testing.assert_close(output.log_probability.exp().sum(dim=1), torch.ones(expected))
        assert (output.height >= 0).all()
        assert (output.height <= size[0]).all()
        assert (output.spread >= 0).all()
    else:
        assert output.log_probability is None
        assert output.spread.isnan().all()


@pytest.mark.parametrize("head", ["distribution", "mean"])
def test_every_weight_learns(head):
    further = head == "distribution"
    network = LeadDigitizer(DigitizerSettings(head=head, refiner=further, mask=further, **SMALL))
    if network.refiner is not None:
        torch.nn.init.normal_(network.refiner.layers[-1].weight)  # it begins with 0, which lets nothing through
    output = network(torch.randn(2, CHANNELS, 64, 32))
    loss = output.height.mean() + output.presence.mean()
    (loss if output.mask is None else loss + output.mask.mean()).backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still in ([], ["head.score.bias"])  # a bias on all rows alike does not move a softmax


def test_height_is_the_expected_row_of_the_softmax():
    head = DistributionHead(1)
    with torch.no_grad():
        head.score.weight.zero_()
        head.score.weight[:, 0, 1, 1] = 1.0
        head.score.bias.zero_()
    features = torch.full((1, 1, 8, 3), -100.0)
    features[0, 0, 3] = 2.0
    features[0, 0, 6] = 2.0
    output = head(features)
    # Half of the probability on output row 3, half on 6: crop rows 6 and 12, mean 9, deviation 3.
    torch.testing.assert_close(output.height, torch.full((1, 9), 9.0))
    torch.testing.assert_close(output.spread, torch.full((1, 9), 3.0))


def test_heights_are_seen_where_they_are_after_an_untrained_stem():
    # Moving a crop down by a whole number of coarsest cells moves the distribution by as much, away from the borders.
    torch.manual_seed(0)
    settings = DigitizerSettings(**SMALL)
    network = LeadDigitizer(settings).eval()
    crop = torch.zeros(1, CHANNELS, 256, 64)
    crop[:, :3, 120:124] = -1
    step = settings.height_multiple
    moved = torch.roll(crop, step, dims=2)
    with torch.inference_mode():
        before, after = network(crop).log_probability.exp(), network(moved).log_probability.exp()
    rows = step // STEM_STRIDE
    np.testing.assert_allclose(after[:, 40 + rows : 90 + rows], before[:, 40:90], atol=1e-4)


def test_folded_networks_give_the_same_and_leave_the_original_as_it_is():
    torch.manual_seed(0)
    network = LeadDigitizer(DigitizerSettings(**SMALL))
    crops = torch.randn(2, CHANNELS, 64, 32)
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            for values in (norm.weight, norm.bias, norm.running_var):
                values.uniform_(0.5, 1.5)
            norm.running_mean.normal_()
        before = network.eval()(crops)
        folded = network.train().folded()
        after, again = folded(crops), network.eval()(crops)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    for part in ("height", "presence", "spread"):
        torch.testing.assert_close(getattr(after, part), getattr(before, part), atol=1e-3, rtol=1e-4)
        assert torch.equal(getattr(again, part), getattr(before, part))


def test_an_untrained_refiner_changes_nothing_and_a_mask_is_only_given_in_training():
    torch.manual_seed(0)
    plain = LeadDigitizer(DigitizerSettings(refiner=False, **SMALL))
    whole = LeadDigitizer(DigitizerSettings(refiner=True, mask=True, **SMALL))
    take_over(whole, plain)
    crops = torch.randn(2, CHANNELS, 64, 32)
    with torch.inference_mode():
        before, after = plain.eval()(crops), whole.eval()(crops)
    torch.testing.assert_close(before.height, after.height)
    assert after.mask is None
    assert whole.train()(crops).mask.shape == (2, 64 // STEM_STRIDE, 32 * SUBCOLUMNS)


def test_a_refiner_sees_no_height_but_its_shape():
    """A trace moved as a whole is corrected as it was before."""
    torch.manual_seed(0)
    refiner = Refiner()
    torch.nn.init.normal_(refiner.layers[-1].weight)
    height, flat = torch.randn(1, 96).cumsum(dim=1), torch.ones(1, 96)
    there, here = (refiner(DigitizerOutput(height + shift, flat, None, flat)).height for shift in (40.0, 0.0))
    torch.testing.assert_close(there - 40, here, atol=1e-4, rtol=0)
    assert (here - height).abs().max() > 0.1


def test_weights_of_another_shape_are_not_taken_over():
    other = LeadDigitizer(DigitizerSettings(channels=(4, 8), blocks=(1, 1)))
    with pytest.raises(ValueError, match="expected a network of"):
        take_over(LeadDigitizer(DigitizerSettings(**SMALL)), other)


def test_the_shipped_network_is_small():
    count = sum(weight.numel() for weight in LeadDigitizer().parameters())
    assert 200_000 < count < 1_000_000


def test_wrong_sizes_are_refused():
    network = LeadDigitizer(DigitizerSettings(**SMALL))
    with pytest.raises(ValueError, match="multiple of 8 and W of 4"):
        network(torch.zeros(1, CHANNELS, 60, 32))


@pytest.mark.parametrize("bad", [{"head": "max"}, {"kernel": (2, 5)}, {"channels": (8, 8), "blocks": (1,)}])
def test_settings_are_checked(bad):
    with pytest.raises(ValueError, match="must (be|have)"):
        DigitizerSettings(**bad)


@pytest.mark.parametrize("further", [{}, {"refiner": False, "mask": True}])
def test_the_published_head_has_neither_refiner_nor_mask(further):
    with pytest.raises(ValueError, match="need the distribution head"):
        DigitizerSettings(head="mean", **further)
