"""Click and conversion rates: networks, calibration, and the scorer that serving calls. Plain torch."""

from rtb.ctr.calibration import Calibration, Isotonic, Platt
from rtb.ctr.networks import MODELS, CTRNetwork, Model
from rtb.ctr.scorer import PRIOR, CTRScorer, load, save

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
