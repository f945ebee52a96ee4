"""Millimetres of a page whose grid is not seen, from its leads: where they begin and end in time, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from ecgpage.calibration.assembly import PRINTED_FS, UNSEEN, mean_place, printed_ends, rise
from ecgpage.geometry import apply_homography
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import LeadBox, LeadTrace

UNIT = 125.0
"""Millimetres that count as 1 in the fit: half a usual page."""

END_ERROR = 0.7
"""Standard deviation of a lead's end that is seen sharply, mm."""

ALL_SAY, TOLD_ERROR = (2.0, 1.2, 0.7, 0.4), 0.3
"""Millimetres (standard deviations, round by round) around where all ends together put one, within which its trace's
presence tells it anew; and standard deviation of one so told that is seen sharply. Print beside a lead's first
millimetres makes its presence vague there, so that it rises in steps; the step that all leads share is their end."""

REACH, LEAST_RISE = 6.0, 0.1
"""Millimetres from a box's edge within which its trace's end is told so, and rise of its presence there at least."""

GAP = 0.3
"""Scale of the gap between columns in Cauchy's distribution, mm: most pages have none, some one of several
millimetres."""

PIECE = 30.0
"""Millimetres of a lead whose median height is one point of its row."""

BESIDE_END = 12.0
"""Millimetres of a lead next to its end whose median is its height there."""

STRETCH = 0.1
"""Standard deviation of the paper's relative length, by which what is fitted is held to it as it is."""


class Held(NamedTuple):
    """Standard deviations of what else is fitted. perspective: change of scale within ``UNIT``; shear: tangent of the
    angle between rows and columns less a right angle; level: of a piece of a lead beside its row's, mm, for baselines
    wander."""

    perspective: float
    shear: float
    level: float


PHOTOGRAPHED, SCANNED = Held(0.015, 0.03, 0.5), Held(0.003, 0.004, 4.0)
"""Of any picture, and of one that is flat already, as scans are and photographs once straightened by their outline:
there baselines that wander would else be taken for perspective and for rows that lean."""

AS_WELL, SHARP = 1.15, 0.1
"""How many times the ends' misfit may be as large in a scan, and the misfit that is none."""

LEAST_DEPTH = 0.5
"""Least depth of a lead's end as a share of the largest."""

FEWEST = 2
"""Printed leads of known times that a fit takes."""

_GAP = 6  # place of the gap among what is fitted


class _Observed(NamedTuple):
    """What traces show. ends: (N, 2) mm where leads begin and end, at their own heights; places: (N,) mm at which time
    has them; gaps: (N,) how many gaps between columns stand before them; deviations: (N,) mm; rises: N pairs of places
    (K,) mm where presence rises near an end, and by how much (K,); levels: (M, 2) mm middles of leads' pieces; rows:
    (M,) numbers from 0 of their rows."""

    ends: np.ndarray
    places: np.ndarray
    gaps: np.ndarray
    deviations: np.ndarray
    rises: list[tuple[np.ndarray, np.ndarray]]
    levels: np.ndarray
    rows: np.ndarray


def even_paper(traces: Sequence[LeadTrace], paper_to_picture: np.ndarray) -> np.ndarray | None:
    """Homography to the picture of paper on which every lead begins and ends in its time and rows are level.

    traces: leads of known times in millimetres of paper that is roughly right (some per cent, some degrees);
    paper_to_picture: homography of that. Robust least squares over ends and rows, held to the paper as it is as far as
    they do not tell: closely, as scans are, if ends then lie in their times about as well; ends are then told anew
    around where all of them are (``ALL_SAY``). Columns may stand apart, all by the same gap. A millimetre upwards
    measures as many picture pixels as one along, at the leads' middle. None where fewer than two leads are printed, and
    where no camera sees a page like what fits them.
    """
    observed = _observe(traces)
    if observed is None:
        return None
    middle = np.median(observed.ends, axis=0)
    even = _fit(observed, middle)
    for around in ALL_SAY:
        if not _is_in_front(even, observed):
            return None
        observed = _told_anew(observed, even.off, around)
        even = _fit(observed, middle)
    if not _is_in_front(even, observed):
        return None
    even_to_picture = paper_to_picture @ np.linalg.inv(even.homography)
    at = apply_homography(even.homography, middle[None])
    here, along, up = apply_homography(even_to_picture, at + np.array([[0, 0], [1, 0], [0, 1]]))
    taller = np.linalg.norm(along - here) / np.linalg.norm(up - here)
    result = even_to_picture @ np.diag([1, taller, 1])
    return result / result[2, 2]


def _observe(traces: Sequence[LeadTrace]) -> _Observed | None:
    known = [trace for trace in traces if trace.printed.any() and _is_timed(trace.lead)]
    if len(known) < FEWEST:
        return None
    ends, places, gaps, deviations, rises, levels, rows = [], [], [], [], [], [], []
    for trace in known:
        lead = trace.lead
        x, y = trace.x[trace.printed], trace.y[trace.printed]
        times = (lead.start, lead.start + lead.duration - 1 / PRINTED_FS)
        for (place, deviation), time in zip(printed_ends(trace), times, strict=True):
            near = np.abs(x - place) < BESIDE_END
            ends.append((place, np.median(y[near]) if near.any() else np.median(y)))
            places.append(MILLIMETERS_PER_SECOND * time)
            gaps.append(0 if lead.strip else lead.column)
            deviations.append(np.hypot(END_ERROR, min(deviation, UNSEEN)))
        rises += _rises(trace)
        for part in np.array_split(np.arange(len(x)), max(2, round((x[-1] - x[0]) / PIECE))):
            if len(part):
                levels.append((np.median(x[part]), np.median(y[part])))
                rows.append(lead.row)
    numbers = np.unique(rows, return_inverse=True)[1]
    ends, places, gaps, deviations, levels = map(np.array, (ends, places, gaps, deviations, levels))
    return _Observed(ends, places, gaps, deviations, rises, levels, numbers)


def _rises(trace: LeadTrace) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where a trace's presence rises at its beginning, and falls at its end, each places (K,) mm and by how much (K,);
    nowhere where the picture cuts it off."""
    result = []
    for edge, presence, cut in zip(trace.lead.box[::2], (trace.presence, 1 - trace.presence), trace.cut, strict=True):
        near = np.abs(trace.x - edge) < REACH
        places, steps = rise(trace.x[near], presence[near])
        inside = slice(0) if cut else slice(1, -1)  # what is seen first and last may rise anywhere beyond
        result.append((places[inside], steps[inside]))
    return result


def _told_anew(observed: _Observed, off: np.ndarray, around: float) -> _Observed:
    """What is observed with each end where its presence rises near its place by all of them; one without such a rise
    stays, and hardly counts.

    off: (N,) mm that ends lie beside it; around: standard deviation, mm, of what counts as near.
    """
    ends, deviations = observed.ends.copy(), np.full(len(off), np.hypot(TOLD_ERROR, UNSEEN))
    for k, (places, steps) in enumerate(observed.rises):
        expected = ends[k, 0] - off[k]
        weights = steps * np.exp(-0.5 * ((places - expected) / around) ** 2)
        if weights.sum() >= LEAST_RISE:
            ends[k, 0], deviation = mean_place(places, weights)
            told = np.hypot(TOLD_ERROR, deviation) / np.sqrt(min(1.0, weights.sum()))
            deviations[k] = min(deviations[k], told)
    return observed._replace(ends=ends, deviations=deviations)


def _is_timed(lead: LeadBox) -> bool:
    return bool(np.isfinite(lead.start) and np.isfinite(lead.duration))


class _Even(NamedTuple):
    """Even paper. homography: to it, in mm, time's own from 0 s on; off: (N,) mm that ends lie off their places in
    time; misfit: of them, in their deviations, far ones counting less."""

    homography: np.ndarray
    off: np.ndarray
    misfit: float


def _is_in_front(even: _Even, observed: _Observed) -> bool:
    """Whether all ends lie in front of a camera, none much nearer than another."""
    depths = np.column_stack([observed.ends, np.ones(len(observed.ends))]) @ even.homography[2]
    return bool(depths.min() >= LEAST_DEPTH * depths.max())


def _fit(observed: _Observed, middle: np.ndarray) -> _Even:
    """Fit even paper to what is observed, around its middle (2,), mm: flat, where that fits about as well."""
    scanned, photographed = (_fit_held(observed, middle, held) for held in (SCANNED, PHOTOGRAPHED))
    return scanned if scanned.misfit <= AS_WELL * max(photographed.misfit, SHARP) else photographed


def _fit_held(observed: _Observed, middle: np.ndarray, held: Held) -> _Even:
    """Fit even paper to what is observed, around its middle (2,), mm, held to the paper as it is."""
    ends, levels = (observed.ends - middle) / UNIT, (observed.levels - middle) / UNIT
    first = float(np.median(observed.places))
    places = (observed.places - first) / UNIT

    def along(values: np.ndarray) -> np.ndarray:
        a, b, c, _, g, h, gap = values[:7]
        off = (a * ends[:, 0] + b * ends[:, 1] + c) / (1 + g * ends[:, 0] + h * ends[:, 1]) - places
        return UNIT * off - gap * observed.gaps

    def misfits(values: np.ndarray) -> np.ndarray:
        a, b, _, d, g, h, gap = values[:7]
        heights = values[7:][observed.rows]
        down = UNIT * ((d * levels[:, 0] + levels[:, 1]) / (1 + g * levels[:, 0] + h * levels[:, 1]) - heights)
        kept = (g / held.perspective, h / held.perspective)
        robust = _robust(np.concatenate([along(values) / observed.deviations, down / held.level, kept]))
        rarity = np.sqrt(np.log1p((gap / GAP) ** 2))
        return np.append(robust, [(b + d) / held.shear, (a - 1) / STRETCH, rarity])

    rows = [float(np.median(levels[observed.rows == row, 1])) for row in range(observed.rows.max() + 1)]
    start = np.array([1.0, 0, 0, 0, 0, 0, 0, *rows])
    least = np.full(len(start), -np.inf)
    least[_GAP] = 0.0  # columns do not overlap
    found = least_squares(misfits, start, bounds=(least, np.inf)).x
    a, b, c, d, g, h = found[:6]
    fitted = np.array([[a, b, c], [d, 1, 0], [g, h, 1]])  # in units around the middle
    units = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, UNIT]]) / UNIT
    homography = np.array([[UNIT, 0, first], [0, UNIT, middle[1]], [0, 0, 1]]) @ fitted @ units
    off = along(found)
    return _Even(homography, off, float(np.sqrt(np.square(_robust(off / observed.deviations)).mean())))


def _robust(measured: np.ndarray) -> np.ndarray:
    """Misfits of which far ones count less, of those measured in their deviations."""
    return np.sqrt(2 * (np.sqrt(1 + measured**2) - 1) + 1e-12)
