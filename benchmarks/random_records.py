"""Which records a benchmark looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgpage.io import find_records


def random_records(folder: Path, number: int, rng: np.random.Generator) -> list[Path]:
    """At most ``number`` of a folder's records, at random, as paths without an ending."""
    names = find_records(folder)
    return [folder / names[index] for index in rng.permutation(len(names))[:number]]
