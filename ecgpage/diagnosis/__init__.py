"""Diagnosis from the page: classes, networks, training and the trained classifier."""

from ecgpage.diagnosis.classifier import Classifier, load_classifier, save_classifier
from ecgpage.diagnosis.dataset import LabelledRecord
from ecgpage.diagnosis.train import train_classifier

__all__ = ["Classifier", "LabelledRecord", "load_classifier", "save_classifier", "train_classifier"]
