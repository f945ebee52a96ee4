"""The synthesizer: what the annotations say is what the picture shows."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.geometry import apply_homography
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.synthesis import PROFILES, choose_layout, draw_page

FS = 500
SIGNAL = np.stack([0.4 * np.sin(2 * np.pi * 0.4 * np.arange(5000) / FS + k) for k in range(12)], axis=1)


def hairline(profile):
    """The profile with a thin trace and hardly any words on the page, and no change of light."""
    return replace(
        profile,
        trace_width=(0.15, 0.15),
        paper_colors=("white",),
        random_colors=0,
        grayscale=0,
        header=0,
        pulse=0,
        fixed_print=0,
        stains=0,
        creases=0,
        crumple=(0, 0),
        shadow=(0, 0),
        white_balance=(0, 0),
        blur=(0, 0),
        noise=(0, 0),
        jpeg=0,
    )


def blank_paper(shape, scale, grid, origin):
    """Paper without the grid, whose lines may be as dark as a thin trace and would be measured in its place."""
    return np.full((*shape, 3), 255, np.uint8)


@settings(deadline=None, max_examples=12)
@given(st.sampled_from(sorted(PROFILES)), st.integers(0, 2**32 - 1))
def test_annotated_positions_lie_on_the_trace(name, seed):
    rng = np.random.default_rng(seed)
    with patch("ecgpage.synthesis.drawing.draw_paper", blank_paper):
        page = draw_page(SIGNAL, FS, layout_3x4(()), hairline(PROFILES[name]), rng)
    darkness = 255.0 - page.image.min(axis=2)
    errors = []
    for lead in page.leads:
        for x in np.arange(np.ceil(lead.box[0]) + 30, lead.box[2] - 30, 11).astype(int):
            y = np.interp(x, lead.points[:, 0], lead.points[:, 1])
            top = round(y) - 3
            if top < 0 or top + 7 > len(darkness) or not 0 <= x < darkness.shape[1]:
                continue
            column = darkness[top : top + 7, x]
            ink = np.clip(column - 20, 0, None)
            if 0 < np.count_nonzero(ink) < 6 and column[[0, -1]].max() < 20:
                errors.append(ink @ np.arange(top, top + 7) / ink.sum() - y)
    assert len(errors) > 20
    assert np.median(np.abs(errors)) < 0.5
    assert abs(np.mean(errors)) < 0.25


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_same_seed_draws_the_same_page(name):
    first, second = (draw_page(SIGNAL, FS, layout_3x4(), PROFILES[name], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(first.leads, second.leads, strict=True))


def test_points_follow_the_homography_where_nothing_bends():
    page = draw_page(SIGNAL, FS, layout_3x4(), PROFILES["scan"], np.random.default_rng(1))
    to_paper = np.linalg.inv(page.paper_to_picture)
    for lead in page.leads:
        paper = apply_homography(to_paper, lead.points)
        seconds = (paper[-1, 0] - paper[0, 0]) / 25 + 1 / FS
        assert seconds == pytest.approx(lead.lead.duration, abs=1e-3)
        millivolts = (paper[0, 1] - paper[:, 1]) / 10 + lead.values[0]
        assert np.abs(millivolts - lead.values).max() < 1e-3


def test_every_lead_is_drawn_from_its_own_stretch_of_the_record():
    page = draw_page(SIGNAL, FS, layout_3x4(("V5",)), PROFILES["clean"], np.random.default_rng(2))
    assert [lead.lead.name for lead in page.leads if lead.lead.row == 0] == ["I", "aVR", "V1", "V4"]
    for lead in page.leads:
        first = round(lead.lead.start * FS)
        expected = SIGNAL[first : first + len(lead.values), LEADS.index(lead.lead.name)]
        assert np.allclose(lead.values, expected, atol=1e-6)


def test_a_lead_without_samples_is_not_on_the_page():
    signal = SIGNAL.copy()
    signal[:, LEADS.index("V3")] = np.nan
    signal[1000:1100, LEADS.index("I")] = np.nan
    page = draw_page(signal, FS, layout_3x4(), PROFILES["photo"], np.random.default_rng(3))
    assert {lead.lead.name for lead in page.leads} == set(LEADS) - {"V3"}
    assert all(np.isfinite(lead.box).all() for lead in page.leads)


def test_bad_input_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"shape \(samples, 12\), came \(5000, 8\)"):
        draw_page(SIGNAL[:, :8], FS, layout_3x4(), PROFILES["clean"], rng)
    with pytest.raises(ValueError, match="prints 10 s, the record has 1 s"):
        draw_page(SIGNAL[:FS], FS, layout_3x4(), PROFILES["clean"], rng)
    with pytest.raises(ValueError, match=r"blur must be \(low, high\)"):
        replace(PROFILES["clean"], blur=(2.0, 1.0))


def test_layouts_have_the_strips_that_the_profile_makes_likely():
    rng = np.random.default_rng(0)
    rows = [choose_layout(replace(PROFILES["scan"], strips=(0.5, 0, 0, 0.5)), rng).rows for _ in range(40)]
    assert set(rows) == {3, 6}
