"""Where the processes of a training run in a cluster: what fits beside serving, and what to say when it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESERVE = 0.5
"""CPUs of each host that a training leaves unreserved: room for one more Router, the largest replica."""

SHARE = 0.1
"""CPUs that a process of a training reserves.

It runs at low priority in the time that serving leaves, so this says where it is, not how fast. Hosts that serve rarely
have a whole CPU unreserved, and often not half of one besides `RESERVE`.
"""

_UNITS = 10_000  # to the CPU, as Ray counts
_NAMED = 8  # hosts in a message


class NoRoom(RuntimeError):
    """An error for a training that the cluster has no room for; the message says what would help."""


@dataclass(frozen=True)
class Host:
    """A host of a cluster.

    Attributes:
        node: Ray's ID of it.
        name: its address.
        cpus: CPUs that it has.
        free: CPUs that nobody has reserved.
    """

    node: str
    name: str
    cpus: float
    free: float

    @property
    def room(self) -> int:
        """Number of processes that fit: at most one for each CPU, as more would only wait for each other."""
        fit = (round(self.free * _UNITS) - round(RESERVE * _UNITS)) // round(SHARE * _UNITS)
        return max(0, min(fit, max(1, int(self.cpus))))

    def __str__(self) -> str:
        """Return the host with its CPUs, for people."""
        return f"{self.name} {self.free:.3g} of {self.cpus:.3g}"


@dataclass(frozen=True)
class Processes:
    """The processes of one training.

    Attributes:
        runners: processes that only collect experience.
        learners: processes that only learn.
    """

    runners: int
    learners: int

    @property
    def total(self) -> int:
        """Number of processes, with the main one, which learns where no other does."""
        return 1 + self.runners + self.learners

    def smaller(self, room: int) -> str:
        """Return the option that makes them fit in less room."""
        runners = room - 1 - self.learners
        if runners > 0:
            return f"give --num-env-runners {runners}"
        return "omit --num-env-runners and --num-learners"


def room_for_all(hosts: Sequence[Host]) -> int:
    """Return how many processes fit in the cluster."""
    return sum(host.room for host in hosts)


def places(hosts: Sequence[Host], processes: Processes) -> list[Host]:
    """Return a host for each process, the main one first: one on each host with room, then a second one, and so on.

    Raises:
        NoRoom: they do not all fit.
    """
    if processes.total > room_for_all(hosts):
        helps = f"{processes.smaller(room_for_all(hosts))}, "
        raise NoRoom(_no_room(hosts, f"a training of {processes.total} processes", helps))
    roomy = sorted(hosts, key=lambda host: (-host.free, host.name, host.node))
    rounds = ([host for host in roomy if host.room > number] for number in range(processes.total))
    return [host for one in rounds for host in one][: processes.total]


def trials_at_once(hosts: Sequence[Host], least: int = 1) -> int:
    """Return how many trials of a sweep may run at once.

    Ray puts each trial where most is free, so none is on a host with less than `RESERVE` left.

    Args:
        hosts: hosts of the cluster.
        least: how many have to.

    Raises:
        NoRoom: there is no room for that many.
    """
    room = room_for_all(hosts)
    if room < least:
        helps = f"give --tune {room} or another --scheduler, " if room else ""
        raise NoRoom(_no_room(hosts, f"{least} trials at once" if least > 1 else "a trial", helps))
    return room


def check_shared(hosts: int, folders: Mapping[str, Path], *, is_store: bool) -> None:
    """Raise if what a training writes would be left on the disk of one of several hosts.

    Args:
        hosts: number of hosts.
        folders: folders as given, by the option that gives them.
        is_store: whether they have a store.

    Raises:
        ValueError: a folder is relative.
    """
    if hosts < 2 or is_store:
        return
    for option, folder in folders.items():
        if not folder.is_absolute():
            raise ValueError(
                f"the cluster has {hosts} hosts, and {folder} would be left on the disk of one of them: "
                f"set RAYBID_STORE, or give an absolute --{option} in a folder that all hosts share"
            )


def share_of_seconds(seconds: float, trials: int, at_once: int) -> float:
    """Return how long each trial of a sweep may train, so that all of them end in time."""
    return seconds / math.ceil(trials / max(1, min(at_once, trials)))


def _no_room(hosts: Sequence[Host], what: str, helps: str) -> str:
    room = room_for_all(hosts)
    named = ", ".join(map(str, hosts[:_NAMED])) or "no host has CPUs"
    more = f" and {len(hosts) - _NAMED} more hosts" if len(hosts) > _NAMED else ""
    return (
        f"no room in the cluster for {what}: each reserves {SHARE:g} CPUs and leaves {RESERVE:g} of a host to serving, "
        f"at most one for each CPU, so {room} fit; CPUs free: {named}{more}; "
        f"{helps}join another host, or lower the replicas that serve"
    )
