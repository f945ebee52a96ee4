"""Digitization: from a lead's box on the picture to its trace in paper millimetres."""

from ecgpage.digitization.crop import (
    COLUMNS_PER_MM,
    ROWS_PER_MM,
    SUBCOLUMNS,
    CropPadding,
    LeadCrop,
    crop_lead,
    crop_to_paper,
    paper_to_crop,
)
from ecgpage.digitization.digitizer import Digitizer, load_digitizer, save_digitizer
from ecgpage.digitization.loss import DigitizerLoss, DigitizerLossSettings
from ecgpage.digitization.network import DigitizerSettings, LeadDigitizer
from ecgpage.digitization.targets import TraceTarget, trace_target

__all__ = [
    "COLUMNS_PER_MM",
    "ROWS_PER_MM",
    "SUBCOLUMNS",
    "CropPadding",
    "Digitizer",
    "DigitizerLoss",
    "DigitizerLossSettings",
    "DigitizerSettings",
    "LeadCrop",
    "LeadDigitizer",
    "TraceTarget",
    "crop_lead",
    "crop_to_paper",
    "load_digitizer",
    "paper_to_crop",
    "save_digitizer",
    "trace_target",
]
