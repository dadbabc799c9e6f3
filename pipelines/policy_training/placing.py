"""A Ray cluster's hosts, and room reserved on them for the processes of a training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import ray
from ray._private.state import available_resources_per_node
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from pipelines.policy_training.hosts import SHARE, Host, NoRoom, Processes, places, trials_at_once

Found = TypeVar("Found")

_PATIENCE_SECONDS = 4.0
"""How long to wait for room: what another job has just given back is seen late."""

_LOOK_SECONDS = 0.5
_CREATED_SECONDS = 2.0


def hosts() -> list[Host]:
    """Return the hosts of the cluster that have CPUs, those with the most free first."""
    free = available_resources_per_node()
    found = [
        Host(
            node["NodeID"],
            node["NodeManagerAddress"],
            node["Resources"].get("CPU", 0.0),
            free.get(node["NodeID"], {}).get("CPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted((host for host in found if host.cpus > 0), key=lambda host: (-host.free, host.name))


def count_machines() -> int:
    """Return how many machines the cluster has, each with a disk of its own."""
    return len({node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]})


def await_trials(least: int = 1) -> int:
    """Return how many trials of a sweep may run at once, as soon as that many may.

    Raises:
        NoRoom: they may not, for seconds.
    """
    return _patiently(lambda: trials_at_once(hosts(), least))


def await_room(processes: Processes) -> list[Host]:
    """Return a host for each process of a training, as soon as they fit.

    Raises:
        NoRoom: they do not fit, for seconds.
    """
    return _patiently(lambda: places(hosts(), processes))


@contextmanager
def reserved(processes: Processes) -> Iterator[PlacementGroup]:
    """Reserve room for the processes of a training while the block runs; bundle 0 is the main one's.

    Raises:
        NoRoom: they do not fit, or others took the room, for seconds.
    """
    group = _patiently(lambda: _reserve(places(hosts(), processes)))
    try:
        yield group
    finally:
        remove_placement_group(group)


def _reserve(chosen: list[Host]) -> PlacementGroup:
    """Reserve room on these hosts. Ray alone would spread as well, but not leave each host what serving may need.

    Raises:
        NoRoom: others took it meanwhile.
    """
    labels = [{"ray.io/node-id": host.node} for host in chosen]
    group = placement_group([{"CPU": SHARE}] * len(chosen), strategy="SPREAD", bundle_label_selector=labels)
    if not group.wait(_CREATED_SECONDS):
        remove_placement_group(group)
        raise NoRoom("others take the room in the cluster as soon as it is free: try again")
    return group


def _patiently(find: Callable[[], Found]) -> Found:
    """Return what a function finds, tried for some seconds while there is no room."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return find()
        except NoRoom:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_SECONDS)
