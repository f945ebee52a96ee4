"""Functions for Challenge records under the public names of the organisers' 2024 example.

A record is a path without extension; a header is its text. Nothing of this project depends on this file, which the
organisers replace by theirs; ``ecgpage.io`` is what the rest uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from PIL import Image

from ecgpage import io
from ecgpage.header import IMAGES, LABELS, RecordError, SignalField, parse_header

substring_labels = f"# {LABELS}:"
substring_images = f"# {IMAGES}:"


# Files.


def find_records(folder: str) -> list[str]:
    """Return the records of a folder and its subfolders, sorted, relative to the folder."""
    return io.find_records(folder)


def load_text(filename: str) -> str:
    """Return a text file's content."""
    return Path(filename).read_text(encoding="utf-8")


def save_text(filename: str, string: str) -> None:
    """Write a text file, at once."""
    io.write_text(Path(filename), string)


def load_header(record: str) -> str:
    """Return the text of a record's header."""
    return load_text(get_header_file(record))


def save_header(record: str, header: str) -> None:
    """Write the text of a record's header."""
    save_text(get_header_file(record), header)


def load_signals(record: str) -> tuple[np.ndarray | None, dict[str, Any] | None]:
    """Return a record's signal (samples, leads), NaN where invalid, and wfdb's fields (fs, sig_name, units, ...);
    both None where the signal files are missing."""
    folder = os.path.dirname(record)
    files = get_signal_files(record)
    if not files or not all(os.path.isfile(os.path.join(folder, file)) for file in files):
        return None, None
    return wfdb.rdsamp(record)


def save_signals(record: str, signal: np.ndarray, comments: Sequence[str] = ()) -> None:
    """Write a record's signal (samples, leads), NaN where unknown, as its header, already there, describes it."""
    header = io.read_header(record)
    io.write_record(
        header.folder,
        header.name,
        signal,
        header.fs,
        header.names,
        comments=[comment.replace("#", "").strip() for comment in comments],
        gains=[field.gain for field in header.signals],
        baselines=[field.baseline for field in header.signals],
        units=[field.units for field in header.signals],
    )


def load_images(record: str) -> list[Image.Image]:
    """Open those of a record's pictures that are there."""
    folder = os.path.dirname(record)
    paths = [os.path.join(folder, file) for file in get_image_files(record)]
    return [Image.open(path) for path in paths if os.path.isfile(path)]


def load_labels(record: str) -> list[str]:
    """Return the class names in a record's header."""
    return get_labels_from_header(load_header(record))


def save_labels(record: str, labels: Sequence[str]) -> str:
    """Append class names to a record's header and return the header."""
    header = load_header(record) + f"{substring_labels} {', '.join(labels)}\n"
    save_header(record, header)
    return header


def get_header_file(record: str) -> str:
    """Return the path of a record's header."""
    return record if record.endswith(".hea") else f"{record}.hea"


def get_signal_files(record: str) -> list[str]:
    """Return the names of a record's signal files."""
    return get_signal_files_from_header(load_header(record))


def get_image_files(record: str) -> list[str]:
    """Return the names of a record's pictures."""
    return get_image_files_from_header(load_header(record))


# Headers: comments.


def get_variable(string: str, variable_name: str) -> tuple[str, bool]:
    """Return the text after ``variable_name`` on the last line that starts with it, and whether there is one."""
    found = [line.removeprefix(variable_name) for line in string.splitlines() if line.startswith(variable_name)]
    return (found[-1].strip(), True) if found else ("", False)


def get_variables(string: str, variable_name: str, sep: str = ",") -> tuple[list[str], bool]:
    """Return the separated values on all lines that start with ``variable_name``, and whether there is one."""
    found = [line.removeprefix(variable_name) for line in string.splitlines() if line.startswith(variable_name)]
    return [value.strip() for line in found for value in line.split(sep)], bool(found)


def get_image_files_from_header(string: str) -> list[str]:
    """Return the names of the pictures. Raises RecordError for a header without ``# Image:``."""
    images, found = get_variables(string, substring_images)
    if not found:
        raise RecordError(f"the header has no line {substring_images!r}: prepare_image_data.py adds it")
    return images


def get_labels_from_header(string: str) -> list[str]:
    """Return the class names. Raises RecordError for a header without ``# Labels:``."""
    labels, found = get_variables(string, substring_labels)
    if not found:
        raise RecordError(f"the header has no line {substring_labels!r}: hidden records have none")
    return labels


# Headers: fields.


def _each(string: str, value: Callable[[SignalField], Any]) -> list[Any]:
    return [value(field) for field in parse_header(string).signals]


def get_signal_files_from_header(string: str) -> list[str]:
    """Return the names of the signal files, each once."""
    return list(dict.fromkeys(_each(string, lambda field: field.file)))


def get_record_name(string: str) -> str:
    """Return the record's name."""
    return parse_header(string).name


def get_num_signals(string: str) -> int:
    """Return the number of leads."""
    return len(parse_header(string).signals)


def get_sampling_frequency(string: str) -> float:
    """Return the sampling rate in Hz."""
    return parse_header(string).fs


def get_num_samples(string: str) -> int:
    """Return the number of samples per lead."""
    return parse_header(string).num_samples


def get_signal_formats(string: str) -> list[str]:
    """Return each lead's storage format, without its modifiers."""
    return _each(string, lambda field: field.format.split("x")[0].split(":")[0].split("+")[0])


def get_adc_gains(string: str) -> list[float]:
    """Return each lead's gain, digital units per physical unit."""
    return _each(string, lambda field: field.gain)


def get_baselines(string: str) -> list[int]:
    """Return each lead's digital value of zero."""
    return _each(string, lambda field: field.baseline)


def get_signal_units(string: str) -> list[str]:
    """Return each lead's physical unit."""
    return _each(string, lambda field: field.units)


def get_adc_resolutions(string: str) -> list[int]:
    """Return each lead's resolution in bits."""
    return _each(string, lambda field: field.resolution)


def get_adc_zeros(string: str) -> list[int]:
    """Return each lead's digital value at the middle of the converter's range."""
    return _each(string, lambda field: field.zero)


def get_initial_values(string: str) -> list[int | None]:
    """Return each lead's first digital value; None where the header hides it."""
    return _each(string, lambda field: field.initial_value)


def get_checksums(string: str) -> list[int | None]:
    """Return each lead's checksum; None where the header hides it."""
    return _each(string, lambda field: field.checksum)


def get_block_sizes(string: str) -> list[int | None]:
    """Return each lead's block size; None where the header hides it."""
    return _each(string, lambda field: field.block_size)


def get_signal_names(string: str) -> list[str]:
    """Return the names of the leads as written."""
    return _each(string, lambda field: field.name)


# Values.


def is_number(x: Any) -> bool:
    """Whether a value is or spells a number, NaN and infinities included."""
    try:
        float(x)
    except (TypeError, ValueError):
        return False
    return True


def is_integer(x: Any) -> bool:
    """Whether a value is or spells a whole number."""
    return is_number(x) and float(x).is_integer()


def is_finite_number(x: Any) -> bool:
    """Whether a value is or spells a finite number."""
    return is_number(x) and bool(np.isfinite(float(x)))


def is_nan(x: Any) -> bool:
    """Whether a value is or spells NaN."""
    return is_number(x) and bool(np.isnan(float(x)))


def cast_int_float_unknown(x: Any) -> int | float | str:
    """Return a number as int where whole, else as float; ``"Unknown"`` where it is not finite."""
    if not is_number(x):
        raise NotImplementedError(f"expected a number, got {x!r}")
    if not is_finite_number(x):
        return "Unknown"
    return int(float(x)) if is_integer(x) else float(x)


def compute_one_hot_encoding(data: Sequence[Sequence[str]], classes: Sequence[str]) -> np.ndarray:
    """Return (records, classes) bool: which record has which class."""
    return np.array([[name in labels for name in classes] for labels in data], dtype=bool).reshape(-1, len(classes))
