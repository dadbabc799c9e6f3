"""DQN over log-spaced multipliers of the closed loop's level: double, dueling, n-step returns.

Run it:

    python -m pipelines.train_policy --algo dqn --data DIR

What to expect, on two cores: two to four minutes for the default hundred thousand decisions, and 0.2 to 1.4% less value
than the closed loop on validation episodes: it learns from a thirtieth of the decisions that PPO does, and neighbouring
levels differ little in value. It is still far ahead of the classic bidders.

How it works, top down. `build_config` describes the whole run. Campaigns are paced side by side, in logged and in
simulated markets; their experience goes into a replay buffer of episodes; each round of collecting is followed by as
many updates as the training intensity demands. Exploration is epsilon-greedy: only random levels at first, one in
twenty in the end. All levels begin about equal, with 1.0 a little ahead (`rllib_configs.start`). `export` copies
encoder and advantage head: the value stream adds the same to all levels and does not change which is the largest.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ray import tune
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from rllib_configs.env import LEVELS
from rllib_configs.layers import dense, module_of
from rllib_configs.registry import TrainingRun, base_config
from rllib_configs.replay import SEEDED
from rllib_configs.start import ClosedLoopDQN
from rtb.models.policy import Policy, multiplier_levels

STEPS = 100_000
"""Decisions of a default training."""

VALIDATE_EVERY = 20_000
"""Decisions between two validations."""

LR, GAMMA, INTENSITY = 5e-4, 0.9, 4.0

_LEAD = 0.05  # initial lead of 1.0 over the outermost levels, in rewards

_MODEL = asdict(DefaultModelConfig(fcnet_hiddens=[64, 64], fcnet_activation="tanh", head_fcnet_hiddens=[]))

_EXPLORED = 0.4  # share of the run until one level in twenty is random


def search_space() -> dict[str, Any]:
    """Return the search space of a sweep, as arguments of `build_config`."""
    return {"lr": tune.loguniform(1e-4, 2e-3), "gamma": tune.uniform(0.5, 0.98), "intensity": tune.uniform(1.0, 8.0)}


def build_config(run: TrainingRun, *, lr: float = LR, gamma: float = GAMMA, intensity: float = INTENSITY) -> DQNConfig:
    """Build RLlib's configuration of the run.

    Args:
        run: where, on what data and how long to train.
        lr: initial learning rate.
        gamma: discount per decision.
        intensity: how often each decision is learned from, on average.
    """
    learners = max(run.num_learners, 1)
    config: DQNConfig = (
        base_config(DQNConfig(), run, "levels")
        .env_runners(rollout_fragment_length=4)
        .training(
            train_batch_size_per_learner=512 // learners,
            training_intensity=intensity,
            lr=[[0, lr], [run.steps, lr / 10]],
            gamma=gamma,
            double_q=True,
            dueling=True,
            n_step=3,
            epsilon=[(0, 1.0), (int(_EXPLORED * run.steps), 0.05)],
            num_steps_sampled_before_learning_starts=min(10_000, run.steps // 10),
            target_network_update_freq=4_000,
            grad_clip=10.0,
            replay_buffer_config={"type": SEEDED, "seed": run.seed, "capacity": 500_000},
        )
        .rl_module(rl_module_spec=RLModuleSpec(module_class=ClosedLoopDQN, model_config={**_MODEL, "lead": _LEAD}))
        .reporting(min_sample_timesteps_per_iteration=min(2_000, run.steps // 4))
    )
    return config


def export(trained: Any, version: str = "untitled") -> Policy:
    """Return the greedy choice of level as a plain policy.

    Args:
        trained: an algorithm of this configuration, or its RLModule.
        version: version name of the weights.
    """
    module = module_of(trained)
    layers = (*dense(module.encoder), *dense(module.af))
    return Policy(layers, "tanh", "levels", multiplier_levels(LEVELS), version)
