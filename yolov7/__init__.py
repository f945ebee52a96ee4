"""YOLOv7: a one-stage detector written from its paper (Wang, Bochkovskiy, Liao, CVPR 2023, arXiv 2207.02696).

It knows boxes and classes and nothing of what they show. Boxes are (x0, y0, x1, y1) in pixels of the network's input
unless a name says otherwise; inputs need not be square.
"""

from yolov7.assignment import CandidateAssigner, DynamicAssigner
from yolov7.average import AveragedModel
from yolov7.checkpoint import build_model, read_checkpoint, transfer
from yolov7.export import export_onnx
from yolov7.loss import DetectionLoss, LossSettings
from yolov7.model import DetectionModel, yolov7_full, yolov7_tiny
from yolov7.postprocess import Detections, detect
from yolov7.reparameterize import fuse
from yolov7.training import Recipe, fit, validate

__all__ = [
    "AveragedModel",
    "CandidateAssigner",
    "DetectionLoss",
    "DetectionModel",
    "Detections",
    "DynamicAssigner",
    "LossSettings",
    "Recipe",
    "build_model",
    "detect",
    "export_onnx",
    "fit",
    "fuse",
    "read_checkpoint",
    "transfer",
    "validate",
    "yolov7_full",
    "yolov7_tiny",
]
