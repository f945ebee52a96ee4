"""Scores whose values can be derived by hand, and their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgpage.scoring import BEST_SNR, NO_ESTIMATE, decibels, f_measures, mean, score_lead, score_signal

FS = 500.0


@pytest.fixture
def lead():
    rng = np.random.default_rng(3)
    t = np.arange(1000) / FS
    return sum(np.exp(-0.5 * ((t - peak) / 0.02) ** 2) for peak in (0.3, 0.9, 1.7)) + 0.02 * rng.normal(size=1000)


def test_noise_of_a_hundredth_of_the_power_is_20_db(lead):
    noise = 0.1 * np.sqrt(np.mean(lead**2)) * np.where(np.arange(1000) % 2, 1, -1)
    assert score_lead(lead, lead + noise, FS, "none").snr == pytest.approx(20)


def test_half_of_the_samples_missing_halves_the_decibels(lead):
    lead = np.concatenate([lead[:500], lead[:500]])  # both halves alike: as much power in each
    estimate = 0.9 * lead
    estimate[500:] = np.nan
    assert score_lead(lead, estimate, FS, "none").snr == pytest.approx(10)  # 20 dB x 1/2


def test_scale_off_by_5_percent_is_26_db(lead):
    assert score_lead(lead, 1.05 * lead, FS, "none").snr == pytest.approx(20 * np.log10(20))


@pytest.mark.parametrize("alignment", ["official", "corrected", "none"])
def test_perfect_estimate_has_the_best_score(lead, alignment):
    scores = score_lead(lead, lead.copy(), FS, alignment, extra=True)
    assert (scores.snr, scores.snr_median) == (BEST_SNR, BEST_SNR)
    assert (scores.ks, scores.asci, scores.weighted_absolute_difference) == (1, 1, 0)


@pytest.mark.parametrize("estimate", [None, np.full(1000, np.nan), np.empty(0)])
def test_no_estimate_scores_zero(lead, estimate):
    assert score_lead(lead, estimate, FS, extra=True) == NO_ESTIMATE
    assert NO_ESTIMATE.snr == 0


def test_no_overlap_scores_zero(lead):
    early, late = lead.copy(), lead.copy()
    early[500:], late[:500] = np.nan, np.nan
    assert score_lead(early, late, FS, "none", extra=True) == NO_ESTIMATE


@pytest.mark.parametrize("reference", [np.full(100, np.nan), np.zeros(100)])
def test_reference_without_samples_or_voltage_is_left_out(reference):
    assert np.isnan(score_lead(reference, np.ones(100), FS).snr)
    assert mean([float("nan"), 2.0, 4.0]) == 3
    assert np.isnan(mean([float("nan")]))


@given(offset=st.floats(-0.95, 0.95), late=st.integers(-240, 240))
@settings(max_examples=15, deadline=None)
def test_corrected_alignment_does_not_mind_offset_and_shift(offset, late):
    rng = np.random.default_rng(5)
    t = np.arange(2000) / FS
    whole = sum(np.exp(-0.5 * ((t - peak) / 0.02) ** 2) for peak in (0.7, 1.3, 2.1, 2.8)) + 0.3 * np.sin(5 * t)
    noisy = whole + 0.05 * rng.normal(size=2000)
    reference, estimate = whole[500:1500], noisy[500 - late : 1500 - late] + offset
    covered = (1000 - abs(late)) / 1000
    snr = score_lead(reference, estimate, FS, "corrected").snr
    here = slice(500 + max(0, -late), 1500 - max(0, late))
    expected = 10 * np.log10(np.mean(whole[here] ** 2) / np.mean((whole - noisy)[here] ** 2)) * covered
    assert snr == pytest.approx(expected, abs=1.0)  # the offset is found to some 0.02 mV


def test_offset_beyond_a_millivolt_counts(lead):
    assert score_lead(lead, lead + 0.3, FS).snr > 30
    assert score_lead(lead, lead + 1.2, FS).snr < -5


def test_early_estimate_is_lost_by_the_official_alignment_only(lead):
    early = np.concatenate([lead[4:], lead[-1:].repeat(4)])
    assert abs(score_lead(lead, early, FS).snr) < 1
    assert score_lead(lead, early, FS, "corrected").snr > 50


def test_longer_and_shorter_estimates_are_compared_from_the_start(lead):
    longer = np.concatenate([lead, np.ones(70)])
    assert score_lead(lead, longer, FS, "none").snr == BEST_SNR
    assert score_lead(lead, lead[:900], FS, "none").snr == pytest.approx(0.9 * BEST_SNR)


def test_leads_are_matched_by_name_in_any_order_and_case(lead):
    reference = np.stack([lead, 2 * lead], axis=1)
    scores = score_signal(reference, ("I", "aVR"), reference[:, ::-1], ("AVR", "i"), FS, "none")
    assert [scores["I"].snr, scores["aVR"].snr] == [BEST_SNR, BEST_SNR]
    scores = score_signal(reference, ("I", "aVR"), reference[:, :1], ("I",), FS, "none")
    assert (scores["I"].snr, scores["aVR"].snr) == (BEST_SNR, 0)


def test_extra_scores_by_hand():
    reference = np.array([1.0, 1.0, 1.0, 1.0])
    estimate = np.array([1.0, 1.0, 1.0, 0.0])
    scores = score_lead(reference, estimate, 4.0, "none", extra=True)
    assert scores.snr == pytest.approx(10 * np.log10(4))
    assert scores.snr_median == BEST_SNR  # most samples are without noise
    assert scores.ks == pytest.approx(1 - 1 / 4)  # 3/3 against 3/4 after the third sample
    assert scores.asci == pytest.approx((3 - 1) / 4)
    assert scores.weighted_absolute_difference == pytest.approx(1 / 4)


def test_decibels_are_bounded_and_defined():
    assert decibels(4.0, 0.0) == BEST_SNR
    assert decibels(4.0, 0.04) == pytest.approx(20)
    assert np.isnan(decibels(0.0, 1.0))


def test_f_measures_by_hand():
    reference = [{"NORM"}, {"MI", "CD"}, {"CD"}, {"NORM"}]
    estimate = [("NORM", "HYP"), ("CD",), ("NORM",), ()]
    # NORM: 1 right, 1 too many, 1 missed; MI: 1 missed; CD: 1 right, 1 missed; HYP is not in the reference
    assert f_measures(reference, estimate) == pytest.approx({"CD": 2 / 3, "MI": 0, "NORM": 1 / 2})
    assert f_measures([], []) == {}
