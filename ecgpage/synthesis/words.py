"""Invented words: what recorders print around the traces. No word is anybody's."""

from __future__ import annotations

import numpy as np

_FIRST = ("Alex", "Robin", "Kim", "Sasha", "Noa", "Jona", "Luca", "Mika", "Toni", "Charlie")
_LAST = ("Abel", "Berg", "Castell", "Dorn", "Ekman", "Farro", "Gruber", "Holm", "Ivers", "Jansen", "Kovar", "Lind")
_DEVICES = ("CARDIOSCRIPT 12", "ELO-250", "PageWrite One", "ECG 3000i", "Kardia-Line", "MX-12 rev 4.1", "VITA 6ch")
_UNITS = ("Ward 3", "Emergency", "Cardiology", "ICU", "Outpatients", "Room 214", "Loc:12")
_STATEMENTS = (
    "Normal sinus rhythm",
    "Sinus bradycardia with 1st degree A-V block",
    "Nonspecific ST and T wave abnormality",
    "Left axis deviation",
    "Possible inferior infarct, age undetermined",
    "Left ventricular hypertrophy",
    "*** Poor data quality, interpretation may be adversely affected",
    "Atrial fibrillation with rapid ventricular response",
    "Abnormal ECG",
    "Otherwise normal ECG",
    "Unconfirmed diagnosis",
    "Right bundle branch block",
    "No previous ECGs available",
)


def patient_lines(rng: np.random.Generator) -> list[str]:
    """Who the page is of."""
    name = f"{rng.choice(_LAST)}, {rng.choice(_FIRST)}"
    born = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(1925, 2005)}"
    lines = [
        rng.choice([f"Name: {name}", name.upper(), "Name:"]),
        f"ID: {rng.integers(10000, 99999999)}",
        rng.choice([f"{rng.integers(18, 96)} yrs {rng.choice(['Male', 'Female'])}", f"*{born}", "Age:    Sex:"]),
        f"{rng.integers(140, 200)} cm {rng.integers(45, 130)} kg",
        str(rng.choice(_UNITS)),
    ]
    return [str(line) for line in lines[: int(rng.integers(2, 6))]]


def moment(rng: np.random.Generator) -> str:
    """Date and time."""
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1984, 2026)
    clock = f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}:{rng.integers(0, 60):02d}"
    return str(rng.choice([f"{day:02d}-{month:02d}-{year} {clock}", f"{year}/{month:02d}/{day:02d}  {clock[:5]}"]))


def measurement_lines(rng: np.random.Generator) -> list[str]:
    """What the recorder measured."""
    rate, qt = rng.integers(38, 170), rng.integers(300, 520)
    return [
        f"Vent. rate  {rate} BPM",
        f"PR interval  {rng.integers(100, 280)} ms",
        f"QRS duration  {rng.integers(66, 180)} ms",
        f"QT/QTc  {qt}/{qt + rng.integers(-30, 60)} ms",
        f"P-R-T axes  {rng.integers(-30, 90)} {rng.integers(-60, 110)} {rng.integers(-40, 120)}",
    ][: int(rng.integers(2, 6))]


def statement_lines(rng: np.random.Generator) -> list[str]:
    """What the recorder concluded."""
    return [str(line) for line in rng.choice(_STATEMENTS, int(rng.integers(1, 5)), replace=False)]


def scale_words(speed: float, gains: tuple[float, float], rng: np.random.Generator) -> list[str]:
    """Paper speed, gain and filter, as they are on this page."""
    joint = str(rng.choice(["", " "]))
    limb, chest = (f"{gain:g}{joint}mm/mV" for gain in gains)
    gain = limb if limb == chest else f"{rng.choice(['Limb: ', 'L:'])}{limb}  {rng.choice(['Chest: ', 'C:'])}{chest}"
    filters = rng.choice(["F 50~ 0.15-100 Hz", "60~ 0.05 - 150 Hz", "40Hz", "0.05-40Hz AC50 SM", "~ 0.67-100 Hz"])
    return [f"{speed:g}{joint}{rng.choice(['mm/s', 'mm/sec'])}", gain, str(filters)]


def device_words(rng: np.random.Generator) -> list[str]:
    """The recorder's name and the page's number."""
    return [str(rng.choice(_DEVICES)), f"Page {rng.integers(1, 3)} of {rng.integers(2, 4)}"]


def logo(rng: np.random.Generator) -> str:
    """An invented hospital's name."""
    kind = rng.choice(["Hospital", "Klinik", "Clinic", "Medical Center", "Heart Center"])
    return f"{rng.choice(['St.', 'Lake', 'City', 'North', 'Valley'])} {rng.choice(_LAST)} {kind}"
