"""Replicas as reported by Serve's REST API: how many run, in which processes, and since when."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from raybid.local.environment import authentication, dashboard_headers
from rtb.runtime import calls
from rtb.runtime.settings import Settings

_APPLICATION = "raybid"


class Replica(msgspec.Struct, frozen=True):
    """One replica.

    Attributes:
        replica_id: id from Serve.
        state: `STARTING`, `RUNNING`, `STOPPING`, ...
        pid: process id; `None` until it has one.
    """

    replica_id: str
    state: str
    pid: int | None = None


class Deployment(msgspec.Struct, frozen=True):
    """One deployment.

    Attributes:
        name: name of the deployment.
        replicas: replicas that start, run or stop.
        target_num_replicas: target of autoscaling.
    """

    name: str
    replicas: list[Replica]
    target_num_replicas: int = 0

    @property
    def running(self) -> list[Replica]:
        """Replicas that answer."""
        return [replica for replica in self.replicas if replica.state == "RUNNING"]


class _Application(msgspec.Struct):
    deployments: dict[str, Deployment]


class _Answer(msgspec.Struct):
    applications: dict[str, _Application]


class Count(NamedTuple):
    """The number of a deployment's replicas at one moment.

    Attributes:
        seconds: time, by any clock.
        running: running replicas.
        present: replicas including those that start or stop.
    """

    seconds: float
    running: int
    present: int


def deployments(settings: Settings) -> dict[str, Deployment]:
    """Return the platform's current deployments, by name.

    Raises:
        httpx.HTTPError: Serve does not answer.
    """
    headers = dashboard_headers(authentication(settings))
    url = f"http://127.0.0.1:{settings.dashboard_port}/api/serve/applications/"
    answer = calls.get(url, headers=headers, timeout=10)
    answer.raise_for_status()
    return parsed(answer.content)


def parsed(body: bytes) -> dict[str, Deployment]:
    """Parse the deployments from an answer of the REST API.

    Raises:
        msgspec.ValidationError: it is malformed, or lacks the platform.
    """
    applications = msgspec.json.decode(body, type=_Answer).applications
    if _APPLICATION not in applications:
        raise msgspec.ValidationError(f"Serve reports no application {_APPLICATION!r}")
    return applications[_APPLICATION].deployments


class ReplicaHistory:
    """The number of deployments' replicas over time.

    Args:
        began: time of the clock that times are relative to.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self._counts: dict[str, list[Count]] = {}

    def note(self, found: Iterable[Deployment], at: float | None = None) -> None:
        """Record the current numbers."""
        seconds = (time.monotonic() if at is None else at) - self.began
        for one in found:
            self._counts.setdefault(one.name, []).append(Count(seconds, len(one.running), len(one.replicas)))

    def of(self, name: str) -> Sequence[Count]:
        """Return a deployment's numbers, oldest first."""
        return self._counts.get(name, [])


def reached_at(counts: Iterable[Count], replicas: int) -> float | None:
    """Return when this many first ran; `None`: never."""
    return next((one.seconds for one in counts if one.running >= replicas), None)


def back_at(counts: Sequence[Count], replicas: int, after: float) -> float | None:
    """Return when there were no more than this many again, for good, after a time; `None`: not at the end."""
    found = None
    for one in counts:
        if one.seconds < after:
            continue
        if one.present > replicas:
            found = None
        elif found is None:
            found = one.seconds
    return found
