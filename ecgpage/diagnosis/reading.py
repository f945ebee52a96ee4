"""What the system reads from one page of a record, kept in a file: all that diagnosis learns from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ecgpage.io import write_bytes

JPEG_QUALITY = 92

VOLTAGE_STEP = 1e-3
"""mV; voltages are kept to this."""

NOT_PRINTED = np.iinfo(np.int16).min


class ReadingError(ValueError):
    """A file that holds no reading; the message says which."""


@dataclass(frozen=True)
class PageReading:
    """A page read by the digitizer.

    signal: (samples, 12) float32 mV at ``fs`` Hz in the order of ``leads.LEADS``, NaN where nothing was found; ink:
    the page for the image network, see ``ink.ink_image``; profile: the kind of page drawn; snr: (12,) dB of the leads
    against what was printed, with the corrected alignment, NaN where a lead was not printed.
    """

    signal: np.ndarray
    fs: float
    ink: np.ndarray
    profile: str
    snr: np.ndarray


def write_reading(path: Path, reading: PageReading) -> Path:
    """Write a reading (.npz, about 100 kB); it appears whole."""
    known = np.isfinite(reading.signal)
    steps = np.round(np.where(known, reading.signal, 0) / VOLTAGE_STEP).clip(NOT_PRINTED + 1, -NOT_PRINTED - 1)
    _, ink = cv2.imencode(".jpg", reading.ink, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    content = io.BytesIO()
    np.savez_compressed(
        content,
        signal=np.where(known, steps, NOT_PRINTED).astype(np.int16),
        fs=reading.fs,
        ink=ink,
        profile=np.array(reading.profile),
        snr=reading.snr.astype(np.float32),
    )
    return write_bytes(path, content.getvalue())


def read_reading(path: Path) -> PageReading:
    """Read what ``write_reading`` wrote. Raises ReadingError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as parts:
            steps = parts["signal"]
            signal = np.where(steps == NOT_PRINTED, np.nan, steps * VOLTAGE_STEP).astype(np.float32)
            ink = cv2.imdecode(parts["ink"], cv2.IMREAD_GRAYSCALE)
            return PageReading(signal, float(parts["fs"]), ink, str(parts["profile"]), parts["snr"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, cv2.error) as error:
        raise ReadingError(f"expected a page's reading in {path}: {error!r}") from error
