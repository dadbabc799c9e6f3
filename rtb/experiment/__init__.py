"""Experiments: champion and challenger side by side, each with its own part of every campaign's money and traffic."""

from rtb.experiment.record import Experiment, Split, decode, encode

__all__ = ["Experiment", "Split", "decode", "encode"]
