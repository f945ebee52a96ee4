"""Limb leads reconciled: each is moved, by as much as it may be wrong, to where their laws hold.

The six limb leads are two voltages, seen six ways (``leads.LIMB_LEADS``): where three and more of them are printed at
one instant, what is read of one is told by the others as well. Their disagreement is shared among them by how well each
is read there, which is the least that makes them agree (weighted least squares; in the measurement of processes, data
reconciliation: Kuehn and Davidson, 1961). What blurs all of them alike keeps to the laws and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import null_space

from ecgpage.calibration.lead_ends import USUAL_ERROR
from ecgpage.leads import LIMB_LEADS, MILLIMETERS_PER_MILLIVOLT, canonical_lead
from ecgpage.scoring import decibels

LEAST_AGREEMENT = 15.0
"""dB by which the largest lead must exceed the laws' mean disagreement, a law's factors being scaled so that their
squares add up to 1. Below, a name or a time is wrong, or a lead is traced wrongly, and the others would be made wrong
with it; or all are read badly, see ``LIKELY``."""

LIKELY = 1.5
"""Disagreement, in expected deviations (root mean square), up to which it is what reading badly brings, however large
beside the leads it is."""

LARGEST = 3.0
"""Disagreement, in expected deviations, up to which it is shared; what is larger is one lead's gross error."""

LEAST_DEVIATION, MOST_DEVIATION = 0.05, 100.0
"""Millimetres of paper between which a sample's expected error lies: traces that are drawn sharply are not read more
exactly, and none is off by more than a page is high."""

SHORTEST = 0.5
"""Seconds that leads must share: what their zero lines are off by is told by what they share."""

_LEAST_POWER = 1e-12  # of a disagreement, in squares of expected deviations, so that none is divided by 0


def reconciled(
    signal: np.ndarray,
    deviation: np.ndarray,
    names: Sequence[str],
    fs: float,
    gain: float = MILLIMETERS_PER_MILLIVOLT,
) -> np.ndarray:
    """A record, (samples, leads) mV at ``fs`` Hz, with its limb leads reconciled; what is given is not changed.

    deviation: (samples, leads) mV, how far off each sample is expected to be, NaN where that is not known; it holds for
    what is returned as well, for most of what is left keeps to the laws. names: the leads', any order and case. gain:
    mm/mV at which the limb leads are printed. Samples at which the same leads are known are reconciled together. Zero
    lines stay where they are: of each law the mean is left. Leads that do not nearly keep to the laws
    (``LEAST_AGREEMENT``, ``LIKELY``), and those that share too little (``SHORTEST``), are as they were, and no gross
    error is shared (``LARGEST``).
    """
    result = signal.copy()
    spelled = [canonical_lead(name) or "" for name in names]
    columns = np.array([k for k, name in enumerate(spelled) if name in LIMB_LEADS], int)
    ways = np.array([LIMB_LEADS[spelled[k]] for k in columns]).reshape(-1, 2)
    seen = np.isfinite(signal[:, columns]) & np.isfinite(deviation[:, columns])
    for present in np.unique(seen, axis=0):
        laws = null_space(ways[present].T).T if present.any() else np.empty((0, 0))  # (laws, leads), orthonormal
        samples = np.flatnonzero((seen == present).all(axis=1))
        if len(laws) and len(samples) >= SHORTEST * fs:
            part = np.ix_(samples, columns[present])
            values, spread = (gain * given[part].astype(np.float64) for given in (signal, deviation))
            result[part] -= _errors(values, spread, laws) / gain
    return result


def _errors(values: np.ndarray, deviation: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """What reconciling takes from values with deviations, (n, leads) mm each, whose sums by each of the orthonormal
    laws (laws, leads) should be constant: 0 everywhere where they keep to the laws neither nearly nor as far as can be
    expected. It does not depend on which such laws are taken."""
    off = values @ laws.T
    off -= off.mean(axis=0)
    variance = np.clip(USUAL_ERROR * deviation, 0.0, MOST_DEVIATION) ** 2 + LEAST_DEVIATION**2
    expected = np.einsum("mi,ti,ni->tmn", laws, variance, laws)
    shares = np.linalg.solve(expected, off[..., None])[..., 0]
    power = np.maximum((off * shares).mean(axis=1), _LEAST_POWER)
    agree = decibels(np.var(values, axis=0).max(), np.mean(off**2)) >= LEAST_AGREEMENT
    if not agree and power.mean() > LIKELY**2:
        return np.zeros_like(values)
    return variance * (shares @ laws) * np.minimum(1.0, LARGEST / np.sqrt(power))[:, None]
