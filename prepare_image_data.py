"""List each record's page pictures in its header: ``# Image: NAME-0.png, NAME-1.png``.

    python prepare_image_data.py -i DATA -o OUTPUT

A picture belongs to the record in its folder whose name stands before its last hyphen.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from ecgpage.header import IMAGES, RecordError
from ecgpage.io import PICTURE_TYPES, find_records, header_path, read_header, write_text


def find_pictures(record: Path) -> list[str]:
    """Return the names of a record's pictures, by number where numbered, then by name."""
    stem = header_path(record).stem
    paths = [
        path
        for path in record.parent.iterdir()
        if path.suffix.lower() in PICTURE_TYPES and path.stem.rpartition("-")[0] == stem
    ]
    return [path.name for path in sorted(paths, key=_order)]


def _order(path: Path) -> tuple[bool, int, str]:
    suffix = path.stem.rpartition("-")[2]
    return not suffix.isdecimal(), int(suffix) if suffix.isdecimal() else 0, path.name


def add_pictures(text: str, pictures: list[str]) -> str:
    """Return a header that lists these pictures and no others."""
    lines = [line for line in text.splitlines() if line and not line.startswith(f"# {IMAGES}:")]
    return "\n".join([*lines, f"# {IMAGES}: {', '.join(pictures)}".rstrip()]) + "\n"


def prepare(input_folder: Path, output_folder: Path) -> int:
    """Write the headers, and copy signals and pictures where the folders differ; returns the number of pictures."""
    records = find_records(input_folder)
    if not records:
        raise RecordError(f"no records (*.hea) in {input_folder}")
    count = 0
    for record in records:
        source, target = header_path(input_folder / record), header_path(output_folder / record)
        pictures = find_pictures(source)
        count += len(pictures)
        write_text(target, add_pictures(source.read_text(encoding="utf-8"), pictures))
        if source.resolve() != target.resolve():
            for name in {field.file for field in read_header(source).signals}.union(pictures):
                if (source.parent / name).is_file():
                    shutil.copy2(source.parent / name, target.parent / name)
    return count


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="List each record's page pictures in its header.")
    parser.add_argument("-i", "--input_folder", type=Path, required=True, help="records and their pictures")
    parser.add_argument("-o", "--output_folder", type=Path, required=True, help="folder for the prepared records")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    args = get_parser().parse_args(arguments)
    try:
        count = prepare(args.input_folder, args.output_folder)
    except RecordError as error:
        print(f"prepare_image_data.py: {error}", file=sys.stderr)
        return 1
    print(f"{count} pictures listed in {args.output_folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
