"""Profiles: how pages of one kind are drawn, each a settings file beside this one."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgpage.synthesis.arrangement import ArrangementSettings
from ecgpage.synthesis.camera import CameraSettings
from ecgpage.synthesis.damage import DamageSettings
from ecgpage.synthesis.exposure import ExposureSettings
from ecgpage.synthesis.grid import GridSettings
from ecgpage.synthesis.ink import InkSettings
from ecgpage.synthesis.layout import PrintSettings
from ecgpage.synthesis.scene import SceneSettings
from ecgpage.synthesis.settings import Range

FOLDER = Path(__file__).parent / "profiles"

LOWEST_RESOLUTION = 40.0
"""Dots per inch; less leaves nothing to read."""


@dataclass(frozen=True)
class Profile:
    """Settings of one kind of page; each table is explained where its class is.

    resolution: dots per inch of the flat page in the picture.
    """

    name: str
    resolution: Range = (100.0, 220.0)
    arrangement: ArrangementSettings = field(default_factory=ArrangementSettings)
    print: PrintSettings = field(default_factory=PrintSettings)
    grid: GridSettings = field(default_factory=GridSettings)
    ink: InkSettings = field(default_factory=InkSettings)
    damage: DamageSettings = field(default_factory=DamageSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    scene: SceneSettings = field(default_factory=SceneSettings)
    exposure: ExposureSettings = field(default_factory=ExposureSettings)

    def __post_init__(self) -> None:
        given = self.resolution
        if not (isinstance(given, tuple) and len(given) == 2 and LOWEST_RESOLUTION <= given[0] <= given[1]):
            raise ValueError(
                f"profile {self.name}: resolution must be (low, high) from {LOWEST_RESOLUTION:g} dpi, came {given}"
            )

    def each(self, change: Callable[[Profile], Profile]) -> Profile:
        """The changed profile: what ``Mixture.each`` does to many."""
        return change(self)

    def drawn_at(self, low: float, high: float) -> Profile:
        """The same kind of page at another resolution, dots per inch; its blur, in pixels, follows."""
        share = (low + high) / sum(self.resolution)
        return replace(self, resolution=(low, high), exposure=self.exposure.blurred_by(share))


@dataclass(frozen=True)
class Mixture:
    """A kind of page that is drawn in one of several profiles: (profile, weight) each."""

    name: str
    parts: tuple[tuple[Profile, float], ...]

    def each(self, change: Callable[[Profile], Profile]) -> Mixture:
        """The mixture of the changed profiles."""
        return replace(self, parts=tuple((change(part), weight) for part, weight in self.parts))

    def drawn_at(self, low: float, high: float) -> Mixture:
        """The same mixture at another resolution, dots per inch."""
        return self.each(lambda part: part.drawn_at(low, high))


def choose_profile(kind: Profile | Mixture, rng: np.random.Generator) -> Profile:
    """The profile itself, or one of a mixture's."""
    if isinstance(kind, Profile):
        return kind
    weights = np.array([weight for _, weight in kind.parts])
    return kind.parts[int(rng.choice(len(weights), p=weights / weights.sum()))][0]


def load_profile(path: Path) -> Profile:
    """Read a profile from a TOML file; what it leaves out is as in its ``base``, a profile beside it, or the default.

    A list of two numbers is a range, a table of numbers weights. Raises ValueError naming file and setting for what is
    unknown or cannot be.
    """
    kinds = {entry.name: entry.default_factory for entry in fields(Profile) if callable(entry.default_factory)}
    values: dict[str, Any] = {"name": path.stem}
    for name, value in _read_tables(path).items():
        where = f"{path.name} [{name}]"
        if name == "resolution":
            values[name] = _read_value(where, value)
        elif name in kinds and isinstance(value, dict):
            values[name] = _read_table(kinds[name], where, value)
        else:
            raise ValueError(f"{path}: {name} is unknown, expected base, resolution and tables {', '.join(kinds)}")
    try:
        return Profile(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _read_tables(path: Path) -> dict[str, Any]:
    """The file's tables, over those of the profile that it names as its base."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"expected a profile (TOML) in {path}: {error}") from error
    if "base" not in tables:
        return tables
    merged = _read_tables(path.with_name(f"{tables.pop('base')}.toml"))
    for name, value in tables.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merged[name] | value if both else value
    return merged


def _read_table(kind: Any, where: str, table: dict[str, Any]) -> Any:
    known = [entry.name for entry in fields(kind)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{where}: {', '.join(unknown)} unknown, expected {', '.join(known)}")
    values = {name: _read_value(f"{where} {name}", value) for name, value in table.items()}
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _read_value(where: str, value: Any) -> Any:
    """A number, a range or weights. Raises ValueError for anything else."""
    try:
        return _convert(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: expected a number, [low, high] or a table of weights, came {value!r}") from error


def _convert(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((str(name), float(weight)) for name, weight in value.items())
    if isinstance(value, list):
        return tuple(float(item) for item in value)
    return float(value)


def _load_shipped() -> dict[str, Profile | Mixture]:
    """Every profile that ships, by name, and their mixtures (TOML files of weights)."""
    paths = sorted(FOLDER.glob("*.toml"))
    mixtures = {path: tomllib.loads(path.read_text(encoding="utf-8")).get("mixture") for path in paths}
    kinds: dict[str, Profile | Mixture] = {
        path.stem: load_profile(path) for path, mixture in mixtures.items() if mixture is None
    }
    for path, weights in mixtures.items():
        if weights is not None:
            parts = tuple((kinds[name], float(weight)) for name, weight in weights.items())
            kinds[path.stem] = Mixture(path.stem, parts)
    return kinds


PROFILES: dict[str, Profile | Mixture] = _load_shipped()
"""The kinds of pages that can be drawn, by name."""


def find_profiles(names: Iterable[str] = ()) -> tuple[Profile | Mixture, ...]:
    """The named kinds of pages; of no names, all there are, mixed. Raises ValueError for an unknown name."""
    names = tuple(names) or ("all",)
    unknown = sorted(set(names) - set(PROFILES))
    if unknown:
        raise ValueError(f"no profile {', '.join(unknown)}: expected one of {', '.join(sorted(PROFILES))}")
    return tuple(PROFILES[name] for name in names)
