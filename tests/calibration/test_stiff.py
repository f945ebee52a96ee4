"""A stiff sheet through displacements that are trusted more or less."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.calibration.stiff import smooth_sheet


def plane(rows: int, columns: int, slopes: tuple[float, float] = (0.3, -0.2)) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns].astype(float)
    return np.stack([1 + slopes[0] * x + slopes[1] * y, 2 - slopes[1] * x], axis=-1)


@given(st.integers(2, 9), st.integers(2, 9), st.floats(-1, 1), st.floats(-1, 1))
def test_a_plane_costs_nothing_to_bend(rows, columns, along, down):
    values = plane(rows, columns, (along, down))
    np.testing.assert_allclose(smooth_sheet(values, np.ones(values.shape)), values, atol=1e-4)


def test_where_nothing_is_trusted_the_sheet_goes_on_straight():
    values = plane(8, 10)
    trust = np.ones(values.shape)
    trust[:, 6:] = 0
    hidden = values.copy()
    hidden[:, 6:] = 99.0
    np.testing.assert_allclose(smooth_sheet(hidden, trust), values, atol=1e-3)


def test_a_node_far_off_does_not_count():
    values = plane(9, 9)
    values[4, 4] += 3.0
    sheet = smooth_sheet(values, np.ones(values.shape))
    np.testing.assert_allclose(sheet, plane(9, 9), atol=0.05)


def test_noise_is_smoothed_and_a_bend_of_several_nodes_kept():
    y, x = np.mgrid[:30, :30].astype(float)
    true = np.stack([2 * np.sin(x / 5), 0 * y], axis=-1)
    noise = np.random.default_rng(0).normal(0, 0.05, true.shape)
    off = smooth_sheet(true + noise, np.full(true.shape, 2.0)) - true
    assert off.std() < 0.6 * noise.std()


def test_a_sheet_that_is_told_nothing_is_flat():
    assert smooth_sheet(plane(4, 5), np.zeros((4, 5, 2))) == pytest.approx(0.0, abs=1e-6)
