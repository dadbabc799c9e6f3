"""Comparison of policies: value won as a share of hindsight, on worlds that no training has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.progress import Progress

from pipelines.gate.comparison import Comparison, Floats, measure, resamples
from pipelines.gate.held_out import HeldOut
from rtb.models.artefacts import ArtefactError, check_inputs
from rtb.models.observation import OBSERVATION, OBSERVATION_SIZE
from rtb.models.policy import Policy, load, neutral
from simulation.auction_log import campaigns_in
from simulation.backtest import bench
from simulation.library import Episodes
from simulation.replayed import ReplayedCore
from simulation.worlds import to_judge_by

_SEED, _MARKETS, _EPISODES = 2_000_000_000, 12, 128
"""The gate's own simulated markets: neither training nor validation ever uses them."""

_BUDGETS = {"1/16": 1 / 16, "1/4": 1 / 4}


class PolicyGate:
    """The gate of policies.

    Args:
        held_out: data to judge on.
    """

    def __init__(self, held_out: HeldOut) -> None:
        self._held_out = held_out

    def read(self, folder: Path) -> str:
        """See `ModelGate`."""
        return _read(folder).version

    def compare(self, candidate: Path, champion: Path | None, progress: Progress) -> Comparison:
        """Compare on the same simulated episodes or logged auctions for both; see `ModelGate`."""
        logs = self._held_out.logs
        version = neutral().version if champion is None else _read(champion).version
        task = progress.add_task("playing auctions", total=2)
        if logs is None:
            worlds = _worlds()
            ours = _on_worlds(_read(candidate), worlds)
            progress.advance(task)
            theirs = _on_worlds(neutral() if champion is None else _read(champion), worlds)
            best = np.ones(len(ours))
            on = f"{len(best)} held-out episodes"
        else:
            ours, best = _on_logs(logs, candidate)
            progress.advance(task)
            theirs, _ = _on_logs(logs, champion)
            on = f"{len(best)} episodes of {logs}"
        progress.advance(task)
        return compare(ours, theirs, best, version, on)


def compare(ours: Floats, theirs: Floats, best: Floats, champion: str, on: str) -> Comparison:
    """Compare the value won relative to the most that hindsight buys, with episodes as bootstrap units.

    Args:
        ours: value that the candidate won in each episode, shape `(episodes,)`.
        theirs: value that the champion won, likewise.
        best: most value to be had, likewise.
        champion: version of the champion.
        on: description of the episodes.
    """
    drawn = resamples(len(best))
    gains = drawn @ (ours - theirs) / (drawn @ best)
    total = float(best.sum())
    share = measure("value share", float(ours.sum()) / total, float(theirs.sum()) / total, gains)
    return Comparison(champion, on, (share,))


def _read(folder: Path) -> Policy:
    policy = load(folder)
    check_inputs(folder, "observation", OBSERVATION)
    try:
        outputs = policy.forward(np.zeros((1, OBSERVATION_SIZE), np.float32))
    except ValueError as error:
        raise ArtefactError(f"{folder} has layers whose shapes do not match ({error}): train it again") from error
    if not (np.isfinite(outputs).all() and np.isfinite(policy.levels).all()):
        raise ArtefactError(f"{folder} returns values that are not finite: train it again")
    return policy


def _worlds() -> list[Episodes]:
    rng = np.random.default_rng([_SEED, 43])
    libraries = to_judge_by(None, _SEED, markets=_MARKETS).values()
    return [library.sample(rng, _EPISODES, (share, share)) for library in libraries for share in _BUDGETS.values()]


def _on_worlds(policy: Policy, worlds: list[Episodes]) -> Floats:
    """Return the share of hindsight of each simulated episode; all weigh the same."""
    shares = []
    for episodes in worlds:
        core = ReplayedCore()
        core.play(episodes, policy)
        shares.append(core.value[0] / core.best)
    return np.concatenate(shares)


def _on_logs(data: Path, policy: Path | None) -> tuple[Floats, Floats]:
    """Return the value won and the best possible value, by logged episode; without a policy, of the closed loop."""
    bidder, policies = ("closed", {}) if policy is None else ("ppo", {"ppo": policy.resolve()})
    jobs = bench.jobs_of(data, campaigns_in(data), [bidder], _BUDGETS, kind="second", policies=policies)
    results = [result for done in bench.run(jobs, 1, bench.play_job) for result in done]
    return np.concatenate([one.played.value for one in results]), np.concatenate([one.best for one in results])
