"""Choices on the command line; separate from the rest, which takes seconds to import."""

from __future__ import annotations

from enum import StrEnum


class Algo(StrEnum):
    """The algorithms that `rllib_configs` has."""

    PPO = "ppo"
    DQN = "dqn"


class Scheduler(StrEnum):
    """The scheduler that ends trials of a sweep early.

    ASHA stops the worse half at each rung (Li et al. 2020). PBT restarts the worse trials from the better ones, with
    perturbed parameters (Jaderberg et al. 2017).
    """

    ASHA = "asha"
    PBT = "pbt"
