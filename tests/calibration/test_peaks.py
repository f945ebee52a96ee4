"""Peaks between steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.calibration.peaks import peak_offset


@given(st.floats(-0.5, 0.5), st.floats(0.1, 50.0), st.floats(-5.0, 5.0))
def test_the_top_of_a_parabola_is_found(place, steep, height):
    left, here, right = (height - steep * (at - place) ** 2 for at in (-1.0, 0.0, 1.0))
    assert peak_offset(left, here, right) == pytest.approx(place, abs=1e-9)


def test_a_line_and_a_valley_have_no_top():
    values = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 1.0], [2.0, 2.0, 2.0]]).T
    np.testing.assert_array_equal(peak_offset(*values), [0.0, 0.0, 0.0])
