"""Take from records what the hidden test data lack: signals, labels, demographics and recording times.

    python remove_hidden_data.py -i DATA -o OUTPUT

Headers keep the first line's four fields, signal lines up to the zero level, lead names and ``# Image:``. Where OUTPUT
is DATA, its signal files are deleted.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ecgpage.header import IMAGES, LABELS, RecordError, RecordHeader, format_header
from ecgpage.io import find_records, header_path, read_header, write_text


@dataclass(frozen=True)
class Kept:
    """What is not taken away."""

    signals: bool = False
    labels: bool = False
    images: bool = True


def hidden_header(header: RecordHeader, kept: Kept) -> str:
    """Return the text of a record's hidden header."""
    signals = [replace(field, initial_value=None, checksum=None, block_size=None) for field in header.signals]
    keys = [f"{key}:" for key, keep in ((LABELS, kept.labels), (IMAGES, kept.images)) if keep]
    comments = [line for line in header.comments if line.startswith(tuple(keys))]
    return format_header(header.name, header.fs, header.num_samples, signals, comments)


def hide(input_folder: Path, output_folder: Path, kept: Kept, verbose: bool = False) -> int:
    """Write the hidden records; returns their number."""
    records = find_records(input_folder)
    if not records:
        raise RecordError(f"no records (*.hea) in {input_folder}")
    for record in records:
        if verbose:
            print(record)
        header, target = read_header(input_folder / record), header_path(output_folder / record)
        write_text(target, hidden_header(header, kept))
        files = {field.file for field in header.signals}
        if header.folder.resolve() == target.parent.resolve():
            for name in files if not kept.signals else ():
                (header.folder / name).unlink(missing_ok=True)
            continue
        pictures = {path.name for path in header.images}
        for name in (files if kept.signals else set()) | (pictures if kept.images else set()):
            if (header.folder / name).is_file():
                shutil.copy2(header.folder / name, target.parent / name)
    return len(records)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Take from records what the hidden test data lack.")
    parser.add_argument("-i", "--input_folder", type=Path, required=True, help="complete records")
    parser.add_argument("-o", "--output_folder", type=Path, required=True, help="folder for the hidden records")
    parser.add_argument("-w", "--include_waveforms", action="store_true", help="keep the signals")
    parser.add_argument("-l", "--include_labels", action="store_true", help="keep the labels")
    parser.add_argument(
        "-m", "--include_images", action=argparse.BooleanOptionalAction, default=True, help="keep the page pictures"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="name each record")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    args = get_parser().parse_args(arguments)
    kept = Kept(args.include_waveforms, args.include_labels, args.include_images)
    try:
        count = hide(args.input_folder, args.output_folder, kept, args.verbose)
    except RecordError as error:
        print(f"remove_hidden_data.py: {error}", file=sys.stderr)
        return 1
    print(f"{count} hidden records in {args.output_folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
