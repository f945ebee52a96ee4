"""A bend that all rows have in common is the paper's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.row_bend import SMALLEST, bend_of_rows, rows_refute
from ecgpage.geometry import Bend
from ecgpage.recording import Calibration
from tests.calibration.test_extent import traces_on

FLAT = traces_on(np.eye(3))


def lifted(curve, rows=range(4)):
    """A flat page's traces whose points lie ``curve`` (x, y mm of flat paper) lower, in some of the rows."""
    return [
        replace(trace, y=trace.y + curve(trace.x, 30.0 + 25 * trace.lead.row)) if trace.lead.row in rows else trace
        for trace in FLAT
    ]


@settings(deadline=None, max_examples=10)
@given(st.floats(2.5, 9.0), st.sampled_from([-1, 1]), st.floats(-0.3, 0.3))
def test_a_curl_that_all_rows_show_is_found(height, side, fan):
    def curl(x, y):
        along = (x - 125) / 125
        return side * height * (along**2 + 0.2 * along**3) * (1 + fan * (y - 67) / 38)

    bend = bend_of_rows(lifted(curl), np.eye(3))
    assert bend is not None
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(10, 240, 9), [30.0, 55, 80, 105]))
    away = bend(np.column_stack([x, y]))
    assert (away[:, 0] == 0).all()
    off = away[:, 1] - curl(x, y)
    rows = off.reshape(4, 9) - off.reshape(4, 9).mean(axis=1, keepdims=True)  # a row's own height is no bend
    assert np.abs(rows).max() < 0.15 * height + 0.2


def test_bends_are_told_on_the_paper_that_is_asked_for():
    curled = lifted(lambda x, y: 4 * ((x - 125) / 125) ** 2)
    twice = bend_of_rows(curled, np.diag([2.0, 2.0, 1.0]))
    once = bend_of_rows(curled, np.eye(3))
    places = np.array([[20.0, 40.0], [120.0, 80.0], [230.0, 100.0]])
    np.testing.assert_allclose(twice(2 * places), 2 * once(places), atol=0.05)


@pytest.mark.parametrize("rows", [(), (0,), (1, 2)])
def test_waves_that_some_rows_have_are_no_bend(rows):
    assert bend_of_rows(lifted(lambda x, y: 4 * np.sin(x / 40 + 2 * y / 25), rows), np.eye(3)) is None


def test_each_row_may_wander_on_its_own():
    assert bend_of_rows(lifted(lambda x, y: 4 * np.sin(x / 40 + 2 * y / 25)), np.eye(3)) is None


def test_less_than_baselines_wander_is_no_bend():
    assert bend_of_rows(lifted(lambda x, y: SMALLEST * ((x - 125) / 125) ** 2), np.eye(3)) is None


@pytest.mark.parametrize("degrees", [-2.0, 0.7, 2.0])
def test_a_turn_is_no_bend(degrees):
    slope = np.tan(np.radians(degrees))
    assert bend_of_rows(lifted(lambda x, y: slope * (x - 125)), np.eye(3)) is None


def test_two_rows_tell_no_bend():
    curled = lifted(lambda x, y: 6 * ((x - 125) / 125) ** 2)
    assert bend_of_rows([trace for trace in curled if trace.lead.row < 2], np.eye(3)) is None
    assert bend_of_rows([], np.eye(3)) is None


def calibrated(height):
    """A calibration whose bend lowers points by ``height`` mm at both ends of the rows."""
    bend = None if height is None else Bend(np.array([[0.0, 0]] * 5 + [[0, height]]), 2, (125.0, 67.0), (125.0, 40.0))
    return Calibration(np.diag([4.0, 4.0, 1.0]), (4.0, 4.0), "grid", bend=bend)


def curved(height, askew=0.0):
    """Traces whose rows fall by ``height`` mm towards both ends."""
    return lifted(lambda x, y: height * ((x - 125) / 125) ** 2 + askew * x)


@pytest.mark.parametrize("askew", [0.0, 0.02])
@pytest.mark.parametrize("height", [-12.0, -4.0, 4.0, 12.0])
def test_a_bend_is_refuted_by_rows_that_run_level_without_it(height, askew):
    """On paper wrongly laid flat the rows are curved the other way; on paper rightly laid flat they are level."""
    assert rows_refute(curved(height, askew), calibrated(-height))
    assert not rows_refute(curved(0.0, askew), calibrated(height))


def test_rows_that_tell_little_refute_nothing():
    assert not rows_refute(curved(1.0), calibrated(-1.0))  # less than baselines wander
    assert not rows_refute(curved(12.0), calibrated(None))
    assert not rows_refute([], calibrated(12.0))
