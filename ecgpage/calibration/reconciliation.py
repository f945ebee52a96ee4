"""Limb leads reconciled: each is moved, by as much as it may be wrong, to where their laws hold.

The six limb leads are two voltages, seen six ways (Einthoven, 1913; Goldberger, 1942): where three and more of them are
printed at one instant, what is read of one is told by the others as well. Their disagreement is shared among them by
how well each is read there, which is the least that makes them agree (weighted least squares; in the measurement of
processes, data reconciliation: Kuehn and Davidson, 1961). What blurs all of them alike keeps to the laws and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import null_space

from ecgpage.calibration.lead_ends import USUAL_ERROR
from ecgpage.leads import canonical_lead
from ecgpage.scoring import decibels

LIMB_LEADS: dict[str, tuple[float, float]] = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""The limb leads as multiples of I and II."""

LEAST_AGREEMENT = 15.0
"""dB by which the largest lead must exceed the laws' disagreement (the root of the mean of their squares, the squares
of a law's factors adding up to 1): below, a name or a time is wrong, or a lead is traced wrongly, and the others would
be made wrong with it."""

LIKELY = 1.5
"""Disagreement, in expected deviations (root mean square), up to which it is what reading badly brings, however large
beside the leads it is."""

LARGEST = 3.0
"""Disagreement, in expected deviations, up to which it is shared; what is larger is one lead's gross error."""

LEAST_DEVIATION = 0.005
"""Millivolts of a sample's expected error at least: half of what a record's own steps and rounding may be."""

SHORTEST = 0.5
"""Seconds that leads must share, for their zero lines are told apart by what they share."""


def reconciled(signal: np.ndarray, deviation: np.ndarray, names: Sequence[str], fs: float) -> np.ndarray:
    """A record, (samples, leads) mV at ``fs`` Hz, with its limb leads reconciled; what is given is not changed.

    deviation: (samples, leads) mV, how far off each sample is expected to be; names: the leads', any order and case.
    Zero lines stay where they are: of each law the mean is left. Leads that do not keep to the laws nearly
    (``LEAST_AGREEMENT``, ``LIKELY``), and those that share too little, are as they were.
    """
    result = signal.copy()
    spelled = [canonical_lead(name) or "" for name in names]
    columns = np.array([k for k, name in enumerate(spelled) if name in LIMB_LEADS], int)
    ways = np.array([LIMB_LEADS[spelled[k]] for k in columns]).reshape(-1, 2)
    seen = np.isfinite(signal[:, columns]) & np.isfinite(deviation[:, columns])
    for present in np.unique(seen, axis=0):
        laws = null_space(ways[present].T).T if present.any() else np.empty((0, 0))  # (laws, leads), orthonormal
        if not len(laws):
            continue
        together = np.ma.masked_where(~(seen == present).all(axis=1), np.zeros(len(seen)))
        for run in np.ma.clump_unmasked(together):
            if run.stop - run.start >= SHORTEST * fs:
                part = np.ix_(np.arange(run.start, run.stop), columns[present])
                result[part] -= _errors(signal[part].astype(np.float64), deviation[part].astype(np.float64), laws)
    return result


def _errors(values: np.ndarray, deviation: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """The likeliest errors (n, leads) of values with deviations, (n, leads) each, whose sums by each of the orthonormal
    laws (laws, leads) should be 0. What is told does not depend on which such laws are taken."""
    off = values @ laws.T
    off -= off.mean(axis=0)
    variance = (USUAL_ERROR * deviation) ** 2 + LEAST_DEVIATION**2
    expected = np.einsum("mi,ti,ni->tmn", laws, variance, laws)
    shares = np.linalg.solve(expected, off[..., None])[..., 0]
    power = np.maximum((off * shares).mean(axis=1), 1e-12)
    agree = decibels(np.var(values, axis=0).max(), np.mean(off**2)) >= LEAST_AGREEMENT
    if not agree and power.mean() > LIKELY**2:
        return np.zeros_like(values)
    return variance * (shares @ laws) * np.minimum(1.0, LARGEST / np.sqrt(power))[:, None]
