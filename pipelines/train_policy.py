"""Train a bidding policy with RLlib and write it as an artefact that serving loads without RLlib.

    python -m pipelines.train_policy --algo ppo
    ray job submit -- python -m pipelines.train_policy --algo dqn

Alone it starts a small Ray of its own and stops it in the end; as a Ray job, or with `--address`, it joins the
cluster. The last line of standard output is one JSON object with what came of it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.background import give_way
from rllib_configs.evaluation import evaluate
from rtb import policy
from rtb.settings import Settings

MAX_SEED = 2**31 - 1


class Algo(StrEnum):
    """The algorithms there is a configuration of."""

    PPO = "ppo"
    DQN = "dqn"


@dataclass(frozen=True)
class Report:
    """What a training came to, as printed.

    Attributes:
        algo: which algorithm.
        steps: environment steps it learned from.
        seconds: of training alone.
        reward_policy: mean return on the held-out episodes; the number of an episode's steps is perfect foresight.
        reward_neutral: the same of multiplier 1.0.
        value_share_policy: mean share of the value hindsight could buy with the same budget.
        value_share_neutral: the same of multiplier 1.0.
        artefact: folder of the policy.
        version: name of its weights.
    """

    algo: str
    steps: int
    seconds: float
    reward_policy: float
    reward_neutral: float
    value_share_policy: float
    value_share_neutral: float
    artefact: str
    version: str


def train(
    *,
    algo: Annotated[Algo, typer.Option(help="Algorithm; see rllib_configs/.")] = Algo.PPO,
    steps: Annotated[int, typer.Option(min=0, help="Environment steps; 0: the algorithm's default.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Stop training after so many seconds; 0: no limit.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of environments, network, sampling.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the artefact. Default: the served policy's for ppo, beside it else.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of RLlib's checkpoint. Default: checkpoints/<algo> under var_dir.")
    ] = None,
    num_env_runners: Annotated[int, typer.Option(min=0, help="Extra processes that collect experience.")] = 0,
    address: Annotated[str, typer.Option(help="Ray cluster to join; empty: $RAY_ADDRESS, else one of its own.")] = "",
) -> None:
    """Train a bidding policy, compare it with multiplier 1.0 on held-out episodes, and write the artefact."""
    console = Console(stderr=True)
    try:
        settings = Settings()
        default = settings.policy_dir if algo is Algo.PPO else settings.var_dir / "models" / f"policy-{algo}"
        report = _run(
            console,
            algo,
            steps=steps,
            seconds=seconds,
            seed=seed,
            out=(out or default).resolve(),
            checkpoint=(checkpoint or settings.var_dir / "checkpoints" / algo).resolve(),
            num_env_runners=num_env_runners,
            address=address,
        )
    except (OSError, RuntimeError, ValueError) as error:  # unreachable cluster, unwritable folder, wrong setting
        typer.echo(f"train_policy: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(asdict(report)))


def _run(
    console: Console,
    algo: Algo,
    *,
    steps: int,
    seconds: float,
    seed: int,
    out: Path,
    checkpoint: Path,
    num_env_runners: int,
    address: str,
) -> Report:
    checkpoint.mkdir(parents=True, exist_ok=True)  # before the work, so that a read-only disk is known at once
    out.parent.mkdir(parents=True, exist_ok=True)
    with _ray(address):
        recipe = _recipe(algo)
        algorithm = recipe.build_config(num_env_runners=num_env_runners, seed=seed).build_algo()
        try:
            done, took = _train(console, recipe, algorithm, steps=steps, seconds=seconds)
            trained = recipe.export(algorithm)
            algorithm.save_to_path(str(checkpoint))
        finally:
            algorithm.stop()
        figures = _compare(trained)
    meta = policy.save(
        out,
        trained,
        metrics=figures,
        trained_on=f"rtb.market.episodes, {done} decisions, seed {seed}",
        config={"algo": str(algo), "steps": done, "seed": seed},
    )
    return Report(str(algo), done, round(took, 1), **figures, artefact=str(out), version=meta.version)


@contextmanager
def _ray(address: str) -> Iterator[None]:
    """A Ray to train on: the cluster at `address` or `RAY_ADDRESS`, else one of our own for as long as it takes."""
    given = address or os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The networks are tiny: more threads only wait for each other, for many times as long on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not given:
        # Unset, `ray.init` would write a token into the home folder that switches authentication on in every Ray
        # started later. Ours listens on this machine only, without dashboard.
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    if given:
        give_way()  # the cluster may be serving
    import ray  # noqa: PLC0415 - reads the variables above, as does torch

    if given:
        _reach(given)
        workers = {"worker_process_setup_hook": "pipelines.background.give_way"}
        ray.init(address=given, log_to_driver=False, logging_level="ERROR", runtime_env=workers)
    else:
        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    logging.getLogger("ray.rllib").setLevel(logging.ERROR)  # which announces its API stack otherwise
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Try an address of the form `host:port` first: Ray itself would go on trying for minutes.

    Raises:
        ConnectionError: nobody listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto", or something Ray will judge
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"no Ray cluster at {address} ({error}): start one, or leave the address out") from error


def _recipe(algo: Algo) -> ModuleType:
    """The algorithm's module, imported only now: RLlib takes seconds, which `--help` should not."""
    return import_module(f"rllib_configs.{algo}")


def _train(console: Console, recipe: ModuleType, algorithm: Any, *, steps: int, seconds: float) -> tuple[int, float]:
    """Train until either limit; environment steps done and seconds taken."""
    start, done, took = time.monotonic(), 0, 0.0
    steps = steps or recipe.STEPS
    with _progress(console, steps) as show:
        while done < steps and (not seconds or took < seconds):
            sampled = algorithm.train()["env_runners"]
            done, took = int(sampled["num_env_steps_sampled_lifetime"]), time.monotonic() - start
            show(done, float(sampled.get("episode_return_mean", float("nan"))) / recipe.REWARD_SCALE)
    return done, took


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[Any]:
    """A function `(steps done, return)` that shows how far training is: a bar, or plain lines where nobody watches."""
    if not console.is_terminal:
        shown = -1

        def line(done: int, reward: float) -> None:
            nonlocal shown
            if done * 10 // steps > shown:
                shown = done * 10 // steps
                console.print(f"{done} of {steps} steps, return while exploring {reward:.1f}", highlight=False)

        yield line
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps)
        yield lambda done, reward: progress.update(
            task, completed=done, description=f"{done} of {steps} steps, return while exploring {reward:.1f}"
        )


def _compare(trained: policy.Policy) -> dict[str, float]:
    """Learned and neutral policy on the same held-out episodes."""
    learned, neutral = evaluate(trained), evaluate(policy.neutral())
    return {
        "reward_policy": round(float(learned.reward.mean()), 3),
        "reward_neutral": round(float(neutral.reward.mean()), 3),
        "value_share_policy": round(float(learned.value_share.mean()), 4),
        "value_share_neutral": round(float(neutral.value_share.mean()), 4),
    }


def main() -> None:
    """Run the command line."""
    typer.run(train)


if __name__ == "__main__":
    main()
