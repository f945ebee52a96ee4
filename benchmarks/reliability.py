"""Draws how reliable probabilities are: ``python -m benchmarks.reliability CROSSVALIDATION.json -o PICTURE.png``.

Reads what ``python -m ecgpage crossvalidate`` wrote. Each point is a tenth of the range of the probability of
"abnormal": its mean on unseen records against their share that is abnormal in fact; below, how many records it holds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ecgpage.diagnosis.labels import ABNORMAL

COLORS = ("#1f5fa8", "#b5651d", "#7b3f9d", "#2e7d32")


def draw(figures: dict[str, Any]) -> Figure:
    """The picture of a cross-validation's figures: one line for each way of judging."""
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    curve, counts = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    curve.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for (name, judged), color in zip(figures["members"].items(), COLORS, strict=False):
        bins = judged["reliability"]
        said = [part["said"] for part in bins]
        error = judged["calibration_error"][ABNORMAL]
        curve.plot(said, [part["true"] for part in bins], "o-", color=color, label=f"{name}: error {error:.3f}")
        counts.plot(said, [part["records"] for part in bins], "o-", color=color)
    curve.set(ylabel="abnormal in fact", xlim=(0, 1), ylim=(0, 1), title="Probability of abnormal, unseen records")
    curve.legend(frameon=False)
    counts.set(xlabel="mean probability", ylabel="records", ylim=(0, None))
    return figure


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, help="crossvalidation.json")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the picture goes (.png)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture."""
    options = build_parser().parse_args(arguments)
    figure = draw(json.loads(options.figures.read_text(encoding="utf-8")))
    figure.savefig(options.output, dpi=110)
    print(options.output)


if __name__ == "__main__":
    main()
