"""How often a grid is found where leads say it must be: ``python -m benchmarks.faint_grids -d DATA [-n PAGES]``.

Draws pages of every profile, each with its grid and without one, and looks for the grid from millimetres that are as
wrong as leads' ends and rows tell them, whether or not the grid is seen without a clue:

- *seen at once*: pages whose grid the picture as a whole shows without a clue;
- *found*: pages with a grid on which one is found where leads say it must be;
- *along %*, *across %*: error of a square's width and height at the leads' middle, median and largest of those found;
- *found where none is*: pages without a grid on which one is found all the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgpage.calibration.faint_grid import find_faint_grid
from ecgpage.calibration.grid import measure_grid
from ecgpage.digitization.dataset import visible_leads
from ecgpage.geometry import apply_homography
from ecgpage.io import find_records
from ecgpage.leads import MILLIMETERS_PER_SECOND
from ecgpage.recording import Page
from ecgpage.reporting import text_table
from ecgpage.synthesis import PROFILES, DrawnPage, Profile
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import VARIED

ALONG, ACROSS, SHEAR, TILT = 0.012, 0.04, 0.006, 3e-5
"""Standard deviations by which millimetres told by leads are off: shares of a millimetre along and across, tangent
between rows and columns, perspective per millimetre."""


class Found(NamedTuple):
    """Of one page. at_once: whether its grid is seen without a clue; off: (2,) error of a square's width and height,
    shares, None where no grid is found."""

    at_once: bool
    off: np.ndarray | None


def look(drawn: DrawnPage, rng: np.random.Generator) -> Found | None:
    """Look for a drawn page's grid; None for a page whose leads are not in view."""
    leads = [lead for lead in visible_leads(drawn) if lead.findable]
    points = [lead.points[np.isfinite(lead.points).all(axis=1)] for lead in leads]
    if not leads or not len(np.concatenate(points)):
        return None
    page = Page(drawn.image, drawn.image.shape[:2], np.eye(3), False)
    paper = apply_homography(np.linalg.inv(drawn.paper_to_picture), np.concatenate(points))
    middle = paper.mean(axis=0)
    # leads' lengths tell millimetres of the usual speed
    speed = leads[0].speed / MILLIMETERS_PER_SECOND
    along, across = speed * (1 + rng.normal(0, (ALONG, ACROSS)))
    wrong = np.array([[along, rng.normal(0, SHEAR), middle[0]], [0, across, middle[1]], [*rng.normal(0, TILT, 2), 1]])
    told = drawn.paper_to_picture @ wrong
    places = apply_homography(np.linalg.inv(wrong), paper)
    grid = find_faint_grid(page, told, (*places.min(axis=0), *places.max(axis=0)))
    at_once = measure_grid(page).found
    if not grid.found:
        return Found(at_once, None)
    steps = middle + np.array([[-20, 0], [20, 0], [0, -20], [0, 20.0]])
    left, right, up, down = apply_homography(grid.page_to_lattice @ drawn.paper_to_picture, steps)
    squares = np.array([40 / np.hypot(*(right - left)), 40 / np.hypot(*(down - up))])
    size = min((1.0, 5.0), key=lambda usual: abs(np.log(squares[0] / usual)))
    return Found(at_once, squares / size - 1)


def row(profile: str, with_grid: Sequence[Found], without: Sequence[Found]) -> list[object]:
    """A profile's row of the table: counts, and errors in %."""
    off = np.array([one.off for one in with_grid if one.off is not None]).reshape(-1, 2)
    figures = np.percentile(np.abs(100 * off), (50, 100), axis=0).T.ravel() if len(off) else np.full(4, np.nan)
    seen = sum(one.at_once for one in with_grid)
    wrongly = sum(one.off is not None for one in without)
    return [profile, len(with_grid), seen, len(off), *figures, len(without), wrongly]


def measure(profile: str, data: Path, pages: int) -> list[object]:
    """Draw a profile's pages, each with its grid and without, and return its row of the table.

    Raises ValueError for a folder without records, and for a profile that mixes several.
    """
    records = find_records(data)
    if not records:
        raise ValueError(f"expected records to draw in {data}, found none")
    settings = PROFILES[profile]
    if not isinstance(settings, Profile):
        raise ValueError(f"expected a profile of one kind of pages, came {profile}, which mixes several")
    found: list[list[Found]] = []
    for pattern in (settings.grid.pattern, (("none", 1.0),)):
        draw = RecordDrawer([replace(settings, grid=replace(settings.grid, pattern=pattern))], VARIED)
        drawn = (draw(data / records[k % len(records)], np.random.default_rng(k)) for k in range(pages))
        looked = [look(page, np.random.default_rng(k)) for k, page in enumerate(drawn)]
        found.append([one for one in looked if one is not None])
    return row(profile, *found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted(name for name, settings in PROFILES.items() if isinstance(settings, Profile))
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=f"of {', '.join(kinds)} (default: all of them)")
    parser.add_argument("-d", "--data", type=Path, required=True, help="records to draw")
    parser.add_argument("-n", type=int, default=12, help="pages of each profile")
    options = parser.parse_args(arguments)
    rows = [measure(profile, options.data, options.n) for profile in options.profiles or kinds]
    names = ["along % 50", "along % 100", "across % 50", "across % 100"]
    header = ["profile", "with a grid", "seen at once", "found", *names, "without a grid", "found where none is"]
    print(text_table(header, rows, digits=3))


if __name__ == "__main__":
    main()
