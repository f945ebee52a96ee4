"""Explaining away: ink of one trace is not another's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgpage.digitization import explaining
from ecgpage.digitization.explaining import VAGUE, VagueTrace, explain_away
from ecgpage.recording import LeadBox, LeadTrace

X = np.linspace(10.0, 70.0, 120)
HEIGHTS = np.arange(0.0, 50.0, 0.2)


def sure(y, presence=1.0, spread=0.2, x=X) -> LeadTrace:
    n = len(x)
    return LeadTrace(
        LeadBox("I", (10, 5, 70, 15), 0.9), x, np.full(n, y), np.full(n, presence), np.full(n, spread), zero=7.0
    )


def vague(odds: dict[float, float], points: slice = slice(None), width: float = 0.3) -> VagueTrace:
    """A trace that is, with these odds, at these heights; elsewhere than at ``points`` it is sure of the first."""
    rows = sum(share * np.exp(-(((HEIGHTS - at) / width) ** 2) / 2) for at, share in odds.items()) + 1e-12
    rows /= rows.sum()
    mean = float((rows * HEIGHTS).sum())
    spread = float(np.sqrt((rows * (HEIGHTS - mean) ** 2).sum()))
    trace, which = sure(next(iter(odds))), np.arange(len(X))[points]
    trace.y[which], trace.spread[which] = mean, spread
    columns = np.repeat(np.log(rows)[:, None], len(which), axis=1).astype(np.float16)
    return VagueTrace(**vars(trace), vague=which, log_probability=columns, heights=HEIGHTS)


def test_ink_that_a_sure_trace_explains_is_left_to_it():
    torn = vague({20.0: 0.4, 10.0: 0.6}, slice(30, 50))
    assert torn.spread[40] > VAGUE and torn.y[40] == pytest.approx(14, abs=0.1)
    one, other = explain_away([sure(10.0), torn])
    np.testing.assert_array_equal(one.y, 10.0)
    np.testing.assert_allclose(other.y, 20.0, atol=0.6)
    assert other.spread.max() < 2.5 < torn.spread.max()
    assert torn.y[40] == pytest.approx(14, abs=0.1)  # what was given is not changed


@pytest.mark.parametrize(
    "elsewhere",
    [
        sure(10.0, presence=0.3),  # not printed
        sure(30.0),  # in another row
        sure(10.0, x=X + 61),  # beside it
        sure(10.0, x=X - 61),
        sure(10.0, spread=40.0),  # anywhere
    ],
)
def test_what_is_not_there_explains_nothing(elsewhere):
    torn = vague({20.0: 0.4, 10.0: 0.6})
    np.testing.assert_allclose(explain_away([elsewhere, torn])[1].y, torn.y, atol=0.3)


def test_a_trace_that_can_be_nowhere_else_stays_where_it_crosses_another():
    crossing = vague({10.0: 1.0}, width=1.5)
    assert (crossing.spread > VAGUE).all()
    np.testing.assert_allclose(explain_away([sure(10.0), crossing])[1].y, 10.0, atol=0.3)


def test_of_two_torn_traces_the_one_less_torn_is_followed():
    one, other = vague({10.0: 0.97, 20.0: 0.03}), vague({10.0: 0.6, 20.0: 0.4})
    assert one.spread[0] > VAGUE
    first, second = explain_away([one, other])
    assert abs(first.y[0] - 10) < 0.5
    assert abs(second.y[0] - 20) < 4 < 5.5 < abs(other.y[0] - 20)


def test_what_has_become_sure_explains_in_turn(monkeypatch):
    traces = [sure(10.0), vague({10.0: 0.5, 20.0: 0.5}), vague({20.0: 0.5, 30.0: 0.5})]
    twice = explain_away(traces)[2].y[0]
    monkeypatch.setattr(explaining, "PASSES", 1)
    once = explain_away(traces)[2].y[0]
    assert once > 25 and twice > once + 1


@given(
    rows=st.lists(st.floats(2, 48), min_size=1, max_size=4),
    share=st.floats(0.05, 0.95),
    presence=st.floats(0, 1),
    spread=st.floats(0.01, 5),
)
def test_traces_keep_their_order_and_parts_and_vague_heights_stay_where_ink_may_be(rows, share, presence, spread):
    torn = vague({15.0: share, 35.0: 1 - share}, slice(10, 60))
    traces = [*(sure(y, presence, spread) for y in rows), torn]
    told = explain_away(traces)
    assert [type(trace) for trace in told] == [LeadTrace] * len(traces)
    for before, after in zip(traces, told, strict=True):
        assert after.lead is before.lead and after.zero == before.zero
        assert after.x is before.x and after.presence is before.presence
        clear = np.setdiff1d(np.arange(len(X)), getattr(before, "vague", []))
        np.testing.assert_array_equal(after.y[clear], before.y[clear])
        np.testing.assert_array_equal(after.spread[clear], before.spread[clear])
    assert ((told[-1].y > 13) & (told[-1].y < 37)).all() and np.isfinite(told[-1].spread).all()
