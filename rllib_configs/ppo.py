"""PPO over a continuous multiplier of the closed loop's level: the policy that serves.

Run it:

    python -m pipelines.train_policy --algo ppo --data DIR

What to expect, on two cores: six to seven minutes for the default three million decisions, and on validation episodes
0.3 to 1.1% more value than the closed loop in logged auctions and 1.4 to 2.4% more in days with a pattern.
docs/policy.md says what remains of that in later auctions.

How it works, top down. `build_config` describes the whole run. A few hundred campaigns are paced side by side, in
logged and in simulated markets; their decisions make a batch; PPO goes over it four times with clipped updates. Actor
and critic are separate two-layer networks, and the actor begins at multiplier 1.0 (`rllib_configs.start`). The discount
is 1: an episode ends with its budget, and money kept for the last hour is worth as much as money spent in the first.
The learning rate falls to a tenth over the run. `export` copies the actor's mean into plain layers that
`rtb.models.policy` runs without RLlib.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ray import tune
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from rllib_configs.layers import dense, module_of
from rllib_configs.registry import TrainingRun, base_config
from rllib_configs.start import ClosedLoopPPO
from rtb.models.policy import Policy

STEPS = 3_000_000
"""Decisions of a default training."""

VALIDATE_EVERY = 200_000
"""Decisions between two validations."""

LR, LAMBDA, CLIP = 5e-4, 0.95, 0.2

_DECISIONS = 50  # decisions of every campaign in a batch: one episode
_LR_END = 0.1  # share of the initial rate


def search_space() -> dict[str, Any]:
    """Return the search space of a sweep, as arguments of `build_config`."""
    return {"lr": tune.loguniform(1e-4, 2e-3), "lambda_": tune.uniform(0.8, 1.0), "clip": tune.uniform(0.1, 0.4)}


def build_config(run: TrainingRun, *, lr: float = LR, lambda_: float = LAMBDA, clip: float = CLIP) -> PPOConfig:
    """Build RLlib's configuration of the run.

    Args:
        run: where, on what data and how long to train.
        lr: initial learning rate.
        lambda_: lambda of generalised advantage estimation.
        clip: how far an update may change the odds of an action.
    """
    runners, learners = max(run.num_env_runners, 1), max(run.num_learners, 1)
    batch = runners * run.num_envs * _DECISIONS // learners
    config: PPOConfig = (
        base_config(PPOConfig(), run, "continuous")
        .training(
            train_batch_size_per_learner=batch,
            minibatch_size=min(2_048, batch),
            num_epochs=4,
            lr=[[0, lr], [run.steps, lr * _LR_END]],
            gamma=1.0,
            lambda_=lambda_,
            clip_param=clip,
            use_kl_loss=False,
            vf_clip_param=1e4,  # the default would cut off the gradients of large returns
            vf_loss_coeff=0.5,
            entropy_coeff=0.0,
            grad_clip=0.5,
        )
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=ClosedLoopPPO,
                model_config=DefaultModelConfig(
                    fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False, free_log_std=True
                ),
            )
        )
    )
    return config


def export(trained: Any, version: str = "untitled") -> Policy:
    """Return the actor's mean as a plain policy.

    Args:
        trained: an algorithm of this configuration, or its RLModule.
        version: version name of the weights.

    The output is an action in [-1, 1], which `rtb.models.policy.unsquash` makes a multiplier, as in the environment.
    """
    module = module_of(trained)
    weight, bias = dense(module.pi)[0]
    mean = (weight[:1], bias[:1])  # if the log standard deviation is an output too, it comes second
    return Policy((*dense(module.encoder.actor_encoder), mean), "tanh", "continuous", np.empty(0), version)
