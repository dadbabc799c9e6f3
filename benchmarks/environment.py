"""Speed of the pacing environment and of a policy's inference: one process, one thread.

How to run:

    python -m benchmarks.environment [--rounds 5] [--data DIR]

What to expect: a quarter of a minute; a line per measurement on standard error, one JSON line last. The auctions of the
paced campaigns count; each is also held for its twin, the closed loop, which does not count. Drawing episodes and
warming up the loops is included.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console

from rllib_configs.env import LEVELS, VectorPacingEnv
from rtb.models import observation, policy
from rtb.pacing.loops import DECISION
from simulation.worlds import to_learn_from

_CAMPAIGNS = 384
_STEPS = 102  # two episodes by count
_BATCH = 256
_FORWARDS = 200


def main(
    rounds: Annotated[int, typer.Option(min=1, help="number of measurements; the median counts")] = 5,
    data: Annotated[Path | None, typer.Option(help="folder of logged auctions; default: simulated ones only")] = None,
    artefact: Annotated[Path, typer.Option("--policy", help="artefact of the policy")] = Path("models/ppo"),
) -> None:
    """Run both measurements in turn, several times."""
    console = Console(stderr=True, highlight=False)
    env = VectorPacingEnv(_CAMPAIGNS, to_learn_from(data, 1, markets=20), "levels")
    thinker = policy.load(artefact)
    auctions, forwards = [], []
    for number in range(rounds):
        auctions.append(_auctions_a_second(env, number))
        forwards.append(_forward_ms(thinker))
        console.print(f"{auctions[-1]:,.0f} auctions a second, {forwards[-1]:.3f} ms for {_BATCH} campaigns")
    figures = {
        "auctions_per_second": round(statistics.median(auctions)),
        "forward_256_ms": round(statistics.median(forwards), 3),
    }
    typer.echo(msgspec.json.encode(figures).decode())


def _auctions_a_second(env: VectorPacingEnv, seed: int) -> float:
    rng, decided = np.random.default_rng(seed), 0
    start = time.perf_counter()
    env.reset(seed=seed)
    ended = np.zeros(_CAMPAIGNS, np.bool_)
    for _ in range(_STEPS):
        decided += int((~ended).sum())  # a world that has ended holds no auctions in this step
        ended = env.step(rng.integers(LEVELS // 2 - 2, LEVELS // 2 + 3, _CAMPAIGNS))[2]
    return decided * DECISION / (time.perf_counter() - start)


def _forward_ms(thinker: policy.Policy) -> float:
    """Return the median milliseconds from observations to multipliers."""
    seen = np.random.default_rng(0).uniform(-3, 3, (_BATCH, observation.OBSERVATION_SIZE)).astype(np.float32)
    taken = []
    for _ in range(_FORWARDS):
        start = time.perf_counter()
        thinker.multipliers(seen)
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.median(taken)


if __name__ == "__main__":
    typer.run(main)
