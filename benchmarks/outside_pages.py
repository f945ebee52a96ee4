"""Pages that are not the synthesizer's: what benchmarks that draw such pages share."""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ecgpage.header import IMAGES
from ecgpage.io import write_bytes, write_record
from ecgpage.leads import LEADS, PAGE_SECONDS, PageLayout
from ecgpage.synthesis.records import read_standard_leads


def page_parser(name: str, description: str, number: int, seed: int) -> argparse.ArgumentParser:
    """The parser of a benchmark's arguments: records, where pages go, how many and their seed."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{name}", description=description)
    parser.add_argument("-i", "--input", type=Path, required=True, help="folder of WFDB records of ten seconds")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the pages and their records")
    parser.add_argument("-n", "--number", type=int, default=number, help="pages, one of each record")
    parser.add_argument("--seed", type=int, default=seed, help="of the pages' looks")
    return parser


def first_seconds(folder: Path, name: str) -> tuple[np.ndarray, float]:
    """What a page shows of a record, (samples, 12) float64 mV, and its rate, Hz. Raises as ``read_standard_leads``."""
    signal, fs = read_standard_leads(folder / name)
    return signal[: round(PAGE_SECONDS * fs)].astype(np.float64), fs


def printed(signal: np.ndarray, fs: float, layout: PageLayout) -> np.ndarray:
    """What of a signal (samples, 12), mV, a layout prints; NaN elsewhere."""
    shown = np.full_like(signal, np.nan)
    for lead in layout.leads:
        part = slice(round(lead.start * fs), round((lead.start + lead.duration) * fs))
        shown[part, LEADS.index(lead.name)] = signal[part, LEADS.index(lead.name)]
    return shown


def saved_png(figure: Figure, dpi: int) -> bytes:
    """A figure as a PNG of so many dots per inch; the figure is closed."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    plt.close(figure)
    return picture.getvalue()


def write_page(folder: Path, name: str, picture: bytes, shown: np.ndarray, fs: float) -> Path:
    """Write a page's picture, a PNG, and the WFDB record, (samples, 12) mV, of what it prints; the record's path."""
    write_bytes(folder / f"{name}-0.png", picture)
    return write_record(folder, name, shown, fs, LEADS, comments=[f"{IMAGES}: {name}-0.png"])
