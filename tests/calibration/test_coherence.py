"""Lattices that no tile shows for certain, told by all tiles together; and none told of noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.coherence import curl, find_coherence
from ecgpage.calibration.grid import frequencies_at
from ecgpage.calibration.tiles import read_combs
from ecgpage.geometry import apply_homography

SIZE = (560, 800)
MIDDLE = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2])
DEVIATIONS = (0.02, 0.05)


def seen(lattice_to_image, depth, seed, width=0.12, away=None):
    """A map of lines, ``depth`` high over noise of deviation 1, at whole numbers of a lattice: (H, W) float32.

    away: how far lines lie beside the lattice, (N, 2) -> (N, 2) lattice units.
    """
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    place = apply_homography(np.linalg.inv(lattice_to_image), np.stack([x.ravel(), y.ravel()], 1))
    place = place if away is None else place - away(place)
    lines = np.exp(-((np.abs(place - np.round(place)).min(axis=1) / width) ** 2)).reshape(SIZE)
    noise = np.random.default_rng(seed).normal(0, 1, SIZE)
    return (depth * (lines - lines.mean()) + noise).clip(-3, 3).astype(np.float32)


def lattice(pitch, tilt=(0.0, 0.0), degrees=0.0):
    """Lattice to image: squares of ``pitch`` pixels around the middle, seen with some perspective, turned."""
    turn = np.radians(degrees)
    even = pitch * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    reach = MIDDLE / pitch
    return np.block([[even, MIDDLE[:, None]], [np.zeros((1, 2)), 1]]) @ np.array(
        [[1, 0, 0], [0, 1, 0], [tilt[0] / reach[0], tilt[1] / reach[0], 1]]
    )


@settings(max_examples=8, deadline=None)
@given(
    off=st.tuples(st.floats(-0.03, 0.03), st.floats(-0.08, 0.08)),
    tilt=st.tuples(st.floats(-0.01, 0.01), st.floats(-0.01, 0.01)),
    degrees=st.floats(-1, 1),
    seed=st.integers(0, 999),
)
def test_lines_far_below_the_noise_are_told_where_they_are(off, tilt, degrees, seed):
    truth = lattice(5.0, tilt, degrees) @ np.diag(np.exp([*off, 0.0]))
    found = find_coherence(seen(truth, 0.35, seed), 1 / 5.0, DEVIATIONS)
    assert found.clearness.min() > 9
    # a lattice has no first line: whatever the whole number of lines between them, the places are the same
    points = np.array([[x, y] for x in (80.0, 400.0, 720.0) for y in (60.0, 280.0, 500.0)])
    apart = apply_homography(found.image_to_lattice, points) - apply_homography(np.linalg.inv(truth), points)
    assert np.abs(apart - np.round(apart[4])).max() < 0.12  # of 5 pixels


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99999), pitch=st.floats(3.0, 30.0), lowest=st.sampled_from([1, 2]))
def test_noise_says_nothing_clearly(seed, pitch, lowest):
    found = find_coherence(seen(lattice(5.0), 0.0, seed), 1 / pitch, DEVIATIONS, lowest)
    assert found is None or found.clearness.min() < 9


def test_a_pitch_is_believed_less_the_further_it_is_from_the_one_expected():
    contrast = seen(lattice(5.0), 0.4, 1)
    near, far = (find_coherence(contrast, np.exp(off) / 5.0, DEVIATIONS).clearness for off in (0.0, 0.04))
    assert near - far == pytest.approx([0.5 * (0.04 / one) ** 2 for one in DEVIATIONS], abs=0.4)


def test_steps_of_some_lines_do_not_count_as_lines():
    """Bars half a step wide, as rows and beats stand, show in the first harmonic alone."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    waves = 0.5 * (np.cos(2 * np.pi * x / 25) + np.cos(2 * np.pi * y / 25))
    contrast = (waves + np.random.default_rng(0).normal(0, 1, SIZE)).astype(np.float32)
    assert find_coherence(contrast, 1 / 25.0, DEVIATIONS, 1).clearness.min() > 9
    assert find_coherence(contrast, 1 / 25.0, DEVIATIONS, 2).clearness.min() < 9


def test_too_few_pixels_for_lines_tell_nothing():
    assert find_coherence(seen(lattice(5.0), 1.0, 0), 1 / 1.5, DEVIATIONS) is None
    assert find_coherence(np.zeros((60, 60), np.float32), 1 / 5.0, DEVIATIONS) is None


def waving(place):
    """Up to 0.2 units off, as a sheet that does not lie flat."""
    u, v = (place / (80.0, 56.0)).T
    return np.stack([0.2 * np.cos(2 * u) * np.cos(v), 0.15 * u * v], 1)


@pytest.mark.parametrize("seed", range(3))
def test_curls_are_followed_and_flat_paper_stays_flat(seed):
    truth = lattice(5.0)
    bent = seen(truth, 1.0, seed, away=waving)
    found = find_coherence(bent, 1 / 5.0, DEVIATIONS)
    shifts = curl(bent, found, 1.0)
    centers = read_combs(bent, found.image_to_lattice).centers
    lines = apply_homography(np.linalg.inv(found.image_to_lattice), centers + shifts)
    place = apply_homography(np.linalg.inv(truth), lines)  # lines' true places, of the lattice's own numbers
    off = place - waving(place) - centers
    assert np.abs(off - np.round(off)).max() < 0.12
    flat = seen(truth, 0.35, seed)
    assert not curl(flat, find_coherence(flat, 1 / 5.0, DEVIATIONS), 1.0).any()


def test_the_pitch_is_that_of_the_lattice_at_the_middle():
    found = find_coherence(seen(lattice(7.0, (0.008, -0.006)), 0.6, 3), 1 / 7.1, DEVIATIONS)
    _, pitch = frequencies_at(np.linalg.inv(found.image_to_lattice), MIDDLE)
    assert pitch == pytest.approx((7.0, 7.0), rel=0.002)
