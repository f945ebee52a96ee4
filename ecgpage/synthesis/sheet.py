"""Contact sheets: a few pages of one kind beside each other, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ecgpage.header import RecordError
from ecgpage.io import find_records, write_bytes
from ecgpage.synthesis.profile import Mixture, Profile
from ecgpage.synthesis.records import RecordDrawer
from ecgpage.synthesis.signals import SignalSettings

COLUMNS = 4
TILE = (330, 440)
"""(height, width) of a page on the sheet, pixels."""

_GAP = 6
_GROUND = 70  # grey between the pages


def contact_sheet(
    records: Path, kind: Profile | Mixture, signals: SignalSettings, seed: int, number: int
) -> np.ndarray:
    """Draw ``number`` pages, of one record each, and return the sheet, (H, W, 3) uint8 RGB.

    records: a folder of WFDB records; where it holds fewer, they are drawn again. Raises RecordError for none,
    ValueError for less than one page.
    """
    if number < 1:
        raise ValueError(f"expected at least one page on the sheet, came {number}")
    names = find_records(records)
    if not names:
        raise RecordError(f"no records (*.hea) in {records}")
    draw = RecordDrawer([kind], signals)
    order = np.random.default_rng(seed).permutation(len(names))
    tiles = []
    for k in range(number):
        page = draw(records / names[order[k % len(names)]], np.random.default_rng([seed, k]))
        tiles.append(_tile(page.image))
    return stack_tiles(tiles, COLUMNS)


def stack_tiles(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles (height, width, 3) uint8 of one size, at least one, row by row on a sheet; blank where they end."""
    blank = np.full_like(tiles[0], _GROUND)
    filled = [*tiles, *[blank] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(filled[k : k + columns]) for k in range(0, len(filled), columns)])


def write_sheet(path: Path, sheet: np.ndarray) -> None:
    """Write a sheet (H, W, 3) RGB, as JPEG or PNG by the path's ending."""
    check_sheet_name(path)
    suffix = path.suffix.lower()
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82] if suffix != ".png" else []
    _, data = cv2.imencode(suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), quality)
    write_bytes(path, data.tobytes())


def check_sheet_name(path: Path) -> None:
    """Raise ValueError for a path that is named neither JPEG nor PNG."""
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ValueError(f"expected a sheet named *.jpg or *.png, came {path}")


def _tile(image: np.ndarray) -> np.ndarray:
    """The picture in the middle of a tile, as large as fits, with a gap around."""
    height, width = image.shape[:2]
    scale = min((TILE[0] - _GAP) / height, (TILE[1] - _GAP) / width)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.full((*TILE, 3), _GROUND, np.uint8)
    top, left = (TILE[0] - small.shape[0]) // 2, (TILE[1] - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile
