"""RLlib's default networks, started at the closed loop: an untrained policy multiplies by 1.0 and can only get better.

Most of an episode's return is luck. A policy that starts anywhere else spends its first hundred thousand decisions on
finding its way back to 1.0.
"""

from __future__ import annotations

import math

import torch
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from torch import nn

from rllib_configs.env import LEVELS

STD = 0.25
"""Standard deviation of the first actions in [-1, 1]: two thirds of the multipliers are between 0.84 and 1.19."""

_SMALL = 0.01
"""Factor on the last layer: not 0, or no gradient would reach the layers below at first."""


class ClosedLoopPPO(DefaultPPOTorchRLModule):
    """Actor whose mean starts near 0, the action for multiplier 1.0, with a narrow learned spread."""

    def setup(self) -> None:
        """Build the networks, then shrink the actor's last layer."""
        super().setup()
        _shrink(self.pi, _SMALL)
        with torch.no_grad():
            self.pi.log_std.fill_(math.log(STD))


class ClosedLoopDQN(DefaultDQNTorchRLModule):
    """Q-values that start almost equal in every state, highest near the multiplier 1.0.

    They fall with the square of a level's distance from it, as do the losses from bidding too high or too low, by
    `lead` of the model's configuration at the outermost levels.
    """

    def setup(self) -> None:
        """Build the networks, then shrink the advantages to the lead."""
        super().setup()
        last = _shrink(self.af, _SMALL)
        with torch.no_grad():
            distance = torch.arange(LEVELS) - LEVELS // 2
            last.bias.copy_(-self.model_config["lead"] * (distance / (LEVELS // 2)) ** 2)


def _shrink(head: nn.Module, factor: float) -> nn.Linear:
    """Scale the weights of a head's last layer, set its bias to 0, and return that layer."""
    last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.zero_()
    return last
