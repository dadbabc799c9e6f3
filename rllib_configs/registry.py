"""The environment's name within RLlib."""

from __future__ import annotations

from ray.tune.registry import register_env

from rllib_configs.env import make_env

NAME = "raybid-pacing"


def register() -> str:
    """Make the environment known to this process and its cluster's workers; its name."""
    register_env(NAME, make_env)
    return NAME
