"""Damage, scene and exposure: they change what they say, and nothing they do not."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.synthesis.camera import CameraSettings, choose_warp
from ecgpage.synthesis.damage import HIDDEN_PER_MM, DamageSettings, damage_page
from ecgpage.synthesis.exposure import ExposureSettings, expose
from ecgpage.synthesis.scene import SceneSettings, place_page, show_fingers

SCALE = 3.0  # pixels per mm
KINDS = [field.name for field in fields(DamageSettings) if field.name != "crumple"]
STILL = ExposureSettings(blur=(0.0, 0.0), noise=(0.0, 0.0), jpeg=0.0)


def white_page():
    return np.full((600, 840, 4), 255, np.uint8)


def scene(value=200):
    picture = np.full((300, 400, 4), value, np.uint8)
    picture[..., 3] = 255
    return picture


@pytest.mark.parametrize("kind", KINDS)
def test_each_damage_shows_and_only_holes_let_through(kind):
    changed = 0
    for seed in range(4):
        page = white_page()
        damage_page(page, SCALE, DamageSettings(**{kind: 1.0}), 40.0, np.random.default_rng(seed))
        changed += np.count_nonzero(np.any(page != 255, axis=2))
        assert (page[..., 3] == 255).all() or kind in ("holes", "tears")
    assert changed > 50


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["holes", "tears", "redaction"]))
def test_what_is_gone_or_covered_is_hidden(seed, kind):
    """The map of hidden places is the paper that is missing or covered, but for edges of a pixel of the map."""
    page = white_page()
    page[..., :3] = 170  # no box is of this grey
    before = page.copy()
    hidden = damage_page(page, SCALE, DamageSettings(**{kind: 1.0}), 100.0, np.random.default_rng(seed))
    changed = np.any(page != before, axis=2)
    if kind == "tears":
        changed = page[..., 3] == 0  # its white rim lies on the paper
    rows, columns = np.indices(changed.shape)
    height, width = hidden.shape
    ratio = HIDDEN_PER_MM / SCALE
    mapped = hidden[
        np.minimum(np.round(rows * ratio).astype(int), height - 1),
        np.minimum(np.round(columns * ratio).astype(int), width - 1),
    ]
    wrong = (mapped > 0) != changed
    rim = wrong if kind != "tears" else wrong & changed
    assert np.count_nonzero(rim) < 0.15 * np.count_nonzero(changed) + 20  # edges, of which the map is coarser


def test_without_damage_the_page_stays():
    page = white_page()
    hidden = damage_page(page, SCALE, DamageSettings(), 40.0, np.random.default_rng(0))
    assert (page == 255).all() and not hidden.any()


def test_crumpling_is_as_strong_as_asked():
    spread = []
    for strength in (0.2, 1.0):
        page = np.full((600, 840, 4), 180, np.uint8)
        damage_page(page, SCALE, DamageSettings(crumple=(strength, strength)), 40.0, np.random.default_rng(3))
        spread.append(page[..., 0].std())
    assert 1 < spread[0] < spread[1] / 3


@pytest.mark.parametrize("background", ["black", "white", "plain", "wood", "cloth"])
def test_the_page_lies_in_its_surroundings(background):
    """The page is where the warp puts it, opaque; around it lies something else, and nothing is seen through."""
    camera = CameraSettings(margin=(0.1, 0.1), rotation=(5.0, 5.0))
    warp = choose_warp((600, 840), camera, np.random.default_rng(1))
    page = np.full((600, 840, 4), 255, np.uint8)
    page[..., 1] = 40  # magenta: no background is
    around = SceneSettings(background=((background, 1.0),), papers=0.5, second_page=0.0)
    picture = place_page(page, warp, around, np.random.default_rng(2))
    assert (picture[..., 3] == 255).all()
    magenta = (picture[..., 0] > 250) & (np.abs(picture[..., 1].astype(int) - 40) < 3)
    corners = warp.to_picture(np.array([[0, 0], [839, 0], [839, 599], [0, 599]], np.float64))
    x, y = corners.T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert np.count_nonzero(magenta) == pytest.approx(area, rel=0.02)


def test_a_second_page_and_a_screen_surround_it():
    warp = choose_warp((600, 840), CameraSettings(margin=(0.1, 0.1)), np.random.default_rng(3))
    page = np.full((600, 840, 4), 255, np.uint8)
    page[..., 1] = 40
    plain = place_page(page.copy(), warp, SceneSettings(), np.random.default_rng(2))
    double = place_page(page.copy(), warp, SceneSettings(second_page=1.0), np.random.default_rng(2))
    assert np.count_nonzero(double[..., 1] == 40) > 1.02 * np.count_nonzero(plain[..., 1] == 40)
    screen = place_page(page.copy(), warp, SceneSettings(screen=1.0), np.random.default_rng(2))
    assert len(np.unique(screen[:, 10, :3].reshape(-1, 3), axis=0)) >= 2  # room and bezel


def test_fingers_cover_what_their_outlines_say():
    for seed in range(12):
        picture = scene()
        outlines = show_fingers(picture, SceneSettings(fingers=1.0), np.random.default_rng(seed))
        assert 1 <= len(outlines) <= 3
        skin = np.argwhere(np.any(picture[..., :3] != 200, axis=2))[:, ::-1]
        low = np.min([outline.min(axis=0) for outline in outlines], axis=0) - 3
        high = np.max([outline.max(axis=0) for outline in outlines], axis=0) + 3
        assert len(skin) == 0 or (np.all(skin >= low) and np.all(skin <= high))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"shadow": (0.5, 0.5)}, lambda picture: np.ptp(picture[..., 0]) > 20),
        ({"vignette": (0.4, 0.4)}, lambda picture: picture[150, 200, 0] > picture[2, 2, 0] + 40),
        ({"white_balance": (0.3, 0.3)}, lambda picture: np.ptp(picture.mean(axis=(0, 1))) > 5),
        ({"glare": 1.0}, lambda picture: picture.max() > 205),
        ({"moire": (0.2, 0.2)}, lambda picture: picture.std() > 3),
        ({"noise": (5.0, 5.0)}, lambda picture: 4 < picture.astype(float).std() < 8),
        ({"grayscale": 1.0}, lambda picture: (np.ptp(picture, axis=2) == 0).all()),
    ],
)
def test_each_part_of_the_exposure_shows(change, check):
    shown = [expose(scene(), replace(STILL, **change), np.random.default_rng(seed)) for seed in range(6)]
    assert sum(bool(check(picture)) for picture in shown) >= 4  # some choose light that hardly shows
    assert all(picture.shape == (300, 400, 3) and picture.dtype == np.uint8 for picture in shown)


def test_black_and_white_has_two_values_and_keeps_the_ink():
    picture = scene(230)
    picture[140:146, :, :3] = 40
    for seed in range(6):
        settings = replace(STILL, grayscale=1.0, bilevel=1.0)
        shown = expose(picture.copy(), settings, np.random.default_rng(seed))
        assert set(np.unique(shown)) == {0, 255}
        assert (shown[141:145] == 0).all() and (shown[:100] == 255).all()


def test_nothing_asked_nothing_changed():
    assert (expose(scene(), STILL, np.random.default_rng(0)) == 200).all()
