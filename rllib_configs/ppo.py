"""PPO over a continuous multiplier: the policy a first run trains.

Run it:

    python -m pipelines.train_policy --algo ppo

What to expect, on two cores, as mean return of 512 held-out episodes (40 would be perfect foresight) and share of the
value that hindsight could have bought: 33.3 to 34.9 and 85% to 90% over three seeds after the default 30,720 steps, six
seconds of training; 37.5 and 95% after 120,000. Multiplier 1.0 earns 18.9 and 58%, the best constant one 27.1 and 66%.
The return shown while training is lower, as it explores.

How it works, top down. `build_config` describes the whole run. 64 campaigns are paced side by side in one vector
environment; their decisions make a batch; PPO goes over it a few times with clipped updates. Actor and critic
are separate two-layer networks, as the critic's loss is much the larger one. The discount is 1: an episode ends
with its flight, and money kept for the last hour is worth as much as money spent in the first. `export` copies the
actor's mean into plain layers that `rtb.policy` runs without RLlib.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from rllib_configs.layers import dense, module_of
from rllib_configs.registry import register
from rtb.policy import Policy

STEPS = 30_720
"""Environment steps of a default training: twelve updates."""

REWARD_SCALE = 1.0
"""Factor on every reward: none; advantages are normalised anyway."""


def build_config(
    *, num_env_runners: int = 0, num_envs: int = 64, seed: int = 0, steps: int = 40, auctions: int = 250
) -> PPOConfig:
    """RLlib's configuration of the run.

    Args:
        num_env_runners: processes that only collect experience; 0 collects in the learner's.
        num_envs: campaigns each of them paces at once.
        seed: of environments, network and sampling.
        steps: pacing decisions in an episode.
        auctions: most auctions between two of them.
    """
    runners = max(num_env_runners, 1)
    config: PPOConfig = (
        PPOConfig()
        .api_stack(enable_rl_module_and_learner=True, enable_env_runner_and_connector_v2=True)
        .environment(
            register(),
            env_config={"actions": "continuous", "steps": steps, "auctions": auctions, "reward_scale": REWARD_SCALE},
        )
        .env_runners(
            num_env_runners=num_env_runners,
            num_envs_per_env_runner=num_envs,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .training(
            train_batch_size_per_learner=runners * num_envs * steps,  # one episode of every campaign
            minibatch_size=min(512, runners * num_envs * steps),
            num_epochs=8,
            lr=1e-3,
            gamma=1.0,
            lambda_=0.95,
            clip_param=0.2,
            use_kl_loss=False,
            vf_clip_param=1e4,  # returns are tens: the default of 10 would cut their gradients off
            vf_loss_coeff=0.5,
            entropy_coeff=0.0,
            grad_clip=0.5,
        )
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False, free_log_std=True
            )
        )
        .debugging(seed=seed, log_level="ERROR")
    )
    return config


def export(trained: Any, version: str = "untitled") -> Policy:
    """The actor's mean as a plain policy.

    Args:
        trained: an algorithm of this configuration, or its RLModule.
        version: name of the weights.

    Its output is in RLlib's normalised action space, [-1, 1]; `rtb.policy.unsquash` stretches it as RLlib would.
    """
    module = module_of(trained)
    weight, bias = dense(module.pi)[0]
    mean = (weight[:1], bias[:1])  # should the log standard deviation be an output too, it comes second
    return Policy((*dense(module.encoder.actor_encoder), mean), "tanh", "continuous", np.empty(0), version)
