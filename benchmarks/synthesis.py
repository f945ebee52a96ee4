"""How fast pages are drawn: ``python -m benchmarks.synthesis [-n PAGES] [PROFILE ...]``.

For every profile, in a process of its own with one thread: pages of 2200 x 1700 pixels per second of CPU time, drawn
from the records of ``benchmarks/records`` at 190 to 210 dpi, from signal to picture and ground truth in memory; the
figure is the pixels drawn, in pages of that size. ``ms`` is the CPU time of such a page; ``memory`` the process's peak,
with Python and all libraries in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import cv2
import numpy as np

from ecgpage.cli import HERE
from ecgpage.io import find_records
from ecgpage.reporting import text_table
from ecgpage.synthesis import PROFILES
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import VARIED

RECORDS = HERE / "benchmarks" / "records"
PAGE_PIXELS = 2200 * 1700
RESOLUTION = (190.0, 210.0)


def measure(name: str, pages: int) -> tuple[float, float, float]:
    """Draw pages of a profile: (pixels drawn, CPU seconds, peak memory of this process in MB)."""
    cv2.setNumThreads(1)
    draw = RecordDrawer([PROFILES[name].drawn_at(*RESOLUTION)], VARIED)
    records = [RECORDS / record for record in find_records(RECORDS)]
    draw(records[0], np.random.default_rng(0))  # fonts and libraries
    pixels, begin = 0, time.process_time()
    for number in range(pages):
        height, width = draw(records[number % len(records)], np.random.default_rng(number)).image.shape[:2]
        pixels += height * width
    seconds = time.process_time() - begin
    return pixels, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.synthesis", description="How fast pages are drawn.")
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help="profiles (default: every one)")
    parser.add_argument("-n", type=int, default=40, help="pages of each profile")
    return parser


def main() -> None:
    """Measure the profiles asked for and print a line for each."""
    options = build_parser().parse_args()
    rows = []
    for name in options.profiles or sorted(PROFILES):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pixels, seconds, memory = pool.apply(measure, (name, options.n))
        rate = pixels / PAGE_PIXELS / seconds
        rows.append((name, rate, 1000 / rate, memory))
    print(text_table(("profile", "pages/s", "ms", "memory MB"), rows, digits=1))


if __name__ == "__main__":
    main()
