"""How often the printed paper speed and gain are read, and read wrongly.

    python -m benchmarks.printed_scale -d RECORDS

Draws pages in every profile with all speeds and gains alike, and eight times as many of all profiles mixed with speeds
and gains as rare as they usually are, and reads them with their true millimetres. A page counts where its scale is
printed; "wrong" are those on which another value was read than the page's.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.attribution import true_gains
from ecgpage.calibration.scale_reader import PrintedScale, ScaleReader, load_scale_reader
from ecgpage.calibration.scale_training import RESOLUTION, all_scales
from ecgpage.cli import HERE
from ecgpage.io import find_records
from ecgpage.recording import Calibration, Page
from ecgpage.reporting import text_table
from ecgpage.synthesis import DrawnPage
from ecgpage.synthesis.profile import PROFILES, Mixture, Profile
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import VARIED


def read(page: DrawnPage, reader: ScaleReader) -> PrintedScale:
    """Read a drawn page, lying as its paper does, at its true scale."""
    height, width = (round(side * page.pixels_per_mm) for side in reversed(page.paper_size))
    scale = np.diag([page.pixels_per_mm, page.pixels_per_mm, 1.0])
    straight = Page(page.image, (height, width), page.paper_to_picture @ np.linalg.inv(scale), True)
    return reader(straight, Calibration(scale, (page.pixels_per_mm,) * 2, "grid"))


def measure(kind: Profile | Mixture, data: Path, pages: int, reader: ScaleReader) -> list[object]:
    """The table's row of one kind of page."""
    draw, records = RecordDrawer([kind], VARIED), find_records(data)
    if not records:
        raise ValueError(f"expected records to draw in {data}, found none")
    counts = np.zeros(5, int)  # pages with print; speeds read, wrong; gains read, wrong
    for number in range(pages):
        page = draw(data / records[number % len(records)], np.random.default_rng([number, sum(kind.name.encode())]))
        if not page.leads or not any("mm/" in word.text for word in page.words or ()):
            continue
        found, speed, gains = read(page, reader), page.leads[0].speed, true_gains(page.leads)
        counts += (
            1,
            found.speed is not None,
            found.speed not in (None, speed),
            found.gains is not None,
            found.gains not in (None, gains),
        )
    share = 100 / max(1, counts[0])
    return [kind.name, int(counts[0]), *(share * count for count in counts[1:])]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-d", "--data", type=Path, required=True, help="records to draw")
    parser.add_argument("-n", type=int, default=80, help="pages of each profile")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    return parser


def main() -> None:
    """Print a line for each profile."""
    options = build_parser().parse_args()
    reader = load_scale_reader(options.model)
    if reader is None:
        raise SystemExit(f"expected a scale reader in {options.model}")
    profiles = [profile for _, profile in sorted(PROFILES.items()) if isinstance(profile, Profile)]
    rows = [measure(all_scales(profile), options.data, options.n, reader) for profile in profiles]
    usual = PROFILES["all"].drawn_at(*RESOLUTION)
    rows.append(measure(replace(usual, name="all, usual scales"), options.data, 8 * options.n, reader))
    heads = ["profile", "pages", "speed read %", "wrong %", "gain read %", "wrong %"]
    print(text_table(heads, rows, digits=1))


if __name__ == "__main__":
    main()
