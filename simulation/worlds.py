"""Training and validation worlds of a policy: the past of logged campaigns, and simulated markets.

Neither contains anything of a campaign's evaluation: its past is cut in two, the first part to learn from, the second
to validate on, with the landscape of the first. Simulated markets for the two are drawn from different seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from simulation.auction_log import EPISODE, LogError, Task, campaigns_in, past_files, read_task, streams_in
from simulation.daily import daily_task, totals_of
from simulation.library import EpisodeSource, Library
from simulation.sample_logs import sample_rows, sample_world

LOGGED, COUNTED, DAILY = "logged", "counted", "daily"
"""Names of the worlds: logged episodes, simulated episodes by count of auctions, simulated flights by the clock."""

LEARNED = 0.7
"""Share of each campaign's past to learn from; the rest validates."""

_PAST, _EPISODES, _FLIGHTS = 20 * EPISODE, 12, 10
_HOURS = (12.0, 24.0, 48.0)

_LEARN, _JUDGE = 31, 32  # keeps the simulated markets of the two apart, whatever the seed


def to_learn_from(data: Path | None, seed: int, *, markets: int = 60) -> dict[str, Library]:
    """Return the worlds to train in, by name; without data only the simulated ones.

    Args:
        data: folder of logged auctions in the format that `read_task` reads.
        seed: seed of the simulated markets.
        markets: simulated campaigns of each kind.

    Raises:
        LogError: the folder is malformed.
    """
    made_up = _made_up(np.random.default_rng([seed, _LEARN]), markets)
    if data is None:
        return made_up
    return {LOGGED: Library.of_past([_cut_in_two(task) for task in read_pasts(data)]), **made_up}


def to_judge_by(data: Path | None, seed: int, *, markets: int = 30) -> dict[str, Library]:
    """Return the worlds to validate in, by the same names; see `to_learn_from`."""
    made_up = _made_up(np.random.default_rng([seed, _JUDGE]), markets)
    if data is None:
        return made_up
    pasts = [_cut_in_two(task) for task in read_pasts(data)]
    return {LOGGED: Library(_sources(pasts)), **made_up}


def read_pasts(data: Path) -> list[Task]:
    """Read the campaigns and long streams of a folder, without the auctions that they are evaluated on.

    Raises:
        LogError: the folder is not in the format that `read_task` reads.
    """
    tasks = [read_task(data, name) for name in dict.fromkeys([*campaigns_in(data), *streams_in(data)])]
    # In its evaluation a long stream is one episode; its past is cut like the others'.
    return [replace(task, after=task.after.part(0, 0), episode=min(task.episode, EPISODE)) for task in tasks]


def check_pasts(data: Path) -> None:
    """Read everything that a training would, and raise if a campaign has nothing to learn from.

    Raises:
        LogError: the folder is not in the format that `read_task` reads, or the auctions of a past are all alike, worth
            nothing, or too few.
    """
    for task in read_pasts(data):
        price, pctr = task.before.price, task.before.pctr
        if not pctr.any():
            raise LogError(f"{task.name}: pctr is 0 in all auctions before the evaluation: nothing is worth a bid")
        if not np.ptp(price) and not np.ptp(pctr):
            raise LogError(f"{task.name}: price and pctr are the same in all auctions before the evaluation")
        halves = _cut_in_two(task)
        if not len(EpisodeSource(halves, halves.after)) or not len(Library.of_past([halves])):
            raise LogError(f"{task.name}: {len(task.before)} auctions before the evaluation are too few to learn from")


def fingerprint(data: Path) -> str:
    """Return the first digits of a SHA-256 over names and contents of the files that `read_pasts` reads.

    Raises:
        LogError: there are none.
    """
    campaigns_in(data)
    digest = hashlib.sha256()
    for path in past_files(data):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cut_in_two(task: Task) -> Task:
    """Return a campaign that is evaluated on the end of its own past."""
    episodes = len(task.before) // task.episode
    learned = max(1, round(LEARNED * episodes)) * task.episode if episodes > 1 else int(LEARNED * len(task.before))
    return replace(task, before=task.before.part(0, learned), after=task.before.part(learned))


def _made_up(rng: np.random.Generator, markets: int) -> dict[str, Library]:
    counted = [_counted_task(rng) for _ in range(markets)]
    daily = [daily_task(rng, flights=_FLIGHTS, hours=float(rng.choice(_HOURS))) for _ in range(markets)]
    return {COUNTED: Library(_sources(counted)), DAILY: Library(_sources(daily))}


def _counted_task(rng: np.random.Generator) -> Task:
    rows = sample_rows(sample_world(rng), _PAST + _EPISODES * EPISODE, rng)
    before = rows.part(0, _PAST)
    return Task("counted", totals_of(before), before, rows.part(_PAST), EPISODE)


def _sources(tasks: Iterable[Task]) -> list[EpisodeSource]:
    return [EpisodeSource(task, task.after) for task in tasks]
