"""Pages of short scripts: ``python -m benchmarks.scripted_pages -i RECORDS -o PAGES [-n 48] [--seed 5]``.

Draws records as people's own scripts do, in four ways by turns (one plot of Matplotlib, its subplots with grids of
their own, OpenCV's lines and Pillow's), as they are, photographed and scanned by turns, and writes the pages with what
they print as WFDB records, to be read by ``run_model.py`` and judged by ``evaluate_model.py``. Nothing of it is shared
with the synthesizer, and nothing was trained on such pages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from benchmarks.outside_pages import first_seconds, page_parser, printed, saved_png, write_page
from ecgpage.io import find_records
from ecgpage.leads import LEADS, PAGE_SECONDS, PageLayout, by_columns, layout_grid

SPEED, GAIN, INCH = 25.0, 10.0, 25.4
"""mm/s, mm/mV, mm."""

PITCH = {4: 31.0, 2: 25.0, 1: 18.0}
"""Millimetres between rows, by the number of columns."""

MARGIN, TOP = 12.0, 28.0
"""Millimetres left of the leads and above the first zero line."""

Drawer = Callable[[np.ndarray, float, PageLayout, np.random.Generator], np.ndarray]
"""A page's picture, (H, W, 3) uint8 BGR, of a signal, (samples, 12) mV, at a rate, Hz, in a layout."""


def any_layout(rng: np.random.Generator, strips: bool = True) -> PageLayout:
    """3x4, often with a strip of lead II, 6x2 or 12x1."""
    columns = int(rng.choice([4, 2, 1], p=[0.65, 0.2, 0.15]))
    strip = strips and columns == 4 and rng.random() < 0.7
    return layout_grid(by_columns(LEADS, columns), ("II",) * strip, PAGE_SECONDS)


def page_size(layout: PageLayout) -> tuple[float, float, int, float]:
    """Width and height of a page, mm, its rows and the millimetres between them."""
    rows = 1 + max(lead.row for lead in layout.leads)
    pitch = PITCH[1 + max(lead.column for lead in layout.leads)]
    return SPEED * PAGE_SECONDS + 2 * MARGIN, rows * pitch + 35.0, rows, pitch


def _courses(signal: np.ndarray, fs: float, layout: PageLayout) -> list[tuple[str, np.ndarray, float, float]]:
    """Name, points (n, 2) in mm from the page's upper left corner, begin and zero line of each lead."""
    pitch, courses = page_size(layout)[3], []
    for lead in layout.leads:
        part = np.arange(round(lead.start * fs), round((lead.start + lead.duration) * fs))
        begin, zero = MARGIN + SPEED * lead.offset, TOP + pitch * lead.row
        x = begin + SPEED * (part / fs - lead.start)
        y = zero - GAIN * signal[part, LEADS.index(lead.name)]
        courses.append((lead.name, np.stack([x, y], axis=1), begin, zero))
    return courses


def _pulse(zero: float) -> np.ndarray:
    """Points (6, 2), mm, of a calibration pulse before a row."""
    x = MARGIN - np.array([8.0, 7.0, 7.0, 2.0, 2.0, 1.0])
    return np.stack([x, zero - GAIN * np.array([0, 0, 1, 1, 0, 0])], axis=1)


def _picture(figure: Figure, dpi: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(saved_png(figure, dpi), np.uint8), cv2.IMREAD_COLOR)


def one_plot(signal: np.ndarray, fs: float, layout: PageLayout, rng: np.random.Generator) -> np.ndarray:
    """All leads on one pair of Matplotlib's axes."""
    width, height, rows, _ = page_size(layout)
    figure = plt.figure(figsize=(width / INCH, height / INCH), facecolor=str(rng.choice(["white", "#fff5f5"])))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    color = str(rng.choice(["#f5b7b1", "#ffcccc", "lightcoral", "#cfcfcf"]))
    for draw, length in ((axes.axvline, width), (axes.axhline, height)):
        for at in np.arange(0, length, 1.0):
            draw(at, color=color, lw=0.8 if at % 5 == 0 else 0.3, alpha=0.8, zorder=0)
    pen, size = float(rng.choice([0.6, 0.8, 1.0, 1.3])), int(rng.choice([8, 10, 12]))
    for name, points, begin, zero in _courses(signal, fs, layout):
        axes.plot(*points.T, "k", lw=pen)
        axes.text(begin + 1, zero - 9, name, fontsize=size)
    if rng.random() < 0.5:
        for row in range(rows):
            axes.plot(*_pulse(TOP + page_size(layout)[3] * row).T, "k", lw=pen)
    if rng.random() < 0.7:
        axes.text(MARGIN, height - 3, "25 mm/s   10 mm/mV", fontsize=9)
    return _picture(figure, int(rng.choice([100, 150, 200, 300])))


def subplots(signal: np.ndarray, fs: float, layout: PageLayout, rng: np.random.Generator) -> np.ndarray:
    """Each lead in a subplot of its own, whose ticks are its grid; squares are not quite square."""
    rows, columns = (1 + max(getattr(lead, axis) for lead in layout.leads) for axis in ("row", "column"))
    most, seconds = 1.5 if columns == 4 else 1.2, PAGE_SECONDS / columns
    width, height, apart = SPEED * PAGE_SECONDS + 30.0, 2 * GAIN * most * rows, float(rng.choice([0.0, 0.0, 0.15]))
    figure, axes = plt.subplots(
        rows, columns, figsize=(width / INCH, (height * (1 + apart) + 25) / INCH), squeeze=False
    )
    figure.subplots_adjust(15 / width, 0.06, 1 - 15 / width, 0.93, 0.0, apart)
    color = str(rng.choice(["red", "black"]))
    for lead in layout.leads:
        plot, end = axes[lead.row, lead.column], lead.start + seconds
        part = np.arange(round(lead.start * fs), round(end * fs))
        plot.plot(part / fs, signal[part, LEADS.index(lead.name)], "k", lw=0.8)
        plot.set(xlim=(lead.start, end), ylim=(-most, most))
        for minor, step, level in ((False, 0.2, 0.5), (True, 0.04, 0.1)):
            plot.set_xticks(np.arange(lead.start, end + 0.001, step), minor=minor)
            plot.set_yticks(np.arange(-most, most + 0.01, level), minor=minor)
        plot.grid(which="major", color=color, lw=0.6, alpha=0.5)
        plot.grid(which="minor", color=color, lw=0.3, alpha=0.3)
        plot.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
        plot.text(0.02, 0.85, lead.name, transform=plot.transAxes, fontsize=10)
    return _picture(figure, int(rng.choice([100, 150, 200])))


def by_opencv(signal: np.ndarray, fs: float, layout: PageLayout, rng: np.random.Generator) -> np.ndarray:
    """Lines on whole pixels and names in strokes."""
    per_mm = int(rng.choice([5, 6, 8, 10]))
    width, height = (round(length * per_mm) for length in page_size(layout)[:2])
    fine, strong = [((220, 220, 255), (170, 170, 255)), ((225, 225, 225), (180, 180, 180))][int(rng.integers(2))]
    image = np.full((height, width, 3), 255, np.uint8)
    for step, color, thick in ((1, fine, 1), (5, strong, max(1, per_mm // 5))):
        for at in range(0, max(width, height), step * per_mm):
            cv2.line(image, (at, 0), (at, height), color, thick)
            cv2.line(image, (0, at), (width, at), color, thick)
    pen = max(1, int(rng.choice([0.2, 0.3, 0.4]) * per_mm))
    line = cv2.LINE_AA if rng.random() < 0.6 else cv2.LINE_8
    for name, points, begin, zero in _courses(signal, fs, layout):
        fixed = np.round(points * per_mm * 16).astype(np.int32)  # points in sixteenths of a pixel
        cv2.polylines(image, [fixed[:, None]], False, (0, 0, 0), pen, line, 4)
        place = round((begin + 1) * per_mm), round((zero - 9) * per_mm)
        cv2.putText(image, name, place, cv2.FONT_HERSHEY_SIMPLEX, per_mm / 10, (0, 0, 0), max(1, per_mm // 5))
    return image


def by_pillow(signal: np.ndarray, fs: float, layout: PageLayout, rng: np.random.Generator) -> np.ndarray:
    """Drawn three times as large and reduced."""
    per_mm, times = float(rng.choice([4.0, 5.905, 7.874])), 3
    width, height, rows, pitch = page_size(layout)
    scale = per_mm * times
    image = Image.new("RGB", (round(width * scale), round(height * scale)), (255, 252, 245))
    canvas = ImageDraw.Draw(image)
    fine, strong = [((250, 215, 210), (240, 160, 150)), ((205, 235, 205), (140, 200, 140))][int(rng.integers(2))]
    for at in np.arange(0, max(width, height)):
        color, thick = (fine, times) if at % 5 else (strong, 2 * times)
        canvas.line([(at * scale, 0), (at * scale, image.height)], color, thick)
        canvas.line([(0, at * scale), (image.width, at * scale)], color, thick)
    ink, pen = (
        [(0, 0, 0), (20, 20, 60), (60, 60, 60)][int(rng.integers(3))],
        round(rng.choice([0.2, 0.3, 0.45]) * scale),
    )
    font = ImageFont.load_default(size=3.2 * scale)
    for name, points, begin, zero in _courses(signal, fs, layout):
        canvas.line([tuple(point) for point in points * scale], ink, pen)
        canvas.text(((begin + 1) * scale, (zero - 13) * scale), name, ink, font)
    if rng.random() < 0.6:
        for row in range(rows):
            canvas.line([tuple(point) for point in _pulse(TOP + pitch * row) * scale], ink, pen)
    small = image.resize((image.width // times, image.height // times), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(small)[:, :, ::-1])


def _jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 92))]
    return cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)


def photographed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From aside, on a table, in uneven light."""
    scale = min(1.0, 2400 / image.shape[1])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    size = np.array([image.shape[1], image.shape[0]])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    angle, margin = np.radians(rng.uniform(-8, 8)), rng.uniform(0.05, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (corners + rng.uniform(-0.04, 0.04, (4, 2)) * size - size / 2) @ turn.T
    seen += margin * size - seen.min(axis=0)
    width, height = (int(length) for length in seen.max(axis=0) + margin * size)
    to_photo = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
    paper = cv2.warpPerspective(np.ones(image.shape[:2], np.float32), to_photo, (width, height))[..., None]
    rough = cv2.resize(rng.normal(0, 12, (height // 8, width // 8, 3)), (width, height))
    photo = cv2.warpPerspective(image, to_photo, (width, height), flags=cv2.INTER_AREA) * paper
    photo = photo + (rng.integers(40, 200, 3) + rough) * (1 - paper)
    y, x = np.mgrid[:height, :width]
    way = rng.uniform(0, 2 * np.pi)
    slope = (x / width - 0.5) * np.cos(way) + (y / height - 0.5) * np.sin(way)
    photo *= (rng.uniform(0.75, 0.95) + rng.uniform(0.1, 0.5) * slope)[..., None]
    photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.3, 1.2)) + rng.normal(0, rng.uniform(2, 9), photo.shape)
    return _jpeg(np.clip(photo, 0, 255).astype(np.uint8), rng)


def scanned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A little turned, noisy, half of them grey."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-4, 4), 1)
    scan = cv2.warpAffine(image, turn, (width, height), borderValue=(255, 255, 255), flags=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        scan = cv2.cvtColor(cv2.cvtColor(scan, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return _jpeg(np.clip(scan + rng.normal(0, 6, scan.shape), 0, 255).astype(np.uint8), rng)


def as_drawn(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture itself."""
    return image


DRAWERS: tuple[Drawer, ...] = (one_plot, subplots, by_opencv, by_pillow)
FINISHES = (as_drawn, photographed, scanned)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this benchmark's arguments."""
    return page_parser("scripted_pages", "Pages of short scripts.", 48, 5)


def main() -> None:
    """Draw the pages."""
    options = build_parser().parse_args()
    for k, name in enumerate(find_records(options.input)[: options.number]):
        rng = np.random.default_rng([options.seed, k])
        signal, fs = first_seconds(options.input, name)
        draw, finish = DRAWERS[k % len(DRAWERS)], FINISHES[k // len(DRAWERS) % len(FINISHES)]
        layout = any_layout(rng, strips=draw is not subplots)
        picture = finish(draw(signal, fs, layout, rng), rng)
        png = cv2.imencode(".png", picture)[1].tobytes()
        print(write_page(options.output, name, png, printed(signal, fs, layout), fs))


if __name__ == "__main__":
    main()
