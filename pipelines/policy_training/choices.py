"""What the command line lets one choose from; apart from the rest, which takes seconds to import."""

from __future__ import annotations

from enum import StrEnum


class Algo(StrEnum):
    """The algorithms there is a configuration of in `rllib_configs`."""

    PPO = "ppo"
    DQN = "dqn"


class Scheduler(StrEnum):
    """Who ends the trials of a sweep early.

    ASHA stops the worse half at each rung (Li et al. 2020). PBT lets the worse go on from where the better are, with
    other parameters (Jaderberg et al. 2017).
    """

    ASHA = "asha"
    PBT = "pbt"
