"""Training shared by the learned stages: settings, optimizer, checkpoints, engine."""

from ecgpage.training.checkpoints import CheckpointError, load_model, save_model
from ecgpage.training.configuration import (
    DrawingSettings,
    SettingsError,
    StageSettings,
    TrainingSettings,
    load_settings,
    settings_from_environment,
)
from ecgpage.training.engine import train

__all__ = [
    "CheckpointError",
    "DrawingSettings",
    "SettingsError",
    "StageSettings",
    "TrainingSettings",
    "load_model",
    "load_settings",
    "save_model",
    "settings_from_environment",
    "train",
]
