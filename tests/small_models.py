"""Models of platforms that tests start, trained once a run."""

from __future__ import annotations

from functools import cache

from pipelines.ctr_training.fitting import FitOptions
from pipelines.datasets import simulate
from pipelines.train_ctr import Trained, train
from rtb.models import ctr, policy
from rtb.runtime.settings import Settings
from simulation import reference


def save_small_models(settings: Settings) -> None:
    """Write a CTR model good enough to bid with, and a policy that multiplies by exactly 1."""
    trained = _trained()
    ctr.save(settings.ctr_dir, trained.network, metrics={}, trained_on="a test", calibration=trained.calibration)
    policy.save(settings.policy_dir, policy.neutral(), metrics={}, trained_on="nothing")


@cache
def _trained() -> Trained:
    return train(simulate(reference.market(), reference.campaigns(), 30_000, 1, lambda _: None), FitOptions(), "platt")
