"""Limb leads that are read with errors come nearer to the truth together; what does not keep to the laws stays."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.calibration.reconciliation import SHORTEST, reconciled
from ecgpage.leads import LEADS, LIMB_LEADS, limb_law

FS = 500.0
SAMPLES = 1250


def true_record(rng, names=LEADS):
    """Leads (samples, leads) mV of beats in two directions; chest leads by themselves."""
    seconds = np.arange(SAMPLES) / FS
    beats = [
        rng.uniform(0.8, 1.5) * np.exp(-(((seconds - at) % 0.8 - 0.4) ** 2) / rng.uniform(0.01, 0.03) ** 2)
        for at in rng.uniform(0, 0.8, 2)
    ]
    leads = {name: one * beats[0] + two * beats[1] for name, (one, two) in LIMB_LEADS.items()}
    return np.stack([leads.get(name, beats[0]) for name in names], axis=1)


def only(signal, names, kept):
    """The record with the samples of all but some leads missing."""
    result = signal.copy()
    result[:, [name not in kept for name in names]] = np.nan
    return result


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    kept=st.sampled_from([("I", "II", "III"), ("aVR", "aVL", "aVF"), ("II", "aVR", "aVF"), tuple(LIMB_LEADS)]),
)
def test_errors_become_smaller_in_the_mean(seed, kept):
    """Three leads of two voltages keep two thirds of their errors' power, six keep one third."""
    rng = np.random.default_rng(seed)
    true = only(true_record(rng), LEADS, kept)
    noise = 0.01 * rng.standard_normal(true.shape)
    read, deviation = true + noise, np.where(np.isfinite(true), 0.01 / 0.6, np.nan)
    given = read.copy(), deviation.copy()
    result = reconciled(read, deviation, LEADS, FS)
    np.testing.assert_array_equal((read, deviation), given)
    left = np.nanmean((result - true) ** 2) / np.nanmean((noise + 0 * true) ** 2)
    assert left == pytest.approx(2 / len(kept), abs=0.06)
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(true))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), worst=st.sampled_from(("I", "II", "III")))
def test_the_lead_that_may_be_wrong_takes_the_error(seed, worst):
    rng = np.random.default_rng(seed)
    true = only(true_record(rng), LEADS, ("I", "II", "III"))
    deviation = np.where(np.isfinite(true), 0.001, np.nan)
    read, k = true.copy(), LEADS.index(worst)
    deviation[600:620, k] = 0.3
    read[600:620, k] += 0.1
    result = reconciled(read, deviation, LEADS, FS)
    np.testing.assert_allclose(result[600:620, k], true[600:620, k], atol=0.003)
    np.testing.assert_allclose(result, true, atol=0.003)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.permutations(range(12)))
def test_order_and_case_of_names_do_not_matter(seed, order):
    rng = np.random.default_rng(seed)
    read = true_record(rng) + 0.01 * rng.standard_normal((SAMPLES, 12))
    deviation = rng.uniform(0.005, 0.05, read.shape)
    result = reconciled(read, deviation, LEADS, FS)
    shuffled = reconciled(read[:, order], deviation[:, order], [LEADS[k].upper() for k in order], FS)
    np.testing.assert_allclose(shuffled, result[:, order], atol=1e-9)
    np.testing.assert_array_equal(result[:, 6:], read[:, 6:])  # chest leads keep to no law


def test_zero_lines_stay():
    """A row's zero line that is wrong by 0.2 mV says nothing of the other rows'."""
    true = only(true_record(np.random.default_rng(1)), LEADS, ("I", "II", "III"))
    read = true.copy()
    read[:, 1] += 0.2
    np.testing.assert_allclose(reconciled(read, np.full(true.shape, 0.02), LEADS, FS), read, atol=1e-9)


def test_leads_that_are_none_of_one_heart_stay_as_they_are():
    """As under wrong names or at other times: making them agree would make all of them wrong."""
    read = true_record(np.random.default_rng(2))
    read[:, 2] = np.roll(read[:, 2], 100)
    read = only(read, LEADS, ("I", "II", "III"))
    np.testing.assert_array_equal(reconciled(read, np.full(read.shape, 0.05), LEADS, FS), read)


def test_leads_that_are_read_badly_and_said_to_be_are_reconciled():
    """Noise of a third of the leads' own size, as is expected."""
    rng = np.random.default_rng(5)
    true = only(true_record(rng), LEADS, ("I", "II", "III"))
    noise = 0.1 * rng.standard_normal(true.shape)
    result = reconciled(true + noise, np.full(true.shape, 0.1 / 0.6), LEADS, FS)
    assert np.nanmean((result - true) ** 2) == pytest.approx(2 / 3 * np.nanmean((noise + 0 * true) ** 2), rel=0.1)


def test_a_gross_error_is_not_spread_over_the_others():
    """One sample that is off by 0.4 mV where 0.006 mV are expected moves others by what is expected alone."""
    true = only(true_record(np.random.default_rng(3)), LEADS, ("I", "II", "III"))
    read = true.copy()
    read[700, 0] += 0.4
    result = reconciled(read, np.full(true.shape, 0.01), LEADS, FS)
    assert np.nanmax(np.abs(result - read)) < 0.02


@pytest.mark.parametrize("kept", [(), ("I",), ("I", "II"), ("V1", "V2", "V3")])
def test_fewer_leads_than_a_law_has_stay(kept):
    read = only(true_record(np.random.default_rng(4)), LEADS, kept)
    np.testing.assert_array_equal(reconciled(read, np.full(read.shape, 0.05), LEADS, FS), read)


def test_leads_without_a_voltage_and_records_without_samples_stay():
    flat = np.zeros((SAMPLES, 12))
    np.testing.assert_array_equal(reconciled(flat, np.full(flat.shape, 0.05), LEADS, FS), flat)
    assert reconciled(np.empty((0, 12)), np.empty((0, 12)), LEADS, FS).shape == (0, 12)
    assert reconciled(np.zeros((10, 1)), np.ones((10, 1)), ["X"], FS).shape == (10, 1)


def test_a_lead_with_holes_leaves_the_others_to_be_reconciled():
    rng = np.random.default_rng(6)
    true = true_record(rng)
    true[::200, LEADS.index("aVL")] = np.nan
    noise = 0.01 * rng.standard_normal(true.shape)
    result = reconciled(true + noise, np.full(true.shape, 0.01 / 0.6), LEADS, FS)
    assert np.nanmean((result - true)[:, :6] ** 2) < 0.4 * np.mean(noise[:, :6] ** 2)


def test_leads_that_share_too_little_stay():
    true = only(true_record(np.random.default_rng(7)), LEADS, ("I", "II", "III"))
    read = true + 0.01 * np.random.default_rng(8).standard_normal(true.shape)
    read[round(SHORTEST * FS) - 1 :, 1] = np.nan
    np.testing.assert_array_equal(reconciled(read, np.full(read.shape, 0.02), LEADS, FS), read)


def test_a_lead_that_tells_nothing_is_told_by_the_others():
    """However large it says that its error is."""
    true = only(true_record(np.random.default_rng(9)), LEADS, ("I", "II", "III"))
    read, deviation = true.copy(), np.full(true.shape, 0.001)
    deviation[600:640, 2] = 1e30
    read[600:640, 2] += 0.5
    result = reconciled(read, deviation, LEADS, FS)
    np.testing.assert_allclose(result[600:640, :2], true[600:640, :2], atol=0.02)
    np.testing.assert_allclose(result[600:640, 2], true[600:640, 2], atol=0.03)


def test_samples_whose_deviation_is_not_known_stay():
    read = true_record(np.random.default_rng(10)) + 0.01 * np.random.default_rng(11).standard_normal((SAMPLES, 12))
    deviation = np.full(read.shape, 0.02)
    deviation[:, 2] = np.nan
    np.testing.assert_array_equal(reconciled(read, deviation, LEADS, FS)[:, 2], read[:, 2])


def test_any_three_limb_leads_keep_to_a_law():
    """Einthoven's and Goldberger's among them."""
    assert limb_law("I", "III", "II") == pytest.approx({"I": 1.0, "III": 1.0, "II": -1.0})
    assert limb_law("aVR", "aVL", "aVF") == pytest.approx({"aVR": 1.0, "aVL": 1.0, "aVF": 1.0})
    record = true_record(np.random.default_rng(12))
    for names in permutations(LIMB_LEADS, 3):
        parts = [factor * record[:, LEADS.index(name)] for name, factor in limb_law(*names).items()]
        np.testing.assert_allclose(np.sum(parts, axis=0), 0.0, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2.5, 5.0, 20.0]))
def test_what_is_done_on_paper_is_the_same_at_any_gain(seed, gain):
    rng = np.random.default_rng(seed)
    read = true_record(rng) + 0.01 * rng.standard_normal((SAMPLES, 12))
    deviation = rng.uniform(0.0, 0.05, read.shape)
    usual = reconciled(read, deviation, LEADS, FS)
    other = reconciled(read * 10 / gain, deviation * 10 / gain, LEADS, FS, gain)
    np.testing.assert_allclose(other * gain / 10, usual, atol=1e-9)
