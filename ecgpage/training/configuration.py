"""Typed settings of the learned stages, read from a TOML file and checked where they are made."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ecgpage.synthesis.profile import PROFILES

SETTINGS_VARIABLE = "ECGPAGE_TRAINING"
"""Environment variable naming a TOML file of settings, or one that ships: ``default`` or ``smallest``."""

SECONDS_VARIABLE = "ECGPAGE_TRAINING_SECONDS"
"""Environment variable with the whole training's time budget in seconds."""

STAGES = ("detector", "name_reader", "scale_reader", "digitizer", "classifier")
"""The learned stages in the order in which they are trained; tables of the settings file."""

OPTIMIZERS = ("sgd", "adamw")
PRECISIONS = ("float32", "mixed")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, what it may be and what came."""


def _require(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise SettingsError(f"{name} must be {expected}, not {value!r}")


@dataclass(frozen=True)
class StageSettings:
    """How one stage is trained. Training ends at ``steps`` or ``seconds``, whichever comes first.

    batch_size: examples per step.
    steps: most optimizer steps.
    seconds: time budget, counted over resumed runs; 0 leaves the stage untrained.
    learning_rate: its peak, after ``warmup_steps`` of linear warm-up; it then falls along a cosine to
        ``final_lr_fraction`` of the peak.
    weight_decay: of convolution and linear weights only.
    ema_decay: highest decay of the averaged weights, which are the ones kept.
    clip_norm: largest gradient norm.
    checkpoint_seconds: time between checkpoints.
    seed: of the drawing of pages and of the training's random numbers.
    workers: processes preparing batches; 0 prepares them in the training process, -1 takes all cores but one.
    optimizer: "sgd" (Nesterov) or "adamw".
    precision: "float32", or "mixed" (bfloat16 where the device has it, else float16 with a scaled loss).
    device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:1".
    """

    batch_size: int = 8
    steps: int = 20_000
    seconds: float = 3600.0
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup_steps: int = 100
    ema_decay: float = 0.999
    clip_norm: float = 10.0
    checkpoint_seconds: float = 60.0
    seed: int = 0
    workers: int = 0
    optimizer: str = "adamw"
    final_lr_fraction: float = 0.02
    precision: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("batch_size", "steps"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("learning_rate", "clip_norm", "checkpoint_seconds"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        _require(self.workers >= -1, "workers", "-1 or more", self.workers)
        for name in ("seconds", "weight_decay", "warmup_steps"):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _require(0 <= self.ema_decay < 1, "ema_decay", "in [0, 1)", self.ema_decay)
        _require(0 <= self.final_lr_fraction <= 1, "final_lr_fraction", "in [0, 1]", self.final_lr_fraction)
        _require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {OPTIMIZERS}", self.optimizer)
        _require(self.precision in PRECISIONS, "precision", f"one of {PRECISIONS}", self.precision)


@dataclass(frozen=True)
class DrawingSettings:
    """Which pages are drawn for training.

    profiles: names of the synthesizer's profiles, each as likely as the others; none means "all", their mixture.
    pages_per_record: distorted pages of one record, one of which is shown per epoch; 0 draws a new one every time.
    folds: parts of the records; the classifier trains networks on all but one, in turn, and is judged on that one.
    shows: examples that detector's and readers' trainings make of a drawn page, each straightened and lit anew.
    drawn_before: read the pages that ``python -m ecgpage synthesize`` wrote beside the records instead of drawing.
    """

    profiles: tuple[str, ...] = ()
    pages_per_record: int = 6
    folds: int = 5
    drawn_before: bool = False
    shows: int = 1

    @property
    def pages(self) -> int:
        """Pages of one record told apart by their seeds; 0 leaves every choice to chance, so that all are shown."""
        return 0 if self.drawn_before else self.pages_per_record

    def __post_init__(self) -> None:
        unknown = sorted(set(self.profiles) - set(PROFILES))
        _require(not unknown, "profiles", f"among {sorted(PROFILES)}", unknown)
        _require(self.pages_per_record >= 0, "pages_per_record", "0 or more", self.pages_per_record)
        _require(self.shows >= 1, "shows", "1 or more", self.shows)
        _require(self.folds >= 2, "folds", "2 or more", self.folds)


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that a training of all stages needs beside its data. The readers' batches count pages."""

    detector: StageSettings = field(default_factory=StageSettings)
    name_reader: StageSettings = field(default_factory=StageSettings)
    scale_reader: StageSettings = field(default_factory=StageSettings)
    digitizer: StageSettings = field(default_factory=StageSettings)
    classifier: StageSettings = field(default_factory=StageSettings)
    drawing: DrawingSettings = field(default_factory=DrawingSettings)

    @property
    def seconds(self) -> float:
        """Time budget of all stages together, s."""
        return sum(getattr(self, name).seconds for name in STAGES)

    def without(self, stage: str) -> TrainingSettings:
        """Return these settings with the budget of one stage set to 0."""
        _require(stage in STAGES, "stage", f"one of {', '.join(STAGES)}", stage)
        return replace(self, **{stage: replace(getattr(self, stage), seconds=0.0)})

    def only(self, stage: str) -> TrainingSettings:
        """Return these settings with the budgets of all stages but one set to 0."""
        _require(stage in STAGES, "stage", f"one of {', '.join(STAGES)}", stage)
        return replace(self, **{name: replace(getattr(self, name), seconds=0.0) for name in STAGES if name != stage})

    def within(self, seconds: float) -> TrainingSettings:
        """Return these settings with the budgets scaled to ``seconds`` in total, their shares kept."""
        _require(seconds > 0, SECONDS_VARIABLE, "a number of seconds above 0", seconds)
        if self.seconds == 0:
            raise SettingsError(f"{SECONDS_VARIABLE} cannot be shared out: every stage's seconds are 0")
        scale = seconds / self.seconds
        stages = {name: getattr(self, name) for name in STAGES}
        return replace(self, **{name: replace(stage, seconds=stage.seconds * scale) for name, stage in stages.items()})


def load_settings(path: Path) -> TrainingSettings:
    """Read settings from a TOML file with a table for each of ``STAGES`` and one for drawing.

    What the file leaves out takes its default. Raises SettingsError for an unknown or unusable setting.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"expected training settings (TOML) in {path}: {error}") from error
    kinds = {
        table.name: DrawingSettings if table.name == "drawing" else StageSettings for table in fields(TrainingSettings)
    }
    unknown = sorted(set(tables) - set(kinds))
    _require(not unknown, f"tables of {path}", f"among {sorted(kinds)}", unknown)
    return TrainingSettings(
        **{name: _read_table(kinds[name], f"{path} [{name}]", table) for name, table in tables.items()}
    )


def _read_table(kind: type, where: str, table: Mapping[str, Any]) -> Any:
    known = {entry.name: type(entry.default) for entry in fields(kind)}
    unknown = sorted(set(table) - set(known))
    _require(not unknown, f"settings of {where}", f"among {sorted(known)}", unknown)
    return kind(**{name: _convert(known[name], f"{where} {name}", value) for name, value in table.items()})


def _convert(kind: type, name: str, value: Any) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind is tuple and type(value) is list:
        return tuple(value)
    _require(type(value) is kind, name, f"a {kind.__name__}", value)
    return value


def settings_from_environment() -> TrainingSettings:
    """Return the settings that the environment asks for.

    ``ECGPAGE_TRAINING`` names a TOML file or one that ships (``default``, ``smallest``); ``ECGPAGE_TRAINING_SECONDS``
    scales the stages' time budgets to that total.
    """
    name = os.environ.get(SETTINGS_VARIABLE, "default")
    shipped = Path(__file__).parent / f"{name}.toml"
    settings = load_settings(shipped if name in ("default", "smallest") else Path(name))
    seconds = os.environ.get(SECONDS_VARIABLE)
    if seconds is None:
        return settings
    try:
        return settings.within(float(seconds))
    except ValueError as error:
        raise SettingsError(f"{SECONDS_VARIABLE} must be a number of seconds above 0, not {seconds!r}") from error
