"""Bent paper followed from patch to patch, and what single patches show."""

import numpy as np
import pytest

from ecgpage.calibration.growth import FEWEST_SEEDS, follow
from ecgpage.calibration.patches import Laid, PatchReader

PER_MM = 5.0

SIDE = 15.0


def lined(away, size=(170, 220)) -> np.ndarray:
    """A map (H, W) of lines 5 mm apart, about zero, of paper of (height, width) mm displaced by ``away(x, y)``."""
    x, y = np.meshgrid(np.arange(size[1] * PER_MM) / PER_MM, np.arange(size[0] * PER_MM) / PER_MM)
    flat = np.stack([x, y])
    for _ in range(30):
        flat = np.stack([x, y]) - away(*flat)
    off = np.abs((flat + 2.5) % 5 - 2.5)
    lines = np.clip(1 - off.min(axis=0) / 0.35, 0, 1)
    noise = np.random.default_rng(0).normal(0, 0.1, lines.shape)
    return (lines - lines.mean() + noise).astype(np.float32)


def reader_of(contrast: np.ndarray) -> PatchReader:
    return PatchReader(contrast, np.diag([PER_MM, PER_MM, 1.0]), 5.0, SIDE, PER_MM)


def flat_laid(nodes: np.ndarray) -> Laid:
    places = nodes.reshape(-1, 2)
    return Laid(places, np.zeros(places.shape), np.zeros((len(places), 2, 2)))


def nodes_over(size=(170, 220), step: float = 6.0) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(0, size[1], step), np.arange(0, size[0], step)), axis=-1)


def still(x, y):
    return np.stack([0 * x, 0 * y])


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.7, -0.4), (-1.2, 0.9)])
def test_a_patch_shows_how_far_lines_are_beside_their_places(shift):
    contrast = lined(lambda x, y: still(x, y) + np.array(shift)[:, None, None])
    laid = flat_laid(nodes_over()[5:-5, 5:-5])
    reader, seen = reader_of(contrast).first_look(laid)
    again = reader.read(laid)
    assert all((one == other).all() for one, other in zip(seen, again, strict=True))
    np.testing.assert_allclose(seen.shifts, np.broadcast_to(shift, seen.shifts.shape), atol=0.15)
    assert seen.heights.min() > 2
    np.testing.assert_allclose(seen.away(laid), seen.shifts)


def test_a_patch_outside_the_picture_shows_nothing():
    laid = flat_laid(np.array([[[-40.0, 50.0], [100.0, 60.0], [100.0, 400.0]]]))
    reader, _ = reader_of(lined(still)).first_look(flat_laid(nodes_over()))
    heights = reader.read(laid).heights
    assert (heights[[0, 2]] == 0).all() and (heights[1] > 2).all()


def test_a_reader_that_does_not_know_the_noise_says_so():
    with pytest.raises(ValueError, match="first_look"):
        reader_of(lined(still)).read(flat_laid(nodes_over()))


def test_paper_is_followed_for_squares_beyond_where_the_search_began():
    def rising(x, y):
        return np.stack([0.35 * np.clip(x - 90, 0, None) ** 2 / 200, 0.1 * np.clip(y - 80, 0, None)])

    nodes = nodes_over()
    start = flat_laid(nodes)
    reader, seen = reader_of(lined(rising)).first_look(start)
    sheet = follow(reader, nodes, start, seen)
    assert sheet is not None
    true = rising(*nodes.reshape(-1, 2).T).T
    in_view = ((start.places + true) < (215, 165)).all(axis=1) & (start.places > 5).all(axis=1)
    assert sheet.known[in_view].mean() > 0.9
    assert true[in_view].max() > 10  # two squares and more
    off = np.abs(sheet.away - true)[in_view & sheet.known]
    assert np.quantile(off, 0.95) < 0.2


def test_noise_alone_is_followed_nowhere():
    nodes = nodes_over()
    start = flat_laid(nodes)
    noise = np.random.default_rng(1).normal(0, 0.3, (850, 1100)).astype(np.float32)
    reader, seen = reader_of(noise).first_look(start)
    assert follow(reader, nodes, start, seen) is None


def test_fewer_patches_than_a_seed_needs_are_not_followed():
    nodes = nodes_over()[3:6, 3:6]
    assert nodes.shape[0] * nodes.shape[1] < FEWEST_SEEDS
    start = flat_laid(nodes)
    reader, seen = reader_of(lined(still)).first_look(start)
    assert follow(reader, nodes, start, seen) is None
