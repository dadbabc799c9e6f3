"""Click and conversion models: networks, calibration, and the scorer for serving. Plain torch."""

from rtb.models.ctr.calibration import Calibration, Isotonic, Platt
from rtb.models.ctr.networks import MODELS, CTRNetwork, Model
from rtb.models.ctr.scorer import CTRScorer, load, save
from rtb.models.scores import PRIOR

__all__ = [
    "MODELS",
    "PRIOR",
    "CTRNetwork",
    "CTRScorer",
    "Calibration",
    "Isotonic",
    "Model",
    "Platt",
    "load",
    "save",
]
