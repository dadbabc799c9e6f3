"""A sweep over an algorithm's parameters with Ray Tune: parallel trials on the cluster, one process each."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.fs
from ray import tune
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining
from rich.table import Table

from pipelines.policy_training import kept
from pipelines.policy_training.choices import Scheduler
from pipelines.policy_training.hosts import share_of_seconds
from pipelines.policy_training.kept import TrainingState
from pipelines.policy_training.loop import Training, TrainingPlan, yardstick_of
from pipelines.policy_training.screen import Show
from rtb.models.policy import Policy

_METRIC, _NAME = "score", "sweep"


@dataclass(frozen=True)
class Swept:
    """The result of a sweep.

    Attributes:
        state: state of the best trial, when it was best.
        best: policy of that trial.
        params: parameters of that trial.
        trials: parameters, score and decisions of each trial; no score if it failed.
    """

    state: TrainingState
    best: Policy
    params: dict[str, Any]
    trials: list[tuple[dict[str, Any], float | None, int]]


@dataclass(frozen=True)
class TrialPlaces:
    """Where the trials of a sweep run, and where their checkpoints lie meanwhile.

    Attributes:
        folder: folder of the checkpoints, which all hosts of the trials see.
        at_once: number of trials that run at once.
        is_limited: whether Ray, by its count of CPUs, would run more of them.
        filesystem: file system of the folder; `None`: this machine's.
    """

    folder: str
    at_once: int
    is_limited: bool = False
    filesystem: pyarrow.fs.FileSystem | None = None


def sweep(plan: TrainingPlan, trials: int, scheduler: Scheduler, show: Show, where: TrialPlaces) -> Swept:
    """Run trials of a plan that differ only in their parameters.

    Where the plan has a time limit, trials that run one after the other share the time.

    Raises:
        RuntimeError: all trials failed.
    """
    with _emptied(where):
        return _sweep(plan, trials, scheduler, show, where)


def _sweep(plan: TrainingPlan, trials: int, scheduler: Scheduler, show: Show, where: TrialPlaces) -> Swept:
    space = plan.recipe.search_space()
    rounds = max(1, plan.run.steps // plan.recipe.VALIDATE_EVERY)
    left = plan.until - time.time()
    each = replace(plan, seconds=share_of_seconds(left, trials, where.at_once))
    results = tune.Tuner(
        tune.with_resources(tune.with_parameters(_trial, plan=each), {"cpu": plan.run.cpus}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=_METRIC,
            mode="max",
            num_samples=trials,
            scheduler=_scheduler(scheduler, space, rounds),
            max_concurrent_trials=where.at_once if where.is_limited else None,
            time_budget_s=None if math.isinf(left) else max(1.0, left),
        ),
        run_config=tune.RunConfig(
            name=_NAME,
            storage_path=where.folder,
            storage_filesystem=where.filesystem,
            verbose=0,
            callbacks=[_Screen(show)],
        ),
    ).fit()
    tried = [(one.config, one.metrics.get(_METRIC), int(one.metrics.get("steps", 0))) for one in results]
    if all(score is None for _, score, _ in tried):
        raise RuntimeError(f"no trial reached a validation: {next(iter(results.errors), 'too few --seconds')}")
    best = results.get_best_result(scope="all")
    with best.get_best_checkpoint(_METRIC, "max").as_directory() as folder:
        state, policy = kept.read(Path(folder), plan.begun)
    return Swept(state, policy, best.config, tried)


@contextmanager
def _emptied(where: TrialPlaces) -> Iterator[None]:
    """Remove the trials of an earlier sweep, and those of this one at the end where other hosts see them."""
    if where.filesystem is None:
        shutil.rmtree(Path(where.folder) / _NAME, ignore_errors=True)
        yield
        return
    try:
        yield
    finally:
        where.filesystem.delete_dir(where.folder)


def trials_table(swept: Swept) -> Table:
    """Return the trials as a table, best first."""
    table = Table(title="trials")
    names = list(swept.trials[0][0])
    for name in (*names, "decisions", "score"):
        table.add_column(name, justify="right")
    ordered = sorted(swept.trials, key=lambda one: float("-inf") if one[1] is None else one[1], reverse=True)
    for params, score, steps in ordered:
        said = "failed" if score is None else f"{score:+.3f}"
        table.add_row(*(f"{params[name]:.4g}" for name in names), f"{steps:,}", said)
    return table


def _trial(params: dict[str, Any], plan: TrainingPlan) -> None:
    """Run one trial, in a process of its own; report each validation with a checkpoint.

    A trial that the time limit left no time for reports nothing.
    """
    if time.time() >= plan.until:
        return
    with tempfile.TemporaryDirectory() as folder:
        given = tune.get_checkpoint()
        if given is not None:
            given.to_directory(folder)
        training = Training(replace(plan, folder=Path(folder)), yardstick_of(plan.run), params)
        for judged in training.go(resume=given is not None):
            if judged:
                report = {_METRIC: training.state.score, "steps": training.state.steps}
                tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _scheduler(which: Scheduler, space: dict[str, Any], rounds: int) -> Any:
    if which is Scheduler.ASHA:
        return ASHAScheduler(max_t=rounds, grace_period=max(1, rounds // 8), reduction_factor=2)
    return PopulationBasedTraining(perturbation_interval=max(1, rounds // 5), hyperparam_mutations=space)


def _nowhere(done: int, text: str) -> None:
    """Show nothing."""


class _Screen(tune.Callback):
    """A callback that shows how many trials are over and the best score."""

    def __init__(self, show: Show) -> None:
        self._show, self._over, self._best = show, 0, float("-inf")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the terminal: Tune pickles its callbacks to resume a sweep elsewhere."""
        return _Screen, (_nowhere,)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show a validation's score."""
        self._best = max(self._best, result.get(_METRIC, self._best))
        self._say()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a finished trial."""
        self._over += 1
        self._say()

    def _say(self) -> None:
        self._show(self._over, f"best score {self._best:+.3f}")
