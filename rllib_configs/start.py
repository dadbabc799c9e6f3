"""RLlib's default networks, begun at the closed loop: an untrained policy multiplies by 1.0 and can only get better.

Most of what an episode brings is luck. A policy that starts anywhere else spends its first hundred thousand decisions
on finding its way back to 1.0.
"""

from __future__ import annotations

import math

import torch
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from torch import nn

from rllib_configs.env import LEVELS

STD = 0.25
"""Of the first actions in [-1, 1]: multipliers between 0.84 and 1.19 in two of three decisions."""

_SMALL = 0.01
"""Factor on the last layer: not 0, or no gradient would reach the layers below at first."""


class ClosedLoopPPO(DefaultPPOTorchRLModule):
    """Actor with a mean around 0, action of the multiplier 1.0, and a narrow spread of its own."""

    def setup(self) -> None:
        """Build the networks, then shrink the actor's last layer."""
        super().setup()
        _shrink(self.pi, _SMALL)
        with torch.no_grad():
            self.pi.log_std.fill_(math.log(STD))


class ClosedLoopDQN(DefaultDQNTorchRLModule):
    """Q-values that are about the same in every state, highest near the multiplier 1.0.

    They fall with the square of a level's distance from it, as what is lost by bidding too high or too low does: by
    `lead` of the model's configuration at the outermost ones.
    """

    def setup(self) -> None:
        """Build the networks, then leave little of the advantages but the lead."""
        super().setup()
        last = _shrink(self.af, _SMALL)
        with torch.no_grad():
            distance = torch.arange(LEVELS) - LEVELS // 2
            last.bias.copy_(-self.model_config["lead"] * (distance / (LEVELS // 2)) ** 2)


def _shrink(head: nn.Module, factor: float) -> nn.Linear:
    """Scale the weights of a head's last layer, set its bias to 0; that layer."""
    last = [layer for layer in head.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.zero_()
    return last
