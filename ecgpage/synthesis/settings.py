"""What the settings of all parts of the synthesizer have in common."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

Range = tuple[float, float]
"""A value drawn evenly between (low, high)."""

Weights = tuple[tuple[str, float], ...]
"""Choices by name, each with its weight; weights need not sum to 1. In a settings file a table: {red = 2, grey = 1}."""


def check(settings: Any) -> None:
    """Check a frozen dataclass of settings where it is made.

    Raises ValueError for a range whose ends are swapped, a chance (a lone float) outside [0, 1], and weights that are
    negative or all zero.
    """
    where = type(settings).__name__
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.type == "float" and not (isinstance(value, (int, float)) and 0 <= value <= 1):
            raise ValueError(f"{where}: {field.name} is a chance, expected within [0, 1], came {value}")
        if field.type == "Range" and not (len(value) == 2 and value[0] <= value[1]):
            raise ValueError(f"{where}: {field.name} must be (low, high), came {value}")
        if field.type == "Weights":
            weights = [weight for _, weight in value]
            if not weights or min(weights) < 0 or sum(weights) <= 0:
                raise ValueError(f"{where}: {field.name} needs weights of 0 or more, one above 0, came {value}")


def check_names(settings: Any, known: dict[str, Any]) -> None:
    """Check that the weights of a settings' fields name what is known: {field: known names}. Raises ValueError."""
    for field, names in known.items():
        unknown = sorted(key for key, _ in getattr(settings, field) if key not in names)
        if unknown:
            where = type(settings).__name__
            raise ValueError(f"{where}: {field} must be among {sorted(names)}, came {unknown}")


def pick(weights: Weights, rng: np.random.Generator) -> str:
    """Choose a name with the chance that its weight gives it."""
    names = [name for name, _ in weights]
    chances = np.array([weight for _, weight in weights], np.float64)
    return names[int(rng.choice(len(names), p=chances / chances.sum()))]
