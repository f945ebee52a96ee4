"""Lead detection: finds and names each printed lead sequence of a page, and arranges them in time."""

from ecgpage.detection.detector import DetectorSettings, LeadDetector, load_detector, save_detector
from ecgpage.detection.layout import arrange
from ecgpage.detection.train import train_detector

__all__ = ["DetectorSettings", "LeadDetector", "arrange", "load_detector", "save_detector", "train_detector"]
