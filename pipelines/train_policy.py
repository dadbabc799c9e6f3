"""Train a bidding policy with RLlib and write it as an artefact that serving loads without RLlib.

    python -m pipelines.train_policy --algo ppo --data DIR
    python -m pipelines.train_policy --algo ppo --data DIR --tune 16 --scheduler asha
    ray job submit -- python -m pipelines.train_policy --algo dqn

A policy multiplies what the closed loop bids. It learns from the past of the campaigns in `--data` (in the format of
`pipelines.backtest`, without the auctions evaluated there) and in simulated markets. At intervals it is validated on
episodes that it does not learn from, and the best version is written. In the folder that policies are served from, the
default for ppo, it is written only if it is not worse than the one there, as in `pipelines.publish`.

It starts a small Ray of its own and stops it at the end; as a Ray job, or with `--address`, it joins the cluster
instead, and places further processes on its hosts, beside what serves there. The last line of standard output is one
JSON object with the results.
"""

from __future__ import annotations

import json
import math
import shlex
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.policy_training.choices import Algo, Scheduler
from pipelines.policy_training.cluster import on_ray
from pipelines.policy_training.hosts import SHARE, Processes, check_shared
from pipelines.policy_training.kept import TrainingState
from pipelines.policy_training.screen import progress, table_of
from pipelines.policy_training.validation import Gains
from pipelines.served_folders import check_folder, is_served
from raybid.refusing import refuse
from rtb.models import policy
from rtb.models.shared import share_trained
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from simulation.worlds import check_pasts, fingerprint

if TYPE_CHECKING:
    from pipelines.policy_training.loop import TrainingPlan

MAX_SEED = 2**31 - 1

_DECISIVE = ("algo", "data", "steps", "seconds", "seed", "markets", "tune", "scheduler")
"""Options that determine the resulting policy."""


@dataclass(frozen=True)
class TrainingReport:
    """The result of a training, as printed.

    Attributes:
        algo: name of the algorithm.
        steps: decisions learned from.
        seconds: time of training and validation.
        best_steps: decisions at the best policy, which is written.
        score: score of that policy; see `policy_training.validation.score`.
        gains: its gain over the closed loop on the validation episodes, in percent, by world and budget.
        artefact: folder of the policy, or its place in the store.
        version: version name of the weights.
    """

    algo: str
    steps: int
    seconds: float
    best_steps: int
    score: float
    gains: Gains
    artefact: str
    version: str

    @classmethod
    def of(cls, state: TrainingState, artefact: str, version: str) -> TrainingReport:
        """Return what a training came to that stands here."""
        seconds = round(state.seconds, 1)
        return cls(state.algo, state.steps, seconds, state.best_steps, state.score, state.gains, artefact, version)


@dataclass(frozen=True)
class Folders:
    """The folders of a training, as given.

    Attributes:
        out: folder of the artefact.
        checkpoint: folder of the checkpoint.
    """

    out: Path
    checkpoint: Path

    @classmethod
    def of(cls, settings: Settings, algo: Algo, out: Path | None, checkpoint: Path | None) -> Folders:
        """Return the folders that the options give, or the settings where they give none."""
        served = settings.models_dir / "policy" if settings.store else settings.policy_dir
        default = served if algo is Algo.PPO else settings.models_dir / f"policy-{algo}"
        return cls(out or default, checkpoint or settings.var_dir / "checkpoints" / algo)

    def made(self, settings: Settings) -> Folders:
        """Return them as absolute paths, created first so that a read-only disk is reported at once.

        Raises:
            OSError: one cannot be created.
            RegistryError: published models are in one.
        """
        absolute = Folders(self.out.resolve(), self.checkpoint.resolve())
        for folder in (absolute.checkpoint, absolute.out.parent):
            folder.mkdir(parents=True, exist_ok=True)
        check_folder(settings, absolute.out)
        return absolute


@processes.ended_by_signals()
def train(
    context: typer.Context,
    *,
    algo: Annotated[Algo, typer.Option(help="Algorithm; see rllib_configs/.")] = Algo.PPO,
    data: Annotated[
        Path | None, typer.Option(help="Folder of logged auctions to learn from as well. Default: simulated ones only.")
    ] = None,
    steps: Annotated[int, typer.Option(min=0, help="Decisions to learn from; 0: the algorithm's default.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="End training within this many seconds; 0: no limit.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of worlds, network, sampling.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the artefact. Default: the served policy's for ppo, else beside it.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of the --resume checkpoint. Default: checkpoints/<algo> under var_dir.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the training in --checkpoint.")] = False,
    markets: Annotated[
        int, typer.Option(min=1, help="Simulated campaigns of each kind; half as many more for validation.")
    ] = 60,
    num_env_runners: Annotated[int, typer.Option(min=0, help="Extra processes that collect experience.")] = 0,
    num_learners: Annotated[int, typer.Option(min=0, help="Extra processes that learn.")] = 0,
    tune: Annotated[int, typer.Option(min=0, help="Sweep with this many trials; 0: train once.")] = 0,
    scheduler: Annotated[Scheduler, typer.Option(help="What ends a sweep's trials early.")] = Scheduler.ASHA,
    address: Annotated[str, typer.Option(help="Ray cluster to join; empty: $RAY_ADDRESS, else one of its own.")] = "",
) -> None:
    """Train a bidding policy, validate it against the closed loop, and write the best one as an artefact."""
    until = time.time() + seconds if seconds else math.inf
    console = Console(stderr=True)
    try:
        if tune and (resume or num_env_runners or num_learners):
            raise ValueError("trials of --tune are single processes without --resume: omit the other options")
        settings = Settings()
        given = Folders.of(settings, algo, out, checkpoint)
        made = given.made(settings)
        if data is not None:
            check_pasts(data)
        begun = TrainingState(str(algo), fingerprint(data) if data else "", seed)
        processes = Processes(num_env_runners, num_learners)
        with on_ray(address, processes.total) as is_cluster:
            if is_cluster:
                _check_cluster(settings, given, processes, _least_trials(tune, scheduler))
            cpus = SHARE if is_cluster else 1.0
            plan = _plan(begun, until, made.checkpoint, data, processes, steps=steps, markets=markets, cpus=cpus)
            if tune:
                state, best, params = _sweep(console, settings, plan, tune, scheduler, is_cluster=is_cluster)
            else:
                state, best, params = _train(console, plan, resume=resume, is_cluster=is_cluster)
        if is_served(settings.policy_dir, made.out):
            _admit(made.out, best, made.checkpoint)
        version = _save(made.out, best, state, _worlds(data, seed), {"command": _command(context), **params})
        artefact = share_trained(settings, made.out, "policy")
    except (OSError, RuntimeError, ValueError) as error:  # unreachable cluster, unwritable folder, invalid setting
        refuse("train_policy", error)
    console.print(table_of(state.gains))
    typer.echo(json.dumps(asdict(TrainingReport.of(state, artefact, version))))


def _check_cluster(settings: Settings, given: Folders, processes: Processes, trials: int) -> None:
    """Raise if a cluster has no room, or would leave results on the disk of one host, before RLlib is imported."""
    from pipelines.policy_training import placing  # noqa: PLC0415 - imports Ray

    folders = {"out": given.out, "checkpoint": given.checkpoint} if trials else {"out": given.out}
    check_shared(placing.count_machines(), folders, is_store=bool(settings.store))
    if trials:
        placing.await_trials(trials)
    elif processes.total > 1:
        placing.await_room(processes)


def _least_trials(trials: int, scheduler: Scheduler) -> int:
    """Return how many trials of a sweep have to run at once: PBT lets all of them learn from each other."""
    return trials if scheduler is Scheduler.PBT else min(trials, 1)


def _plan(
    begun: TrainingState,
    until: float,
    folder: Path,
    data: Path | None,
    processes: Processes,
    *,
    steps: int,
    markets: int,
    cpus: float,
) -> TrainingPlan:
    """Return the plan of a training; importing RLlib takes seconds, which `--help` should not."""
    from pipelines.policy_training.loop import TrainingPlan  # noqa: PLC0415
    from rllib_configs.registry import TrainingRun  # noqa: PLC0415

    run = TrainingRun(
        steps=steps or import_module(f"rllib_configs.{begun.algo}").STEPS,
        data=str(data.resolve()) if data else "",
        seed=begun.seed,
        num_env_runners=processes.runners,
        num_learners=processes.learners,
        markets=markets,
        cpus=cpus,
    )
    return TrainingPlan(run, begun, folder, until)


def _admit(target: Path, best: policy.Policy, kept_in: Path) -> None:
    """Raise if a policy is to be served, and is worse than the one that is."""
    from pipelines.ctr_training.sources import progress_bars  # noqa: PLC0415 - imports torch
    from pipelines.gate.comparison import GateClosed  # noqa: PLC0415
    from pipelines.gate.served import admit_policy  # noqa: PLC0415

    try:
        admit_policy(target, best, progress_bars())
    except GateClosed as error:
        raise GateClosed(f"{error}; the training is kept in {kept_in}: continue with --resume") from error


def _train(
    console: Console, plan: TrainingPlan, *, resume: bool, is_cluster: bool
) -> tuple[TrainingState, policy.Policy, dict[str, Any]]:
    """Run one training; return its final state and its best policy."""
    from pipelines.policy_training.starting import training_of  # noqa: PLC0415 - imports Ray

    with training_of(plan, is_cluster=is_cluster) as training, progress(console, plan.run.steps, "decisions") as show:
        for judged in training.go(resume=resume):
            show(training.state.steps, training.said if judged or console.is_terminal else "")
    return training.state, training.best, {}


def _sweep(
    console: Console, settings: Settings, plan: TrainingPlan, trials: int, scheduler: Scheduler, *, is_cluster: bool
) -> tuple[TrainingState, policy.Policy, dict[str, Any]]:
    """Run a sweep; return the best trial's state when it was best, its policy then, and its parameters."""
    from pipelines.policy_training.starting import trial_places  # noqa: PLC0415 - imports Ray
    from pipelines.policy_training.tuning import sweep, trials_table  # noqa: PLC0415

    where = trial_places(settings, plan, is_cluster=is_cluster)
    with progress(console, trials, "trials") as show:
        swept = sweep(plan, trials, scheduler, show, where)
    console.print(trials_table(swept))
    return swept.state, swept.best, swept.params


def _save(folder: Path, best: policy.Policy, state: TrainingState, trained_on: str, how: dict[str, object]) -> str:
    """Write the artefact and return the version of its weights."""
    if not math.isfinite(state.score):
        raise ValueError("nothing is won on the validation episodes, so policies cannot be compared: give other data")
    gains = {f"gain {world} {budget}": gain for world, by in state.gains.items() for budget, gain in by.items()}
    config: dict[str, object] = {"algo": state.algo, "seed": state.seed, "steps": state.best_steps, **how}
    return policy.save(
        folder, best, metrics={"score": state.score, **gains}, trained_on=trained_on, config=config
    ).version


def _command(context: typer.Context) -> str:
    """Return the command line that reproduces this policy, with data by folder name: places differ by machine."""
    words = ["python", "-m", "pipelines.train_policy"]
    for name in _DECISIVE:
        source, value = context.get_parameter_source(name), context.params[name]
        if source is not None and source.name == "COMMANDLINE":
            words += [f"--{name}", value.resolve().name if isinstance(value, Path) else str(value)]
    return shlex.join(words)


def _worlds(data: Path | None, seed: int) -> str:
    made_up = f"simulated markets of seed {seed}"
    if data is None:
        return made_up
    return f"the auctions before the evaluation in {data.resolve().name} (SHA-256 {fingerprint(data)}), {made_up}"


def main() -> None:
    """Run the command line."""
    typer.run(train)


if __name__ == "__main__":
    main()
