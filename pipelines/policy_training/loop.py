"""The training loop: learn, validate, keep the best policy, stop when it no longer improves."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import structs

from pipelines.policy_training import kept
from pipelines.policy_training.kept import TrainingState
from pipelines.policy_training.time_limit import TimeLimit
from pipelines.policy_training.validation import EPISODES, Yardstick, score
from rllib_configs.registry import TrainingRun
from rtb.models.policy import Policy, neutral

PATIENCE = 10
"""Validations without improvement after which a training ends."""


@dataclass(frozen=True)
class TrainingPlan:
    """The plan of a training.

    Attributes:
        run: where, on what data and how long to train.
        begun: initial state.
        folder: folder of the checkpoint.
        until: Unix time at which everything has to be over; infinite: no limit.
        seconds: most time of the training, in all its parts; infinite: no limit.
    """

    run: TrainingRun
    begun: TrainingState
    folder: Path
    until: float = math.inf
    seconds: float = math.inf

    @property
    def recipe(self) -> ModuleType:
        """Module of the algorithm."""
        return import_module(f"rllib_configs.{self.begun.algo}")


def yardstick_of(run: TrainingRun) -> Yardstick:
    """Return the validation episodes of a run: the same for all runs with this data and number of markets."""
    return Yardstick.of(
        run.data, markets=-(-run.markets // 2), count=min(EPISODES, 8 * run.markets), decision=run.decision
    )


class Training:
    """A training in progress.

    Args:
        plan: plan of the training.
        yardstick: validation episodes.
        params: further arguments of the algorithm's `build_config`.

    Attributes:
        state: current state.
        best: policy of the best validation; the closed loop itself before the first one.
        said: current scores, in words.
    """

    def __init__(self, plan: TrainingPlan, yardstick: Yardstick, params: Mapping[str, Any] | None = None) -> None:
        self._plan, self._yardstick, self._params = plan, yardstick, params or {}
        self.state, self.best, self.said = structs.replace(plan.begun), neutral(), ""

    def go(self, *, resume: bool = False) -> Iterator[bool]:
        """Train until the steps or seconds are used up or the policy no longer improves.

        Args:
            resume: whether to continue from the checkpoint in the plan's folder.

        Yields:
            After each round, whether it ended with a validation.

        Raises:
            kept.CheckpointError: there is nothing to resume.
            OSError: the folder is not writable.
        """
        start = time.time()
        if resume:
            self.state, self.best = kept.read(self._plan.folder, self.state)
        start -= self.state.seconds
        limit = self._limit(min(self._plan.until, start + self._plan.seconds))
        algorithm = self._plan.recipe.build_config(self._plan.run, **self._params).build_algo()
        try:
            if resume:
                algorithm.restore_from_path(str(self._plan.folder / self.state.rllib))
            yield from self._rounds(algorithm, limit, start)
        finally:
            algorithm.stop()

    def _limit(self, until: float) -> TimeLimit:
        """Return the limit of a training, with the time of a validation as one of its parts takes."""
        if math.isinf(until):
            return TimeLimit(until)
        start = time.monotonic()
        parts = self._yardstick.play_one_part()
        return TimeLimit(until, parts * (time.monotonic() - start))

    def _rounds(self, algorithm: Any, limit: TimeLimit, start: float) -> Iterator[bool]:
        recipe, steps = self._plan.recipe, self._plan.run.steps
        due = self.state.steps + recipe.VALIDATE_EVERY
        over = self.state.steps >= steps
        while not over:
            with limit.timing_round():
                sampled = algorithm.train()["env_runners"]
            self.state.steps = int(sampled["num_env_steps_sampled_lifetime"])
            self.state.seconds = time.time() - start
            over = self.state.steps >= steps or limit.is_reached
            judge = over or self.state.steps >= due
            if judge:
                due += recipe.VALIDATE_EVERY
                with limit.timing_validation():
                    self._judge(recipe.export(algorithm))
                    self.state.seconds = time.time() - start
                    kept.write(self._plan.folder, algorithm.save_to_path, self.state, self.best)
                over = over or self.state.missed >= PATIENCE or limit.is_reached
            yield judge

    def _judge(self, policy: Policy) -> None:
        """Validate a policy, and keep it if it is the best so far."""
        gains = self._yardstick.gains(policy)
        if not self.state.gains or score(gains) > self.state.score:
            self.best, self.state.best_steps, self.state.missed = policy, self.state.steps, 0
            self.state.gains, self.state.score = gains, score(gains)
        else:
            self.state.missed += 1
        self.said = f"score {score(gains):+.3f}, best {self.state.score:+.3f}"
