"""Pages of another program: ``python -m benchmarks.plotted_pages -i RECORDS -o PAGES [-n 24] [--seed 1]``.

Plots records with ecg_plot (``pip install ecg_plot==0.3.0``, used by nothing else), in its layouts by turns, as
pictures of 100 to 300 dots per inch, and writes them with what they print as WFDB records, to be read by
``run_model.py`` and judged by ``evaluate_model.py``. Nothing was trained on such pages.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.outside_pages import first_seconds, page_parser, printed, saved_png, write_page
from ecgpage.io import find_records
from ecgpage.leads import LEADS, by_columns, layout_grid

RESOLUTIONS = (100, 150, 200, 300)
"""Dots per inch."""


@dataclass(frozen=True)
class Layout:
    """One of ecg_plot's: columns of leads, seconds of each, whether the columns follow each other in time, whether lead
    II is printed once more below; options: its own name for it."""

    columns: int
    seconds: float
    follow: bool
    strip: bool
    options: dict[str, Any]

    def printed(self, signal: np.ndarray, fs: float) -> np.ndarray:
        """What of a signal (samples, 12), mV, is printed; NaN elsewhere."""
        names, width = by_columns(LEADS, self.columns), self.seconds * self.columns
        return printed(signal, fs, layout_grid(names, ("II",) * self.strip, width, not self.follow, self.seconds))


LAYOUTS = (
    Layout(4, 2.5, True, True, {"layout": "12lead", "time_mode": "sequential", "rhythm_lead": "II"}),
    Layout(2, 5.0, False, False, {"layout": "columns", "columns": 2}),
    Layout(4, 2.5, True, False, {"layout": "12lead", "time_mode": "sequential"}),
    Layout(1, 10.0, False, False, {"layout": "stacked"}),
)


def plot(signal: np.ndarray, fs: float, layout: Layout, rng: np.random.Generator) -> bytes:
    """A page of a signal (samples, 12), mV, as a PNG."""
    import ecg_plot

    window = 0.0, layout.seconds * (layout.columns if layout.follow else 1)
    kind = {"style": [None, "bw"][int(rng.integers(2))], **layout.options}
    chart = ecg_plot.plot(signal.T, sample_rate=fs, lead_names=list(LEADS), window=window, **kind)
    figure, _ = chart.to_matplotlib()
    return saved_png(figure, int(rng.choice(RESOLUTIONS)))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    return page_parser("plotted_pages", "Pages of another program.", 24, 1)


def main() -> None:
    """Plot the pages."""
    options = build_parser().parse_args()
    for k, name in enumerate(find_records(options.input)[: options.number]):
        signal, fs = first_seconds(options.input, name)
        layout = LAYOUTS[k % len(LAYOUTS)]
        picture = plot(signal, fs, layout, np.random.default_rng([options.seed, k]))
        print(write_page(options.output, name, picture, layout.printed(signal, fs), fs))


if __name__ == "__main__":
    main()
