"""How long detecting one page takes on one core: ``python -m benchmarks.detector_speed``.

In PyTorch and in ONNX Runtime. A sample's page is brought to 2200 x 1700 pixels; each figure is the median over several
runs of fitting it into the network's input, the network, and picking the boxes. Also prints how far the two runtimes'
predictions are apart at most over all samples' pages: of boxes that count for the mean average precision, and of all
that the network gives, most of which are nowhere and some wider than the page (single precision tells a coordinate of
a thousand pixels to 0.0001).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from benchmarks.detection import LEAST_CONFIDENCE
from ecgpage.cli import HERE, find_pictures
from ecgpage.detection import LeadDetector, load_detector
from ecgpage.io import read_image
from ecgpage.reporting import text_table
from yolov7 import export_onnx
from yolov7.postprocess import decode, images_to_tensor, letterbox, letterbox_size, select

PAGE = (1700, 2200)


def onnx_session(detector: LeadDetector, size: tuple[int, int]) -> onnxruntime.InferenceSession:
    """The detector in ONNX Runtime on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        export_onnx(detector.network, path, size)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call, s, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))


def differences(predictions: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[tuple[str, float, float]]:
    """How far pairs of decoded predictions (B, N, 5 + nc) are apart at most, in px of the input and in scores: those
    whose objectness counts for the mean average precision in the first of a pair, and all."""
    first, second = (torch.cat([both[which].flatten(0, 1) for both in predictions]) for which in (0, 1))
    apart = (first - second).abs()
    counts = first[:, 4] >= LEAST_CONFIDENCE
    return [
        (name, float(rows[:, :4].max()), float(rows[:, 4:].max()))
        for name, rows in ((f"objectness {LEAST_CONFIDENCE} and more", apart[counts]), ("all", apart))
        if len(rows)
    ]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.detector_speed", description="Detection time of one page.")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the trained model")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each")
    return parser


def main() -> None:
    """Print the table."""
    parser = build_parser()
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, came {options.repeats}")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pages = [
        cv2.resize(read_image(picture), PAGE[::-1], interpolation=cv2.INTER_AREA)
        for picture in find_pictures(HERE / "samples")
    ]
    detector = load_detector(options.model)
    settings = detector.settings
    size = letterbox_size(*PAGE)
    session, model = onnx_session(detector, size), detector.model

    def fitted(page: np.ndarray) -> torch.Tensor:
        return images_to_tensor([letterbox(page, size, average=True)[0]])

    def eager(page: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return decode(model(fitted(page)), model.head.anchor_grid)

    def runtime(page: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"images": fitted(page).numpy()})[0])

    rows = [
        (
            name,
            median_seconds(
                lambda run=run: select(run(pages[0]), settings.confidence, settings.overlap, every_class=True),
                options.repeats,
            ),
        )
        for name, run in (("PyTorch, fused", eager), ("ONNX Runtime", runtime))
    ]
    print(f"{PAGE[1]} x {PAGE[0]} px page, input {size[1]} x {size[0]}, one core, {options.repeats} runs")
    print(text_table(("detection", "seconds"), rows, digits=3))
    print(f"predictions apart by at most, on {len(pages)} pages:")
    print(
        text_table(("boxes", "px", "scores"), differences([(eager(page), runtime(page)) for page in pages]), digits=6)
    )


if __name__ == "__main__":
    main()
