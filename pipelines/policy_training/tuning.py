"""A sweep over an algorithm's parameters with Ray Tune: trials side by side on the cluster, one CPU each."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import structs
from ray import tune
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining
from rich.table import Table

from pipelines.policy_training import kept
from pipelines.policy_training.choices import Scheduler
from pipelines.policy_training.kept import State
from pipelines.policy_training.loop import Training
from pipelines.policy_training.screen import Show
from pipelines.policy_training.validation import Yardstick
from rllib_configs.registry import Run
from rtb.policy import Policy

_METRIC = "score"


@dataclass(frozen=True)
class Sweep:
    """What a sweep is made of.

    Attributes:
        run: of every trial; all have the same seed.
        state: of a trial that has not begun.
        trials: how many.
        scheduler: who ends them early.
        seconds: that each may train; 0: no limit.
        folder: for what the trials keep; the machines of a cluster must share it.
    """

    run: Run
    state: State
    trials: int
    scheduler: Scheduler
    seconds: float
    folder: Path


@dataclass(frozen=True)
class Swept:
    """What came of a sweep.

    Attributes:
        state: of the best trial, when it was best.
        best: its policy.
        params: its parameters.
        trials: of each trial its parameters, score and decisions; without a score where it failed.
    """

    state: State
    best: Policy
    params: dict[str, Any]
    trials: list[tuple[dict[str, Any], float | None, int]]


def sweep(plan: Sweep, show: Show) -> Swept:
    """Run the trials.

    Raises:
        RuntimeError: all of them failed.
    """
    recipe = import_module(f"rllib_configs.{plan.state.algo}")
    space = recipe.search_space()
    rounds = max(1, plan.run.steps // recipe.VALIDATE_EVERY)
    results = tune.Tuner(
        tune.with_resources(tune.with_parameters(_trial, plan=plan), {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=_METRIC, mode="max", num_samples=plan.trials, scheduler=_scheduler(plan.scheduler, space, rounds)
        ),
        run_config=tune.RunConfig(
            name="sweep", storage_path=str(plan.folder), verbose=0, callbacks=[_Screen(show, plan.trials)]
        ),
    ).fit()
    trials = [(one.config, one.metrics.get(_METRIC), int(one.metrics.get("steps", 0))) for one in results]
    if all(score is None for _, score, _ in trials):
        raise RuntimeError(f"no trial came to a validation: {next(iter(results.errors), 'too few --steps or --seconds')}")
    best = results.get_best_result(scope="all")
    checkpoint, metrics = best.get_best_checkpoint(_METRIC, "max"), best.metrics
    with checkpoint.as_directory() as folder:
        state, policy = kept.read(Path(folder), plan.state)
    return Swept(state, policy, metrics["config"], trials)


def trials_table(swept: Swept) -> Table:
    """The trials, best first."""
    table = Table(title="trials")
    names = list(swept.trials[0][0])
    for name in (*names, "decisions", "score"):
        table.add_column(name, justify="right")
    ordered = sorted(swept.trials, key=lambda one: float("-inf") if one[1] is None else one[1], reverse=True)
    for params, score, steps in ordered:
        said = "failed" if score is None else f"{score:+.3f}"
        table.add_row(*(f"{params[name]:.4g}" for name in names), f"{steps:,}", said)
    return table


def _trial(params: dict[str, Any], plan: Sweep) -> None:
    """One trial, in a process of its own; reports each validation with what is needed to go on from it."""
    training = Training(
        recipe=import_module(f"rllib_configs.{plan.state.algo}"),
        run=plan.run,
        state=structs.replace(plan.state),
        yardstick=Yardstick.of(plan.run.data),
        params=params,
    )
    with tempfile.TemporaryDirectory() as folder:
        given = tune.get_checkpoint()
        if given is not None:
            given.to_directory(folder)
        for judged in training.go(plan.seconds, Path(folder), resume=given is not None):
            if judged:
                report = {_METRIC: training.state.score, "steps": training.state.steps}
                tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _scheduler(which: Scheduler, space: dict[str, Any], rounds: int) -> Any:
    if which is Scheduler.ASHA:
        return ASHAScheduler(max_t=rounds, grace_period=max(1, rounds // 8), reduction_factor=2)
    return PopulationBasedTraining(perturbation_interval=max(1, rounds // 5), hyperparam_mutations=space)


class _Screen(tune.Callback):
    """Tells how many trials are over and how good the best one is."""

    def __init__(self, show: Show, trials: int) -> None:
        self._show, self._trials, self._over, self._best = show, trials, 0, float("-inf")

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        self._best = max(self._best, result.get(_METRIC, self._best))
        self._say()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._over += 1
        self._say()

    def _say(self) -> None:
        self._show(self._over, f"best score {self._best:+.3f}")
