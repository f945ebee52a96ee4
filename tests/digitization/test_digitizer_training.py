import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgpage.digitization.dataset import CropSampling
from ecgpage.digitization.digitizer import load_digitizer, read_digitizer, save_digitizer
from ecgpage.digitization.network import DigitizerSettings, LeadDigitizer
from ecgpage.digitization.train import train_digitizer
from ecgpage.leads import layout_3x4
from ecgpage.synthesis import PROFILES, Arrangement, DrawnPage, draw_page
from ecgpage.training import StageSettings

STAGE = StageSettings(batch_size=2, steps=2, seconds=60.0, checkpoint_seconds=60.0, device="cpu")


def draw(path: Path, rng: np.random.Generator) -> DrawnPage:
    signal = np.cumsum(rng.normal(0, 0.01, (2000, 12)), axis=0)
    profile = replace(PROFILES["clean"], resolution=(80.0, 80.0))
    return draw_page(signal, 500.0, Arrangement(layout_3x4((), 4.0)), profile, rng)


@pytest.mark.parametrize("head", ["distribution", "mean"])
def test_both_heads_train_and_go_on_from_their_checkpoint(head, tmp_path):
    shape = DigitizerSettings(head=head, channels=(4, 6), blocks=(0, 1), refiner=head == "distribution")
    lines = []

    def run(steps: int):
        return train_digitizer(
            [Path("a"), Path("b")],
            draw,
            replace(STAGE, steps=steps),
            tmp_path / "state.safetensors",
            lines.append,
            network=shape,
            sampling=CropSampling(leads=2, buffer=2),
        )

    first, second = run(2), run(3)
    assert not first.training
    assert any("resumed" in line for line in lines)
    changed = [not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert any(changed)
    assert all(torch.isfinite(weight).all() for weight in second.parameters())


def test_training_goes_on_from_weights_without_a_refiner_and_gives_no_mask(tmp_path):
    small = DigitizerSettings(channels=(4, 6), blocks=(0, 1), refiner=False)
    start = LeadDigitizer(small)
    trained = train_digitizer(
        [Path("a")],
        draw,
        replace(STAGE, steps=1, learning_rate=1e-9),
        tmp_path / "state.safetensors",
        lambda line: None,
        network=replace(small, refiner=True),
        sampling=CropSampling(leads=2, buffer=2),
        initial=start,
    )
    assert trained.refiner is not None and trained.mask is None
    torch.testing.assert_close(trained.stem.weight, start.stem.weight, atol=1e-6, rtol=0)


def test_networks_with_and_without_refiner_are_read_from_disk(tmp_path):
    for refiner in (False, True):
        network = LeadDigitizer(DigitizerSettings(refiner=refiner))
        save_digitizer(tmp_path, network)
        assert (read_digitizer(tmp_path / "digitizer.safetensors").refiner is not None) == refiner
        assert (load_digitizer(tmp_path).network.refiner is not None) == refiner
    save_digitizer(tmp_path, LeadDigitizer(DigitizerSettings(refiner=False)))
    facts = json.loads((tmp_path / "model.json").read_text())
    del facts["digitizer"]["settings"]["refiner"]  # as weights were written before there was one
    (tmp_path / "model.json").write_text(json.dumps(facts))
    assert load_digitizer(tmp_path).network.refiner is None
