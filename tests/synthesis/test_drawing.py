"""The synthesizer: what the annotations say is what the picture shows."""

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from ecgpage.geometry import apply_homography
from ecgpage.leads import LEADS, layout_3x4
from ecgpage.synthesis import PROFILES, Arrangement, Profile, choose_arrangement, draw_page
from ecgpage.synthesis.annotations import annotate, restore_page
from ecgpage.synthesis.damage import HIDDEN_PER_MM, DamageSettings
from ecgpage.synthesis.exposure import ExposureSettings
from ecgpage.synthesis.ink import InkSettings
from ecgpage.synthesis.scene import SceneSettings

FS = 500
SIGNAL = np.stack([0.4 * np.sin(2 * np.pi * 0.4 * np.arange(5000) / FS + k) for k in range(12)], axis=1)
USUAL = Arrangement(layout_3x4())
KINDS = sorted(name for name, kind in PROFILES.items() if isinstance(kind, Profile))


def hairline(profile, bends=False):
    """The profile's layout and geometry with a thin trace, nothing else on the page and no change of light."""
    printed = replace(profile.print, header=0.0, footer=0.0, no_names=1.0, pulse=(("none", 1.0),), fixed=0.0)
    camera = profile.camera
    if bends:
        camera = replace(camera, **{name: (getattr(camera, name)[1],) * 2 for name in ("bend", "curl", "perspective")})
    return replace(
        profile,
        print=replace(printed, separator=(("none", 1.0),)),
        ink=InkSettings(width=(0.12, 0.2)),
        damage=DamageSettings(),
        camera=camera,
        scene=SceneSettings(background=(("white", 1.0),)),
        exposure=ExposureSettings(blur=(0.0, 0.0), noise=(0.0, 0.0), jpeg=0.0),
    )


def blank_paper(shape, scale, grid, patches):
    """Paper without the grid, whose lines may be as dark as a thin trace and would be measured in its place."""
    return np.full((*shape, 4), 255, np.uint8)


def distances(page):
    """How far the ink lies from the annotated samples, across the trace: one figure for every 9th sample, pixels."""
    darkness = 255.0 - page.image.min(axis=2)
    steps = np.arange(-3, 3.01, 0.25)
    found = []
    for lead in page.leads:
        points = lead.points.astype(np.float64)
        along = np.gradient(points, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
        chosen = np.flatnonzero(lead.seen)[20:-20:9]
        lines = points[chosen, None] + steps[:, None] * across[chosen, None]  # (m, steps, 2)
        ink = map_coordinates(darkness, [lines[..., 1], lines[..., 0]], order=1, mode="nearest")
        alone = (ink.max(axis=1) > 40) & (ink[:, [0, -1]].max(axis=1) < 8)
        found.append((ink[alone] @ steps) / ink[alone].sum(axis=1))
    return np.concatenate(found)


def draw_hairline(name, seed, bends=False):
    """Draw a page of a profile's layouts and geometry with a hairline trace, and measure it."""
    rng = np.random.default_rng(seed)
    profile = hairline(PROFILES[name].drawn_at(110, 200), bends)
    arrangement = choose_arrangement(profile.arrangement, rng)
    with patch("ecgpage.synthesis.drawing.draw_paper", blank_paper):
        page = draw_page(SIGNAL, FS, arrangement, profile, rng)
    return page, distances(page)


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_annotated_positions_lie_on_the_trace(name, seed):
    page, errors = draw_hairline(name, seed)
    seen = sum(np.count_nonzero(lead.seen) for lead in page.leads)
    assert len(errors) > 0.04 * seen  # of every 9th sample at least a third can be told from its neighbours' ink
    assert np.abs(errors).max() < 0.5
    assert abs(errors.mean()) < 0.1


@pytest.mark.parametrize("name", ["photo", "photo-damaged", "screen"])
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_annotated_positions_lie_on_the_trace_under_the_strongest_bend(name, seed):
    _, errors = draw_hairline(name, seed, bends=True)
    assert np.abs(errors).max() < 0.5
    assert abs(errors.mean()) < 0.1


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_the_same_seed_draws_the_same_page(name):
    kind = PROFILES[name].drawn_at(70, 90)
    first, second = (draw_page(SIGNAL, FS, USUAL, kind, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(first.leads, second.leads, strict=True))


def test_points_follow_the_homography_where_nothing_bends():
    profile = replace(PROFILES["scan"], camera=replace(PROFILES["scan"].camera, bend=(0.0, 0.0)))
    page = draw_page(SIGNAL, FS, USUAL, profile, np.random.default_rng(1))
    to_paper = np.linalg.inv(page.paper_to_picture)
    for lead in page.leads:
        paper = apply_homography(to_paper, lead.points)
        seconds = (paper[-1, 0] - paper[0, 0]) / 25 + 1 / FS
        assert seconds == pytest.approx(lead.lead.duration, abs=1e-3)
        millivolts = (paper[0, 1] - paper[:, 1]) / 10 + lead.values[0]
        assert np.abs(millivolts - lead.values).max() < 1e-3


def test_speed_and_gain_are_printed_as_arranged():
    """At 50 mm/s and 20 (limb) and 10 (chest) mm/mV, distances on paper are double."""
    arrangement = Arrangement(layout_3x4(("V1",), 5.0), 50.0, (20.0, 10.0))
    page = draw_page(SIGNAL, FS, arrangement, PROFILES["clean"], np.random.default_rng(1))
    for lead in page.leads:
        paper = lead.points / page.pixels_per_mm
        assert (lead.speed, lead.gain) == (50.0, 10.0 if lead.lead.name.startswith("V") else 20.0)
        assert paper[-1, 0] - paper[0, 0] == pytest.approx(50.0 * (lead.lead.duration - 1 / FS), rel=1e-4)
        assert np.ptp(paper[:, 1]) == pytest.approx(lead.gain * np.ptp(lead.values), rel=1e-3)


def test_an_inverted_lead_is_printed_upside_down_and_named_so():
    layout = layout_3x4(())
    leads = tuple(replace(lead, inverted=lead.name == "aVR") for lead in layout.leads)
    arrangement = Arrangement(replace(layout, leads=leads))
    named = replace(PROFILES["clean"].print, no_names=0.0)
    profile = replace(PROFILES["clean"].drawn_at(90, 90), print=named)
    page = draw_page(SIGNAL, FS, arrangement, profile, np.random.default_rng(4))
    drawn = next(lead for lead in page.leads if lead.lead.name == "aVR")
    assert drawn.gain < 0
    assert np.corrcoef(drawn.points[:, 1], drawn.values)[0, 1] > 0.999  # y grows downwards
    assert "-avr" in {word.text.lower() for word in page.names}


def test_every_lead_is_drawn_from_its_own_stretch_of_the_record():
    page = draw_page(SIGNAL, FS, Arrangement(layout_3x4(("V5",))), PROFILES["clean"], np.random.default_rng(2))
    assert [lead.lead.name for lead in page.leads if lead.lead.row == 0] == ["I", "aVR", "V1", "V4"]
    for lead in page.leads:
        first = round(lead.lead.start * FS)
        expected = SIGNAL[first : first + len(lead.values), LEADS.index(lead.lead.name)]
        assert np.allclose(lead.values, expected, atol=1e-6)


def test_a_lead_without_samples_is_not_on_the_page():
    signal = SIGNAL.copy()
    signal[:, LEADS.index("V3")] = np.nan
    signal[1000:1100, LEADS.index("I")] = np.nan
    signal[[1100, 1102], LEADS.index("I")] = 0.1, np.nan  # a sample alone, and one NaN after another
    signal[1101, LEADS.index("I")] = np.nan
    page = draw_page(signal, FS, USUAL, PROFILES["photo"], np.random.default_rng(3))
    assert {lead.lead.name for lead in page.leads} == set(LEADS) - {"V3"}
    assert all(np.isfinite(lead.box).all() and np.isfinite(lead.polygon).all() for lead in page.leads)
    first = page.leads[0]
    assert first.lead.name == "I"
    assert np.flatnonzero(np.isnan(first.values)).tolist() == list(range(1000, 1103))  # the lone sample is not drawn
    named = {word.text.upper(): word.lead for word in page.names}
    assert named["V3"] == -1
    assert page.leads[named["V2"]].lead.name == "V2"


@pytest.mark.parametrize("seed", range(4))
def test_names_and_pulses_are_where_their_ink_is(seed):
    """Names and pulses alone on blank paper: their boxes hold all the ink, and each is as tight as its ink."""
    bare = hairline(PROFILES["clean"].drawn_at(150, 150))
    profile = replace(bare, print=replace(bare.print, no_names=0.0, pulse=(("left", 1.0),)))
    silent = np.full_like(SIGNAL, np.nan)
    with patch("ecgpage.synthesis.drawing.draw_paper", blank_paper):
        page = draw_page(silent, FS, USUAL, profile, np.random.default_rng(seed))
    ink = page.image.min(axis=2) < 225
    assert (len(page.leads), len(page.names), len(page.pulses)) == (0, 13, 4)
    for polygon in (*(word.polygon for word in page.names), *page.pulses):
        (x0, y0), (x1, y1) = np.floor(polygon[0]).astype(int) - 1, np.ceil(polygon[2]).astype(int) + 2
        rows, columns = np.nonzero(ink[max(0, y0) : y1, max(0, x0) : x1])
        found = np.array([columns.min(), rows.min(), columns.max(), rows.max()]) + [max(0, x0), max(0, y0)] * 2
        np.testing.assert_allclose(found, [*polygon[0], *polygon[2]], atol=2.5)
        ink[max(0, y0) : y1, max(0, x0) : x1] = False
    assert not ink.any()


@pytest.mark.parametrize("seed", range(3))
def test_other_words_are_where_their_ink_is_and_are_kept_with_the_page(seed):
    """Headers and footers alone on blank paper: each word's polygon is as tight as its ink."""
    bare = hairline(PROFILES["clean"].drawn_at(150, 150))
    profile = replace(bare, print=replace(bare.print, header=1.0, footer=1.0, fixed=0.0, pulse=(("none", 1.0),)))
    with patch("ecgpage.synthesis.drawing.draw_paper", blank_paper):
        page = draw_page(np.full_like(SIGNAL, np.nan), FS, USUAL, profile, np.random.default_rng(seed))
    assert any("mm/s" in word.text for word in page.words) and len(page.words) >= 5
    ink = page.image.min(axis=2) < 225
    for word in page.words:
        (x0, y0), (x1, y1) = np.floor(word.polygon[0]).astype(int) - 1, np.ceil(word.polygon[2]).astype(int) + 2
        rows, columns = np.nonzero(ink[max(0, y0) : y1, max(0, x0) : x1])
        found = np.array([columns.min(), rows.min(), columns.max(), rows.max()]) + [max(0, x0), max(0, y0)] * 2
        low, high = np.clip(word.polygon[[0, 2]], 0, np.array(ink.shape[::-1]) - 1)  # the paper may end before
        np.testing.assert_allclose(found, [*low, *high], atol=2.5)
        assert (word.visible == 1.0) == bool(np.allclose([low, high], word.polygon[[0, 2]], atol=0.5))
    kept = restore_page(json.loads(json.dumps(annotate(page, "page.png"))), page.image, SIGNAL).words
    assert [(word.text, word.visible) for word in kept] == [(word.text, word.visible) for word in page.words]
    for one, other in zip(kept, page.words, strict=True):
        np.testing.assert_allclose(one.polygon, other.polygon, atol=0.01)


def test_words_under_a_cover_are_said_to_be_covered():
    """The left half of the paper is covered: words there, words beside it, and words that reach into it."""
    bare = hairline(PROFILES["clean"].drawn_at(100, 100))
    profile = replace(bare, print=replace(bare.print, header=1.0, footer=1.0))
    kinds = set()
    for seed in range(8):

        def cover_left(page, scale, *_):
            height, width = (round(side / scale * HIDDEN_PER_MM) for side in page.shape[:2])
            hidden = np.zeros((height, width), np.uint8)
            hidden[:, : width // 2] = 255
            return hidden

        with patch("ecgpage.synthesis.drawing.damage_page", cover_left):
            page = draw_page(SIGNAL, FS, USUAL, profile, np.random.default_rng(seed))
        middle = page.paper_size[0] / 2
        for word in page.words:
            left, right = apply_homography(np.linalg.inv(page.paper_to_picture), word.polygon)[[0, 1], 0]
            share = (min(right, page.paper_size[0]) - max(left, middle)) / (right - left)  # the paper may end before
            assert word.visible == pytest.approx(max(0.0, share), abs=0.1)
            kinds.add(word.visible if word.visible in (0.0, 1.0) else 0.5)
    assert kinds == {0.0, 0.5, 1.0}


def test_the_scale_field_is_the_local_size_of_a_millimetre():
    page = draw_page(SIGNAL, FS, USUAL, PROFILES["clean"], np.random.default_rng(1))
    assert np.allclose(page.scale.across, page.pixels_per_mm, rtol=1e-6)
    bent = draw_page(SIGNAL, FS, USUAL, hairline(PROFILES["photo-damaged"], True), np.random.default_rng(1))
    strip = next(lead for lead in bent.leads if lead.lead.strip)
    zero = strip.points[np.abs(strip.values) < 0.05]  # where the trace crosses its zero line
    length = np.linalg.norm(zero[-1] - zero[0])
    seconds = np.flatnonzero(np.abs(strip.values) < 0.05)[[0, -1]] / FS
    millimetres = 25 * np.diff(seconds)[0]
    assert np.ptp(bent.scale.across) > 0.01 * bent.pixels_per_mm
    assert bent.scale.across.min() < length / millimetres < bent.scale.across.max()


@pytest.mark.parametrize(
    "hide",
    [
        {"damage": DamageSettings(redaction=1.0)},
        {"damage": DamageSettings(tears=1.0)},
        {"scene": SceneSettings(background=(("white", 1.0),), fingers=1.0)},
    ],
    ids=["redaction", "tears", "fingers"],
)
def test_covered_samples_are_not_visible_and_visible_ones_have_their_ink(hide):
    """Around a sample that is seen the picture is dark and light; under a cover it is of one colour."""
    bare = replace(hairline(PROFILES["clean"].drawn_at(100, 100)), camera=PROFILES["kit"].camera)
    hidden = seen = kept = lost = 0
    for seed in range(12):
        with patch("ecgpage.synthesis.drawing.draw_paper", blank_paper):
            page = draw_page(SIGNAL, FS, USUAL, replace(bare, **hide), np.random.default_rng(seed))
        height, width = page.image.shape[:2]
        for lead in page.leads:
            columns, rows = np.round(lead.points).astype(int).T
            inside = (rows >= 1) & (rows < height - 1) & (columns >= 1) & (columns < width - 1)
            around = [page.image[rows[inside] + k, columns[inside]].min(axis=1) for k in (-1, 0, 1)]
            dark = np.ptp(around, axis=0) > 25  # a thin line on one colour
            hidden += np.count_nonzero(~lead.seen[inside])
            seen += np.count_nonzero(lead.seen[inside])
            kept += np.count_nonzero(dark & lead.seen[inside])
            lost += np.count_nonzero(~dark & ~lead.seen[inside])
    assert hidden > 100
    assert kept > 0.95 * seen
    assert lost > 0.75 * hidden  # but for the covers' own edges


def test_bad_input_is_named():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"shape \(samples, 12\), came \(5000, 8\)"):
        draw_page(SIGNAL[:, :8], FS, USUAL, PROFILES["clean"], rng)
    with pytest.raises(ValueError, match="prints 10 s, the record has 1 s"):
        draw_page(SIGNAL[:FS], FS, USUAL, PROFILES["clean"], rng)
