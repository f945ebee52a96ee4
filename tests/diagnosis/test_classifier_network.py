import pytest
import torch

from ecgpage.diagnosis.network import INPUT_SIZE, PageClassifier, ResidualBlock


def test_one_logit_per_class_and_one_for_abnormal() -> None:
    network = PageClassifier(classes=11).eval()
    assert network(torch.rand(2, 1, *INPUT_SIZE)).shape == (2, 12)
    assert sum(parameter.numel() for parameter in network.parameters()) < 1_500_000
    assert sum(isinstance(module, ResidualBlock) for module in network.modules()) == 3


def small_network() -> PageClassifier:
    torch.manual_seed(0)
    return PageClassifier(classes=3, width=8, dropout=0.0)


def test_gradients_reach_every_weight_from_a_single_page() -> None:
    network = small_network()
    network(torch.rand(1, 1, *INPUT_SIZE)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_adds_its_residual_to_its_shortcut(stride: int) -> None:
    block = ResidualBlock(4, 6, stride).eval()
    features = torch.rand(2, 4, 8, 10)
    assert block(features).shape == (2, 6, 8 // stride, 10 // stride)
    torch.nn.init.zeros_(block.residual[-1].weight)
    torch.testing.assert_close(block(features), torch.relu(block.shortcut(features)))


def test_a_new_network_tells_pages_apart() -> None:
    """A thin trace covers few pixels of a page: blocks whose shortcuts skip pixels hand on next to nothing of it."""
    network = small_network().train()
    pages = torch.zeros(4, 1, *INPUT_SIZE)
    for index, page in enumerate(pages):
        page[:, 150 + 40 * index, 50:450] = 1
    with torch.no_grad():
        spread = network(pages).std(dim=0)
    assert spread.min() > 0.02


def test_the_same_mark_elsewhere_on_the_page_gives_another_answer() -> None:
    """Leads are told apart by their place, which pooling over the whole page alone would not do."""
    network = small_network().eval()
    pages = torch.zeros(2, 1, *INPUT_SIZE)
    pages[0, 0, 96:112, 128:144] = 1
    pages[1, 0, 288:304, 384:400] = 1
    with torch.no_grad():
        first, second = network(pages)
    assert (first - second).abs().max() > 1e-4
