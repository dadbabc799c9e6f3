"""A training whose processes are placed on the hosts of a cluster; its checkpoints come back to this one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from msgspec import structs
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pipelines.policy_training import kept
from pipelines.policy_training.hosts import SHARE
from pipelines.policy_training.kept import TrainingState
from pipelines.policy_training.loop import Training, TrainingPlan, yardstick_of
from rtb.models.policy import Policy, neutral


@dataclass(frozen=True)
class _Round:
    """What a round of training came to.

    Attributes:
        is_judged: whether it ended with a validation.
        state: state of the training.
        best: best policy so far.
        said: current scores, in words.
        checkpoint: RLlib's own checkpoint, packed, after a validation.
    """

    is_judged: bool
    state: TrainingState
    best: Policy
    said: str
    checkpoint: bytes


class RemoteTraining:
    """A training that runs in a placement group, with the interface of `loop.Training`.

    Args:
        plan: plan of the training; its folder is one of this host.
        group: room for the processes, the main one's first.

    Attributes:
        state: current state.
        best: policy of the best validation; the closed loop itself before the first one.
        said: current scores, in words.
    """

    def __init__(self, plan: TrainingPlan, group: PlacementGroup) -> None:
        self._plan, self._group = plan, group
        self.state, self.best, self.said = structs.replace(plan.begun), neutral(), ""

    def go(self, *, resume: bool = False) -> Iterator[bool]:
        """Train as `Training.go` does.

        Raises:
            kept.CheckpointError: there is nothing to resume.
            OSError: the folder is not writable, or a host cannot read the data.
            RuntimeError: the training failed, or its host is gone.
        """
        checkpoint = b""
        if resume:
            self.state, self.best = kept.read(self._plan.folder, self.state)
            checkpoint = kept.pack(self._plan.folder / self.state.rllib)
        inside = PlacementGroupSchedulingStrategy(self._group, 0, placement_group_capture_child_tasks=True)
        loop = ray.remote(_Loop).options(num_cpus=SHARE, scheduling_strategy=inside).remote(self._plan)
        try:
            self._ask(loop.prepare)
            if resume:
                self._ask(loop.resume, self.state, self.best, checkpoint)
            while (one := self._ask(loop.advance)) is not None:
                self._take(one)
                yield one.is_judged
        finally:
            ray.kill(loop)

    def _take(self, one: _Round) -> None:
        former = self.state.rllib
        self.state, self.best, self.said = one.state, one.best, one.said
        self.state.rllib = former
        if one.checkpoint:
            kept.write(self._plan.folder, lambda path: kept.unpack(one.checkpoint, path), self.state, self.best)

    def _ask(self, method: Any, *arguments: Any) -> Any:
        try:
            return ray.get(method.remote(*arguments))
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, OSError | ValueError | RuntimeError) and not isinstance(cause, RayError):
                raise cause from None
            raise RuntimeError(f"the training failed: {cause!r}") from error
        except RayError as error:
            raise RuntimeError(
                f"the training's process is gone ({_first_line(error)}): "
                f"what it came to is in {self._plan.folder}: continue with --resume"
            ) from error


class _Loop:
    """The training loop, in a process of its own on some host of the cluster.

    Args:
        plan: plan of the training.
    """

    def __init__(self, plan: TrainingPlan) -> None:
        self._plan = plan

    def prepare(self) -> None:
        """Read the data; not done by the constructor, as Ray hides what that raises."""
        self._folder = tempfile.TemporaryDirectory(prefix="raybid-training-")
        self._training = Training(replace(self._plan, folder=Path(self._folder.name)), yardstick_of(self._plan.run))
        self._rounds = self._training.go()

    def resume(self, state: TrainingState, best: Policy, checkpoint: bytes) -> None:
        """Continue from a checkpoint."""
        kept.write(Path(self._folder.name), lambda path: kept.unpack(checkpoint, path), state, best)
        self._rounds = self._training.go(resume=True)

    def advance(self) -> _Round | None:
        """Train a round, and return it; `None` when the training is over."""
        is_judged = next(self._rounds, None)
        if is_judged is None:
            self._folder.cleanup()
            return None
        training = self._training
        packed = kept.pack(Path(self._folder.name) / training.state.rllib) if is_judged else b""
        return _Round(is_judged, training.state, training.best, training.said, packed)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
