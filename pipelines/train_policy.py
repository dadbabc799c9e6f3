"""Train a bidding policy with RLlib and write it as an artefact that serving loads without RLlib.

    python -m pipelines.train_policy --algo ppo --data DIR
    python -m pipelines.train_policy --algo ppo --data DIR --tune 16 --scheduler asha
    ray job submit -- python -m pipelines.train_policy --algo dqn

A policy multiplies what the closed loop bids. It learns in the past of the campaigns in `--data` (the form that
`pipelines.backtest` reads; what that evaluates on is left alone) and in made-up markets. Every so often it is judged by
episodes that it does not learn from, and the best one is written; where policies are served from, the default of
ppo, only if it is not worse than the one there, as in `pipelines.publish`.

Alone it starts a small Ray of its own and stops it in the end; as a Ray job, or with `--address`, it joins the
cluster. The last line of standard output is one JSON object with what came of it.
"""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.policy_training.choices import Algo, Scheduler
from pipelines.policy_training.cluster import on_ray
from pipelines.policy_training.kept import State
from pipelines.policy_training.screen import progress, table_of
from pipelines.policy_training.validation import Gains
from pipelines.served_folders import check_folder, is_served
from raybid.refusing import refuse
from rtb.models import policy
from rtb.runtime import processes
from rtb.runtime.settings import Settings
from simulation.worlds import check_pasts, fingerprint

if TYPE_CHECKING:
    from pipelines.policy_training.loop import Plan

MAX_SEED = 2**31 - 1

_DECISIVE = ("algo", "data", "steps", "seconds", "seed", "markets", "tune", "scheduler")
"""Options that decide which policy comes out."""


@dataclass(frozen=True)
class Report:
    """What a training came to, as printed.

    Attributes:
        algo: which algorithm.
        steps: decisions learned from.
        seconds: of training and validation.
        best_steps: decisions after which the policy was best that is written.
        score: of that one; see `policy_training.validation.score`.
        gains: what it wins more than the closed loop on the validation episodes, in percent, by world and budget.
        artefact: folder of the policy.
        version: name of its weights.
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
    def of(cls, state: State, artefact: Path, version: str) -> Report:
        """Return what a training came to that stands here."""
        seconds = round(state.seconds, 1)
        return cls(state.algo, state.steps, seconds, state.best_steps, state.score, state.gains, str(artefact), version)


@processes.ended_by_signals()
def train(
    context: typer.Context,
    *,
    algo: Annotated[Algo, typer.Option(help="Algorithm; see rllib_configs/.")] = Algo.PPO,
    data: Annotated[
        Path | None, typer.Option(help="Folder of logged auctions to learn from as well. Default: made-up ones alone.")
    ] = None,
    steps: Annotated[int, typer.Option(min=0, help="Decisions to learn from; 0: the algorithm's default.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Stop training after so many seconds; 0: no limit.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of worlds, network, sampling.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the artefact. Default: the served policy's for ppo, beside it else.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of what --resume needs. Default: checkpoints/<algo> under var_dir.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --checkpoint.")] = False,
    markets: Annotated[
        int, typer.Option(min=1, help="Made-up campaigns of each kind; half as many more to judge by.")
    ] = 60,
    num_env_runners: Annotated[int, typer.Option(min=0, help="Extra processes that collect experience.")] = 0,
    num_learners: Annotated[int, typer.Option(min=0, help="Extra processes that learn.")] = 0,
    tune: Annotated[int, typer.Option(min=0, help="Sweep with so many trials; 0: train once.")] = 0,
    scheduler: Annotated[Scheduler, typer.Option(help="Who ends a sweep's trials early.")] = Scheduler.ASHA,
    address: Annotated[str, typer.Option(help="Ray cluster to join; empty: $RAY_ADDRESS, else one of its own.")] = "",
) -> None:
    """Train a bidding policy, validate it against the closed loop, and write the best one as an artefact."""
    console = Console(stderr=True)
    try:
        if tune and (resume or num_env_runners or num_learners):
            raise ValueError("the trials of --tune take one process each, from the beginning: leave the others out")
        settings = Settings()
        target, folder = _folders(settings, algo, out, checkpoint)
        if data is not None:
            check_pasts(data)
        begun = State(str(algo), fingerprint(data) if data else "", seed)
        with on_ray(address, 1 + num_env_runners + num_learners):
            # RLlib takes seconds, which `--help` should not.
            from pipelines.policy_training.loop import Plan  # noqa: PLC0415
            from rllib_configs.registry import Run  # noqa: PLC0415

            run = Run(
                steps=steps or import_module(f"rllib_configs.{algo}").STEPS,
                data=str(data.resolve()) if data else "",
                seed=seed,
                num_env_runners=num_env_runners,
                num_learners=num_learners,
                markets=markets,
            )
            if tune:
                state, best, params = _sweep(console, Plan(run, begun, seconds, folder), tune, scheduler)
            else:
                state, best, params = _train(console, Plan(run, begun, seconds, folder), resume=resume)
        if is_served(settings.policy_dir, target):
            _admit(target, best, folder)
        version = _save(target, best, state, _worlds(data, seed), {"command": _command(context), **params})
    except (OSError, RuntimeError, ValueError) as error:  # unreachable cluster, unwritable folder, wrong setting
        refuse("train_policy", error)
    console.print(table_of(state.gains))
    typer.echo(json.dumps(asdict(Report.of(state, target, version))))


def _folders(settings: Settings, algo: Algo, out: Path | None, checkpoint: Path | None) -> tuple[Path, Path]:
    """Make the folders of the artefact and of the checkpoint, so that a read-only disk is known before the work."""
    default = settings.policy_dir if algo is Algo.PPO else settings.var_dir / "models" / f"policy-{algo}"
    target = (out or default).resolve()
    folder = (checkpoint or settings.var_dir / "checkpoints" / algo).resolve()
    for one in (folder, target.parent):
        one.mkdir(parents=True, exist_ok=True)
    check_folder(settings, target)
    return target, folder


def _admit(target: Path, best: policy.Policy, kept_in: Path) -> None:
    """Raise where a policy is to serve, and is worse than the one that does."""
    from pipelines.ctr_training.sources import progress_bars  # noqa: PLC0415 - imports torch
    from pipelines.gate.comparison import Refused  # noqa: PLC0415
    from pipelines.gate.served import admit_policy  # noqa: PLC0415

    try:
        admit_policy(target, best, progress_bars())
    except Refused as error:
        raise Refused(f"{error}; what was learned is kept in {kept_in}: go on with --resume") from error


def _train(console: Console, plan: Plan, *, resume: bool) -> tuple[State, policy.Policy, dict[str, Any]]:
    """One training: where it stands in the end, and its best policy."""
    from pipelines.policy_training.loop import Training, yardstick_of  # noqa: PLC0415 - imports Ray

    training = Training(plan, yardstick_of(plan.run))
    with progress(console, plan.run.steps, "decisions") as show:
        for judged in training.go(resume=resume):
            show(training.state.steps, training.said if judged or console.is_terminal else "")
    return training.state, training.best, {}


def _sweep(
    console: Console, plan: Plan, trials: int, scheduler: Scheduler
) -> tuple[State, policy.Policy, dict[str, Any]]:
    """A sweep: where its best trial stood when it was best, its policy then, and its parameters."""
    from pipelines.policy_training.tuning import sweep, trials_table  # noqa: PLC0415 - imports Ray

    with progress(console, trials, "trials") as show:
        swept = sweep(plan, trials, scheduler, show)
    console.print(trials_table(swept))
    return swept.state, swept.best, swept.params


def _save(folder: Path, best: policy.Policy, state: State, trained_on: str, how: dict[str, object]) -> str:
    """Write the artefact; name of its weights."""
    if not math.isfinite(state.score):
        raise ValueError("the policy wins nothing on the validation episodes that could be compared: give other data")
    gains = {f"gain {world} {budget}": gain for world, by in state.gains.items() for budget, gain in by.items()}
    config: dict[str, object] = {"algo": state.algo, "seed": state.seed, "steps": state.best_steps, **how}
    return policy.save(
        folder, best, metrics={"score": state.score, **gains}, trained_on=trained_on, config=config
    ).version


def _command(context: typer.Context) -> str:
    """What makes this policy again, as typed; but data by their folder's name, since the place is another machine's."""
    words = ["python", "-m", "pipelines.train_policy"]
    for name in _DECISIVE:
        source, value = context.get_parameter_source(name), context.params[name]
        if source is not None and source.name == "COMMANDLINE":
            words += [f"--{name}", value.resolve().name if isinstance(value, Path) else str(value)]
    return shlex.join(words)


def _worlds(data: Path | None, seed: int) -> str:
    made_up = f"made-up markets of seed {seed}"
    if data is None:
        return made_up
    return f"what comes before the evaluation in {data.resolve().name} (SHA-256 {fingerprint(data)}), {made_up}"


def main() -> None:
    """Run the command line."""
    typer.run(train)


if __name__ == "__main__":
    main()
