"""Whether rows of the limb leads are out of step: ``python -m benchmarks.row_steps PICTURES``.

On pictures without ground truth, I + III = II and aVR + aVL + aVF = 0 hold better if single rows are moved in time. If
rows really stand out of step, what one half of a column tells holds in the other half; if the steps follow the noise of
the traces, it does not. For every law the steps that either half tells are tried on the other, and the table says by
how many dB its leads agree better there; the last line, how that is over all laws.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from ecgpage.calibration.in_step import Law, law_residual, limb_laws
from ecgpage.calibration.placement import place_traces
from ecgpage.cli import HERE, find_pictures
from ecgpage.io import read_image
from ecgpage.leads import LEADS, PAGE_SECONDS
from ecgpage.pipeline import build_pipeline
from ecgpage.recording import PageError
from ecgpage.reporting import text_table

FS = 500.0
"""Samples per second of what is read: of the common records."""

LARGEST_STEP = 0.3
"""Millimetres by which a row is moved against another at most."""

SHORTEST_MM = 15.0
"""Millimetres that half a column must share."""


def half_of(law: Law, later: bool) -> Law:
    """A law's leads, of which only what lies before or after their middle is printed."""
    middle = np.mean([trace.lead.box[::2] for trace, _ in law])
    return [
        (replace(trace, presence=np.where((trace.x >= middle) == later, trace.presence, 0.0)), sign)
        for trace, sign in law
    ]


def moved(law: Law, steps: np.ndarray) -> Law:
    """The law's leads moved in time by steps, mm."""
    return [(trace.moved(step), sign) for (trace, sign), step in zip(law, steps, strict=True)]


def told_steps(law: Law) -> np.ndarray:
    """Millimetres by which a law's three leads are moved, (3,), where their sum is least; all 0 beyond the largest."""
    start = np.array([[0.0, 0.0], [0.05, 0.0], [0.0, 0.05]])

    def residual(steps: np.ndarray) -> float:
        return law_residual(moved(law, np.append(steps, 0.0)), 0.0, SHORTEST_MM)

    options = {"initial_simplex": start, "xatol": 0.003, "fatol": 1e-3}
    steps = np.append(minimize(residual, start[0], method="Nelder-Mead", options=options).x, 0.0)
    return steps if np.ptp(steps) <= LARGEST_STEP else np.zeros(3)


def gains(law: Law) -> list[float]:
    """By how many dB the leads agree better in the later half by what the earlier one tells, and the reverse."""
    result = []
    for later in (False, True):
        there = half_of(law, not later)
        steps = told_steps(half_of(law, later))
        result.append(law_residual(there, 0.0, SHORTEST_MM) - law_residual(moved(there, steps), 0.0, SHORTEST_MM))
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a picture, or a folder of pictures")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    options = parser.parse_args()
    pipeline, rows = build_pipeline(options.model, diagnosis=False), []
    for picture in find_pictures(options.pictures):
        try:
            page = pipeline.digitize(read_image(picture), FS, round(PAGE_SECONDS * FS), LEADS)
        except PageError as error:
            print(f"{picture.name}: {error}", flush=True)
            continue
        calibration = page.calibration
        if calibration is None:
            continue
        for law in limb_laws(place_traces(page.traces, calibration.speed, calibration.column_lines).traces):
            found = gains(law)
            if np.isfinite(found).all() and len({trace.lead.start for trace, _ in law}) == 1:
                rows.append([picture.stem, " ".join(trace.lead.name for trace, _ in law), *found, np.mean(found)])
    if not rows:
        raise SystemExit(f"expected pictures with limb leads in {options.pictures}, found none")
    print(text_table(["picture", "leads", "told by the first half", "by the second", "mean"], rows, digits=2))
    means = np.array([row[-1] for row in rows], float)
    print(f"{len(means)} laws: mean {means.mean():.2f} dB, median {np.median(means):.2f}, {np.sum(means > 0)} gain")


if __name__ == "__main__":
    main()
