"""Train the Challenge models on a folder of records.

python train_model.py -d DATA -m MODEL [-v]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ecgpage.io import find_records
from team_code import train_models


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Train the Challenge models.")
    parser.add_argument("-d", "--data_folder", type=Path, required=True, help="records with signals and labels")
    parser.add_argument("-m", "--model_folder", type=Path, required=True, help="folder for the trained models")
    parser.add_argument("-v", "--verbose", action="store_true", help="report progress")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit status."""
    args = get_parser().parse_args(arguments)
    if not find_records(args.data_folder):
        print(f"train_model.py: no records (*.hea) in {args.data_folder}", file=sys.stderr)
        return 1
    args.model_folder.mkdir(parents=True, exist_ok=True)
    try:
        train_models(str(args.data_folder), str(args.model_folder), args.verbose)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"train_model.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
