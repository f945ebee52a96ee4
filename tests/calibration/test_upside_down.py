"""Cabrera's aVR is put the right way up by the limb leads' laws, where its minus was not read."""

from dataclasses import replace

import numpy as np
import pytest

from ecgpage.calibration.placement import place_traces
from ecgpage.calibration.upside_down import avr_upright
from ecgpage.recording import LeadBox, LeadTrace

SPEED = 25.0
CABRERA_LIMB = ("aVL", "I", "aVR", "II", "aVF", "III")
STANDARD_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")


def limb_page(order, mirrored, noise=0.02, told=False, seed=0):
    """Six limb leads of 10 s below each other; aVR drawn upside down where mirrored; told: whether that was read."""
    rng = np.random.default_rng(seed)
    x = np.arange(0, 250, 0.1)
    beats = np.exp(-(((x % 21.3 - 9.0) / 0.6) ** 2))
    waves = 0.2 * np.exp(-(((x % 21.3 - 15.0) / 2.0) ** 2))
    one, two = 8 * beats + 6 * waves, 12 * beats - 5 * waves  # mm
    values = {"I": one, "II": two, "III": two - one}
    values |= {"aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    traces = []
    for row, name in enumerate(order):
        up = values[name] * (-1 if name == "aVR" and mirrored else 1) + noise * rng.standard_normal(len(x))
        zero = 20.0 + 25.0 * row
        box = LeadBox(name, (0.0, zero - 12, 250.0, zero + 12), 1.0, False, row, 0, 0.0, 10.0, name == "aVR" and told)
        ones = np.ones(len(x))
        traces.append(LeadTrace(box, x, zero - up, ones, 0.1 * ones, zero))
    return traces


def inverted(traces):
    return {trace.lead.name for trace in traces if trace.lead.inverted}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_avr_is_the_way_up_that_the_laws_say(mirrored, told, seed):
    page = limb_page(CABRERA_LIMB, mirrored, told=told, seed=seed)
    upright = avr_upright(page)
    assert (upright is None) == (mirrored == told)
    assert inverted(page if upright is None else upright) == ({"aVR"} if mirrored else set())


def test_the_page_says_so_and_shows_it():
    page = limb_page(CABRERA_LIMB, True)
    placed = place_traces(page, SPEED)
    assert "by the limb leads, aVR is printed upside down" in placed.notes
    assert inverted(placed.named(page)) == {"aVR"}


def test_in_the_usual_order_avr_is_never_upside_down():
    assert avr_upright(limb_page(STANDARD_LIMB, True)) is None


def test_the_way_up_is_told_where_rows_are_out_of_step():
    """By half a millimetre between aVL and aVF, so that the laws hold to 5 dB only."""
    page = limb_page(CABRERA_LIMB, True)
    page[4] = page[4].moved(0.42)
    assert inverted(avr_upright(page)) == {"aVR"}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("mirrored", [True, False])
def test_a_column_of_three_tells_by_itself(mirrored, told):
    """As on a page of four columns, whose next one shows II, aVF and III later."""
    page = limb_page(CABRERA_LIMB, mirrored, told=told)[:3]
    upright = avr_upright(page)
    assert inverted(page if upright is None else upright) == ({"aVR"} if mirrored else set())


def test_leads_that_obey_no_law_tell_nothing():
    assert avr_upright(limb_page(CABRERA_LIMB, True, noise=8.0)) is None


def test_without_the_other_limb_leads_nothing_is_told():
    page = [trace for trace in limb_page(CABRERA_LIMB, True) if trace.lead.name in ("I", "aVR", "III")]
    assert avr_upright(page) is None


def test_each_law_must_agree():
    page = limb_page(CABRERA_LIMB, True)
    flat = [replace(t, y=np.full_like(t.y, t.zero)) if t.lead.name in ("aVL", "aVF") else t for t in page]
    assert avr_upright(flat) is None
