"""A grid that begins anew in every panel: its squares are measured by the leads, where these say the same."""

from dataclasses import replace

import numpy as np
import pytest

from ecgpage.calibration.grid import nothing_found
from ecgpage.calibration.patchwork import UNEVEN, even_patchwork
from ecgpage.geometry import apply_homography
from ecgpage.leads import layout_3x4
from ecgpage.recording import Calibration, LeadBox, LeadTrace

SPEED, PER_MM = 25.0, 24


def traces_of(longer, seen=12, jitter=0.0, seed=0):
    """Leads of a 3x4 page as traced, ``longer`` times as long as they last; of ``seen`` of them both ends are seen."""
    rng = np.random.default_rng(seed)
    traces = []
    for k, lead in enumerate(layout_3x4(()).leads):
        length = SPEED * (lead.duration - 1 / 500) * longer * (1 + jitter * rng.uniform(-1, 1))
        begin, zero = 20.0 + 70.0 * lead.column, 40.0 + 40.0 * lead.row
        x = np.arange(begin - 5, begin + length + 5, 1 / PER_MM)
        presence = ((x >= begin) & (x <= begin + length)).astype(float)
        reach = 0.0 if k < seen else 20.0  # the box's edges lie too far off for the ends to be seen
        box = (begin - reach, zero - 5, begin + length + reach, zero + 5)
        known = LeadBox(lead.name, box, 0.9, False, lead.row, lead.column, lead.start, lead.duration)
        traces.append(LeadTrace(known, x, np.full(len(x), zero), presence, np.full(len(x), 0.1), zero))
    return traces


CALIBRATION = Calibration(np.diag([6.0, 6.0, 1.0]), (6.0, 6.0), "grid", line_spacing=5.0)
UNEVEN_GRID = replace(nothing_found(), bend=1.5 * UNEVEN)


@pytest.mark.parametrize("longer", [0.97, 0.985, 1.012, 1.03])
def test_leads_that_are_all_too_long_make_millimetres_larger(longer):
    even = even_patchwork(CALIBRATION, traces_of(longer, jitter=0.001), UNEVEN_GRID)
    ends = apply_homography(even.paper_to_page, np.array([[0.0, 0.0], [100.0, 50.0]]))
    np.testing.assert_allclose(ends[1] - ends[0], 6.0 * longer * np.array([100.0, 50.0]), rtol=2e-3)
    np.testing.assert_allclose(even.pixels_per_mm, 6.0 * longer, rtol=2e-3)
    assert even.bend is None and np.isnan(even.line_spacing)


@pytest.mark.parametrize(
    ("traces", "grid", "calibration"),
    [
        (traces_of(1.001), UNEVEN_GRID, CALIBRATION),
        (traces_of(1.012), replace(UNEVEN_GRID, bend=0.5 * UNEVEN), CALIBRATION),
        (traces_of(1.012, jitter=0.03), UNEVEN_GRID, CALIBRATION),
        (traces_of(1.012, seen=5), UNEVEN_GRID, CALIBRATION),
        (traces_of(1.1), UNEVEN_GRID, CALIBRATION),
        (traces_of(1.012), UNEVEN_GRID, replace(CALIBRATION, source="layout")),
        ([], UNEVEN_GRID, CALIBRATION),
    ],
    ids=["right", "even grid", "not alike", "ends unseen", "another time", "no grid", "no leads"],
)
def test_else_the_grid_holds(traces, grid, calibration):
    assert even_patchwork(calibration, traces, grid) is calibration
