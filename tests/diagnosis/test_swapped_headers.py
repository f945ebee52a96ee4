"""What is printed about the patient must not move the diagnosis: the network looks at the traces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgpage.leads import LEADS, layout_3x4
from ecgpage.pipeline import Pipeline, build_pipeline
from ecgpage.synthesis import PROFILES, Arrangement, draw_page, layout
from ecgpage.synthesis.records import read_standard_leads

HEADERS = (
    {
        "patient_lines": ["ABEL, KIM", "ID: 1002003", "91 yrs Male", "150 cm 120 kg", "Emergency"],
        "measurement_lines": ["Vent. rate  158 BPM", "PR interval  270 ms", "QRS duration  176 ms"],
        "statement_lines": ["Atrial fibrillation with rapid ventricular response", "Abnormal ECG"],
    },
    {
        "patient_lines": ["LIND, ROBIN", "ID: 77", "19 yrs Female", "178 cm 64 kg", "Outpatients"],
        "measurement_lines": ["Vent. rate  61 BPM", "PR interval  140 ms", "QRS duration  84 ms"],
        "statement_lines": ["Normal sinus rhythm", "Otherwise normal ECG"],
    },
)
"""Two patients and what a recorder says of them."""

PROFILE = replace(PROFILES["clean"].drawn_at(110.0, 150.0), print=replace(PROFILES["clean"].print, header=1.0))


@pytest.fixture(scope="module")
def pipeline(root: Path) -> Pipeline:
    return build_pipeline(root / "model")


def say(
    lines: list[str], real: Callable[[np.random.Generator], list[str]]
) -> Callable[[np.random.Generator], list[str]]:
    """Print these lines, drawing on chance as the real words would."""

    def instead(rng: np.random.Generator) -> list[str]:
        real(rng)
        return lines

    return instead


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_swapped_headers_leave_the_probabilities(
    pipeline: Pipeline, root: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = sorted((root / "samples").glob("*.hea"))[seed].with_suffix("")
    signal, fs = read_standard_leads(record)
    said, pages = [], []
    for header in HEADERS:
        with monkeypatch.context() as patch:
            for name, lines in header.items():
                patch.setattr(layout.text, name, say(lines, getattr(layout.text, name)))
            rng = np.random.default_rng(seed)
            pages.append(draw_page(np.nan_to_num(signal), fs, Arrangement(layout_3x4()), PROFILE, rng).image)
        recording = pipeline.digitize(pages[-1], fs, len(signal), LEADS).recording
        assert recording.diagnosis is not None
        said.append(np.array(list(recording.diagnosis.probabilities.values())))
    assert pages[0].shape == pages[1].shape and (pages[0] != pages[1]).mean() > 0.001
    np.testing.assert_allclose(said[0], said[1], atol=0.02)
