"""The text of WFDB headers, Challenge style: parsed into a frozen RecordHeader and written again.

Format: https://physionet.org/physiotools/wag/header-5.htm. Nothing here opens a file; see ``ecgpage.io``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

IMAGES = "Image"
LABELS = "Labels"

_GAIN = re.compile(r"(?P<gain>[-+.\deE]+)?(?:\((?P<baseline>[-+]?\d+)\))?(?:/(?P<units>\S+))?")
_DEFAULT_GAIN = 200.0
_NUMBER = re.compile(r"[-+]?\d+")


class RecordError(ValueError):
    """A record that cannot be read or written; the message names it, what was expected and what came."""


@dataclass(frozen=True)
class SignalField:
    """One signal line of a header. ``initial_value``, ``checksum`` and ``block_size`` are None where left out."""

    file: str
    format: str
    gain: float
    baseline: int
    units: str
    resolution: int
    zero: int
    initial_value: int | None
    checksum: int | None
    block_size: int | None
    name: str


@dataclass(frozen=True)
class RecordHeader:
    """A record's header.

    name: the file's name without extension; fs: Hz; num_samples: samples per lead;
    signals: one field per lead, in the record's order; comments: the comment lines without their ``#``;
    folder: where the header stands, and thus its images and signals.
    """

    name: str
    fs: float
    num_samples: int
    signals: tuple[SignalField, ...]
    comments: tuple[str, ...] = ()
    folder: Path = Path()

    @property
    def names(self) -> tuple[str, ...]:
        """Lead names as they are written, in the record's order."""
        return tuple(field.name for field in self.signals)

    @property
    def images(self) -> tuple[Path, ...]:
        """Paths of the record's page pictures, in the header's order; empty where it lists none."""
        return tuple(self.folder / name for name in self.items(IMAGES))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the record's diagnostic classes; empty where it lists none."""
        return self.items(LABELS)

    def items(self, key: str) -> tuple[str, ...]:
        """Comma-separated values of every ``# key:`` comment, empty ones left out."""
        lines = [line.removeprefix(f"{key}:") for line in self.comments if line.startswith(f"{key}:")]
        return tuple(item.strip() for line in lines for item in line.split(",") if item.strip())

    def comments_without(self, *keys: str) -> tuple[str, ...]:
        """The comments that are none of the ``# key:`` lines."""
        return tuple(line for line in self.comments if not line.startswith(tuple(f"{key}:" for key in keys)))


def parse_header(text: str, name: str = "", folder: Path = Path()) -> RecordHeader:
    """Parse a header's text; ``name`` replaces the name on its first line, where given.

    Raises RecordError for a header without record line, sampling rate, number of samples or signal lines.
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    body = [line for line in lines if line and not line.startswith("#")]
    written, count, fs, num_samples = _parse_record_line(body[0] if body else "", name)
    if len(body) < 1 + count:
        raise RecordError(f"{name or written}.hea: expected {count} signal lines, found {len(body) - 1}")
    signals = tuple(_parse_signal_line(line, name or written) for line in body[1 : 1 + count])
    return RecordHeader(name or written, fs, num_samples, signals, comments, folder)


def _parse_record_line(line: str, name: str) -> tuple[str, int, float, int]:
    """Return (name, number of signals, fs, number of samples) of a header's first line."""
    fields = line.split()
    try:
        fs = float(re.split(r"[/(]", fields[2])[0])
        count, num_samples = int(fields[1]), int(fields[3])
    except (IndexError, ValueError):
        raise RecordError(
            f"{name or 'header'}.hea: expected a first line 'name signals fs samples', found {line!r}"
        ) from None
    if not 0 < fs < float("inf") or count < 1 or num_samples < 1:
        raise RecordError(f"{name or fields[0]}.hea: signals, fs and samples must be positive, found {line!r}")
    return fields[0].split("/")[0], count, fs, num_samples


def _parse_signal_line(line: str, name: str) -> SignalField:
    """Parse ``file format gain(baseline)/units resolution zero initial checksum block lead``; all between the format
    and the lead's name may be left out, as hidden headers do."""
    fields = line.split(maxsplit=8)
    match = _GAIN.fullmatch(fields[2]) if len(fields) > 3 else None
    if match is None or not _is_number(match["gain"] or "0"):
        raise RecordError(f"{name}.hea: expected 'file format gain(baseline)/units ... lead', found {line!r}")
    numbers: list[int | None] = []
    while len(numbers) < min(5, len(fields) - 4) and _NUMBER.fullmatch(fields[3 + len(numbers)]):
        numbers.append(int(fields[3 + len(numbers)]))
    lead = " ".join(fields[3 + len(numbers) :])
    resolution, zero, initial, checksum, block = numbers + [None] * (5 - len(numbers))
    baseline = match["baseline"] if match["baseline"] is not None else zero or 0
    return SignalField(
        file=fields[0],
        format=fields[1],
        gain=float(match["gain"] or 0) or _DEFAULT_GAIN,
        baseline=int(baseline),
        units=match["units"] or "mV",
        resolution=resolution or 0,
        zero=zero or 0,
        initial_value=initial,
        checksum=checksum,
        block_size=block,
        name=lead,
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def format_header(
    name: str,
    fs: float,
    num_samples: int,
    signals: Sequence[SignalField],
    comments: Sequence[str] = (),
    when: str = "",
) -> str:
    """Return a header's text. ``when`` is the time and date that end the first line, as written; comments come
    without their ``#``. Fields that are None are left out, as in hidden headers."""
    lines = [f"{name} {len(signals)} {fs:.10g} {num_samples} {when}".rstrip()]
    for field in signals:
        rest = (field.initial_value, field.checksum, field.block_size)
        numbers = " ".join("" if number is None else str(number) for number in rest)
        lines.append(
            f"{field.file} {field.format} {field.gain!r}({field.baseline})/{field.units} "
            f"{field.resolution} {field.zero} {numbers} {field.name}"
        )
    return "\n".join([*lines, *(f"# {comment}" for comment in comments)]) + "\n"
