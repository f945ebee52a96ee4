"""Files in, arrays out, and back: WFDB records with their Challenge headers, and page pictures.

Voltages are millivolts, unknown samples NaN (in a file: WFDB's invalid sample, -32768 in format 16).
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ecgpage.header import LABELS, RecordError, RecordHeader, SignalField, format_header, parse_header
from ecgpage.recording import PageError

INVALID_SAMPLE = -32768
"""What format 16 writes for an unknown sample."""

LARGEST_SAMPLE = 32767

PICTURE_TYPES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}


def find_records(folder: str | Path) -> list[str]:
    """Return the records of a folder and its subfolders, as sorted paths relative to it, without extension."""
    folder = Path(folder)
    paths = (path.relative_to(folder) for path in folder.rglob("*.hea") if not path.name.startswith("._"))
    return sorted(str(path)[: -len(".hea")] for path in paths)


def header_path(record: str | Path) -> Path:
    """Return the path of a record's header; ``record`` may come with or without its extension."""
    return Path(str(record).removesuffix(".hea") + ".hea")


def read_header(record: str | Path) -> RecordHeader:
    """Read a record's header. Raises RecordError where there is none, or not a valid one."""
    path = header_path(record)
    if not path.is_file():
        raise RecordError(f"no header {path}")
    return parse_header(path.read_text(encoding="utf-8", errors="replace"), path.stem, path.parent)


def has_signal(header: RecordHeader) -> bool:
    """Whether all signal files of a record are there (hidden records have none)."""
    return all((header.folder / field.file).is_file() for field in header.signals)


def read_signal(record: str | Path, dtype: type = np.float32) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Read a record's signal.

    Returns (signal, fs, names): signal (samples, leads) of ``dtype``, mV, NaN where invalid; fs in Hz; lead names as
    written. Raises RecordError where the signal file is missing, too short or in unknown units.
    """
    header = read_header(record)
    if not has_signal(header):
        raise RecordError(f"{header_path(record)}: its signal file {header.signals[0].file} is missing")
    plain = all(field.format == "16" and field.file == header.signals[0].file for field in header.signals)
    physical = _read_format_16(header) if plain else _read_with_wfdb(header)
    scale = np.array([_millivolts_per(field.units, header.name) for field in header.signals])
    return (physical * scale).astype(dtype), header.fs, header.names


def _read_format_16(header: RecordHeader) -> np.ndarray:
    """Return (samples, leads) float64 in the header's units."""
    path = header.folder / header.signals[0].file
    digital = np.fromfile(path, dtype="<i2")
    expected = header.num_samples * len(header.signals)
    if digital.size < expected:
        raise RecordError(f"{path}: expected {expected} samples ({2 * expected} bytes), found {digital.size}")
    digital = digital[:expected].reshape(header.num_samples, -1)  # (samples, leads)
    gains = np.array([field.gain for field in header.signals])
    baselines = np.array([field.baseline for field in header.signals])
    return np.where(digital == INVALID_SAMPLE, np.nan, (digital - baselines) / gains)


def _read_with_wfdb(header: RecordHeader) -> np.ndarray:
    import wfdb

    return wfdb.rdrecord(str(header.folder / header.name)).p_signal


def _millivolts_per(units: str, name: str) -> float:
    try:
        return _MILLIVOLTS[units.lower()]
    except KeyError:
        raise RecordError(f"{name}.hea: expected units mV, uV or V, found {units!r}") from None


def write_record(
    folder: str | Path,
    name: str,
    signal: np.ndarray,
    fs: float,
    names: Sequence[str],
    labels: Sequence[str] | None = None,
    comments: Sequence[str] = (),
    gains: Sequence[float] | float = 1000.0,
    baselines: Sequence[int] | int = 0,
    units: Sequence[str] | str = "mV",
) -> Path:
    """Write ``name.hea`` and ``name.dat`` (format 16) and return the header's path; a half-written record never shows.

    signal: (samples, leads) mV; NaN and infinities become invalid samples, voltages beyond what 16 bits hold at the
    gain (32.767 mV at 1000) are clipped, with a warning. labels: None writes no ``# Labels:`` line.
    Raises RecordError for a signal whose shape does not fit the names.
    """
    folder, signal = Path(folder), np.asarray(signal, dtype=np.float64)
    if signal.ndim != 2 or signal.shape[1] != len(names) or not signal.size:
        raise RecordError(f"{name}: expected a signal (samples, {len(names)} leads), got shape {signal.shape}")
    count = len(names)
    gains, baselines = np.broadcast_to(gains, count), np.broadcast_to(baselines, count)
    units = [units] * count if isinstance(units, str) else list(units)
    scale = np.array([_millivolts_per(unit, name) for unit in units])
    digital = _to_digital(signal / scale, gains, baselines, name)
    stem = _plain(name)
    fields = [
        SignalField(
            file=f"{stem}.dat",
            format="16",
            gain=float(gains[k]),
            baseline=int(baselines[k]),
            units=units[k],
            resolution=16,
            zero=0,
            initial_value=int(digital[0, k]),
            checksum=int(digital[:, k].sum(dtype=np.int64)) % 65536,
            block_size=0,
            name=names[k],
        )
        for k in range(count)
    ]
    lines = [*comments] if labels is None else [*comments, f"{LABELS}: {', '.join(labels)}"]
    write_bytes(folder / f"{stem}.dat", digital.astype("<i2").tobytes())
    return write_text(folder / f"{name}.hea", format_header(stem, fs, len(signal), fields, lines))


def _plain(name: str) -> str:
    """Return a name for inside a header, where WFDB knows letters, digits, hyphen and underscore only."""
    return re.sub(r"[^\w-]", lambda match: f"_{ord(match[0]):x}_", name, flags=re.ASCII)


def _to_digital(signal: np.ndarray, gains: np.ndarray, baselines: np.ndarray, name: str) -> np.ndarray:
    """Return (samples, leads) int32 within 16 bits, INVALID_SAMPLE where the signal is not finite."""
    finite = np.isfinite(signal)
    exact = np.where(finite, signal, 0.0) * gains + baselines
    clipped = np.clip(exact, -LARGEST_SAMPLE, LARGEST_SAMPLE)
    beyond = int((np.abs(exact - clipped) > 0.5).sum())
    if beyond:
        warnings.warn(f"{name}: {beyond} samples beyond the range of 16 bits were clipped", stacklevel=3)
    return np.where(finite, np.rint(clipped), INVALID_SAMPLE).astype(np.int32)


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 text file at once: readers see the old file or the whole new one."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file at once, making its folder where needed; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as (H, W, 3) uint8 RGB: turned as its EXIF orientation says, transparent parts white, 16-bit
    values scaled to 8 bits. Raises PageError for a file that is missing, broken or not a picture."""
    path = Path(path)
    if not path.is_file():
        raise PageError(f"no picture {path}: expected one of {', '.join(PICTURE_TYPES)}")
    try:
        with Image.open(path) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PageError(
            f"{path} cannot be read as a picture ({error}): expected one of {', '.join(PICTURE_TYPES)}"
        ) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8."""
    if image.mode.startswith(("I", "F")):
        return _grey_to_rgb(np.asarray(image, dtype=np.float64))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    """Scale grey values beyond 8 bits, of full range 1 (floating point), 255 or 65535, to (H, W, 3) uint8."""
    grey = np.nan_to_num(grey, posinf=0.0, neginf=0.0)
    largest = float(grey.max(initial=0.0))
    full = next((value for value in (1.0, 255.0, 65535.0) if largest <= value), largest)
    grey = np.clip(np.rint(grey * (255.0 / full)), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)
