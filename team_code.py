"""The Challenge's entry points: a thin adapter between its functions and ``ecgpage``.

Nothing here, nor behind it, uses the Challenge's own scripts, which the organisers replace with theirs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgpage.diagnosis.classifier import Classifier
from ecgpage.pipeline import Pipeline, build_pipeline, digitize_record
from ecgpage.train import train_stages

DELAY_SECONDS = 0.02
"""How much later than they are read the samples are handed to the Challenge.

Recordings are true in time; the organisers' alignment cuts an estimate that it judges one sample early to almost
nothing, and aligns one that is late. With an error in time of 3 samples the delay is worth 9 dB of 20, and it costs 0.1
where there is none (``python -m benchmarks.challenge_delay``)."""


def train_models(data_folder: str, model_folder: str, verbose: bool) -> None:
    """Train all stages on the records of ``data_folder`` and save them in ``model_folder``.

    The environment variables ECGPAGE_TRAINING (a settings file, or ``default`` or ``smallest``) and
    ECGPAGE_TRAINING_SECONDS (total time budget) bound the training; a training that was stopped goes on where it was.
    """
    train_stages(Path(data_folder), Path(model_folder), report=print if verbose else _silent)


def load_models(model_folder: str, verbose: bool) -> tuple[Pipeline, Classifier | None]:
    """Load the trained models: (digitization model, classification model)."""
    pipeline = build_pipeline(Path(model_folder))
    if verbose:
        print(f"models loaded from {model_folder}")
    return pipeline, pipeline.classifier


def run_models(
    record: str, digitization_model: Pipeline, classification_model: Classifier | None, verbose: bool
) -> tuple[np.ndarray, list[str]]:
    """Digitize and diagnose one record: (signal, labels).

    record: path of the header without its extension. signal: (samples, leads) float32 mV in the header's lead order,
    at its sampling frequency and length, NaN where nothing is printed. labels: class names.
    Raises ecgpage.recording.PageError if none of the record's pictures can be read.
    """
    recording = digitize_record(Path(record), digitization_model.judged_by(classification_model))
    if verbose:
        for warning in recording.warnings:
            print(f"{record}: {warning}")
    return delayed(recording.signal, recording.fs), list(recording.labels)


def delayed(signal: np.ndarray, fs: float) -> np.ndarray:
    """Shift a signal (samples, leads) later by ``DELAY_SECONDS``, unknown samples entering at the start."""
    samples = round(DELAY_SECONDS * fs)
    if samples == 0:
        return signal
    delayed = np.full_like(signal, np.nan)
    delayed[samples:] = signal[:-samples]
    return delayed


def _silent(_: str) -> None:
    """Report nothing."""
