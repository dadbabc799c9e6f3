"""The training loop: learn, validate, keep the best, stop when it gets no better."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pipelines.policy_training import kept
from pipelines.policy_training.kept import State
from pipelines.policy_training.validation import Yardstick, score
from rllib_configs.registry import Run
from rtb.policy import Policy, neutral

PATIENCE = 10
"""Validations without a better one after which a training ends."""


@dataclass
class Training:
    """A training on its way.

    Attributes:
        recipe: module of the algorithm.
        run: where, on what and how long.
        state: where it stands.
        yardstick: what judges it.
        params: arguments of the algorithm's `build_config` besides.
        best: policy of the best validation; the closed loop itself before the first one.
        said: how good it is, in words.
    """

    recipe: ModuleType
    run: Run
    state: State
    yardstick: Yardstick
    params: dict[str, Any] = field(default_factory=dict)
    best: Policy = field(default_factory=neutral)
    said: str = ""

    def go(self, seconds: float, checkpoint: Path, *, resume: bool = False) -> Iterator[bool]:
        """Train until the steps or seconds are used up or nothing gets better.

        Args:
            seconds: of training, validation included, in all; 0: no limit.
            checkpoint: folder of what is kept.
            resume: whether to go on from what is there.

        Yields:
            After each round, whether it ended with a validation.

        Raises:
            kept.CheckpointError: there is nothing to resume.
            OSError: the folder cannot be written.
        """
        if resume:
            self.state, self.best = kept.read(checkpoint, self.state)
        algorithm = self.recipe.build_config(self.run, **self.params).build_algo()
        try:
            if resume:
                algorithm.restore_from_path(str(checkpoint / self.state.rllib))
            yield from self._rounds(algorithm, seconds, checkpoint)
        finally:
            algorithm.stop()

    def _rounds(self, algorithm: Any, seconds: float, checkpoint: Path) -> Iterator[bool]:
        start, before = time.monotonic(), self.state.seconds
        due = self.state.steps + self.recipe.VALIDATE_EVERY
        over = self.state.steps >= self.run.steps
        while not over:
            sampled = algorithm.train()["env_runners"]
            self.state.steps = int(sampled["num_env_steps_sampled_lifetime"])
            self.state.seconds = before + time.monotonic() - start
            over = self.state.steps >= self.run.steps or bool(seconds and self.state.seconds >= seconds)
            judge = over or self.state.steps >= due
            if judge:
                due += self.recipe.VALIDATE_EVERY
                self._judge(self.recipe.export(algorithm))
                self.state.seconds = before + time.monotonic() - start
                kept.write(checkpoint, algorithm, self.state, self.best)
                over = over or self.state.missed >= PATIENCE
            yield judge

    def _judge(self, policy: Policy) -> None:
        """Validate a policy, and keep it if it is the best one so far."""
        gains = self.yardstick.gains(policy)
        if not self.state.gains or score(gains) > self.state.score:
            self.best, self.state.best_steps, self.state.missed = policy, self.state.steps, 0
            self.state.gains, self.state.score = gains, score(gains)
        else:
            self.state.missed += 1
        self.said = f"score {score(gains):+.3f}, best {self.state.score:+.3f}"
