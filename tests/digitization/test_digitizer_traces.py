import numpy as np
import pytest
import torch
from torch import nn

from ecgpage.digitization.crop import SUBCOLUMNS
from ecgpage.digitization.digitizer import Digitizer, load_digitizer, save_digitizer
from ecgpage.digitization.explaining import VAGUE, VagueTrace
from ecgpage.digitization.network import DigitizerOutput, DigitizerSettings, LeadDigitizer
from ecgpage.recording import LeadBox, LeadTrace
from ecgpage.training import CheckpointError

SCALE = 8.0


class DarkestRow(nn.Module):
    """Stands in for a trained network: the ink's middle row in every column, printed where the box says so."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, crops: torch.Tensor) -> DigitizerOutput:
        ink = (-crops[:, :3].mean(dim=1) - 0.2).clamp_min(0)  # (B, H, W)
        rows = torch.arange(ink.shape[1])[:, None]
        height = ((ink * rows).sum(dim=1) / ink.sum(dim=1).clamp_min(1e-6)).repeat_interleave(SUBCOLUMNS, dim=1)
        presence = (crops[:, 3].amax(dim=1) - 0.5).repeat_interleave(SUBCOLUMNS, dim=1) * 100
        return DigitizerOutput(height, presence, None, torch.full_like(height, 2.0))


def ruled_picture() -> np.ndarray:
    """White, with black lines 4 px thick whose middles lie at 20, 60 and 100 mm."""
    image = np.full((1000, 2300, 3), 255, np.uint8)
    for y in (20, 60, 100):
        middle = int(y * SCALE)
        image[middle - 2 : middle + 3] = 0
    return image


def lead(name: str, y: float, x: float = 20.0, width: float = 62.5) -> LeadBox:
    return LeadBox(name, (x, y - 5, x + width, y + 5), 1.0)


@pytest.mark.parametrize("shifts", [1, 2])
def test_traces_come_in_order_and_in_millimetres(shifts):
    leads = [lead("II", 100.0, width=250.0), lead("I", 20.0), lead("V1", 60.0, x=90.0), lead("aVR", 20.0, x=180.0)]
    digitizer = Digitizer(DarkestRow(), batch_columns=1200, shifts=shifts)
    traces = digitizer.trace(ruled_picture(), np.diag([SCALE, SCALE, 1.0]), leads)
    assert [trace.lead.name for trace in traces] == ["II", "I", "V1", "aVR"]
    for box, trace in zip(leads, traces, strict=True):
        printed = trace.presence > 0.5
        np.testing.assert_allclose(trace.y[printed], (box.box[1] + box.box[3]) / 2, atol=0.03)
        np.testing.assert_allclose(trace.x[printed][[0, -1]], [box.box[0], box.box[2]], atol=0.15)
        np.testing.assert_allclose(np.diff(trace.x), 1 / 24)  # 24 points to the millimetre
        np.testing.assert_allclose(trace.spread, 0.2)  # two rows of a tenth of a millimetre
        assert len(trace.x) == len(trace.y) == len(trace.presence) == len(trace.spread)


@pytest.mark.parametrize(("shown", "printed"), [(0.1, False), (1.0, True)])
def test_a_row_ends_where_the_pictures_edge_cuts_it(shown, printed):
    """So many millimetres of paper are in the picture below the row's middle."""
    image = ruled_picture()[: int((60 + shown) * SCALE)]
    above, cut = Digitizer(DarkestRow()).trace(image, np.diag([SCALE, SCALE, 1.0]), [lead("I", 20.0), lead("II", 60.0)])
    assert above.printed.any() and cut.printed.any() == printed


@pytest.mark.parametrize(("left", "right"), [(0.0, 200.0), (40.0, 200.0), (0.0, 60.0), (40.0, 60.0)])
def test_a_trace_says_where_the_picture_cuts_it_off(left, right):
    """The lead goes from 20 to 82.5 mm."""
    start, stop = round(left * SCALE), round(right * SCALE)
    to_picture = np.array([[SCALE, 0, -start], [0, SCALE, 0], [0, 0, 1]])
    image = np.ascontiguousarray(ruled_picture()[:, start:stop])
    [trace] = Digitizer(DarkestRow()).trace(image, to_picture, [lead("I", 20.0)])
    assert trace.cut == (left > 20.0, right < 82.5)


def test_no_leads_no_traces():
    assert Digitizer(DarkestRow()).trace(ruled_picture(), np.eye(3), []) == []


def test_the_real_network_takes_leads_of_different_sizes():
    network = LeadDigitizer(DigitizerSettings(channels=(4, 6), blocks=(1, 1)))
    boxes = [lead("I", 20.0), LeadBox("V2", (20.0, 40.0, 120.0, 90.0), 1.0)]
    traces = Digitizer(network).trace(ruled_picture(), np.diag([SCALE, SCALE, 1.0]), boxes)
    assert not network.training
    for box, trace in zip(boxes, traces, strict=True):
        assert np.isfinite(trace.y).all()
        assert ((trace.presence >= 0) & (trace.presence <= 1)).all()
        assert trace.x[0] < box.box[0] - 4
        assert trace.x[-1] > box.box[2] + 4


def test_vague_points_come_with_what_is_thought_of_their_heights():
    """An untrained network is torn between all rows; its heights are the means of what it thinks."""
    network = LeadDigitizer(DigitizerSettings(channels=(4, 6), blocks=(1, 1), refiner=False))
    [trace] = Digitizer(network).trace(ruled_picture(), np.diag([SCALE, SCALE, 1.0]), [lead("I", 20.0)])
    assert isinstance(trace, VagueTrace)
    np.testing.assert_array_equal(trace.vague, np.flatnonzero(trace.spread > VAGUE))
    share = np.exp(trace.log_probability.astype(float))
    np.testing.assert_allclose(share.sum(axis=0), 1, atol=0.01)
    mean = (share * trace.heights[:, None]).sum(axis=0) / share.sum(axis=0)
    np.testing.assert_allclose(mean, trace.y[trace.vague], atol=0.02)
    sure = Digitizer(DarkestRow()).trace(ruled_picture(), np.diag([SCALE, SCALE, 1.0]), [lead("I", 20.0)])
    assert type(sure[0]) is LeadTrace


def test_a_saved_digitizer_traces_as_before(tmp_path):
    network = LeadDigitizer(DigitizerSettings(channels=(4, 6), blocks=(1, 1)))
    save_digitizer(tmp_path, network, {"records": 3})
    loaded = load_digitizer(tmp_path)
    assert loaded.network.settings == network.settings
    page, paper_to_picture = ruled_picture(), np.diag([SCALE, SCALE, 1.0])
    before = Digitizer(network).trace(page, paper_to_picture, [lead("I", 20.0)])[0]
    after = loaded.trace(page, paper_to_picture, [lead("I", 20.0)])[0]
    np.testing.assert_allclose(after.y, before.y, atol=0.2)  # float16 on disk, heights spread over 25 mm
    np.testing.assert_allclose(after.presence, before.presence, atol=0.02)


def test_a_folder_without_a_digitizer_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="digitizer"):
        load_digitizer(tmp_path)
