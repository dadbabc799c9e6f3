"""The environment's name within RLlib, and what the algorithms' configurations have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray.tune.registry import register_env

from rllib_configs.env import Actions, make_env
from rtb.pacing.loops import DECISION

NAME = "raybid-pacing"


@dataclass(frozen=True)
class TrainingRun:
    """One training run, whatever the algorithm.

    Attributes:
        steps: decisions until the end, over which rates fall.
        data: folder of logged auctions, readable on every machine of the cluster; empty: simulated ones only.
        seed: seed of environments, network and sampling.
        num_envs: campaigns that a process paces at once.
        num_env_runners: processes that only collect experience; 0: the learner's process collects.
        num_learners: processes that only learn; 0: the driver learns.
        markets: simulated campaigns of each kind.
        decision: auctions between two decisions.
        cpus: CPUs that each process reserves of its host.
    """

    steps: int
    data: str = ""
    seed: int = 0
    num_envs: int = 384
    num_env_runners: int = 0
    num_learners: int = 0
    markets: int = 60
    decision: int = DECISION
    cpus: float = 1.0

    def env_config(self, actions: Actions) -> dict[str, Any]:
        """Return the configuration for `rllib_configs.env.make_env`."""
        return {
            "data": self.data,
            "world_seed": self.seed,
            "markets": self.markets,
            "actions": actions,
            "decision": self.decision,
        }


def base_config(config: Any, run: TrainingRun, actions: Actions) -> Any:
    """Return an algorithm's configuration with what all trainings have in common."""
    return (
        config.api_stack(enable_rl_module_and_learner=True, enable_env_runner_and_connector_v2=True)
        .environment(register(), env_config=run.env_config(actions))
        .env_runners(
            num_env_runners=run.num_env_runners,
            num_cpus_per_env_runner=run.cpus,
            num_envs_per_env_runner=run.num_envs,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .learners(num_learners=run.num_learners, num_cpus_per_learner=run.cpus)
        .debugging(seed=run.seed, log_level="ERROR")
    )


def register() -> str:
    """Register the environment with this process and its cluster's workers; return its name."""
    register_env(NAME, make_env)
    return NAME
