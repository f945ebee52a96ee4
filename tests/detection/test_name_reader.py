"""Reading the printed names."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.detection.name_reader import (
    CROP,
    LARGEST,
    LEFT_OF_BOX,
    NAMES,
    SURE,
    VIEW,
    ZOOMS,
    NameNetwork,
    NameReader,
    load_name_reader,
    name_crops,
    save_name_reader,
    zooms,
)
from ecgpage.detection.name_training import NameExamples, collate_names, name_loss, train_name_reader
from ecgpage.io import write_record
from ecgpage.leads import LEADS
from ecgpage.recording import LeadBox, Page
from ecgpage.synthesis.profile import PROFILES
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import AS_RECORDED
from ecgpage.training.checkpoints import CheckpointError
from ecgpage.training.configuration import DrawingSettings, StageSettings
from ecgpage.training.drawn_pages import Jitter
from yolov7.postprocess import Letterbox


def view_with_mark(x, y):
    view = np.full((*VIEW, 3), 230, np.uint8)
    view[y : y + 12, x : x + 8] = 20
    return view


def test_crop_holds_the_beginning_of_the_box_and_what_is_printed_there():
    crops = name_crops(view_with_mark(500, 400), np.array([[510.0, 380, 700, 420]]))
    assert crops.shape == (1, 2, *CROP)
    top = 400 - CROP[0] // 2
    ink = np.argwhere(crops[0, 0] > 200)
    assert ink.min(axis=0).tolist() == [400 - top, LEFT_OF_BOX - 10] and len(ink) == 96
    inside = np.argwhere(crops[0, 1])
    assert inside.min(axis=0).tolist() == [380 - top, LEFT_OF_BOX] and inside[:, 0].max() == 420 - top
    assert inside[:, 1].max() == CROP[1] - 1


def test_bright_print_on_a_dark_screen_is_ink_too():
    box = np.array([[510.0, 380, 700, 420]])
    view = view_with_mark(500, 400)
    view[410:430, 520:540] = 20
    dark, bright = name_crops(view, box), name_crops(250 - view, box)
    np.testing.assert_array_equal(dark[0, 0] > 128, bright[0, 0] > 128)


@pytest.mark.parametrize("box", [(-30, -20, 40, 10), (1250, 1000, 1400, 1100), (5000, 5000, 5100, 5020)])
def test_crops_at_and_beyond_the_edge_are_filled_with_paper(box):
    crops = name_crops(view_with_mark(500, 400), np.array([box], float))
    assert crops.shape == (1, 2, *CROP) and crops[0, 0].max() == 0


def test_no_boxes_no_crops():
    assert name_crops(view_with_mark(1, 1), np.zeros((0, 4))).shape == (0, 2, *CROP)
    assert NameReader(NameNetwork().eval())(None, []) == []


class ReadsPrintOf(NameNetwork):
    """Says how surely a mark of 12 pixels height is read as "V3", however it stands; else hardly anything."""

    def forward(self, x):
        heights = (x[:, 0] > 0.5).any(dim=2).sum(dim=1).double()
        logits = torch.zeros(len(x), len(NAMES), dtype=torch.float64)
        logits[:, NAMES.index("V3")] = 6.0 * (1 - (heights / 12 - 1).abs()).clamp(min=0)
        return logits


@pytest.mark.parametrize("high", [6, 9, 12, 17])
def test_print_larger_or_smaller_than_usual_is_read_in_another_view(high):
    image = np.full((*VIEW, 3), 230, np.uint8)
    image[400 - high // 2 : 400 + (high + 1) // 2, 500:508] = 20
    page, box = Page(image, VIEW, np.eye(3), False), LeadBox("I", (510.0, 380, 700, 420), 0.9)
    reader = NameReader(ReadsPrintOf().eval())
    [alone], [read] = reader._read(page, np.array([box.box]) + 0.5, 1.0), reader(page, [box])
    likely = read.reading[NAMES.index("V3")]
    assert sum(read.reading) == pytest.approx(1) and read.box == box.box
    if high == 12:  # surely read at once
        assert read.reading == pytest.approx(tuple(alone)) and likely > SURE
    else:
        assert likely > alone[NAMES.index("V3")]


@given(st.integers(20, 12000), st.integers(20, 12000))
def test_no_view_is_larger_than_the_largest_of_a_usual_page(height, width):
    shown = Letterbox.fit(height, width, VIEW)
    for zoom in zooms((height, width)):
        assert (zoom * shown.scale) ** 2 * height * width <= 1.001 * LARGEST**2 * VIEW[0] * VIEW[1]
    assert zooms((VIEW[0], VIEW[1])) == [0.7, 1.4, 2.0] and zooms((1000, 8000))[-1] == ZOOMS[-1]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    time = np.arange(1000) / 100
    write_record(folder, "sine", np.stack([0.5 * np.sin(time * (k + 1)) for k in range(12)], axis=1), 100.0, LEADS)
    return folder / "sine"


def test_examples_show_the_leads_of_a_page(record):
    page = RecordDrawer([PROFILES["kit"].drawn_at(75, 150)], AS_RECORDED)(record, np.random.default_rng(0))
    crops, names = NameExamples(Jitter(turned=0.0, part=0.0))(page, np.random.default_rng(1))
    assert len(crops) == len(names) == len(page.leads) == 13
    assert sorted(NAMES[k] for k in names) == sorted(lead.lead.name for lead in page.leads)
    batch = collate_names([(crops, names), (crops[:0], names[:0]), (crops, names)])
    assert batch[0].shape == (26, 2, *CROP) and batch[1].shape == (26,)
    loss, parts = name_loss(NameNetwork(), batch)
    assert loss.item() > 0 and 0 <= parts["right"] <= 1


def test_pages_without_a_lead_in_view_teach_nothing():
    network = NameNetwork()
    loss, _ = name_loss(network, (torch.zeros(0, 2, *CROP, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)))
    loss.backward()
    assert loss.item() == 0 and all(parameter.grad.abs().max() == 0 for parameter in network.parameters())


def test_reader_is_trained_kept_and_gives_probabilities(record, tmp_path):
    stage = StageSettings(batch_size=1, steps=2, seconds=60, warmup_steps=1, device="cpu")
    reader = train_name_reader([record], DrawingSettings(("kit",), 1), stage, tmp_path / "state", lambda _: None)
    save_name_reader(tmp_path / "model", reader, {"records": 1})
    loaded = load_name_reader(tmp_path / "model")
    page = Page(np.full((300, 400, 3), 200, np.uint8), (300, 400), np.eye(3), False)
    [read] = loaded(page, [LeadBox("V3", (40, 50, 140, 90), 0.7)])
    assert read.name == "V3" and len(read.reading) == len(NAMES) and sum(read.reading) == pytest.approx(1)
    assert load_name_reader(tmp_path) is None
    (tmp_path / "model" / "model.json").write_text('{"name_reader": {"names": ["I"]}}')
    with pytest.raises(CheckpointError, match=r"with names \[.I., .II.,"):
        load_name_reader(tmp_path / "model")


def test_reading_finds_the_crop_on_a_straightened_page():
    """The box of a page is handed to the network where the view shows it."""
    seen = []

    class Spy(NameNetwork):
        def forward(self, x):
            seen.append(x)
            return torch.zeros(len(x), len(NAMES))

    image = np.full((512, 640, 3), 230, np.uint8)
    image[200:206, 250:254] = 20
    NameReader(Spy().eval())(Page(image, (512, 640), np.eye(3), False), [LeadBox("I", (254.5, 190, 350, 215.5), 0.9)])
    ink = np.argwhere(seen[0][0, 0].numpy() > 0.5)  # the view is twice as large
    left, top = 2 * 255 - LEFT_OF_BOX, 406 - CROP[0] // 2
    assert abs(ink[:, 1].min() - (500 - left)) <= 2 and abs(ink[:, 0].min() - (400 - top)) <= 2
