"""The camera's warp: what the picture shows where, in both directions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.synthesis.camera import CameraSettings, choose_warp, page_corners

FLAT = (340, 440)
STRONGEST = CameraSettings(
    margin=(-0.05, 0.2),
    rotation=(-30, 30),
    turned=0.3,
    perspective=(0.0, 0.1),
    bend=(0.0, 0.02),
    curl=(-0.02, 0.06),
    lens=(-0.03, 0.03),
)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_positions_return_through_the_warp(seed):
    rng = np.random.default_rng(seed)
    warp = choose_warp(FLAT, STRONGEST, rng)
    flat = np.concatenate([rng.uniform(0, 1, (200, 2)) * FLAT[::-1], page_corners(FLAT)])
    seen = warp.to_picture(flat)
    inside = np.all((seen >= 0) & (seen <= np.array(warp.size[::-1]) - 1), axis=1)
    assert inside.any()
    assert np.abs(warp.to_flat(seen) - flat)[inside].max() < 0.01


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_picture_shows_the_page_where_the_warp_says(seed):
    """Soft spots drawn on the flat page are found, by their centre of mass, where ``to_picture`` puts them."""
    rng = np.random.default_rng(seed)
    warp = choose_warp(FLAT, STRONGEST, rng)
    y, x = np.mgrid[: FLAT[0], : FLAT[1]]
    spots = np.array([[20, 20], [420, 20], [420, 320], [20, 320]]) + rng.uniform(-8, 8, (4, 2))  # near the corners
    for spot in spots:
        flat = (255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 18)).astype(np.uint8)
        seen = warp.to_picture(spot[None])[0]
        picture = warp.image(flat).astype(float)
        if np.all(seen > 15) and np.all(seen < np.array(warp.size[::-1]) - 16):
            found = [np.sum(axis * picture) / picture.sum() for axis in np.mgrid[: warp.size[0], : warp.size[1]][::-1]]
            assert np.hypot(*(found - seen)) < 0.5


def test_without_settings_the_picture_is_the_page():
    warp = choose_warp(FLAT, CameraSettings(), np.random.default_rng(0))
    assert warp.plain
    assert warp.size == FLAT
    flat = np.random.default_rng(1).integers(0, 255, (*FLAT, 3), dtype=np.uint8)
    assert np.array_equal(warp.image(flat), flat)
    points = np.array([[3.5, 7.25], [np.nan, 1.0]])
    assert np.array_equal(warp.to_picture(points), points, equal_nan=True)


@pytest.mark.parametrize("seed", range(6))
def test_a_turned_page_keeps_every_pixel(seed):
    flat = np.random.default_rng(1).integers(1, 255, FLAT, dtype=np.uint8)
    rng = np.random.default_rng(seed)
    warp = choose_warp(FLAT, CameraSettings(turned=1.0), rng)
    picture = warp.image(flat)
    assert any(np.array_equal(picture, np.rot90(flat, k)) for k in (1, 2, 3))


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="rotation must be"):
        CameraSettings(rotation=(3, -3))
    with pytest.raises(ValueError, match="turned is a chance"):
        CameraSettings(turned=1.5)
